"""Sentences for why a configuration was not saved or published."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

REFUSALS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "customers_without_target": _(
            "Customers are still in stages that would be removed: %(by_stage)s. Map each to a target stage. Nothing "
            "was published."
        ),
        "draft_changed": _(
            "The draft was just updated by someone else. Your change was not saved: the draft is at revision "
            "%(current)s, and you edited revision %(expected)s. Review it, then save again."
        ),
        "no_draft": _("There is no such draft. It has been discarded or published."),
        "no_earlier_version": _("There is no earlier version to roll back to."),
        "version_changed": _(
            "The configuration was just updated by someone else. Your change was not saved: version %(current)s is "
            "live, and you expected %(expected)s."
        ),
    }
)
