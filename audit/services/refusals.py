"""Refused attempts, kept beside the history of what succeeded. Written by whoever outlives the request's rollback."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db.models import Count, Max

from audit.models import RefusedAttempt

log = structlog.get_logger(__name__)

# Of one request; a bulk call has at most as many items.
MOST_RECORDED = 1000
LONGEST_DETAIL = 500
KEPT_DAYS = 90
# Of one deleting statement.
PRUNED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who wanted what, by which door, and which rule said no."""

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
    """Attempts by one door."""

    source: str
    attempts: int


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often one rule said no: between which stages, to attempts by which doors, most frequent first.

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
        .annotate(attempts=Count("id"), last_at=Max("attempted_at"))
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


def prune_refusals(tenant_id: UUID, *, before: dt.datetime) -> int:
    """Forget attempts from before then, up to PRUNED_AT_ONCE; how many. One statement, inside the tenant's context."""
    old = RefusedAttempt.objects.filter(tenant_id=tenant_id, attempted_at__lt=before).order_by("attempted_at")
    return RefusedAttempt.objects.filter(id__in=old.values("id")[:PRUNED_AT_ONCE]).delete()[0]


def find_prunable(*, before: dt.datetime, using: str) -> list[UUID]:
    """The tenants that have attempts from before then. One statement over a connection that reads all tenants."""
    rows = RefusedAttempt.objects.using(using).filter(attempted_at__lt=before)
    return list(rows.values_list("tenant_id", flat=True).distinct())


def record_refusals(refusals: Sequence[Refusal]) -> int:
    """Write refused attempts of one tenant, the first MOST_RECORDED of them; the number written. One statement.

    Call inside the tenant's context, in a transaction that the refused request cannot roll back.
    """
    rows = [
        RefusedAttempt(
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
        for refusal in refusals[:MOST_RECORDED]
    ]
    RefusedAttempt.objects.bulk_create(rows)
    return len(rows)


def log_refusals(refusals: Sequence[Refusal]) -> None:
    """One log line a request: who was refused, how often and for what. No customer's data."""
    first = refusals[0]
    codes = sorted({refusal.code for refusal in refusals})
    log.warning(
        "lifecycle change refused",
        tenant=str(first.tenant_id),
        actor=first.actor,
        source=first.source,
        codes=codes,
        attempts=len(refusals),
        customer=str(first.customer_id) if len(refusals) == 1 and first.customer_id else None,
    )
