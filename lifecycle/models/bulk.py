"""Many customers that one person has chosen, and the change that is made to all of them."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class BulkChange(models.Model):
    """One selection of customers, and what is done to it once that is confirmed; resumable at any point.

    Its ``id`` is also the request id of what it changes. ``after`` is the last customer that was dealt with: they are
    taken in the order of their ids. ``waits_until``: the person's budget of changes has no room before.
    """

    class Kind(models.TextChoices):
        """What is done to the customers."""

        MOVE = "move"
        OWNER = "owner"

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    updates_per_hour = models.PositiveIntegerField(null=True, help_text="The person's budget; empty without one.")
    total = models.PositiveIntegerField(help_text="Customers that were chosen.")
    stage = models.CharField(max_length=100, blank=True, default="", help_text="Where they move to.")
    reason_code = models.CharField(max_length=255, blank=True, default="")
    owner = models.CharField(max_length=150, blank=True, default="", help_text="Whom they get, if that is the change.")
    mute_reason = models.CharField(max_length=500, blank=True, default="", help_text="Why nothing is started.")
    configuration_version = models.PositiveIntegerField(null=True, help_text="The one that was shown.")
    effects = models.PositiveIntegerField(default=0, help_text="How many were confirmed.")
    moved = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    after = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, help_text="When it was confirmed.")
    waits_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    is_stopped = models.BooleanField(default=False, help_text="A person has ended it before the last customer.")

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id"],
                name="bulk_change_unfinished",
                condition=Q(finished_at__isnull=True, started_at__isnull=False),
            ),
            models.Index(fields=["created_at"], name="bulk_change_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.total}: {self.done} done"

    @property
    def done(self) -> int:
        """The customers that were dealt with."""
        return self.moved + self.unchanged + self.refused


class BulkChangeItem(models.Model):
    """One customer of a selection, as it was when it was chosen. ``code``: what became of it; empty before."""

    pk = models.CompositePrimaryKey("tenant_id", "change_id", "customer_id")
    tenant_id = models.UUIDField()
    change_id = models.UUIDField()
    customer_id = models.UUIDField()
    version = models.PositiveIntegerField(help_text="Of its stage, or of its company where the owner is changed.")
    stage = models.CharField(max_length=100)
    code = models.CharField(max_length=30, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.customer_id} of {self.change_id}: {self.code}"
