"""Which stage every customer is in now [DM-1]."""

import uuid_utils.compat
from django.contrib.postgres.fields import ArrayField
from django.db import models

from lifecycle.models.customers import Customer
from lifecycle.queries.status import StatusQuerySet


class CustomerLifecycleStatus(models.Model):
    """One row a customer. ``stage`` is a reference, by name, to the tenant's own stages: the database refuses any
    other text. ``version`` rises by one with each transition and is the ETag; ``head_hash`` is the hash of the
    customer's newest history row. Kept narrow: each index here is paid for by every transition.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, db_constraint=False, related_name="status")
    tenant_id = models.UUIDField()
    stage = models.CharField(max_length=100)
    stage_entered_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    updated_by = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10, help_text="user, service or system: who made the last change.")
    source = models.CharField(max_length=30)
    reason_code = models.CharField(max_length=255, blank=True, default="")
    version = models.PositiveIntegerField()
    head_hash = models.BinaryField()
    # In no index, so that a note or a task costs a transition's indexes nothing. The database keeps both (migrations
    # 0040 and 0052).
    noted_at = models.DateTimeField(null=True, help_text="When the latest note that is kept was written.")
    open_due = ArrayField(
        models.DateField(), null=True, help_text="When the open tasks that have a date are due, the first one first."
    )

    objects = StatusQuerySet.as_manager()

    class Meta:
        db_table = "customer_lifecycle_status"
        verbose_name = "lifecycle status"
        verbose_name_plural = "lifecycle statuses"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "customer"], name="status_one_per_customer"),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "stage", "-updated_at", "-customer"], name="status_by_stage_and_change"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.stage}"
