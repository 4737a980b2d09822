"""Refused attempts, kept beside the history of what succeeded. Written by what outlives the request's rollback."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Count, Max, Sum

from audit.models import RefusedAttempt
from storage.periods import turn_periods

log = structlog.get_logger(__name__)

# Of one request; a bulk call has at most as many items.
MOST_RECORDED = 1000
# Of one actor in one minute; what is refused beyond is counted on the rows that are kept.
MOST_KEPT_A_MINUTE = 60
MINUTE = dt.timedelta(minutes=1)
LONGEST_DETAIL = 500
KEPT_DAYS = 90
PERIOD = dt.timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who wanted what, through which entry point, and which rule said no."""

    tenant_id: UUID
    attempted_at: dt.datetime
    actor: str
    actor_kind: str
    source: str
    code: str
    detail: str
    customer_id: UUID | None = None
    from_stage: str = ""
    to_stage: str = ""
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SourceCount:
    """Attempts through one entry point."""

    source: str
    attempts: int


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often one rule said no: between which stages, to attempts through which entry points, most frequent first.

    ``from_stage`` is empty where it was not looked at: for a missing permission, say.
    """

    code: str
    from_stage: str
    to_stage: str
    attempts: int
    last_at: dt.datetime
    sources: tuple[SourceCount, ...]


def summarise_refusals(tenant_id: UUID, since: dt.datetime) -> list[RuleCount]:
    """What was refused since then, a rule each, most frequent first. One statement, inside the tenant's context."""
    rows = (
        RefusedAttempt.objects.filter(tenant_id=tenant_id, attempted_at__gte=since)
        .values_list("code", "from_stage", "to_stage", "source")
        .annotate(attempts=Count("id") + Sum("more"), last_at=Max("attempted_at"))
    )
    grouped: dict[tuple[str, str, str], list[tuple[SourceCount, dt.datetime]]] = {}
    for code, from_stage, to_stage, source, attempts, last_at in rows:
        grouped.setdefault((code, from_stage, to_stage), []).append((SourceCount(source, attempts), last_at))
    rules = [
        RuleCount(
            *key,
            attempts=sum(count.attempts for count, _ in found),
            last_at=max(last_at for _, last_at in found),
            sources=tuple(sorted((count for count, _ in found), key=lambda count: (-count.attempts, count.source))),
        )
        for key, found in grouped.items()
    ]
    return sorted(rules, key=lambda rule: (-rule.attempts, rule.code, rule.from_stage, rule.to_stage))


def forget_refusals(*, using: str = DEFAULT_DB_ALIAS) -> int:
    """Drop the periods of attempts older than KEPT_DAYS, of all tenants, and begin the next one when it is time; how
    many were dropped. Attempts are kept for up to PERIOD longer. Call outside of any transaction.
    """
    return turn_periods("audit_refused_attempt", every=PERIOD, kept=dt.timedelta(days=KEPT_DAYS), using=using)


def record_refusals(refusals: Sequence[Refusal], *, in_turn: bool = False) -> int:
    """Write refused attempts of one tenant and actor, and how many more there were; the number written.

    Of an actor MOST_KEPT_A_MINUTE are kept a minute; the others are added to ``more`` of a row of the same rule, or of
    the last one. At most four statements, whatever the number. ``in_turn``: two calls at once take turns, so that the
    limit is exact; for a transaction that ends with this. Call inside the tenant's context, in a transaction that the
    refused request cannot roll back.
    """
    first = refusals[0]
    with connection.cursor() as cursor:
        if in_turn:
            cursor.execute(_TAKE_TURN, {"tenant_id": first.tenant_id, "actor": first.actor})
        cursor.execute(
            _KEPT, {"tenant_id": first.tenant_id, "actor": first.actor, "since": first.attempted_at - MINUTE}
        )
        kept: list[tuple[UUID, _Rule]] = [(id_, tuple(rule)) for id_, *rule in cursor.fetchall()]
    room = max(0, MOST_KEPT_A_MINUTE - len(kept))
    rows = [_as_row(refusal) for refusal in refusals[:room]]
    kept += [(row.id, _rule_of(row)) for row in rows]
    left = Counter(_rule_of(_as_row(refusal)) for refusal in refusals[room:])
    places = {rule: id_ for id_, rule in kept}
    more: Counter[UUID] = Counter()
    for rule, count in left.items():
        more[places.get(rule, kept[-1][0])] += count
    for row in rows:
        row.more = more.pop(row.id, 0)
    RefusedAttempt.objects.bulk_create(rows)
    if more:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, {"tenant_id": first.tenant_id, "ids": list(more), "counts": list(more.values())})
    return len(rows)


# Which rule refused, between which stages, through which entry point.
_Rule = tuple[str, ...]
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('refused:' || %(tenant_id)s::text || %(actor)s, 0))"
_KEPT = """
SELECT id, code, from_stage, to_stage, source FROM audit_refused_attempt
 WHERE tenant_id = %(tenant_id)s AND attempted_at > %(since)s AND actor = %(actor)s ORDER BY attempted_at, id
"""
_ADD = """
UPDATE audit_refused_attempt a SET more = a.more + added.count
  FROM unnest(%(ids)s::uuid[], %(counts)s::int[]) AS added(id, count)
 WHERE a.id = added.id AND a.tenant_id = %(tenant_id)s
"""


def _as_row(refusal: Refusal) -> RefusedAttempt:
    return RefusedAttempt(
        tenant_id=refusal.tenant_id,
        customer_id=refusal.customer_id,
        attempted_at=refusal.attempted_at,
        actor=refusal.actor,
        actor_kind=refusal.actor_kind,
        source=refusal.source,
        from_stage=refusal.from_stage[:100],
        to_stage=refusal.to_stage[:100],
        code=refusal.code,
        detail=refusal.detail[:LONGEST_DETAIL],
        request_id=refusal.request_id,
    )


def _rule_of(row: RefusedAttempt) -> _Rule:
    return row.code, row.from_stage, row.to_stage, row.source


def log_refusals(refusals: Sequence[Refusal]) -> None:
    """One log line a request: who was refused, how often and for what. No customer's data."""
    first = refusals[0]
    codes = sorted({refusal.code for refusal in refusals})
    log.warning(
        "lifecycle change refused",
        source=first.source,
        codes=codes,
        attempts=len(refusals),
        customer=str(first.customer_id) if len(refusals) == 1 and first.customer_id else None,
    )
