"""What the consumer remembers: which events were dealt with, which wait for their customer, and which are dead."""

import uuid_utils.compat
from django.contrib.postgres.fields import ArrayField
from django.db import models

from storage.periods import period_field
from tenants.context import NO_TENANT

__all__ = ["NO_TENANT", "DeadLetter", "InboxEvent", "ParkedEvent"]


class InboxEvent(models.Model):
    """An event that was dealt with, once: within a period by its key, across periods by how it is claimed
    (``services.events.inbox``). That makes a second delivery harmless.

    A message that names no usable id is known by where it lies in the log (``rules.envelopes.log_identity``).
    """

    class Outcome(models.TextChoices):
        """What became of it."""

        APPLIED = "applied"
        NOOP = "noop"
        STALE = "stale"
        PARKED = "parked"
        DEAD = "dead"

    pk = models.CompositePrimaryKey("tenant_id", "source", "event_id", "period")
    tenant_id = models.UUIDField()
    source = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    period = period_field()
    type = models.CharField(max_length=100)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}: {self.outcome}"


class ParkedEvent(models.Model):
    """An event for a customer that is not created yet. A later creation releases it; a time limit ends the wait.

    ``value`` is encrypted (``audit.services.message_encryption``): it may name people.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    external_id = models.CharField(max_length=150)
    topic = models.CharField(max_length=255)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    key = models.BinaryField(null=True)
    value = models.BinaryField()
    headers = models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs.")
    parked_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "external_id"], name="parked_by_customer"),
            models.Index(fields=["tenant_id", "expires_at"], name="parked_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset} for {self.external_id}"


class DeadLetter(models.Model):
    """A message that could not be applied: its bytes, why, and what an operator has done about it.

    ``value`` is encrypted. ``tenant_id`` is NO_TENANT when the tenant is unknown. A discarded dead letter keeps its
    facts and loses its bytes. ``subjects`` are the keyed hashes of every customer that the message may be about
    (``storage.cipher.customer_index``); NULL when that is not certain and the message has to be looked into.
    """

    class State(models.TextChoices):
        """Whether it was dealt with."""

        OPEN = "open"
        REPLAYED = "replayed"
        DISCARDED = "discarded"

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    tenant_slug = models.CharField(max_length=255, blank=True, default="", help_text="As the message wrote it.")
    type = models.CharField(max_length=100)
    source = models.CharField(max_length=255, blank=True, default="")
    event_id = models.CharField(max_length=255, blank=True, default="")
    topic = models.CharField(max_length=255)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.JSONField(default=list, help_text="List of [name, base64 value or null] pairs.")
    subjects = ArrayField(models.BinaryField(), null=True, help_text="Keyed hashes of the customers it may be about.")
    code = models.CharField(max_length=50)
    sentence = models.CharField(max_length=1000)
    message = models.JSONField(
        null=True, help_text="The name of the sentence, its parameters, and the code that it is of."
    )
    attempts = models.PositiveIntegerField(default=1)
    failed_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=150, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "state", "-id"], name="dead_letter_by_tenant"),
            models.Index(
                fields=["resolved_at"], name="dead_letter_by_age", condition=models.Q(resolved_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.topic}/{self.partition}/{self.offset}"
