"""Internal staff looking through a tenant's eyes: with a reason, for an hour, and on the tenant's own record."""

import datetime as dt

from audit.services.administration import record_administration
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context

LOOK_MINUTES = 60
LONGEST_REASON = 500


class LookRefused(Exception):
    """Nobody looks through a tenant's eyes like this; the sentence says what is missing."""


def begin_look(*, tenant: TenantRef, actor: Actor, reason: str, now: dt.datetime) -> dt.datetime:
    """Record that ``actor`` works for the tenant from now on, and why; until when he may. Raises LookRefused."""
    reason = reason.replace("\x00", "").strip()
    if not reason:
        raise LookRefused("Say why: the reason is kept in the tenant's administration log.")
    if len(reason) > LONGEST_REASON:
        raise LookRefused(f"The reason has {len(reason):,} characters; at most {LONGEST_REASON} are kept.")
    until = now + dt.timedelta(minutes=LOOK_MINUTES)
    with tenant_context(tenant.id):
        record_administration(
            tenant_id=tenant.id,
            actor=actor.name,
            actor_kind=actor.kind,
            action="look_through",
            subject=tenant.slug,
            reason=reason,
            detail={"until": until.isoformat()},
            now=now,
        )
    return until
