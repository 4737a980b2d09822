"""Conditions of an event rule on the data of the event, such as ``open_issues eq 0``."""

import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tenants.rules.texts import normalize_text

Scalar = str | int | float | bool | None

OPERATORS: tuple[str, ...] = ("eq", "ne", "lt", "le", "gt", "ge", "in", "exists")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_MISSING = object()
# Longer texts are not numbers that anyone wrote on purpose.
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One condition. ``field`` is a path into the data, its steps separated by full stops (``billing.arr``).

    A field that is absent, null or of another type than ``value`` fulfils only ``exists`` with value false. A number
    equals a text that spells it ("1200.00"), as money is often sent that way; other texts are compared as texts, which
    orders ISO dates and times of one time zone correctly.
    """

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...] = True

    def __eq__(self, other: object) -> bool:
        """Whether both say the same. Not as Python has it, where 1 equals true: as ``holds`` has it, it does not."""
        return self._said == other._said if isinstance(other, Condition) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._said)

    @property
    def _said(self) -> tuple[object, ...]:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return self.field, self.op, self.value, tuple(isinstance(value, bool) for value in values)

    def holds(self, data: object) -> bool:
        """Whether the condition is fulfilled. Never raises, whatever JSON the data is."""
        return self.accepts(find_field(data, self.field))

    def asks_for(self, paths: Collection[str]) -> bool:
        """Whether it looks at one of the paths, or into it."""
        return any(f"{self.field}.".startswith(f"{path}.") for path in paths)

    def accepts(self, found: object) -> bool:
        """The same of what is found at the path; None: nothing."""
        if self.op == "exists":
            return (found is not _MISSING and found is not None) == self.value
        if found is _MISSING or found is None:
            return False
        if isinstance(self.value, tuple):
            return any(_equals(found, one) for one in self.value)
        if self.op == "eq":
            return _equals(found, self.value)
        if self.op == "ne":
            return _are_comparable(found, self.value) and not _equals(found, self.value)
        return _is_ordered(self.op, found, self.value)

    def to_document(self) -> dict[str, Any]:
        """The condition as it is written in the configuration."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "op": self.op, "value": value}


def find_field(data: object, path: str) -> object:
    """The value at a path of the data, or a marker that equals nothing."""
    for step in path.split("."):
        if not isinstance(data, Mapping) or step not in data:
            return _MISSING
        data = data[step]
    return data


def _read_number(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            return None
        number = Decimal(repr(value))
    elif isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            number = Decimal(value)
        except InvalidOperation:
            return None
    else:
        return None
    return number if number.is_finite() else None


def _pair_up(found: object, value: object) -> tuple[Any, Any] | None:
    """Both sides as values of one type, or None if they cannot be compared."""
    if isinstance(value, bool) or isinstance(found, bool):
        return (found, value) if isinstance(value, bool) and isinstance(found, bool) else None
    if isinstance(value, str):
        if isinstance(found, str):
            return normalize_text(found), normalize_text(value)
        return None
    number, limit = _read_number(found), _read_number(value)
    return None if number is None or limit is None else (number, limit)


def _are_comparable(found: object, value: object) -> bool:
    return _pair_up(found, value) is not None


def _equals(found: object, value: object) -> bool:
    pair = _pair_up(found, value)
    return pair is not None and bool(pair[0] == pair[1])


def _is_ordered(op: str, found: object, value: object) -> bool:
    pair = _pair_up(found, value)
    return pair is not None and _ORDER[op](pair[0], pair[1])
