"""What people keep for themselves about the customers on their first page, and when they were last there."""

import uuid_utils.compat
from django.db import models

from lifecycle.models.data_keys import OfCustomer
from storage.fields import EncryptedText


class Snooze(OfCustomer, models.Model):
    """A person has put a customer aside: until a day, or (``until`` empty) until something changes.

    ``stage_version`` and ``seen`` are what the customer was like: whether the snooze has ended is found by comparing,
    so that no job has to end it. ``reason`` is encrypted under the customer's data key.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    customer_id = models.UUIDField()
    reason = EncryptedText()
    until = models.DateField(null=True)
    stage_version = models.PositiveIntegerField()
    seen = models.JSONField(help_text="The figures of then, as queries.home compares them.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "user_id", "customer_id"], name="snooze_once")]
        indexes = [models.Index(fields=["tenant_id", "customer_id"], name="snooze_of_customer")]

    def __str__(self) -> str:
        return f"snooze of {self.customer_id}"


class HomeVisit(models.Model):
    """When a person last opened the first page. ``previous_at``: when the visit before this one ended."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    last_at = models.DateTimeField()
    previous_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "user_id"], name="home_visit_once")]

    def __str__(self) -> str:
        return f"visit of {self.user_id}"
