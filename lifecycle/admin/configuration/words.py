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
from lifecycle.sentences.configuration import FIGURE_NAMES, PARTS, name_sourced
from lifecycle.sentences.fields import name_field
from tenants.rules.configuration.risk_rules import MOVE, PROPOSE, figures_of_rules, find_figure
from tenants.rules.configuration.source_priority import sourced_paths

Words = Mapping[str, str | Promise]

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
MOMENTS: Final[Words] = {
    "enter": pgettext_lazy("what a customer does", "enters"),
    "leave": pgettext_lazy("what a customer does", "leaves"),
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
    name = FIGURE_NAMES.get(path)
    return Offered(path, name_field(path) if name is None else str(name), str(UNITS.get(unit, "")))


def offer_paths() -> list[tuple[str, str]]:
    """The parts and fields for which an order of sources can be given, with their names; parts first."""
    named = [(path, name_sourced(path)) for path in sourced_paths()]
    fields = [pair for pair in named if pair[0] not in PARTS]
    return [pair for pair in named if pair[0] in PARTS] + sorted(fields, key=lambda pair: pair[1].casefold())


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
