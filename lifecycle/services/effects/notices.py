"""Notifications that people cause themselves: a colleague was mentioned in a note, or given a task.

They go where alerts go and keep to the same preferences: at once, with the daily digest, or not at all.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from uuid import UUID

from audit.models import LifecycleHistory
from lifecycle.models import Notification, NotificationPreference
from lifecycle.services.effects.bell import announce_bell
from lifecycle.services.effects.digests import file_alert
from lifecycle.services.effects.plan import make_lanes
from lifecycle.services.effects.preferences import DIGEST, OFF, Preference
from tenants.actors import TenantRef

# What a digest says of them, and programs read in ``effect``. Nothing of the text: it is for the customer's page.
_NAMES: Final[Mapping[str, str]] = {
    Notification.MENTION: "You were mentioned in a note",
    Notification.TASK: "A task was assigned to you",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """That ``made_by`` has written ``about_id``. ``occasion`` tells two notices about the same thing apart."""

    kind: str
    about_id: UUID
    customer_id: UUID
    made_by: str
    occasion: int = 1


@dataclass(frozen=True, slots=True)
class _Filed:
    tenant: TenantRef
    history_id: UUID
    configuration_version: int


def notify_people(notice: Notice, user_ids: Collection[UUID], *, tenant: TenantRef, now: dt.datetime) -> None:
    """Have each person see the notice as they prefer. Once, however often it is tried.

    Call in the tenant's context and the transaction that writes what it is about. Three statements, three more for
    each person with a digest; none without people.
    """
    if not user_ids:
        return
    chosen = NotificationPreference.objects.filter(tenant_id=tenant.id, user_id__in=list(user_ids))
    preferences = {row.user_id: Preference(row.alerts, row.time_zone) for row in chosen}
    rows = []
    for user_id in sorted(user_ids):
        preference = preferences.get(user_id, Preference())
        if preference.alerts == OFF:
            continue
        digest_id, waits_until = None, None
        filed = _find_filed(notice.customer_id, tenant) if preference.alerts == DIGEST else None
        if filed is not None:
            make_lanes(tenant.id)
            digest_id, waits_until = file_alert(filed, user_id=user_id, time_zone=preference.time_zone, now=now)
        rows.append(
            Notification(
                tenant_id=tenant.id,
                user_id=user_id,
                effect_id=_id_of(notice, user_id, tenant),
                customer_id=notice.customer_id,
                kind=notice.kind,
                about_id=notice.about_id,
                made_by=notice.made_by,
                effect=_NAMES[notice.kind],
                digest_id=digest_id,
                waits_until=waits_until,
                created_at=now,
            )
        )
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    at_once = [row.user_id for row in rows if row.waits_until is None]
    if at_once:
        announce_bell(tenant.id, at_once)


def _find_filed(customer_id: UUID, tenant: TenantRef) -> _Filed | None:
    """What a digest may begin with; None for a customer that has no stage yet: then the notice is shown at once."""
    history = LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("-sequence")
    row = history.values_list("id", "configuration_version").first()
    return None if row is None else _Filed(tenant, *row)


def _id_of(notice: Notice, user_id: UUID, tenant: TenantRef) -> UUID:
    named = f"{tenant.id}|{notice.kind}|{notice.about_id}|{notice.occasion}|{user_id}"
    return UUID(bytes=blake2b(named.encode(), digest_size=16).digest(), version=5)
