"""What the consumer remembers: which events were dealt with, and which wait for their customer."""

import uuid_utils.compat
from django.db import models


class InboxEvent(models.Model):
    """An event that was dealt with, once: the unique key makes a second delivery harmless."""

    class Outcome(models.TextChoices):
        """What became of it."""

        APPLIED = "applied"
        NOOP = "noop"
        STALE = "stale"
        PARKED = "parked"
        DEAD = "dead"

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    source = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "source", "event_id"], name="inbox_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}: {self.outcome}"


class ParkedEvent(models.Model):
    """An event for a customer that nobody has created yet. A later creation releases it; a time limit ends the wait."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    external_id = models.CharField(max_length=150)
    topic = models.CharField(max_length=100)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.JSONField(default=list)
    parked_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "external_id"], name="parked_by_customer"),
            models.Index(fields=["tenant_id", "expires_at"], name="parked_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset} for {self.external_id}"
