"""Stays and the sums over them, made of the history: kept up to date, made again, and compared with it.

One way for all three: a batch of customers is read from the history, their stays are made by the rules
(``lifecycle.rules.insight``) and compared with those that are kept. What differs is replaced, and the sums change by
what its stays add up to now and did before. So nothing depends on the order of the work, on late rows or on clocks, and
after a crash the next run goes on. A tenant's batches take turns by a lock.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from lifecycle.queries.insight.facts import COLUMNS, KINDS, OF_CUSTOMERS, OF_EVERYBODY, sum_all, sum_stays
from lifecycle.rules.insight.stages import key_of
from lifecycle.rules.insight.stays import Move, Piece, Report, Worth, pieces_of, worths_of
from lifecycle.services.insight.episodes import LOOSEN, count_wrong_episodes
from lifecycle.services.insight.turns import take_turn
from storage.cursors import insert_rows, plain_array, text_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.configuration.versions import present_names

BATCH: Final = 500
# Of a publication, which moves customers without their doing (``configuration.stage_migrations``).
_BY_CONFIGURATION: Final = "Configuration"

# Whose state is not that of their history and figures.
_OF_BEHIND: Final = """
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
  LEFT JOIN lifecycle_insight_state f ON f.tenant_id = s.tenant_id AND f.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s
   AND (f.customer_id IS NULL OR f.sequence <> s.version OR f.figures <> COALESCE(b.version, 0))
"""
ALL_BEHIND: Final = f"""
SELECT s.customer_id FROM customer_lifecycle_status s{_OF_BEHIND}
 ORDER BY s.customer_id LIMIT %(batch)s
"""  # noqa: S608  constants
# Among those of whom something was recorded lately, by the time in the ids of rows; each is looked up by its key. The
# newest row is asked for first: how many are newer, the planner guesses from the rows of all tenants.
_LATELY: Final = " UNION ".join(
    f"""
        SELECT customer_id FROM {table} WHERE tenant_id = %(tenant_id)s AND id >= %(since)s
           AND %(since)s <= (SELECT id FROM {table} WHERE tenant_id = %(tenant_id)s ORDER BY id DESC LIMIT 1)"""  # noqa: S608  constants
    for table in ("customer_lifecycle_history", "lifecycle_figurechange")
)
LATELY_BEHIND: Final = f"""
SELECT x.customer_id
  FROM ({_LATELY}) r
 CROSS JOIN LATERAL (
       SELECT s.customer_id FROM customer_lifecycle_status s{_OF_BEHIND} AND s.customer_id = r.customer_id OFFSET 0) x
 ORDER BY x.customer_id LIMIT %(batch)s
"""  # noqa: S608  constants
_EVERYBODY: Final = """
SELECT customer_id FROM customer_lifecycle_status
 WHERE tenant_id = %(tenant_id)s AND customer_id > %(after)s ORDER BY customer_id LIMIT %(batch)s
"""
_COUNT: Final = "SELECT count(*) FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s"
_MOVES: Final = """
SELECT customer_id, to_stage, configuration_version, effective_at, recorded_at, reason_code, source
  FROM customer_lifecycle_history
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[]) ORDER BY customer_id, sequence
"""
_REPORTS: Final = """
SELECT customer_id, effective_at, figures->>'billing.arr', figures->>'billing.currency', figures ? 'billing.arr'
  FROM lifecycle_figurechange
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[])
   AND figures ?| '{billing.arr,billing.currency}'
 ORDER BY customer_id, effective_at, id
