"""What people call what a configuration names: events, fields and figures, measures, kinds of automations, sources."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, FIELDS, SUPPORT
from lifecycle.rules.risk.figures import DAYS_IN_STAGE, DAYS_TO_RENEWAL, OVERDUE_PERCENT
from lifecycle.sentences.codes import name_source
from lifecycle.sentences.fields import FIELD_NAMES, name_field
from lifecycle.sentences.health import name_part
from tenants.rules.configuration.health_formula import CATEGORY
from tenants.sentences.names import Kind

Words = Mapping[str, Any]
_PATHS: Final = frozenset(field.path for field in FIELDS)

# What there is beside the customer's own fields (``name_field``), or is more than one of them.
FIGURE_NAMES: Final[Words] = MappingProxyType(
    {
        OVERDUE_PERCENT: _("Overdue balance, share of the annual revenue"),
        DAYS_TO_RENEWAL: _("Days to the renewal"),
        DAYS_IN_STAGE: _("Days in the stage"),
        "external_id": _("Customer's ID in your systems"),
        BILLING: _("Any billing data"),
        SUPPORT: _("Any support data"),
        "arr": FIELD_NAMES["billing.arr"],
        "contract_id": _("Contract"),
        "signed_at": _("Signed at"),
        "starts_on": FIELD_NAMES["billing.contract_starts_on"],
        "ends_on": FIELD_NAMES["billing.contract_ends_on"],
        "cancelled_at": _("Canceled at"),
        "reason": _("Reason"),
        "issue_id": _("Issue"),
        "severity": _("Severity"),
        "opened_at": _("Opened at"),
        "closed_at": _("Closed at"),
        "open_issues": FIELD_NAMES["support.open_issues"],
        "csat": FIELD_NAMES["support.csat"],
    }
)
PARTS: Final[Words] = MappingProxyType(
    {
        COMPANY: _("Everything about the company"),
        BILLING: _("All billing data"),
        SUPPORT: _("All support data"),
        CONTACTS: FIELD_NAMES["contacts"],
    }
)
EVENTS: Final[Words] = MappingProxyType({name: _(entry.when) for name, entry in EVENT_TYPES.items()})
KIND_WORDS: Final[Words] = MappingProxyType(
    {
        "email": _("send an e-mail"),
        "alert": _("alert people in the app"),
        "forecast": _("forecast the churn again"),
        "webhook": _("call a webhook"),
        "event": _("publish an event"),
    }
)
SOURCE_WORDS: Final[Words] = MappingProxyType(
    {
        "UI": _("people in the app"),
        "API": _("the API"),
        "EventListener": _("events"),
        "Rule": _("at-risk rules"),
        "Import": _("imports"),
        "Configuration": _("a publication"),
    }
)
MEASURE_LABELS: Final[Words] = MappingProxyType(
    {
        CATEGORY: _("category of the stage"),
        "overdue_share": _("overdue balance, in % of the annual revenue"),
        "csat": _("satisfaction (CSAT), 0 to 5"),
        "open_issues": _("open issues"),
        "days_to_renewal": _("days until the renewal (less than 0 when it is past)"),
        "days_over": _("days past what is expected of the stage"),
        "days_in_stage": _("days in the stage"),
        "percent_of_expected": _("time in the stage, in % of what is expected"),
        "days_since_note": _("days since the latest note"),
        "overdue_tasks": _("open tasks that are overdue"),
    }
)


def name_figure(path: str) -> str:
    """What a condition looks at, in words; what is none is called as it is written."""
    known = FIGURE_NAMES.get(path)
    if known is not None:
        return str(known)
    return name_field(path) if path in _PATHS else path


def name_sourced(path: str) -> str:
    """What an order of sources is about: a part of the customer, or a field."""
    known = PARTS.get(path)
    return name_field(path) if known is None else str(known)


def _name_in(words: Words) -> Callable[[str], str]:
    return lambda word: str(words.get(word, word))


NAMERS: Final[Mapping[Kind, Callable[[str], str]]] = MappingProxyType(
    {
        "changed_by": _name_in(SOURCE_WORDS),
        "effect_kind": _name_in(KIND_WORDS),
        "event": _name_in(EVENTS),
        "field": name_figure,
        "measure": _name_in(MEASURE_LABELS),
        "part": name_part,
        "source": name_source,
        "sourced": name_sourced,
    }
)
