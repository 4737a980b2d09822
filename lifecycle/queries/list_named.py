"""Parameters of the customer list that are a condition by themselves, of a field that ``where`` has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.http import QueryDict

from lifecycle.queries.list_condition_kinds import AT_LEAST, AT_MOST, IS, InvalidWhere
from lifecycle.queries.list_conditions import CONDITIONS, ConditionField, read_where, say_invalid
from lifecycle.rules.expressions import (
    Condition,
    Expression,
    InvalidExpression,
    Operator,
    join,
    parse_expression,
    write_expression,
)
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy

_Read = TypeVar("_Read")
_OF_TIMES: Final = "A date is its whole day in UTC; a timestamp has its offset."
_OF_MONEY: Final = "In the tenant's currency; others by the tenant's rates."


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter that compares a field of ``where``. ``help``: what the API's description says of it."""

    name: str
    field: ConditionField
    operator: Operator
    help: str


_SEGMENT, _STAY, _CHANGE, _ARR, _HEALTH = (
    CONDITIONS[name] for name in ("segment", "days_in_stage", "updated_at", "arr", "health")
)

NAMED: Final[Mapping[str, Named]] = {
    one.name: one
    for one in (
        Named("segment", _SEGMENT, IS, "Only customers of this segment, in whatever case."),
        Named("days_min", _STAY, AT_LEAST, "Only customers that are in their stage for so many days or more."),
        Named("days_max", _STAY, AT_MOST, "Only customers that are in their stage for so many days at most."),
        Named("changed_from", _CHANGE, AT_LEAST, f"Only customers with an `updated_at` of then or later. {_OF_TIMES}"),
        Named("changed_to", _CHANGE, AT_MOST, f"Only customers with an `updated_at` of then or before. {_OF_TIMES}"),
        Named("arr_min", _ARR, AT_LEAST, f"Only customers with so much annual revenue, or more. {_OF_MONEY}"),
        Named("arr_max", _ARR, AT_MOST, f"Only customers with so much annual revenue at most. {_OF_MONEY}"),
        Named("health_max", _HEALTH, AT_MOST, "Only customers whose health is so much at most."),
    )
}


def read_named(name: str, text: str, policy: Policy, tenant: TenantRef) -> Condition:
    """The condition that a parameter is. Raises InvalidWhere."""
    one = NAMED[name]
    kind = one.field.kind
    try:
        value = kind.read(text, policy, tenant)
    except InvalidWhere as error:
        raise InvalidWhere(f"{name}: {error} {kind.expected(policy)}") from error
    return Condition(one.field.name, one.operator, (value,))


def join_conditions(where: Expression | None, named: list[Condition]) -> Expression | None:
    """All of them together; None for none. Raises InvalidWhere where they are more than ``where`` may have: links to
    further pages, views and files have them all in it.
    """
    if not named:
        return where
    joined = join("and", *named) if where is None else join("and", where, *named)
    try:
        parse_expression(write_expression(joined))
    except InvalidExpression as error:
        raise InvalidWhere(say_invalid(error)) from error
    return joined


def read_conditions(
    parameters: QueryDict, policy: Policy, tenant: TenantRef, *, refused: list[InvalidWhere] | None = None
) -> Expression | None:
    """What ``where`` and the parameters that are conditions ask for together. Raises InvalidWhere; with ``refused``
    what cannot be read is added to it, and the others are asked for.
    """

    def attempt(read: Callable[..., _Read], *given: Any) -> _Read | None:
        try:
            return read(*given)
        except InvalidWhere as error:
            if refused is None:
                raise
            refused.append(error)
            return None

    text = parameters.get("where", "").strip()
    where = attempt(read_where, text, policy, tenant) if text else None
    asked = [(name, parameters.get(name, "").strip()) for name in NAMED]
    named = [attempt(read_named, name, text, policy, tenant) for name, text in asked if text]
    return attempt(join_conditions, where, [one for one in named if one is not None])
