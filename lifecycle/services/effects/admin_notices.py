"""Notifications to a tenant's admins about what the product has stopped by itself."""

import datetime as dt
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid4

from lifecycle.models import Notification
from lifecycle.services.effects.bell import announce_bell
from tenants.models import User
from tenants.roles import Role

if TYPE_CHECKING:
    from lifecycle.services.effects.queue import Job


def notify_admins(sentence: str, job: "Job", *, now: dt.datetime) -> None:
    """Have each active admin of the job's tenant see the sentence at once, beside the customer at whom it showed.

    Call in the tenant's context. Two statements.
    """
    tenant_id = job.tenant.id
    admins = list(
        User.objects.filter(
            tenant_id=tenant_id, role=Role.TENANT_ADMIN, is_active=True, is_service_account=False
        ).values_list("id", flat=True)
    )
    Notification.objects.bulk_create(
        Notification(
            tenant_id=tenant_id,
            user_id=user_id,
            # Of no effect: one for each of them.
            effect_id=uuid4(),
            customer_id=job.customer_id,
            effect=sentence,
            from_stage=job.from_stage or "",
            to_stage=job.to_stage,
            created_at=now,
        )
        for user_id in admins
    )
    announce_bell(tenant_id, admins)
