"""Codes that are kept of effects, refused moves and dead letters, in words. The API and exports keep the codes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from lifecycle.rules.precedence import PEOPLE

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
_SENDERS: Final = {
    "/crm": gettext_lazy("CRM"),
    "/billing": gettext_lazy("Billing"),
    "/support": gettext_lazy("Support"),
    "/import": gettext_lazy("Import"),
    PEOPLE: gettext_lazy("By hand"),
}
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
        "effects_unconfirmed": gettext_lazy("Automations not confirmed"),
        "invalid_request": gettext_lazy("Invalid data"),
        "not_found": gettext_lazy("Unknown customer"),
    }
)

DEAD_LETTERS: Final[Words] = MappingProxyType(
    {
        "unreadable": gettext_lazy("Unreadable message"),
        "invalid_envelope": gettext_lazy("Invalid envelope"),
        "invalid_data": gettext_lazy("Invalid data"),
        "key_mismatch": gettext_lazy("Key is not the customer's"),
        "unknown_type": gettext_lazy("Unknown event type"),
        "source_not_allowed": gettext_lazy("Not this source's data"),
        "unknown_tenant": gettext_lazy("Unknown tenant"),
        "no_configuration": gettext_lazy("No lifecycle published"),
        "unknown_customer": gettext_lazy("Unknown customer"),
        "time_in_future": gettext_lazy("Time in the future"),
        "undecryptable": gettext_lazy("Cannot be decrypted"),
        "internal_error": gettext_lazy("Error on our side"),
        **REFUSALS,
    }
)
DEAD_LETTER_STATES: Final[Words] = MappingProxyType(
    {
        "open": pgettext_lazy("state of a dead letter", "open"),
        "replayed": pgettext_lazy("state of a dead letter", "replayed"),
        "discarded": pgettext_lazy("state of a dead letter", "discarded"),
    }
)

UPLOAD_STATES: Final[Words] = MappingProxyType(
    {
        "reading": pgettext_lazy("state of an uploaded file", "Being read"),
        "refused": pgettext_lazy("state of an uploaded file", "Cannot be read"),
        "ready": pgettext_lazy("state of an uploaded file", "Ready"),
        "checking": pgettext_lazy("state of an uploaded file", "Dry run"),
        "importing": pgettext_lazy("state of an uploaded file", "Being imported"),
        "done": pgettext_lazy("state of an uploaded file", "Imported"),
    }
)
# What becomes of the lines of a file.
LINE_OUTCOMES: Final[Words] = MappingProxyType(
    {
        "created": pgettext_lazy("customers of a file", "created"),
        "changed": pgettext_lazy("customers of a file", "changed"),
        "unchanged": pgettext_lazy("customers of a file", "unchanged"),
        "rejected": pgettext_lazy("lines of a file", "rejected"),
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


def name_source(source: str) -> str:
    """A source as people call it: ``CRM``, ``CRM (eu-1)``."""
    root, _separator, rest = source.removeprefix("/").partition("/")
    name = _SENDERS.get(f"/{root}") if source.startswith("/") else SOURCES.get(source)
    if name is None:
        return source or _("Not known")
    return f"{name} ({rest})" if rest else str(name)
