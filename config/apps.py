"""The admin of this installation."""

from django.contrib.admin.apps import AdminConfig


class CustomerAdminConfig(AdminConfig):
    """Django's admin with our own site class."""

    default_site = "config.admin.CustomerAdminSite"
