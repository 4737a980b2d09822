"""The figures whose past is kept: what health, value and the questions about any past day are made of. No names."""

from typing import Any, Final

from lifecycle.rules.fields import COMPANY, CONTACTS, FIELDS, Field

# The paths of those that are calculated with, as ``Field.path`` gives them.
ARR, CURRENCY, BALANCE = "billing.arr", "billing.currency", "billing.balance_overdue"
RENEWAL, ISSUES, CSAT = "billing.renewal_on", "support.open_issues", "support.csat"
_KINDS: Final = ("amount", "day", "count", "score", "currency")


def _is_kept(field: Field) -> bool:
    if field.part in (COMPANY, CONTACTS):
        return field.has_past
    return field.kind.name in _KINDS


# Paths, as ``Field.path`` gives them.
KEPT_FIGURES: Final = frozenset(field.path for field in FIELDS if _is_kept(field))


def as_text(value: Any) -> Any:
    """A value of a field as JSON keeps it: amounts, scores and days as text."""
    return value if value is None or isinstance(value, int | str) else str(value)
