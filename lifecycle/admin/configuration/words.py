"""The words in which rules and automations are chosen: what can be looked at, with its unit, comparisons, occasions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from lifecycle.admin.configuration.rows import EXISTS, MISSING, ConditionRow
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT
from lifecycle.rules.risk.figures import DAYS_IN_STAGE, DAYS_TO_RENEWAL, OVERDUE_PERCENT
from lifecycle.sentences.fields import FIELD_NAMES, name_field
from tenants.rules.configuration.risk_rules import MOVE, PROPOSE, figures_of_rules, find_figure
from tenants.rules.configuration.source_priority import sourced_paths

Words = Mapping[str, str | Promise]

# What there is beside the customer's own fields (``name_field``), or is more than one of them.
NAMES: Final[Words] = {
    OVERDUE_PERCENT: gettext_lazy("Overdue balance, share of the annual revenue"),
    DAYS_TO_RENEWAL: gettext_lazy("Days to the renewal"),
    DAYS_IN_STAGE: gettext_lazy("Days in the stage"),
    "external_id": gettext_lazy("Customer's ID in your systems"),
    BILLING: gettext_lazy("Any billing data"),
    SUPPORT: gettext_lazy("Any support data"),
    "arr": FIELD_NAMES["billing.arr"],
    "contract_id": gettext_lazy("Contract"),
    "signed_at": gettext_lazy("Signed at"),
    "starts_on": FIELD_NAMES["billing.contract_starts_on"],
    "ends_on": FIELD_NAMES["billing.contract_ends_on"],
    "cancelled_at": gettext_lazy("Canceled at"),
    "reason": gettext_lazy("Reason"),
    "issue_id": gettext_lazy("Issue"),
    "severity": gettext_lazy("Severity"),
    "opened_at": gettext_lazy("Opened at"),
    "closed_at": gettext_lazy("Closed at"),
    "open_issues": FIELD_NAMES["support.open_issues"],
    "csat": FIELD_NAMES["support.csat"],
}
PARTS: Final[Words] = {
    COMPANY: gettext_lazy("Everything about the company"),
    BILLING: gettext_lazy("All billing data"),
    SUPPORT: gettext_lazy("All support data"),
    CONTACTS: FIELD_NAMES["contacts"],
}
# By the kind of a field, or the unit of a figure.
UNITS: Final[Words] = {
    "amount": gettext_lazy("in the customer's currency"),
    "percent": gettext_lazy("%"),
    "score": gettext_lazy("of 5"),
    "days": gettext_lazy("days"),
    "day": gettext_lazy("(a day, such as 2026-12-31)"),
    "timestamp": gettext_lazy("(a time, such as 2026-12-31T18:00:00+00:00)"),
    "currency": gettext_lazy("(a code, such as EUR)"),
}
COMPARISONS: Final[Words] = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "lt": gettext_lazy("is less than"),
    "le": gettext_lazy("is at most"),
    "gt": gettext_lazy("is more than"),
    "ge": gettext_lazy("is at least"),
    "in": gettext_lazy("is one of (separated by commas)"),
    EXISTS: gettext_lazy("is known"),
    MISSING: gettext_lazy("is not known"),
}
RISK_ACTIONS: Final[Words] = {
    PROPOSE: gettext_lazy("propose to move the customer"),
    MOVE: gettext_lazy("move the customer"),
}
EVENTS: Final[Words] = {name: gettext_lazy(entry.when) for name, entry in EVENT_TYPES.items()}
MOMENTS: Final[Words] = {
    "enter": pgettext_lazy("what a customer does", "enters"),
    "leave": pgettext_lazy("what a customer does", "leaves"),
}
KIND_WORDS: Final[Words] = {
    "email": gettext_lazy("send an e-mail"),
    "alert": gettext_lazy("alert people in the app"),
    "forecast": gettext_lazy("forecast the churn again"),
    "webhook": gettext_lazy("call a webhook"),
    "event": gettext_lazy("publish an event"),
}
SOURCE_WORDS: Final[Words] = {
    "UI": gettext_lazy("people in the app"),
    "API": gettext_lazy("the API"),
    "EventListener": gettext_lazy("events"),
    "Rule": gettext_lazy("at-risk rules"),
    "Import": gettext_lazy("imports"),
    "Configuration": gettext_lazy("a publication"),
}


@dataclass(frozen=True, slots=True)
class Offered:
    """Something that a condition can look at: its path, what it is called, and what follows its value."""

    path: str
    name: str
    unit: str


@cache
def _units_of(event: str) -> Mapping[str, str]:
    return {path: kind.name for path, kind in EVENT_TYPES[event].kinds_of_paths().items()}


def offer_figures() -> list[Offered]:
    """What at-risk rules can look at."""
    return [_offer(figure.path, figure.unit) for figure in figures_of_rules()]


def is_text(row: ConditionRow) -> bool:
    """Whether what a condition of an at-risk rule looks at is a text: other values cannot be compared with it."""
    figure = find_figure(row.field)
    return figure is not None and not figure.is_number


def offer_fields(event: str) -> list[Offered]:
    """What a condition on an event of this type can look at, by name; nothing of an event that is not chosen yet."""
    units = _units_of(event) if event in EVENT_TYPES else {}
    return sorted((_offer(path, unit) for path, unit in units.items()), key=lambda one: one.name.casefold())


def _offer(path: str, unit: str) -> Offered:
    name = NAMES.get(path)
    return Offered(path, name_field(path) if name is None else str(name), str(UNITS.get(unit, "")))


def offer_paths() -> list[tuple[str, str]]:
    """The parts and fields for which an order of sources can be given, with their names; parts first."""
    parts = [(path, str(PARTS[path])) for path in sourced_paths() if path in PARTS]
    fields = [(path, name_field(path)) for path in sourced_paths() if path not in PARTS]
    return parts + sorted(fields, key=lambda pair: pair[1].casefold())


def say_conditions(rows: Iterable[ConditionRow], offered: Iterable[Offered]) -> str:
    """Conditions in one sentence: “Open issues is at least 3 and Satisfaction is less than 2 of 5”."""
    known = {one.path: one for one in offered}
    said = []
    for row in rows:
        if not row.is_blank:
            one = known.get(row.field, Offered(row.field, row.field, ""))
            words = [one.name, str(COMPARISONS.get(row.op, row.op))]
            said.append(" ".join(words if row.op in (EXISTS, MISSING) else filter(None, [*words, row.value, one.unit])))
    return _(" and ").join(said)
