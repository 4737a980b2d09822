"""The sums over stays that are kept: changed with the stays, compared with them, and made again.

There are those of everybody, those by segment, which add up to those of everybody, and those of owners of very many
customers (``owners``).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from lifecycle.queries.insight.facts import (
    COLUMNS,
    KINDS,
    OF_CUSTOMERS,
    OF_EVERYBODY,
    OF_OWNERS,
    OF_SEGMENTS,
    OF_SOME_OWNERS,
    PIECES,
    Stays,
    sum_all,
    sum_stays,
)
from lifecycle.services.insight.statements import as_json, ask, execute
from lifecycle.services.insight.turns import take_turn
from storage.cursors import insert_rows, plain_array, text_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context

_SUM_OF_CUSTOMERS: Final = f"""{PIECES}
SELECT whose, {COLUMNS} FROM ({sum_all(OF_CUSTOMERS)}) f
"""  # noqa: S608  constants


class Counted(NamedTuple):
    """In whose sums, beside those of everybody, a customer is counted; None: in none."""

    segment: str | None = None
    owner: str | None = None


FactKey = tuple[Any, ...]
# Of customers that are counted in the same sums: what a fact is of, how many, and how much.
Total = tuple[Counted, FactKey, int, Decimal]


@dataclass(frozen=True, slots=True)
class _Sums:
    """A table of sums: of everybody, or parted by a column, which is one of ``Counted``, too."""

    table: str
    stays: Stays
    part: str = ""
    suffix: str = ""

    @property
    def columns(self) -> str:
        return f"{self.part}, {COLUMNS}" if self.part else COLUMNS

    @property
    def key(self) -> str:
        return self.columns.removesuffix(", customers, arr")

    @property
    def selected(self) -> str:
        """The columns, of the facts of stays."""
        return f"whose AS {self.columns}" if self.part else COLUMNS

    @property
    def add(self) -> str:
        return f"""{insert_rows(self.table, ("tenant_id", *self.columns.split(", ")))}
ON CONFLICT (tenant_id, {self.key}) DO UPDATE
   SET customers = {self.table}.customers + EXCLUDED.customers, arr = {self.table}.arr + EXCLUDED.arr
"""  # noqa: S608  constants

    @property
    def clear(self) -> str:
        of_row = ", ".join(f"f.{name}" for name in self.key.split(", "))
        return f"""
DELETE FROM {self.table} f USING json_populate_recordset(NULL::{self.table}, %(rows)s::json) k
 WHERE (f.tenant_id, {of_row}) = (k.tenant_id, {of_row.replace("f.", "k.")}) AND f.customers = 0 AND f.arr = 0
"""  # noqa: S608  constants

    @property
    def wrong(self) -> str:
        return f"""
SELECT COALESCE(k.kind, f.kind) || '{self.suffix}', count(*)
  FROM (SELECT {self.selected} FROM ({sum_all(self.stays)}) s) f
  FULL JOIN (SELECT * FROM {self.table} WHERE tenant_id = %(tenant_id)s) k USING ({self.key})
 WHERE (k.customers, k.arr) IS DISTINCT FROM (f.customers, f.arr)
   AND (COALESCE(k.customers, 0), COALESCE(k.arr, 0)) <> (COALESCE(f.customers, 0), COALESCE(f.arr, 0))
 GROUP BY 1 ORDER BY 1
"""  # noqa: S608  constants

    @property
    def remove(self) -> str:
        return f"DELETE FROM {self.table} WHERE tenant_id = %(tenant_id)s AND kind = ANY(%(kinds)s::text[])"  # noqa: S608  constants

    def make(self, kind: str, stays: Stays | None = None) -> str:
        return f"""
