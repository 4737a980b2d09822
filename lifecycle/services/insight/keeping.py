"""Stays and the sums over them, made of the history: kept up to date, made again, and compared with it.

One way for all three: a batch of customers is read from the history, their stays are made by the rules
(``lifecycle.rules.insight``) and compared with those that are kept. What differs is replaced, and the sums change by
what its stays add up to now and did before: those of everybody, of its segment, and of its owner if that one has any
(``sums``, ``owners``). So nothing depends on the order of the work, on late rows or on clocks, and after a crash the
next run goes on. A tenant's batches take turns by a lock.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from lifecycle.rules.insight.stages import key_of
from lifecycle.rules.insight.stays import Move, Piece, Report, Worth, pieces_of, worths_of
from lifecycle.services.customers.statistics import INSIGHT_TABLES, LARGE_LOAD, refresh_statistics
from lifecycle.services.insight.episodes import count_wrong_episodes, loosen_episodes
from lifecycle.services.insight.owners import choose_owners
from lifecycle.services.insight.statements import as_json, ask, execute
from lifecycle.services.insight.sums import Counted, change_sums, sum_stays_of
from lifecycle.services.insight.turns import take_turn
from storage.cursors import insert_rows, plain_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.configuration.versions import present_names

BATCH: Final = 500
# Of a publication, which moves customers without their doing (``configuration.stage_migrations``).
_BY_CONFIGURATION: Final = "Configuration"

# Whose state is not that of their history, figures, segment and owner, as far as the owner has sums.
_OF_BEHIND: Final = """
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
  LEFT JOIN lifecycle_counted_owner o ON o.tenant_id = c.tenant_id AND o.owner = c.owner_key
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
  LEFT JOIN lifecycle_insight_state f ON f.tenant_id = s.tenant_id AND f.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s
   AND (f.customer_id IS NULL OR f.sequence <> s.version OR f.figures <> COALESCE(b.version, 0)
        OR f.segment IS DISTINCT FROM lower(c.segment) OR f.owner IS DISTINCT FROM o.owner)
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
SELECT s.customer_id, s.version, COALESCE(b.version, 0), b.arr, COALESCE(b.currency, ''), b.occurred_at,
       lower(c.segment), o.owner
  FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
  LEFT JOIN lifecycle_counted_owner o ON o.tenant_id = c.tenant_id AND o.owner = c.owner_key
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s AND s.customer_id = ANY(%(customer_ids)s::uuid[])
"""
_KEPT: Final = f"""
SELECT customer_id, {", ".join(Piece._fields)} FROM lifecycle_stay
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[]) ORDER BY customer_id, sequence, piece
"""  # noqa: S608  constants
_FORGET: Final = """
DELETE FROM lifecycle_stay p USING unnest(%(customer_ids)s::uuid[]) w(customer_id)
 WHERE p.tenant_id = %(tenant_id)s AND p.customer_id = w.customer_id
"""
_STAYS: Final = ("tenant_id", "customer_id", *Piece._fields)
_KEEP: Final = insert_rows("lifecycle_stay", _STAYS)
_COUNTED: Final = """
SELECT customer_id, segment, owner FROM lifecycle_insight_state
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[])
"""
_NOTED: Final = ("sequence", "figures", *Counted._fields)
_NOTE: Final = f"""{insert_rows("lifecycle_insight_state", ("tenant_id", "customer_id", *_NOTED))}
ON CONFLICT (tenant_id, customer_id) DO UPDATE
   SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _NOTED)}
 WHERE ({", ".join(f"lifecycle_insight_state.{name}" for name in _NOTED)})
       IS DISTINCT FROM ({", ".join(f"EXCLUDED.{name}" for name in _NOTED)})
"""  # noqa: S608  constants

_FIRST: Final = UUID(int=0)


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
    At the end owners of very many customers get sums, and those who have few again lose theirs (``owners``).

    ``since``: only of customers of whom something was recorded with such an id, or a later one. Call outside of any
    transaction. Raises TurnTaken where it does not wait and someone else makes stays.
    """
    caught_up, due = 0, LARGE_LOAD
    among = {} if since is None else {"since": since}
    while not enough():
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            take_turn(tenant, waits=waits)
            behind = _ids(LATELY_BEHIND if among else ALL_BEHIND, tenant, batch=BATCH, **among)
            if behind:
                renew_stays(behind, tenant=tenant)
        caught_up += len(behind)
        is_done = len(behind) < BATCH
        if caught_up >= due or (is_done and caught_up >= LARGE_LOAD):
            with tenant_context(tenant.id):
                refresh_statistics(INSIGHT_TABLES)
            due *= 4
        if is_done:
            choose_owners(tenant, since=since, waits=waits)
            break
    return caught_up


