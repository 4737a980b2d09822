"""What a statement reads of a table, counted by PostgreSQL: a plan's text depends on statistics that come and go."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg


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


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)