"""
_PRESENT: Final = """
SELECT s.customer_id, s.version, COALESCE(b.version, 0), b.arr, COALESCE(b.currency, ''), b.occurred_at
  FROM customer_lifecycle_status s
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s AND s.customer_id = ANY(%(customer_ids)s::uuid[])
"""
_KEPT: Final = f"""
SELECT customer_id, {", ".join(Piece._fields)} FROM lifecycle_stay
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[]) ORDER BY customer_id, sequence, piece
"""  # noqa: S608  constants
_FORGET: Final = """
DELETE FROM lifecycle_stay WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[])
"""
_STAYS: Final = ("tenant_id", "customer_id", *Piece._fields)
_KEEP: Final = insert_rows("lifecycle_stay", _STAYS)
_STATES: Final = ("tenant_id", "customer_id", "sequence", "figures")
_NOTE: Final = f"""{insert_rows("lifecycle_insight_state", _STATES)}
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET sequence = EXCLUDED.sequence, figures = EXCLUDED.figures
 WHERE (lifecycle_insight_state.sequence, lifecycle_insight_state.figures) <> (EXCLUDED.sequence, EXCLUDED.figures)
"""
_SUM_OF_CUSTOMERS: Final = f"""
SELECT {COLUMNS} FROM ({sum_all(OF_CUSTOMERS)}) f
"""  # noqa: S608  constants
_FACTS: Final = ("tenant_id", *COLUMNS.split(", "))
_ADD: Final = f"""{insert_rows("lifecycle_insight_fact", _FACTS)}
ON CONFLICT (tenant_id, kind, day, from_stage, to_stage, number, label) DO UPDATE
   SET customers = lifecycle_insight_fact.customers + EXCLUDED.customers,
       arr = lifecycle_insight_fact.arr + EXCLUDED.arr
"""  # noqa: S608  constants
_CLEAR: Final = """
DELETE FROM lifecycle_insight_fact f USING json_populate_recordset(NULL::lifecycle_insight_fact, %(rows)s::json) k
 WHERE (f.tenant_id, f.kind, f.day, f.from_stage, f.to_stage, f.number, f.label)
     = (k.tenant_id, k.kind, k.day, k.from_stage, k.to_stage, k.number, k.label) AND f.customers = 0 AND f.arr = 0
"""
_WRONG_SUMS: Final = f"""
SELECT COALESCE(k.kind, f.kind), count(*) FROM ({sum_all(OF_EVERYBODY)}) f
  FULL JOIN (SELECT * FROM lifecycle_insight_fact WHERE tenant_id = %(tenant_id)s) k
    USING (kind, day, from_stage, to_stage, number, label)
 WHERE (k.customers, k.arr) IS DISTINCT FROM (f.customers, f.arr)
   AND (COALESCE(k.customers, 0), COALESCE(k.arr, 0)) <> (COALESCE(f.customers, 0), COALESCE(f.arr, 0))
 GROUP BY 1 ORDER BY 1
"""  # noqa: S608  constants
_CLEAR_SUMS: Final = """
DELETE FROM lifecycle_insight_fact WHERE tenant_id = %(tenant_id)s AND kind = ANY(%(kinds)s::text[])
"""
_MAKE_SUMS: Final = {
    kind: f"""
INSERT INTO lifecycle_insight_fact (tenant_id, {COLUMNS})
SELECT %(tenant_id)s::uuid, {COLUMNS} FROM ({sum_stays(kind, OF_EVERYBODY)}) f"""  # noqa: S608  constants
    for kind in KINDS
}
# Each move is counted once by each of these kinds, on whatever day: from and to which stage, they have the same sums.
_OF_MOVES: Final = ("flow", "known", "reason", "cohort")
_DISAGREE: Final = f"""
SELECT EXISTS (
       SELECT FROM (SELECT kind, from_stage, to_stage, sum(customers) AS customers FROM lifecycle_insight_fact
                     WHERE tenant_id = %(tenant_id)s AND kind IN ({", ".join(f"'{kind}'" for kind in _OF_MOVES)})
                     GROUP BY 1, 2, 3) k
        GROUP BY from_stage, to_stage
       HAVING min(customers) <> max(customers) OR count(*) FILTER (WHERE customers <> 0) NOT IN (0, {len(_OF_MOVES)}))
"""  # noqa: S608  constants
_STRAY: Final = """
SELECT count(*) FROM (SELECT DISTINCT customer_id FROM lifecycle_stay WHERE tenant_id = %(tenant_id)s) k
 WHERE NOT EXISTS (SELECT FROM customer_lifecycle_status s
                    WHERE s.tenant_id = %(tenant_id)s AND s.customer_id = k.customer_id)
