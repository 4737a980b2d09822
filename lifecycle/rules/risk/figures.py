"""What rules about customers at risk can look at: figures as reported, and what is made of them and of time."""

from collections.abc import Mapping
from typing import Final

from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, fields_of
from lifecycle.rules.figures import ARR, BALANCE, RENEWAL
from tenants.rules.configuration.risk_rules import Figure, Unit

OVERDUE_PERCENT: Final = "billing.overdue_percent"
DAYS_TO_RENEWAL: Final = "billing.days_to_renewal"
DAYS_IN_STAGE: Final = "days_in_stage"

# What the values of a field are to a rule, by their kind; others cannot be compared with anything.
_UNITS: Final[Mapping[str, Unit]] = {
    "amount": "amount",
    "count": "count",
    "score": "score",
    "line": "text",
    "currency": "text",
}
# Fields whose former values are kept.
_KEPT: Final = (
    *fields_of(BILLING),
    *fields_of(SUPPORT),
    *(field for field in fields_of(COMPANY) if field.has_past),
)
RISK_FIGURES: Final[tuple[Figure, ...]] = (
    Figure(OVERDUE_PERCENT, "percent"),
    Figure(DAYS_TO_RENEWAL, "days"),
    Figure(DAYS_IN_STAGE, "days"),
    *(Figure(field.path, _UNITS[field.kind.name]) for field in _KEPT if field.kind.name in _UNITS),
)
# What is made of others -> the reported figures that it needs.
_MADE_OF: Final = {OVERDUE_PERCENT: (BALANCE, ARR), DAYS_TO_RENEWAL: (RENEWAL,), DAYS_IN_STAGE: ()}


def reported_paths(path: str) -> tuple[str, ...]:
    """The figures, as they are reported, that one of the rules' figures needs."""
    return _MADE_OF.get(path, (path,))
