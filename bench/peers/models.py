"""A status, its log and an outbox as one would build them on django-fsm-2 and django-fsm-log, with our columns."""

from typing import Any, ClassVar
from uuid import UUID

import uuid_utils.compat
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone
from django_fsm import FSMField, transition
from django_fsm_log.decorators import fsm_log_by, fsm_log_description

OUT_OF_RISK, INTO_RISK = "Active", "At-Risk"


class PeerStatus(models.Model):
    """Which stage a customer is in, as a state machine of django-fsm-2."""

    tenant_id = models.UUIDField()
    customer_id = models.UUIDField(unique=True)
    stage = FSMField(default=OUT_OF_RISK, max_length=100)
    stage_entered_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    updated_by = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    source = models.CharField(max_length=30)
    reason_code = models.CharField(max_length=255, blank=True, default="")
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "stage", "-updated_at", "-customer_id"], name="peer_by_stage_and_change"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.stage}"

    @fsm_log_by  # type: ignore[untyped-decorator]
    @fsm_log_description  # type: ignore[untyped-decorator]
    @transition(field=stage, source=OUT_OF_RISK, target=INTO_RISK)
    def endanger(self, by: Any = None, description: str = "") -> None:
        """Into the stage of risk."""

    @fsm_log_by  # type: ignore[untyped-decorator]
    @fsm_log_description  # type: ignore[untyped-decorator]
    @transition(field=stage, source=INTO_RISK, target=OUT_OF_RISK)
    def recover(self, by: Any = None, description: str = "") -> None:
        """Back out of it."""


class PeerOutbox(models.Model):
    """A message to be sent."""

    tenant_id = models.UUIDField()
    topic = models.CharField(max_length=100)
    key = models.BinaryField()
    history_id = models.UUIDField()
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="peer_outbox_pending", condition=models.Q(published_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"


class PeerUser(AbstractBaseUser):
    """Who calls: what simplejwt reads each time. The id is that of a user of the product: both take the same token."""

    id = models.UUIDField(primary_key=True)
    username = models.CharField(max_length=150, unique=True)
    USERNAME_FIELD = "username"

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return self.username


class PeerMembership(models.Model):
    """What someone is in a tenant."""

    user = models.OneToOneField(PeerUser, on_delete=models.CASCADE)
    tenant_id = models.UUIDField()
    role = models.CharField(max_length=20)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"


def move_with_fsm(customer_id: UUID, *, user: Any, reason: str) -> PeerStatus:
    """One transition: lock, transition (which logs), save, announce; in one transaction."""
    with transaction.atomic():
        status: PeerStatus = PeerStatus.objects.select_for_update().get(customer_id=customer_id)
        now = timezone.now()
        status.stage_entered_at = status.updated_at = now
        status.updated_by, status.actor_kind, status.source = str(user.pk), "user", "API"
        status.version += 1
        if status.stage == OUT_OF_RISK:
            status.reason_code = reason
            status.endanger(by=user, description=reason)
        else:
            status.reason_code = ""
            status.recover(by=user)
        status.save()
        PeerOutbox.objects.create(
            tenant_id=status.tenant_id,
            topic="audit.lifecycle.updated",
            key=str(customer_id).encode(),
            history_id=uuid_utils.compat.uuid7(),
            created_at=now,
        )
    return status
