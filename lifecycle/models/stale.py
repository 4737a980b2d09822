"""What the relay has to know of changes that are not in the history."""

from django.db import models


class StaleCopies(models.Model):
    """What a transaction changed that may have copies in Redis: written with the change, deleted by the relay.

    ``profiles`` says for each customer (by id) the version of its profile after the change, ``configuration`` which one
    became live.
    """

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    profiles = models.JSONField(null=True)
    configuration = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = "stale copies"
        verbose_name_plural = "stale copies"

    def __str__(self) -> str:
        return f"stale copies {self.pk}"
