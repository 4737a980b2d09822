"""Answers kept for a day, so that a client may repeat a request without repeating its effect."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class IdempotentRequest(models.Model):
    """The first answer to an Idempotency-Key: written in the transaction of the change itself.

    ``customer_ids`` are the customers that the request named. An erased one's answers lose their bodies and are refused
    instead of repeated.
    """

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    principal = models.CharField(max_length=150)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(help_text="SHA-256 of method, path, If-Match and canonical body.")
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    customer_ids = ArrayField(models.UUIDField(), null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "principal", "key"], name="idempotency_key_once"),
        ]
        indexes = [models.Index(fields=["tenant_id", "created_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"
