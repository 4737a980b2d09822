"""Customers and the stages they move through."""

from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    """App configuration."""

    name = "lifecycle"
    verbose_name = "Customer lifecycle"
