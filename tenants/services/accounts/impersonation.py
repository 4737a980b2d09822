"""Internal staff working for a tenant: with a reason, for an hour, and on the tenant's own record."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from audit.models import AdministrationEntry
from audit.services.administration import record_administration
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value

IMPERSONATION_MINUTES = 60
LONGEST_REASON = 500
ACTION = "impersonate"
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('look:' || %s || %s, 0))"


class ImpersonationRefused(Exception):
    """No one may work for a tenant like this; the sentence says what is missing."""


def read_reason(text: object) -> str:
    """A reason in words, as it is kept; '' for none. Raises ImpersonationRefused for what is none."""
    try:
        return read_line(text, LONGEST_REASON)
    except InvalidValue as error:
        raise ImpersonationRefused(
            _("The reason %(error)s. Nothing was changed.") % {"error": describe_value(error)}
        ) from error


def begin_impersonation(*, tenant: TenantRef, actor: Actor, reason: str, now: dt.datetime) -> dt.datetime:
    """Record that ``actor`` works for the tenant from now on, and why; until when. Raises ImpersonationRefused."""
    reason = read_reason(reason)
    if not reason:
        raise ImpersonationRefused(_("Enter a reason. It is kept in the tenant's administration log."))
    with tenant_context(tenant.id):
        return _record(tenant, actor, reason, now=now, source="UI")


def note_use(
    *, tenant: TenantRef, actor: Actor, reason: str, source: str, now: dt.datetime, request_id: UUID | None = None
) -> None:
    """See to it that the tenant's log says, once an hour and for each reason, that ``actor`` works for the tenant.

    Without a reason any entry of the last hour will do. Two requests at once write one entry. One statement when there
    is an entry. Outside of a transaction it is committed at once: what the request does afterwards cannot take it back.
    """
    with tenant_context(tenant.id):
        if _is_noted(tenant, actor, reason, now=now):
            return
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_TURN, [str(tenant.id), actor.name])
        if not _is_noted(tenant, actor, reason, now=now):
            _record(tenant, actor, reason, now=now, source=source, request_id=request_id)


def _is_noted(tenant: TenantRef, actor: Actor, reason: str, *, now: dt.datetime) -> bool:
    since = now - dt.timedelta(minutes=IMPERSONATION_MINUTES)
    wanted: dict[str, Any] = {"reason": reason} if reason else {}
    return AdministrationEntry.objects.filter(
        # The ids are ordered by time: the index by tenant and id leads past all that is older.
        id__gte=_first_id_of(since - dt.timedelta(minutes=1)),
        tenant_id=tenant.id,
        action=ACTION,
        actor=actor.name,
        recorded_at__gt=since,
        **wanted,
    ).exists()


def _first_id_of(timestamp: dt.datetime) -> UUID:
    """The least UUID of version 7 of a millisecond."""
    return UUID(int=(int(timestamp.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


def _record(
    tenant: TenantRef,
    actor: Actor,
    reason: str,
    *,
    now: dt.datetime,
    source: str,
    request_id: UUID | None = None,
) -> dt.datetime:
    until = now + dt.timedelta(minutes=IMPERSONATION_MINUTES)
    record_administration(
        ACTION,
        tenant.slug,
        tenant_id=tenant.id,
        actor=actor,
        reason=reason,
        detail={"until": until.isoformat(), "source": source},
        request_id=request_id,
        now=now,
    )
    return until
