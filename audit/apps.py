"""The floor of the house: history, outbox, data keys. It imports none of the other apps."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """App configuration."""

    name = "audit"
    verbose_name = "Audit trail"
