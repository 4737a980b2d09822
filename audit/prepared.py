"""One row in, one row out, at the least cost: a prepared statement run through libpq, past the driver's conversions.

For the statements that run once a request, where the driver's bookkeeping costs more than PostgreSQL's work. Values go
in and come out as the text that PostgreSQL reads and prints; every parameter is cast in the statement itself. Runs on
Django's connection, inside its transaction, and with its errors.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import debug_transaction  # type: ignore[attr-defined]
from psycopg.pq import ConnStatus, TransactionStatus

from audit.database.base import BEGIN
from audit.database.results import check, collect, execute

Row = tuple[str | None, ...]
_PARAMETER = re.compile(r"%\((\w+)\)s")


class Prepared:
    """A statement with named parameters, ``%(name)s::type``, prepared once a connection."""

    def __init__(self, text: str) -> None:
        self.text = text
        numbers: dict[str, int] = {}
        numbered = _PARAMETER.sub(lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", text)
        self._names = tuple(numbers)
        self._command = numbered.replace("%%", "%").encode()
        self._key = b"c360_" + hashlib.sha256(self._command).hexdigest()[:24].encode()

    def run(self, parameters: Mapping[str, str | None], *, using: str = DEFAULT_DB_ALIAS) -> list[Row]:
        """The rows of the answer. One round trip, which also begins the transaction if nothing has yet; more the first
        time on a connection. Raises Django's errors.
        """
        connection: Any = connections[using]
        connection.ensure_connection()
        connection.validate_thread_sharing()
        values = [None if (value := parameters[name]) is None else value.encode() for name in self._names]
        with connection.wrap_database_errors:
            if connection.queries_logged:
                with debug_transaction(connection, self.text):
                    result = self._execute(connection, values)
            else:
                result = self._execute(connection, values)
        columns = range(result.nfields)
        return [tuple([_decode(result.get_value(row, column)) for column in columns]) for row in range(result.ntuples)]

    def _execute(self, connection: Any, values: list[bytes | None]) -> Any:
        raw = connection.connection
        link = raw.pgconn
        if settings.DATABASE_POOLER:
            # The next transaction may run on another server connection, which has nothing prepared.
            _begin(raw)
            link.send_query_params(self._command, values)
            return check(link, collect(link)[-1])
        key = b"%b_%d" % (self._key, raw.rollbacks)
        opening = raw.opening
        if opening is None or key not in raw.prepared_keys:
            _begin(raw)
            if key not in raw.prepared_keys:
                check(link, link.prepare(key, self._command))
                raw.prepared_keys |= {key}
            link.send_query_prepared(key, values)
            return check(link, collect(link)[-1])
        raw.opening = None
        return _run_together(link, opening, key, values)


def _begin(raw: Any) -> None:
    """The driver begins a transaction with a statement of its own only."""
    if raw.opening is not None:
        raw.send_opening()
    elif raw.pgconn.transaction_status == TransactionStatus.IDLE and not raw.autocommit:
        execute(raw.pgconn, BEGIN)


def _run_together(link: Any, opening: tuple[bytes, bytes], key: bytes, values: list[bytes | None]) -> Any:
    """Begin, set the variable and run the statement in one round trip. After an error the rest was not executed."""
    link.enter_pipeline_mode()
    try:
        link.send_query_params(BEGIN, None)
        # The same as set_config(..., true), without a query. Both texts are ours: a variable's name and a UUID.
        link.send_query_params(b"SET LOCAL %b TO '%b'" % opening, None)
        link.send_query_prepared(key, values)
        link.pipeline_sync()
        results = collect(link, until_sync=True)
    finally:
        if link.status == ConnStatus.OK:
            link.exit_pipeline_mode()
    for result in results:
        check(link, result)
    return results[-1]


def _decode(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
