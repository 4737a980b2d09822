"""Codes that are kept of effects and of refused moves, in words. The API and exports keep the codes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

Words = Mapping[str, Any]

EFFECT_STATES: Final[Words] = MappingProxyType(
    {
        "held": pgettext_lazy("state of an automation", "held"),
        "due": pgettext_lazy("state of an automation", "due"),
        "sending": pgettext_lazy("state of an automation", "in progress"),
        "done": pgettext_lazy("state of an automation", "done"),
        "failed": pgettext_lazy("state of an automation", "failed"),
        "unknown": pgettext_lazy("state of an automation", "possibly sent"),
        "cancelled": pgettext_lazy("state of an automation", "canceled"),
        "suppressed": pgettext_lazy("state of an automation", "not sent"),
    }
)
EFFECT_KINDS: Final[Words] = MappingProxyType(
    {
        "email": pgettext_lazy("kind of automation", "e-mail"),
        "alert": pgettext_lazy("kind of automation", "alert"),
        "escalation": pgettext_lazy("kind of automation", "escalation"),
        "digest": pgettext_lazy("kind of automation", "daily digest"),
        "forecast": pgettext_lazy("kind of automation", "churn forecast"),
        "webhook": pgettext_lazy("kind of automation", "webhook"),
        "event": pgettext_lazy("kind of automation", "event"),
    }
)
SOURCES: Final[Words] = MappingProxyType(
    {
        "UI": gettext_lazy("In the app"),
        "API": gettext_lazy("API"),
        "EventListener": gettext_lazy("Event"),
        "Import": gettext_lazy("Import"),
        "Rule": gettext_lazy("At-risk rule"),
        "Configuration": gettext_lazy("Configuration"),
        "Undo": gettext_lazy("Undo"),
    }
)
REFUSALS: Final[Words] = MappingProxyType(
    {
        "transition_not_allowed": gettext_lazy("Not an allowed next stage"),
        "reason_required": gettext_lazy("Reason missing"),
        "unknown_reason": gettext_lazy("Reason not accepted"),
        "invalid_stage": gettext_lazy("Not a stage"),
        "version_conflict": gettext_lazy("Just updated by someone else"),
        "permission_denied": gettext_lazy("No permission"),
        "actor_mismatch": gettext_lazy("Under another user's name"),
        "stale_event": gettext_lazy("Event too old"),
        "rate_limited": gettext_lazy("Hourly limit reached"),
    }
)


def name_code(words: Words, code: str) -> str:
    """The word for a code; of one that an earlier or later release wrote, the code without its underscores."""
    return str(words.get(code) or code.replace("_", " "))


def name_entry_point(source: str) -> str:
    """How a change came about, as people call it: ``Event``, and by whom where that is kept: ``Event (billing)``."""
    entry, _space, sender = source.partition(" ")
    name = name_code(SOURCES, entry)
    return _("%(name)s (%(sender)s)") % {"name": name, "sender": sender.removeprefix("/")} if sender else name
