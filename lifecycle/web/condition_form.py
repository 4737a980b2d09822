"""The form that puts conditions together without a script, and the conditions as the page shows them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.http import QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from lifecycle.queries.list_condition_kinds import AT_LEAST, AT_MOST, FLAG, IS, InvalidWhere
from lifecycle.queries.list_conditions import (
    CONDITIONS,
    ConditionField,
    check_expression,
    say_condition,
    say_invalid,
    say_where,
)
from lifecycle.queries.list_filters import list_owners
from lifecycle.rules.expressions import (
    Condition,
    Expression,
    Group,
    InvalidExpression,
    Joint,
    Negation,
    Operator,
    conditions_of,
    join,
    parse_expression,
    read_values,
    replace_values,
    write_expression,
)
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import fold_text

# The parameters of the form: which comparison, with what, beside what; of which list.
ADD, VALUE, BESIDE, OF = "add", "value", "beside", "of"
OPERATORS: Mapping[str, Operator] = {IS: IS, AT_LEAST: AT_LEAST, AT_MOST: AT_MOST}
WHOLE, INSTEAD = "and", "or"
OWNER = "owner"


class Choice(NamedTuple):
    """One entry of a list to choose from."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of the filter in words. ``without`` is the rest of it, where the piece is a condition; '' for nothing."""

    text: str
    is_condition: bool = False
    without: str = ""


def describe_comparisons() -> Sequence[tuple[str, Sequence[Choice]]]:
    """What can be compared, by field: the codes are beginnings of conditions, ``!`` for what must not hold."""
    return _describe_comparisons(get_language())


# Seventy sentences, the same on each page of the list.
@lru_cache(maxsize=32)
def _describe_comparisons(_language: str | None) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    return tuple((str(one.label), tuple(_comparisons_of(one))) for one in CONDITIONS.values())


def _comparisons_of(one: ConditionField) -> Iterator[Choice]:
    field, kind = str(one.label), one.kind
    if kind is FLAG:
        for value in ("true", "false"):
            yield Choice(f"{one.name}:{value}", say_condition(Condition(one.name, IS, (value,))))
        return
    if kind.parts or one.words is not None:
        yield Choice(f"{one.name}:", field)
        return
    if AT_LEAST in kind.operators:
        least, most = (
            (_("%(field)s is on or after"), _("%(field)s is on or before"))
            if kind.is_time
            else (_("%(field)s is at least"), _("%(field)s is at most"))
        )
        yield Choice(f"{one.name}>=", least % {"field": field})
        yield Choice(f"{one.name}<=", most % {"field": field})
    yield Choice(f"{one.name}:", _("%(field)s is") % {"field": field})
    if kind.many:
        yield Choice(f"!{one.name}:", _("%(field)s is not") % {"field": field})
    if kind.optional:
        yield Choice(f'{one.name}:""', _("%(field)s is not set") % {"field": field})


def describe_places(where: Expression | None, owner_names: Mapping[str, str]) -> list[Choice]:
    """Where a new condition may go in the filter: beside all of it, or in any group and beside any condition.

    ``owner_names``: what owners are called.
    """
    if where is None:
        return []
    places = [Choice(WHOLE, _("and")), Choice(INSTEAD, _("or, instead of all of this"))]
    sentences = {"and": _("and, together with: %(condition)s"), "or": _("or, instead of: %(condition)s")}
    for joint, path, part in _places_within(where):
        words = say_where(replace_values(part, OWNER, owner_names))
        places.append(Choice(_name_place(joint, path), sentences[joint] % {"condition": words}))
    return places


def _places_within(part: Expression, path: tuple[int, ...] = ()) -> Iterator[tuple[Joint, tuple[int, ...], Expression]]:
    """Each part within, with what joins a condition to it alone: what joins it to its neighbors joins it to all."""
    if not isinstance(part, Group):
        return
    other: Joint = "or" if part.joint == "and" else "and"
    for at, inner in enumerate(part.parts):
        yield other, (*path, at), inner
        yield from _places_within(inner, (*path, at))


