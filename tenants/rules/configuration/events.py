"""What event rules may speak of: the types of events, and the fields of the data of each.

Which there are is for the app that reads events to say; it does so once, when Django starts.
"""

from collections.abc import Mapping

_FIELDS: dict[str, frozenset[str]] = {}
_NUMBERS: dict[str, frozenset[str]] = {}


def declare_events(fields: Mapping[str, frozenset[str]], numbers: Mapping[str, frozenset[str]]) -> None:
    """Say which types there are, in order, and the paths into the data of each; at which of them are ``numbers``."""
    _FIELDS.clear()
    _FIELDS.update(fields)
    _NUMBERS.clear()
    _NUMBERS.update(numbers)


def event_types() -> tuple[str, ...]:
    """The types of events, in order."""
    return tuple(_FIELDS)


def event_fields(event_type: str) -> frozenset[str]:
    """The paths that conditions on events of this type may look at."""
    return _FIELDS.get(event_type, frozenset())


def event_numbers(event_type: str) -> frozenset[str]:
    """Those of them at which there are numbers, which only numbers can be compared with."""
    return _NUMBERS.get(event_type, frozenset())
