"""Customers and the stages they move through."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.ownership import SOURCE_ROOTS, SOURCED_PATHS
from lifecycle.rules.risk.figures import RISK_FIGURES
from lifecycle.sentences.configuration import NAMERS
from tenants.rules.configuration.events import declare_events
from tenants.rules.configuration.risk_rules import declare_figures
from tenants.rules.configuration.source_priority import declare_sources
from tenants.sentences.names import declare_names


class LifecycleConfig(AppConfig):
    """App configuration."""

    name = "lifecycle"
    verbose_name = gettext_lazy("Customer lifecycle")

    def ready(self) -> None:
        """Tell the configuration's rules which events, fields and sources there are, and its sentences their names."""
        declare_events(
            {name: entry.paths() for name, entry in EVENT_TYPES.items()},
            {name: entry.number_paths() for name, entry in EVENT_TYPES.items()},
        )
        declare_sources(SOURCED_PATHS, SOURCE_ROOTS)
        declare_figures(RISK_FIGURES)
        declare_names(NAMERS)