"""
_FIRST: Final = UUID(int=0)

FactKey = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How many customers were compared, and of how many something was not as the history says: their stays, and, where
    nothing is written, their episodes.
    """

    done: int
    total: int
    different: int


def keep_facts(
    tenant: TenantRef,
    *,
    enough: Callable[[], bool] = lambda: False,
    since: UUID | None = None,
    waits: bool = True,
) -> int:
    """Bring the stays and sums of a tenant up to its history, a batch a transaction; how many customers were behind.

    ``since``: only of customers of whom something was recorded with such an id, or a later one. Call outside of any
    transaction. Raises TurnTaken where it does not wait and someone else makes stays.
    """
    caught_up = 0
    among = {} if since is None else {"since": since}
    while not enough():
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            take_turn(tenant, waits=waits)
            behind = _ids(LATELY_BEHIND if among else ALL_BEHIND, tenant, batch=BATCH, **among)
            if behind:
                renew_stays(behind, tenant=tenant)
        caught_up += len(behind)
        if len(behind) < BATCH:
            break
    return caught_up


def rebuild_facts(tenant: TenantRef, *, write: bool = True) -> Iterator[Progress]:
    """Make every customer's stays again from the history, and compare; with ``write`` keep what they are now.

    Yields after each batch, each a transaction of its own; stopped, it can be begun again. Call outside of any.
    """
    after, done, different = _FIRST, 0, 0
    with tenant_context(tenant.id):
        total = _ask(_COUNT, tenant)[0][0]
    yield Progress(0, total, 0)
    while True:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            if write:
                take_turn(tenant)
            batch = _ids(_EVERYBODY, tenant, batch=BATCH, after=after)
            if not batch:
                return
            different += renew_stays(batch, tenant=tenant, write=write)
            if write:
                _execute(LOOSEN, tenant, customer_ids=plain_array(batch))
            else:
                different += count_wrong_episodes(batch, tenant=tenant)
        after, done = batch[-1], done + len(batch)
        yield Progress(done, max(done, total), different)


def find_wrong_sums(tenant: TenantRef) -> dict[str, int]:
    """Kind -> how many sums that are kept are not those of the stays. Stays of no customer count as ``stray``."""
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        wrong = dict(_ask(_WRONG_SUMS, tenant))
        ((stray,),) = _ask(_STRAY, tenant)
    return wrong | ({"stray": stray} if stray else {})


def replace_sums(tenant: TenantRef, kinds: Collection[str] = KINDS, *, waits: bool = True) -> None:
    """Make the sums of these kinds again from the stays, in one transaction. Raises TurnTaken as ``keep_facts``."""
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        take_turn(tenant, waits=waits)
        _execute(_CLEAR_SUMS, tenant, kinds=text_array(kinds))
        for kind, statement in _MAKE_SUMS.items():
            if kind in kinds:
                _execute(statement, tenant)


def repair_sums(tenant: TenantRef) -> dict[str, int]:
    """Make the sums of a tenant again if those of its moves do not agree; what ``find_wrong_sums`` found then.

    A process of another release that does not know of a kind of sums leaves them short (migration 0035). One small
    statement where they agree. Waits for no one (TurnTaken). Call outside of any transaction.
    """
    with tenant_context(tenant.id):
        ((disagree,),) = _ask(_DISAGREE, tenant)
    wrong = find_wrong_sums(tenant) if disagree else {}
    if wrong:
        replace_sums(tenant, wrong, waits=False)
    return wrong


def renew_stays(customer_ids: Sequence[UUID], *, tenant: TenantRef, write: bool = True) -> int:
    """Make the stays of these customers from the history; of how many they differ from those that are kept.

    A dozen statements for any number of customers. Call inside the tenant's context.
    """
    if write:
        take_turn(tenant)
    made, states = _make(customer_ids, tenant)
    kept: dict[UUID, list[Piece]] = defaultdict(list)
    for customer_id, *values in _ask(_KEPT, tenant, customer_ids=plain_array(customer_ids)):
        kept[customer_id].append(Piece(*values))
    changed = [one for one in customer_ids if made.get(one, []) != kept.get(one, [])]
    if write:
        if changed:
            _replace(changed, made, tenant)
        rows = ({"tenant_id": tenant.id, "customer_id": id_, **state} for id_, state in states.items())
        _execute(_NOTE, tenant, rows=_as_json(rows))
    return len(changed)


