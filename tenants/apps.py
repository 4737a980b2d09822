"""Tenants, their people and their lifecycle configuration."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class TenantsConfig(AppConfig):
    """App configuration; registers the database role check."""

    name = "tenants"
    verbose_name = gettext_lazy("Tenants and people")

    def ready(self) -> None:
        """Register the checks; leave the time of a log-in to ``tenants.services.accounts.logins``.

        Django's own receiver would save a user outside any tenant's context, where no row can be changed. It finds its
        place taken, since this app is ready before Django's.
        """
        from django.contrib.auth.signals import user_logged_in

        from tenants import checks  # noqa: F401

        user_logged_in.connect(leave_last_login, dispatch_uid="update_last_login")


def leave_last_login(**_: Any) -> None:
    """In place of Django's: the service that checks the password has recorded the log-in."""
