"""A stage change, of one customer or of thousands, that is being undone."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class Undo(models.Model):
    """One job: bring everyone back whom ``request_id`` moved and no one has moved since; resumable at any point.

    ``after`` is the last customer that was dealt with: they are taken in the order of their ids.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    request_id = models.UUIDField(help_text="Of the change that is undone.")
    reason = models.CharField(max_length=255, blank=True, default="")
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    to_move = models.PositiveIntegerField(help_text="Customers to move back when it was asked for.")
    moved_since = models.PositiveIntegerField(help_text="Customers that had been moved on, and stay where they are.")
    effects_cancelled = models.PositiveIntegerField()
    effects_already_done = models.PositiveIntegerField()
    moved = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0, help_text="Whose former stage is gone, for example.")
    after = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_undo"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "request_id"], name="undo_once_a_request")]
        indexes = [models.Index(fields=["tenant_id"], name="undo_unfinished", condition=Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"undo of {self.request_id}: {self.moved} of {self.to_move}"
