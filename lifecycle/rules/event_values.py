"""The data of an event as they are kept: every field read like everywhere else, what cannot be kept left out.

An invalid value costs its own field and nothing beside it: the customer keeps the good name it has, a person is known
without the address that is none. Only what an event cannot do without (its ids) makes it invalid as a whole.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT, Kind, fields_of
from tenants.rules.messages import gettext_noop
from tenants.rules.values import InvalidValue, read_amount, read_external_id, read_line

# At one customer.
MOST_PEOPLE = 100


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The data to work with, and what was left out of them: place and reason of each, never the value."""

    data: Mapping[str, Any]
    rejected: tuple[str, ...]


def clean_data(event_type: str, data: Mapping[str, Any]) -> Cleaned:
    """Read the data of a valid event. Fields that nothing is known of pass as they are: rules may ask for them.

    Raises InvalidValue, its text beginning with the field, when an id is none.
    """
    rejected: list[str] = []
    cleaned = dict(data)
    entry = EVENT_TYPES[event_type]
    cleaned["external_id"] = _required(data, "external_id")
    if entry.id_field is not None:
        cleaned[entry.id_field] = _required(data, entry.id_field)
    if entry.part is not None:
        _read(cleaned, entry.kinds, "data", rejected)
    else:
        _read_profile(cleaned, rejected)
    return Cleaned(cleaned, tuple(rejected))


_KINDS = {
    part: {field.name: field.kind for field in fields_of(part) if field.in_profile}
    for part in (COMPANY, CONTACTS, BILLING, SUPPORT)
}
_REQUIRED = frozenset(field.name for field in fields_of(COMPANY) if field.is_required)


def _read_profile(cleaned: dict[str, Any], rejected: list[str]) -> None:
    _read(cleaned, _KINDS[COMPANY], "data", rejected, required=_REQUIRED)
    for part in (BILLING, SUPPORT):
        if part in cleaned and _is_of(cleaned, part, dict, "an object", rejected):
            figures = cleaned[part] = dict(cleaned[part])
            _read(figures, _KINDS[part], f"data.{part}", rejected)
    if CONTACTS in cleaned and _is_of(cleaned, CONTACTS, list, "a list", rejected):
        if len(cleaned[CONTACTS]) > MOST_PEOPLE:
            # Some of them would replace all that are known.
            rejected.append(f"data.{CONTACTS} has more than {MOST_PEOPLE} people")
            del cleaned[CONTACTS]
        else:
            cleaned[CONTACTS] = _read_people(cleaned[CONTACTS], rejected)


def _is_of(cleaned: dict[str, Any], part: str, kind: type, described: str, rejected: list[str]) -> bool:
    """Whether a part is what holds its fields; what is none is left out."""
    if isinstance(cleaned[part], kind):
        return True
    rejected.append(f"data.{part} must be {described}")
    del cleaned[part]
    return False


def _required(data: Mapping[str, Any], name: str) -> str:
    try:
        return read_external_id(data[name])
    except InvalidValue as error:
        raise InvalidValue(error.code, f"data.{name} {error}") from None


def _read(
    values: dict[str, Any],
    kinds: Mapping[str, Kind],
    place: str,
    rejected: list[str],
    *,
    required: frozenset[str] = frozenset(),
) -> None:
    """Replace each value by what it reads as; null stays, and what cannot be read goes.

    Amounts come last: the currency of the same message, if it names one, says how many decimals they have.
    """
    for name, kind in sorted(kinds.items(), key=lambda item: item[1].name == "amount"):
        if name not in values or (values[name] is None and name not in required):
            continue
        read: Callable[[Any], Any] = kind.read
        if kind.name == "amount":
            read = partial(read_amount, least=kind.least, currency=values.get("currency") or None)
        elif name in required:
            read = partial(read_line, longest=kind.longest, required=True)
        try:
            _check_spelling(kind, values[name])
            values[name] = read(values[name])
        except InvalidValue as error:
            rejected.append(f"{place}.{name} {error}")
            del values[name]


def _check_spelling(kind: Kind, value: object) -> None:
    """Numbers are spelled as the schema has them: what is only read as one, such as 1e3, is not what was meant."""
    pattern = kind.schema.get("pattern")
    if isinstance(value, str) and kind.is_number and not (pattern and re.search(pattern, value)):
        raise InvalidValue("invalid_number", gettext_noop("is not a number; write for example 1234.50"))


def _read_people(people: list[Any], rejected: list[str]) -> list[dict[str, Any]]:
    """People with what can be kept of each; someone of whom nothing can be kept is left out."""
    known = []
    for number, person in enumerate(people):
        if not isinstance(person, dict):
            rejected.append(f"data.contacts[{number}] must be an object")
            continue
        cleaned = dict(person)
        _read(cleaned, _KINDS[CONTACTS], f"data.contacts[{number}]", rejected)
        cleaned["email"], cleaned["phone"] = cleaned.get("email") or None, cleaned.get("phone") or None
        cleaned["name"] = cleaned.get("name") or cleaned["email"] or cleaned["phone"]
        if cleaned["name"]:
            known.append(cleaned)
        elif not any(place.startswith(f"data.contacts[{number}]") for place in rejected):
            rejected.append(f"data.contacts[{number}] has no name")
    return known
