"""Prepared statements in as few messages as PostgreSQL's protocol allows, by libpq as psycopg hands it out.

What opens the transaction, preparing and running go out together as one pipeline and are waited for once. psycopg's own
pipeline waits for BEGIN first, and Django knows none.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from django.conf import settings
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, TransactionStatus

from storage.database.results import check, collect, collect_pipeline

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s|%%")


class _Statement(NamedTuple):
    name: bytes
    text: bytes
    parameters: tuple[str, ...]
    formats: list[PyFormat]


def fetch_rows(
    raw: Any, query: str, parameters: Mapping[str, Any], *, first: bytes | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one of the few statements of the hot path on a ``storage.database.base.Connection``: its columns and rows.

    Placeholders are named, and each has a type from its place in the statement or from a cast. With another statement
    that goes ``first`` both are a transaction of their own, which ends with the answer: statements of one pipeline are
    one to PostgreSQL. The connection must be in none. Raises psycopg's errors.
    """
    statement = _compile(query)
    transformer = Transformer.from_context(raw)
    values = transformer.dump_sequence([parameters[name] for name in statement.parameters], statement.formats)
    result = _run(raw, statement, values, first)
    transformer.set_pgresult(result)
    columns = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
    return columns, transformer.load_rows(0, result.ntuples, tuple)


def _run(raw: Any, statement: _Statement, values: Any, first: bytes | None) -> Any:
    link = raw.pgconn
    with raw.lock:
        before = (first,) if first else raw.take_opening()
        if not before and not raw.autocommit and link.transaction_status == TransactionStatus.IDLE:
            before = (b"BEGIN",)
        # Behind a transaction-mode pooler the next transaction may run on another server connection.
        is_kept = not settings.DATABASE_POOLER
        if is_kept and not before and statement.name in raw.prepared:
            link.send_query_prepared(statement.name, values)
            return check(link, collect(link, allowed=raw.allowed_seconds)[-1])
        link.enter_pipeline_mode()
        try:
            for opening in before:
                link.send_query_params(opening, None)
            if before and raw.required:
                # Its answer comes before the statement runs, however long that takes.
                link.send_flush_request()
            is_new = is_kept and statement.name not in raw.prepared
            if is_new:
                # It is not known whether the driver has deallocated it at the last rollback; to close what is not there
                # is no error.
                link.send_close_prepared(statement.name)
                link.send_prepare(statement.name, statement.text)
            if is_kept:
                link.send_query_prepared(statement.name, values)
            else:
                link.send_query_params(statement.text, values)
            link.pipeline_sync()
            first_within = raw.opening_seconds if before else None
            results = collect_pipeline(link, first_within=first_within, allowed=raw.allowed_seconds)
        finally:
            if link.status == ConnStatus.OK:
                link.exit_pipeline_mode()
        for number, result in enumerate(results, 1):
            check(link, result)
            if number == len(before):
                raw.check_opening(result)
        if is_new:
            raw.prepared.add(statement.name)
        return results[-1]


@cache
def _compile(query: str) -> _Statement:
    """The statement as PostgreSQL takes it. Kept for ever: queries are constants."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}" if found[1] else "%"

    text = _PLACEHOLDER.sub(number, query).encode()
    name = b"c360_" + hashlib.sha256(text).hexdigest()[:24].encode()
    return _Statement(name, text, tuple(numbers), [PyFormat.TEXT] * len(numbers))
