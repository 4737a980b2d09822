"""Alerts as people of the tenant see them: their own alone, counted, read, acknowledged."""

import datetime as dt
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from lifecycle.models import Notification
from lifecycle.services.effects.bell import announce_bell
from lifecycle.services.effects.digests import file_alert
from lifecycle.services.effects.preferences import DIGEST, Preference
from lifecycle.services.effects.queue import Job
from tenants.actors import TenantRef
from tenants.rules.effect_texts import Rendered


def notify(
    job: Job,
    *,
    user_id: UUID,
    preference: Preference,
    text: Rendered,
    now: dt.datetime,
    is_escalated: bool = False,
) -> None:
    """Show the person what the job is about, now or with their next digest. Once, however often it is tried.

    One statement, three for a digest.
    """
    digest_id, waits_until = None, None
    if preference.alerts == DIGEST:
        digest_id, waits_until = file_alert(job, user_id=user_id, time_zone=preference.time_zone, now=now)
    Notification.objects.bulk_create(
        [
            Notification(
                tenant_id=job.tenant.id,
                user_id=user_id,
                effect_id=job.id,
                customer_id=job.customer_id,
                effect=job.effect,
                from_stage=job.from_stage or "",
                to_stage=job.to_stage,
                subject=text.subject,
                body=text.body,
                is_escalated=is_escalated,
                digest_id=digest_id,
                waits_until=waits_until,
                created_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    if waits_until is None:
        announce_bell(job.tenant.id, [user_id])


def list_notifications(
    user_id: UUID, *, tenant: TenantRef, unread: bool = False, before: UUID | None = None, limit: int = 50
) -> list[Notification]:
    """A person's notifications, newest first. One statement."""
    found = _shown(user_id, tenant).order_by("-id")
    if unread:
        found = found.filter(read_at=None)
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found[:limit])


def count_notifications(user_id: UUID, *, tenant: TenantRef, unread: bool = False) -> int:
    """How many a person has, or has not read. One statement."""
    return count_unread(user_id, tenant=tenant) if unread else _shown(user_id, tenant).count()


def count_unread(user_id: UUID, *, tenant: TenantRef) -> int:
    """How many they have not read. One statement."""
    return _shown(user_id, tenant).filter(read_at=None).count()


def mark_all_read(user_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> int:
    """Note that the person has read all of theirs; how many. One statement."""
    count = _shown(user_id, tenant).filter(read_at=None).update(read_at=now)
    if count:
        announce_bell(tenant.id, [user_id])
    return count


def mark_read(
    notification_id: UUID, user_id: UUID, *, tenant: TenantRef, now: dt.datetime, acknowledge: bool = False
) -> Notification | None:
    """Note that the person has read it, or takes care of it; None when they have no such notification."""
    mine = _shown(user_id, tenant).filter(id=notification_id)
    if mine.filter(read_at=None).update(read_at=now):
        announce_bell(tenant.id, [user_id])
    if acknowledge:
        mine.filter(acknowledged_at=None).update(acknowledged_at=now)
    return mine.first()


def _shown(user_id: UUID, tenant: TenantRef) -> QuerySet[Notification]:
    """The person's own, without those that wait for a digest."""
    mine = Notification.objects.filter(tenant_id=tenant.id, user_id=user_id)
    return mine.filter(Q(waits_until=None) | Q(waits_until__lte=Now()))
