"""The admin of this installation."""

from typing import Any

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks

from config.labels import translate_labels


class CustomerAdminConfig(SimpleAdminConfig):
    """Django's admin with our own site class.

    Its pages are imported with the addresses (``config.urls``) and not with the apps: that is most of what there is to
    import, and neither the commands nor the consumer and the relay show a page.
    """

    default_site = "config.admin.CustomerAdminSite"

    def ready(self) -> None:
        """Register Django's checks of the admin, which find the pages there when they run."""
        translate_labels()
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Django's check of every page of the admin."""
    autodiscover()
    errors: list[checks.CheckMessage] = check_admin_app(app_configs, **options)
    return errors
