"""Tenants, their people and their lifecycle configuration."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """App configuration; registers the database role check."""

    name = "tenants"
    verbose_name = "Tenants and people"

    def ready(self) -> None:
        """Register the checks."""
        from tenants import checks  # noqa: F401
