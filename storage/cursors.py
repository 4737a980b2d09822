"""Server-side bound, prepared statements on Django's own connection, and arrays the cheap way.

Django binds parameters on the client and undoes preparation; for the few statements of the hot path a prepared
``psycopg.Cursor`` halves the work of the backend.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections

from storage.database.base import set_variable
from storage.database.prepared import fetch_rows

# Statements that a connection keeps prepared; the lists alone have dozens of forms.
KEPT: Final = 400


class _PreparedCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        # Behind a transaction-mode pooler the next transaction may run on another server connection.
        if settings.DATABASE_POOLER:
            return super().execute(query, params, binary=False)
        # Django has switched preparing off for the connection, and then asking for it is not enough. It stays off for
        # Django's own statements, whose text carries the values.
        raw = self.connection
        raw.prepare_threshold, raw.prepared_max = 0, KEPT
        try:
            return super().execute(query, params, prepare=True, binary=False)
        finally:
            raw.prepare_threshold = None


def prepared_cursor(using: str) -> Any:
    """A cursor that prepares what it executes, on Django's connection, and with its errors.

    Tests count its statements like any other. In DEBUG they are not logged: Django would keep the text of thousands
    of statements, each with all the rows of a batch in it.
    """
    connection = connections[using]
    connection.ensure_connection()
    connection.validate_thread_sharing()
    cursor: Any = _PreparedCursor(connection.connection)
    return connection.make_debug_cursor(cursor) if connection.force_debug_cursor else connection.make_cursor(cursor)


def fetch_prepared(query: str, parameters: Mapping[str, Any], *, using: str) -> list[tuple[Any, ...]]:
    """The rows of a prepared statement, on Django's connection and with its errors: one message to the server.

    When it is the first statement of a tenant's context, what begins the transaction goes with it. For constant
    statements with named placeholders, on paths where each wait counts.
    """
    return _fetch(query, parameters, using)[1]


def fetch_prepared_dicts(query: str, parameters: Mapping[str, Any], *, using: str) -> list[dict[str, Any]]:
    """As ``fetch_prepared``, the rows by the names of their columns."""
    columns, rows = _fetch(query, parameters, using)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def fetch_alone_dicts(
    query: str, parameters: Mapping[str, Any], variable: str, value: UUID, *, using: str
) -> list[dict[str, Any]]:
    """As ``fetch_prepared_dicts``, in a transaction of its own in which ``variable`` is set: one message, one answer.

    Only where there is no transaction, and for a statement that writes nothing.
    """
    columns, rows = _fetch(query, parameters, using, first=set_variable(variable, value))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def is_watched(using: str) -> bool:
    """Whether someone wants to see every statement by itself: a test that counts them."""
    connection = connections[using]
    return bool(connection.force_debug_cursor or connection.execute_wrappers)


def _fetch(
    query: str, parameters: Mapping[str, Any], using: str, *, first: bytes | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    connection = connections[using]
    if is_watched(using):
        with prepared_cursor(using) as cursor:
            cursor.execute(query, parameters)
            return [column.name for column in cursor.description], cursor.fetchall()
    connection.ensure_connection()
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        return fetch_rows(connection.connection, query, parameters, first=first)


def plain_array(values: Iterable[Any]) -> str:
    """A PostgreSQL array literal of values whose text needs no quoting: UUIDs and whole numbers."""
    return "{" + ",".join(map(str, values)) + "}"


def uuid_array(values: Iterable[UUID]) -> str:
    """The same of UUIDs alone, in half the time: PostgreSQL reads them without hyphens."""
    return "{" + ",".join([f"{value.int:032x}" for value in values]) + "}"


def bytea_array(values: Iterable[bytes]) -> str:
    """A PostgreSQL array literal of binary values."""
    return "{" + ",".join('"\\\\x' + value.hex() + '"' for value in values) + "}"


def text_array(values: Iterable[str | None]) -> str:
    """A PostgreSQL array literal of texts; None becomes NULL. An all-empty column may be left out as ``{}``."""
    values = list(values)
    # Thousands of rows have a few stages and reasons between them.
    quoted = {value: "NULL" if value is None else _quote(value) for value in set(values)}
    return "{" + ",".join([quoted[value] for value in values]) + "}"


def sparse_text_array(values: Sequence[str | None]) -> str:
    """Like ``text_array``, but ``{}`` when no value is set: ``unnest`` pads a shorter array with NULL."""
    return text_array(values) if any(values) else "{}"


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def insert_rows(table: str, columns: Iterable[str]) -> str:
    """The beginning of a statement that inserts ``%(rows)s``, a JSON array of objects, into these columns alone.

    Never ``SELECT *``: while a release is rolled out the table may have columns that this code does not know, and they
    must get their defaults, not NULL.
    """
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, %(rows)s::json) "  # noqa: S608  constants
