"""Alerts as people of the tenant see them: their own alone, counted, read, acknowledged."""

import datetime as dt
from uuid import UUID

from lifecycle.models import Notification
from lifecycle.services.effects.queue import Job
from tenants.actors import TenantRef


def notify(job: Job, *, user_id: UUID, now: dt.datetime) -> None:
    """Show the person what the job is about. Once, however often it is tried. One statement."""
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
                created_at=now,
            )
        ],
        ignore_conflicts=True,
    )


def list_notifications(
    user_id: UUID, *, tenant: TenantRef, unread: bool = False, before: UUID | None = None, limit: int = 50
) -> list[Notification]:
    """A person's notifications, newest first. One statement."""
    found = Notification.objects.filter(tenant_id=tenant.id, user_id=user_id).order_by("-id")
    if unread:
        found = found.filter(read_at=None)
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found[:limit])


def count_unread(user_id: UUID, *, tenant: TenantRef) -> int:
    """How many they have not read. One statement."""
    return Notification.objects.filter(tenant_id=tenant.id, user_id=user_id, read_at=None).count()


def mark_all_read(user_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> int:
    """Note that the person has read all of theirs; how many. One statement."""
    return Notification.objects.filter(tenant_id=tenant.id, user_id=user_id, read_at=None).update(read_at=now)


def mark_read(
    notification_id: UUID, user_id: UUID, *, tenant: TenantRef, now: dt.datetime, acknowledge: bool = False
) -> Notification | None:
    """Note that the person has read it, or takes care of it; None when they have no such notification."""
    mine = Notification.objects.filter(tenant_id=tenant.id, user_id=user_id, id=notification_id)
    mine.filter(read_at=None).update(read_at=now)
    if acknowledge:
        mine.filter(acknowledged_at=None).update(acknowledged_at=now)
    return mine.first()