def make_stays(customer_ids: Sequence[UUID], *, tenant: TenantRef) -> dict[UUID, list[Piece]]:
    """The stays of these customers as their history has them now. Four statements. Call inside the tenant's context."""
    return _make(customer_ids, tenant)[0]


def _make(customer_ids: Sequence[UUID], tenant: TenantRef) -> tuple[dict[UUID, list[Piece]], dict[UUID, Any]]:
    ids = plain_array(customer_ids)
    renames = present_names(tenant)
    keys: dict[tuple[str, int], str] = {}
    present: dict[UUID, Worth | None] = {}
    states: dict[UUID, Any] = {}
    # First: what is written while this reads is seen as behind by the next run.
    for customer_id, sequence, figures, arr, currency, since in _ask(_PRESENT, tenant, customer_ids=ids):
        states[customer_id] = {"sequence": sequence, "figures": figures}
        present[customer_id] = None if arr is None else Worth(since, arr, currency)
    moves: dict[UUID, list[Move]] = defaultdict(list)
    for customer_id, name, version, effective_at, recorded_at, reason, source in _ask(_MOVES, tenant, customer_ids=ids):
        if (name, version) not in keys:
            keys[name, version] = key_of(name, version, renames)
        by_configuration = source == _BY_CONFIGURATION
        moves[customer_id].append(Move(keys[name, version], effective_at, recorded_at, reason, by_configuration))
    reports: dict[UUID, list[Report]] = defaultdict(list)
    for customer_id, at, arr, currency, has_arr in _ask(_REPORTS, tenant, customer_ids=ids):
        reports[customer_id].append(Report(at, None if arr is None else Decimal(arr), currency, has_arr))
    made = {id_: pieces_of(rows, worths_of(reports[id_], present.get(id_))) for id_, rows in moves.items()}
    return made, states


def _replace(customer_ids: Sequence[UUID], made: dict[UUID, list[Piece]], tenant: TenantRef) -> None:
    ids = plain_array(customer_ids)
    before = _sum(ids, tenant)
    _execute(_FORGET, tenant, customer_ids=ids)
    _execute(LOOSEN, tenant, customer_ids=ids)
    rows = (
        {"tenant_id": tenant.id, "customer_id": id_, **piece._asdict()}
        for id_ in customer_ids
        for piece in made.get(id_, ())
    )
    _execute(_KEEP, tenant, rows=_as_json(rows))
    difference = _sum(ids, tenant)
    for key, (customers, arr) in before.items():
        now = difference.get(key, (0, Decimal()))
        difference[key] = (now[0] - customers, now[1] - arr)
    changes = [
        dict(zip(_FACTS, (tenant.id, *key, customers, arr), strict=True))
        for key, (customers, arr) in sorted(difference.items())
        if customers or arr
    ]
    if changes:
        _execute(_ADD, tenant, rows=_as_json(changes))
        _execute(_CLEAR, tenant, rows=_as_json(changes))


def _sum(ids: str, tenant: TenantRef) -> dict[FactKey, tuple[int, Decimal]]:
    found = _ask(_SUM_OF_CUSTOMERS, tenant, customer_ids=ids)
    return {tuple(key): (customers, Decimal(arr)) for *key, customers, arr in found}


def _ids(statement: str, tenant: TenantRef, **parameters: Any) -> list[UUID]:
    return [customer_id for (customer_id,) in _ask(statement, tenant, **parameters)]


def _ask(statement: str, tenant: TenantRef, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, **parameters})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _execute(statement: str, tenant: TenantRef, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, **parameters})


def _as_json(rows: Iterable[dict[str, Any]]) -> str:
    return orjson.dumps(list(rows), default=str).decode()