def _name_place(joint: Joint, path: Sequence[int]) -> str:
    return "-".join([joint, *map(str, path)])


def read_added(parameters: QueryDict, where: Expression | None, policy: Policy, tenant: TenantRef) -> Expression:
    """The filter with the condition that the form adds. Raises InvalidWhere."""
    code, value, beside = (parameters.get(name, "") for name in (ADD, VALUE, BESIDE))
    try:
        added = _read_condition(code, value)
    except InvalidExpression as error:
        raise InvalidWhere(_("Enter a value.") if error.code == "no_value" else say_invalid(error)) from error
    added = _read_owners(check_expression(added, policy, tenant), tenant)
    if where is None:
        return added
    places = {_name_place(joint, path): (joint, path) for joint, path, _part in _places_within(where)}
    joint, path = places.get(beside, ("or" if beside == INSTEAD else "and", ()))
    joined = _join_at(where, path, joint, added)
    try:
        parse_expression(write_expression(joined))
    except InvalidExpression as error:
        raise InvalidWhere(say_invalid(error)) from error
    return joined


def _join_at(where: Expression, path: Sequence[int], joint: Joint, added: Expression) -> Expression:
    """The filter with the condition beside the part at this place."""
    if not path or not isinstance(where, Group):
        return join(joint, where, added)
    at = path[0]
    within = _join_at(where.parts[at], path[1:], joint, added)
    return join(where.joint, *where.parts[:at], within, *where.parts[at + 1 :])


def _read_owners(added: Expression, tenant: TenantRef) -> Expression:
    """An owner may be called by name, as the list calls them."""
    if all(one.field != OWNER for one in conditions_of(added)):
        return added
    known = {fold_text(name): owner for owner, name in list_owners(tenant)}
    asked = {value for one in conditions_of(added) for value in one.values}
    return replace_values(added, OWNER, {value: known.get(fold_text(value), value) for value in asked if value})


def _read_condition(code: str, value: str) -> Expression:
    bare = code.removeprefix("!")
    if bare[-1:] in (":", "="):
        field = bare.rstrip(":<>=")
        operator = bare.removeprefix(field)
        if operator not in OPERATORS:
            raise InvalidExpression("unexpected", code)
        if not value.strip():
            raise InvalidExpression("no_value", bare)
        condition: Expression = Condition(field, OPERATORS[operator], read_values(value))
    else:
        condition = parse_expression(bare)
    return Negation(condition) if code.startswith("!") else condition


def show_where(where: Expression | None, owner_names: Mapping[str, str]) -> list[Shown]:
    """The filter in pieces, each condition with what is left without it. ``owner_names``: what owners are called."""
    return [] if where is None else list(_show(where, where, (), owner_names))


def _show(
    part: Expression, whole: Expression, path: tuple[int, ...], owner_names: Mapping[str, str]
) -> Iterator[Shown]:
    match part:
        case Group(joint, parts):
            for at, inner in enumerate(parts):
                if at:
                    yield Shown(_("and") if joint == "and" else _("or"))
                is_group = isinstance(inner, Group)
                if is_group:
                    yield Shown("(")
                yield from _show(inner, whole, (*path, at), owner_names)
                if is_group:
                    yield Shown(")")
        case _:
            rest = _without(whole, path)
            said = say_where(replace_values(part, OWNER, owner_names))
            yield Shown(said, is_condition=True, without="" if rest is None else write_expression(rest))


def _without(whole: Expression, path: Sequence[int]) -> Expression | None:
    """The filter without the part at this place."""
    if not path or not isinstance(whole, Group):
        return None
    parts = [part if at != path[0] else _without(part, path[1:]) for at, part in enumerate(whole.parts)]
    left = [part for part in parts if part is not None]
    return join(whole.joint, *left) if left else None
