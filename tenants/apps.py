"""Tenants, their people and their lifecycle configuration."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """App configuration; registers the database role check."""

    name = "tenants"
    verbose_name = "Tenants and people"

    def ready(self) -> None:
        """Register the checks; leave the time of a log-in to ``tenants.services.logins``.

        Django's own receiver would save a user outside any tenant's context, where no row can be changed.
        """
        from django.contrib.auth.signals import user_logged_in

        from tenants import checks  # noqa: F401

        user_logged_in.disconnect(dispatch_uid="update_last_login")