INSERT INTO {self.table} (tenant_id, {self.columns})
SELECT %(tenant_id)s::uuid, {self.selected} FROM ({sum_stays(kind, stays or self.stays)}) f"""  # noqa: S608  constants


_OF_OWNERS: Final = _Sums("lifecycle_owner_fact", OF_OWNERS, "owner", " by owner")
_TABLES: Final = (
    _Sums("lifecycle_insight_fact", OF_EVERYBODY),
    _Sums("lifecycle_segment_fact", OF_SEGMENTS, "segment", " by segment"),
    _OF_OWNERS,
)
# What makes the sums of some ``owners`` that have none.
MAKE_OF_OWNERS: Final = tuple(_OF_OWNERS.make(kind, OF_SOME_OWNERS) for kind in KINDS)
# Each move is counted once by each of these kinds, on whatever day: from and to which stage, they have the same sums.
# Those of all segments add up to those of everybody, on each day and in each currency; an owner's have as many moves as
# their customers have rows.
_OF_MOVES: Final = ("flow", "known", "reason", "cohort")
_DISAGREE: Final = f"""
SELECT EXISTS (
       SELECT FROM (SELECT kind, from_stage, to_stage, sum(customers) AS customers FROM lifecycle_insight_fact
                     WHERE tenant_id = %(tenant_id)s AND kind IN ({", ".join(f"'{kind}'" for kind in _OF_MOVES)})
                     GROUP BY 1, 2, 3) k
        GROUP BY from_stage, to_stage
       HAVING min(customers) <> max(customers) OR count(*) FILTER (WHERE customers <> 0) NOT IN (0, {len(_OF_MOVES)}))
    OR EXISTS (
       SELECT FROM (SELECT kind, day, from_stage, to_stage, number, label, customers, arr FROM lifecycle_insight_fact
                     WHERE tenant_id = %(tenant_id)s AND kind IN ('flow', 'value')
                     UNION ALL
                    SELECT kind, day, from_stage, to_stage, number, label, - customers, - arr
                      FROM lifecycle_segment_fact
                     WHERE tenant_id = %(tenant_id)s AND kind IN ('flow', 'value')) k
        GROUP BY kind, day, from_stage, to_stage, number, label HAVING sum(customers) <> 0 OR sum(arr) <> 0)
    OR EXISTS (
       SELECT FROM (SELECT owner, sequence AS moves FROM lifecycle_insight_state
                     WHERE tenant_id = %(tenant_id)s AND owner IS NOT NULL
                     UNION ALL
                    SELECT owner, - customers FROM lifecycle_owner_fact
                     WHERE tenant_id = %(tenant_id)s AND kind = 'flow') k
        GROUP BY owner HAVING sum(moves) <> 0)
"""  # noqa: S608  constants
_STRAY: Final = """
SELECT count(*) FROM (SELECT DISTINCT customer_id FROM lifecycle_stay WHERE tenant_id = %(tenant_id)s) k
 WHERE NOT EXISTS (SELECT FROM customer_lifecycle_status s
                    WHERE s.tenant_id = %(tenant_id)s AND s.customer_id = k.customer_id)
"""
# Not of stays: what health reads of notes and tasks, which the database keeps with each status (migrations 0040, 0052).
_LATEST_NOTES: Final = "latest notes"
_OPEN_TASKS: Final = "open tasks"
_WRONG_OF_STATUS: Final = {
    _LATEST_NOTES: """
SELECT s.customer_id FROM customer_lifecycle_status s
  LEFT JOIN (SELECT customer_id, max(created_at) AS latest FROM lifecycle_note
              WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL GROUP BY 1) n ON n.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s AND s.noted_at IS DISTINCT FROM n.latest
""",
    _OPEN_TASKS: """
SELECT s.customer_id FROM customer_lifecycle_status s
  LEFT JOIN (SELECT customer_id, array_agg(due_key ORDER BY due_key) AS due FROM lifecycle_task
              WHERE tenant_id = %(tenant_id)s AND done_at IS NULL AND due_key < date '9999-12-31'
              GROUP BY 1) n ON n.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s AND s.open_due IS DISTINCT FROM n.due
