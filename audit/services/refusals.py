"""Refused attempts, kept beside the history of what succeeded. Written by whoever outlives the request's rollback."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from audit.models import RefusedAttempt

log = structlog.get_logger(__name__)

# Of one request; a bulk call has at most as many items.
MOST_RECORDED = 1000
LONGEST_DETAIL = 500


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
