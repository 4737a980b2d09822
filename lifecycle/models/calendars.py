"""The secret addresses of people's calendars."""

import uuid_utils.compat
from django.db import models


class CalendarFeed(models.Model):
    """A person's calendar of renewals. Of the secret in its address only a keyed hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    secret_hash = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "user_id"], name="calendar_feed_once")]

    def __str__(self) -> str:
        return f"calendar of {self.user_id}"