""",
}
_RENEW_OF_STATUS: Final = {
    _LATEST_NOTES: f"SELECT renew_latest_notes(%(tenant_id)s, ARRAY({_WRONG_OF_STATUS[_LATEST_NOTES]}))",
    _OPEN_TASKS: f"SELECT renew_open_tasks(%(tenant_id)s, ARRAY({_WRONG_OF_STATUS[_OPEN_TASKS]}))",
}


def sum_stays_of(counted: Mapping[UUID, Counted], *, tenant: TenantRef) -> list[Total]:
    """What the stays of these customers add up to now, by where they are counted and by what facts are of. One
    statement.
    """
    groups = sorted(set(counted.values()), key=str)
    numbers = {group: number for number, group in enumerate(groups)}
    asked = {
        "customer_ids": plain_array(counted),
        "counted_with": plain_array(numbers[group] for group in counted.values()),
    }
    rows = ask(_SUM_OF_CUSTOMERS, tenant, **asked)
    return [(groups[number], tuple(key), customers, Decimal(arr)) for number, *key, customers, arr in rows]


def change_sums(before: Iterable[Total], after: Iterable[Total], *, tenant: TenantRef) -> None:
    """Take away what stays added up to before, and add what they do now. Six statements at most, those of an upsert
    and of a look for sums that came to nothing for each table. Call in the tenant's context, in its turn.
    """
    changes: dict[_Sums, dict[FactKey, list[Any]]] = {table: defaultdict(lambda: [0, Decimal()]) for table in _TABLES}
    for sign, found in ((-1, before), (1, after)):
        for counted, key, customers, arr in found:
            for table, totals in changes.items():
                part = getattr(counted, table.part) if table.part else None
                if table.part and part is None:
                    continue
                total = totals[(part, *key) if table.part else key]
                total[0] += sign * customers
                total[1] += sign * arr
    for table, totals in changes.items():
        names = ("tenant_id", *table.columns.split(", "))
        different = [
            dict(zip(names, (tenant.id, *key, *total), strict=True))
            for key, total in sorted(totals.items())
            if any(total)
        ]
        if different:
            rows_of_table = as_json(different)
            execute(table.add, tenant, rows=rows_of_table)
            execute(table.clear, tenant, rows=rows_of_table)


def find_wrong_sums(tenant: TenantRef) -> dict[str, int]:
    """Kind -> how many sums that are kept are not those of the stays; "flow by segment": of segments, "by owner": of
    owners. Stays of no customer count as ``stray``, customers whose latest note was at another time than is kept as
    ``latest notes``, and those whose open tasks are due on other days as ``open tasks``.
    """
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        wrong = {kind: count for table in _TABLES for kind, count in ask(table.wrong, tenant)}
        ((stray,),) = ask(_STRAY, tenant)
        found = {"stray": stray} | {what: len(ask(wrong_of, tenant)) for what, wrong_of in _WRONG_OF_STATUS.items()}
    return wrong | {kind: count for kind, count in found.items() if count}


def replace_sums(tenant: TenantRef, kinds: Collection[str] | None = None, *, waits: bool = True) -> None:
    """Make the sums of these kinds, as ``find_wrong_sums`` names them, or of all, again from the stays, in one
    transaction. Raises TurnTaken as ``keep_facts``.
    """
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        take_turn(tenant, waits=waits)
        for table in _TABLES:
            wanted = [kind for kind in KINDS if kinds is None or f"{kind}{table.suffix}" in kinds]
            execute(table.remove, tenant, kinds=text_array(wanted))
            for kind in wanted:
                execute(table.make(kind), tenant)
        for what, renew in _RENEW_OF_STATUS.items():
            if kinds is None or what in kinds:
                execute(renew, tenant)


def repair_sums(tenant: TenantRef) -> dict[str, int]:
    """Make the sums of a tenant again if those of its moves do not agree; what ``find_wrong_sums`` found then.

    A process of another release that does not know of a kind of sums leaves them short (migration 0035). One small
    statement where they agree. Waits for no one (TurnTaken). Call outside of any transaction.
    """
    with tenant_context(tenant.id):
        ((disagree,),) = ask(_DISAGREE, tenant)
    wrong = find_wrong_sums(tenant) if disagree else {}
    if wrong:
        replace_sums(tenant, wrong, waits=False)
    return wrong
