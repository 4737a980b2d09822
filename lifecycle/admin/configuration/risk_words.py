"""The words in which the conditions of at-risk rules are chosen: figures with their units, comparisons, actions."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.risk.figures import ARR, BALANCE, DAYS_IN_STAGE, DAYS_TO_RENEWAL, OVERDUE_PERCENT
from tenants.rules.configuration.risk_rules import MOVE, PROPOSE, figures_of_rules

_FIGURES: Final[Mapping[str, str | Promise]] = {
    OVERDUE_PERCENT: gettext_lazy("Overdue balance, in % of the annual revenue"),
    DAYS_TO_RENEWAL: gettext_lazy("Days to the renewal"),
    DAYS_IN_STAGE: gettext_lazy("Days in the stage"),
    BALANCE: gettext_lazy("Overdue balance, in the customer's currency"),
    ARR: gettext_lazy("Annual revenue, in the customer's currency"),
}
_UNITS: Final[Mapping[str, str | Promise]] = {
    "amount": gettext_lazy("in the customer's currency"),
    "percent": gettext_lazy("in %"),
    "count": gettext_lazy("a number"),
    "score": gettext_lazy("from 0 to 5"),
    "days": gettext_lazy("in days"),
    "text": gettext_lazy("text"),
}
COMPARISONS: Final[Mapping[str, str | Promise]] = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "lt": gettext_lazy("is less than"),
    "le": gettext_lazy("is at most"),
    "gt": gettext_lazy("is more than"),
    "ge": gettext_lazy("is at least"),
    "in": gettext_lazy("is one of"),
    "exists": gettext_lazy("is known (true or false)"),
}
RISK_ACTIONS: Final[Mapping[str, str | Promise]] = {
    PROPOSE: gettext_lazy("propose to move the customer"),
    MOVE: gettext_lazy("move the customer"),
}


def describe_figures() -> dict[str, Any]:
    """Path -> what it is, with its unit."""
    return {
        figure.path: _FIGURES.get(figure.path)
        or _("%(path)s, %(unit)s") % {"path": figure.path, "unit": _UNITS[figure.unit]}
        for figure in figures_of_rules()
    }
