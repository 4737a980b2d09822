"""Moving the customers of a stage that a configuration took away."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class StageMigration(models.Model):
    """One job: bring every customer of ``from_stage`` to ``to_stage``, in batches, resumable at any point.

    With ``undo_request_id`` only those whose last transition was made under that request, out of ``undo_from_stage``: a
    reverted publication.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    configuration_version = models.PositiveIntegerField()
    from_stage = models.CharField(max_length=100)
    to_stage = models.CharField(max_length=100)
    reason_code = models.CharField(max_length=255, blank=True, default="")
    request_id = models.UUIDField()
    undo_request_id = models.UUIDField(null=True)
    undo_from_stage = models.CharField(max_length=100, blank=True, db_default="", help_text="As it was called then.")
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    total = models.PositiveIntegerField(help_text="Customers to move when the job was made.")
    moved = models.PositiveIntegerField(default=0)
    starts_effects = models.BooleanField(default=False, db_default=False, help_text="Who published has asked for it.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # How many customers the batch before moved; not stored.
    last_batch: int = 0

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id"], name="stage_migration_unfinished", condition=Q(finished_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_stage} -> {self.to_stage}: {self.moved} of {self.total}"
