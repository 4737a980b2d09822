"""What the record of an export keeps of the question: that something personal was asked for, not what."""

from collections.abc import Mapping
from typing import Final

from lifecycle.rules.expressions import Condition, Expression, Group, Negation, write_expression

# What names somebody, or is typed freely.
PERSONAL: Final = frozenset({"search", "owner"})
HIDDEN: Final = "…"


def describe_asked(asked: Mapping[str, str], where: Expression | None) -> dict[str, str]:
    """The parameters of the list, and what is put together of conditions, without what names people."""
    kept = {name: HIDDEN if name in PERSONAL else value for name, value in asked.items()}
    if where is not None:
        kept["where"] = write_expression(_without_people(where))
    return kept


def _without_people(expression: Expression) -> Expression:
    match expression:
        case Group(joint, parts):
            return Group(joint, tuple(map(_without_people, parts)))
        case Negation(part):
            return Negation(_without_people(part))
        case Condition(field, operator, values):
            return Condition(field, operator, (HIDDEN,)) if field in PERSONAL and any(values) else expression