def rebuild_facts(tenant: TenantRef, *, write: bool = True, again: Sequence[float] = ()) -> Iterator[Progress]:
    """Make every customer's stays again from the history, and compare; with ``write`` keep what they are now.

    Yields after each batch, each a transaction of its own; stopped, it can be begun again. Call outside of any.
    Without ``write`` customers who differ are looked at ``again``, after so many seconds each time, as long as there
    are any: who was just written to is only behind, until the job has seen it. The last look counts.
    """
    after, done, different = _FIRST, 0, 0
    suspects: list[list[UUID]] = []
    with tenant_context(tenant.id):
        total = ask(_COUNT, tenant)[0][0]
    yield Progress(0, total, 0)
    while True:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            if write:
                take_turn(tenant)
            batch = _ids(_EVERYBODY, tenant, batch=BATCH, after=after)
            if not batch:
                break
            if write:
                found = renew_stays(batch, tenant=tenant)
                loosen_episodes(batch, tenant=tenant)
            elif found := _count_wrong(batch, tenant):
                suspects.append(batch)
        different += found
        after, done = batch[-1], done + len(batch)
        yield Progress(done, max(done, total), different)
    for seconds in again:
        if not suspects:
            return
        time.sleep(seconds)
        counts = []
        for batch in suspects:
            with tenant_context(tenant.id):
                allow_seconds(JOB_SECONDS)
                counts.append(_count_wrong(batch, tenant))
        suspects = [batch for batch, count in zip(suspects, counts, strict=True) if count]
        yield Progress(done, max(done, total), sum(counts))


def _count_wrong(batch: list[UUID], tenant: TenantRef) -> int:
    return renew_stays(batch, tenant=tenant, write=False) + count_wrong_episodes(batch, tenant=tenant)


def renew_stays(customer_ids: Sequence[UUID], *, tenant: TenantRef, write: bool = True) -> int:
    """Make the stays of these customers from the history; of how many they differ from those that are kept.

    A dozen statements for any number of customers. Call inside the tenant's context.
    """
    if write:
        take_turn(tenant)
    made, states = _make(customer_ids, tenant)
    kept: dict[UUID, list[Piece]] = defaultdict(list)
    ids = plain_array(customer_ids)
    for customer_id, *values in ask(_KEPT, tenant, customer_ids=ids):
        kept[customer_id].append(Piece(*values))
    counted = {id_: Counted(*parts) for id_, *parts in ask(_COUNTED, tenant, customer_ids=ids)}
    changed = [one for one in customer_ids if made.get(one, []) != kept.get(one, [])]
    before = {one: counted.get(one, Counted()) for one in customer_ids}
    after = {one: Counted(*map(states[one].get, Counted._fields)) if one in states else before[one] for one in before}
    moved = [one for one in customer_ids if after[one] != before[one] and one in made]
    different = sorted({*changed, *moved})
    if write:
        if different:
            before, after = ({one: of[one] for one in different} for of in (before, after))
            _replace(changed, made, tenant, before=before, after=after)
        rows = ({"tenant_id": tenant.id, "customer_id": id_, **state} for id_, state in states.items())
        execute(_NOTE, tenant, rows=as_json(rows))
    return len(different)


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
    for customer_id, sequence, figures, arr, currency, since, *counted in ask(_PRESENT, tenant, customer_ids=ids):
        parts = zip(Counted._fields, counted, strict=True)
        states[customer_id] = {"sequence": sequence, "figures": figures, **dict(parts)}
        present[customer_id] = None if arr is None else Worth(since, arr, currency)
    moves: dict[UUID, list[Move]] = defaultdict(list)
    for customer_id, name, version, effective_at, recorded_at, reason, source in ask(_MOVES, tenant, customer_ids=ids):
        if (name, version) not in keys:
            keys[name, version] = key_of(name, version, renames)
        by_configuration = source == _BY_CONFIGURATION
        moves[customer_id].append(Move(keys[name, version], effective_at, recorded_at, reason, by_configuration))
    reports: dict[UUID, list[Report]] = defaultdict(list)
    for customer_id, at, arr, currency, has_arr in ask(_REPORTS, tenant, customer_ids=ids):
        reports[customer_id].append(Report(at, None if arr is None else Decimal(arr), currency, has_arr))
    made = {id_: pieces_of(rows, worths_of(reports[id_], present.get(id_))) for id_, rows in moves.items()}
    return made, states


def _replace(
    customer_ids: Sequence[UUID],
    made: Mapping[UUID, list[Piece]],
    tenant: TenantRef,
    *,
    before: Mapping[UUID, Counted],
    after: Mapping[UUID, Counted],
) -> None:
    """Replace the stays of these customers; the sums are those of customers who were counted in those of ``before`` and
    are in those of ``after``, which may be more customers.
    """
    ids = plain_array(customer_ids)
    before_sums = sum_stays_of(before, tenant=tenant)
    if customer_ids:
        execute(_FORGET, tenant, customer_ids=ids)
        loosen_episodes(customer_ids, tenant=tenant)
        rows = (
            {"tenant_id": tenant.id, "customer_id": id_, **piece._asdict()}
            for id_ in customer_ids
            for piece in made.get(id_, ())
        )
        execute(_KEEP, tenant, rows=as_json(rows))
    change_sums(before_sums, sum_stays_of(after, tenant=tenant), tenant=tenant)


def _ids(statement: str, tenant: TenantRef, **parameters: Any) -> list[UUID]:
    return [customer_id for (customer_id,) in ask(statement, tenant, **parameters)]
