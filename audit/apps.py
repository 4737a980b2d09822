"""The floor of the house: history, outbox, data keys. It imports none of the other apps."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class AuditConfig(AppConfig):
    """App configuration."""

    name = "audit"
    verbose_name = gettext_lazy("Audit trail")
