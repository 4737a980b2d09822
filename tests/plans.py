"""What a statement reads of a table, counted by PostgreSQL: a plan's text depends on statistics that come and go."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection
from django.db.models import QuerySet
from psycopg.types.json import Jsonb

NUMBERED = "lpad(to_hex(n), 32, '0')::uuid"


def count_rows_read(cursor: psycopg.Cursor[Any], statement: str, values: Any, *, of: str = "") -> int:
    """Run the statement; the rows that its scans of ``of`` (a table's name or alias; of everything) looked at.

    Partitions of a table with an alias are that alias with a number.
    """
    cursor.execute("EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, FORMAT JSON) " + statement, values)  # type: ignore[arg-type]
    (plan,) = cursor.fetchone() or ((),)
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in _walk((plan if isinstance(plan, list) else orjson.loads(plan))[0]["Plan"])
        if (not of or of == node.get("Relation Name") or of == re.sub(r"_\d+$", "", node.get("Alias", "")))
        and "Scan" in node["Node Type"]
    )


def count_rows_of(superuser: psycopg.Connection[Any], rows: QuerySet[Any], *, of: str) -> int:
    """The same of a query of Django's, among the rows that the superuser's transaction has."""
    statement, values = rows.query.sql_with_params()
    with superuser.cursor() as cursor:
        return count_rows_read(cursor, statement, values, of=of)


def copy_rows(superuser: psycopg.Connection[Any], rows: QuerySet[Any], numbers: range, **other: str) -> None:
    """A copy of the rows for each number, which only the superuser's transaction sees.

    ``other`` is what differs, as SQL of the number ``n``; NUMBERED is a key of that number, and a copy has its row's
    key with the number at its end. Foreign keys are not looked at: what they name, another transaction made.
    """
    statement, values = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(t) FROM ({statement}) t", values)
        found = [orjson.loads(row) if isinstance(row, str) else row for (row,) in cursor.fetchall()]
    table = rows.model._meta.db_table
    other = {"id": "overlay(made->>'id' PLACING lpad(to_hex(n), 12, '0') FROM 25)", **other}
    pairs = ", ".join(f"'{name}', {expression}" for name, expression in other.items())
    superuser.execute("SET LOCAL session_replication_role = replica")
    statement = (
        f"INSERT INTO {table} SELECT copied.*"
        " FROM generate_series(%(first)s::int, %(last)s::int) n, unnest(%(rows)s::jsonb[]) made,"
        f" jsonb_populate_record(NULL::{table}, made || jsonb_build_object({pairs})) copied"
    )
    values = {"first": numbers[0], "last": numbers[-1], "rows": [Jsonb(row) for row in found]}
    superuser.execute(statement, values)  # type: ignore[arg-type]


def forget_others(superuser: psycopg.Connection[Any], tenant_id: Any, tables: Sequence[str]) -> None:
    """Delete the rows of all other tenants, in the superuser's transaction: beside what other tests have left, a tenant
    of a few hundred rows is a small part of the table, and the planner takes another way. What was gathered of these
    tables goes with them: the planner knows nothing of them until ``count_statistics``.
    """
    superuser.execute("SET LOCAL session_replication_role = replica")
    for table in tables:
        superuser.execute(f"DELETE FROM {table} WHERE tenant_id <> %s", [tenant_id])  # type: ignore[arg-type]
        superuser.execute("DELETE FROM pg_statistic WHERE starelid = %s::regclass", [table])
        superuser.execute("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = %s::regclass", [table])


def count_statistics(superuser: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    """Tell the planner of all rows that are there, so that its choice is the same each time."""
    superuser.execute(f"ANALYZE {', '.join(tables)}")  # type: ignore[arg-type]


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)
