"""The data of an event as they are kept: every field read like everywhere else, what cannot be kept left out.

An invalid value costs its own field and nothing beside it: the customer keeps the good name it has, a person is known
without the address that is none. Where leaving it out would say something else, more goes with it: a list of people
replaces all that are known, so one who cannot be read costs the list, and an amount is none without its currency. What
an event cannot do without (its ids, and fields whose absence means something) makes it invalid as a whole.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT, Kind, fields_of
from lifecycle.rules.message_json import is_storable
from tenants.rules.messages import Message, gettext_noop
from tenants.rules.texts import shorten_text
from tenants.rules.values import InvalidValue, read_amount, read_external_id, read_kept_external_id, read_line

# At one customer.
MOST_PEOPLE = 100


class InvalidField(Exception):
    """A field that the event cannot do without cannot be read; ``message`` names it and what is wrong with it."""

    def __init__(self, field: str, error: InvalidValue) -> None:
        super().__init__(field)
        self.message = Message("event_value", {"field": field, "error": Message(error.sentence, error.params)})


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The data to work with, and what was left out of them: place and reason of each, never the value.

    ``unread``: the paths of what was left out whole, as rules name them. They were in the event, so no rule may take
    them for absent.
    """

    data: Mapping[str, Any]
    rejected: tuple[str, ...]
    unread: frozenset[str] = frozenset()


class _LeftOut:
    """What was left out so far."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.paths: set[str] = set()

    def add(self, path: str, problem: object) -> None:
        """Note a field that is not in the data any more."""
        self.paths.add(path)
        self.sentences.append(f"data.{path} {problem}")


def clean_data(event_type: str, data: Mapping[str, Any]) -> Cleaned:
    """Read the data of a valid event. Fields that nothing is known of pass as they are: rules may ask for them.

    Raises InvalidField when an id is none, or a decisive field cannot be read. The
    id of the customer is read as it may have been kept before; a new one is made under a good id only.
    """
    left_out = _LeftOut()
    cleaned = dict(data)
    entry = EVENT_TYPES[event_type]
    cleaned["external_id"] = _required(data, "external_id", read_kept_external_id)
    if entry.id_field is not None:
        cleaned[entry.id_field] = _required(data, entry.id_field, read_external_id)
    if entry.part is not None:
        kinds, ids = _KINDS_OF_TYPES[event_type], _IDS_OF_TYPES[event_type]
        _read(cleaned, kinds, "", left_out, decisive=entry.decisive, besides=ids)
    else:
        _read_profile(cleaned, left_out)
    return Cleaned(cleaned, tuple(left_out.sentences), frozenset(left_out.paths))


def _put_amounts_last(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The order in which ``_read`` takes fields: the currency, by which amounts are read, comes before them."""
    return dict(sorted(kinds.items(), key=lambda item: item[1].name == "amount"))


_KINDS = {
    part: _put_amounts_last({field.name: field.kind for field in fields_of(part) if field.in_profile})
    for part in (COMPANY, CONTACTS, BILLING, SUPPORT)
}
_KINDS_OF_TYPES = {name: _put_amounts_last(entry.kinds) for name, entry in EVENT_TYPES.items()}
_IDS_OF_TYPES = {name: frozenset({"external_id", entry.id_field or ""}) for name, entry in EVENT_TYPES.items()}
# Ids, and parts with fields of their own: read by themselves.
_NOT_SINGLE = frozenset({"external_id", CONTACTS, BILLING, SUPPORT})
_REQUIRED = frozenset(field.name for field in fields_of(COMPANY) if field.is_required)


def _read_profile(cleaned: dict[str, Any], left_out: _LeftOut) -> None:
    _read(cleaned, _KINDS[COMPANY], "", left_out, required=_REQUIRED, besides=_NOT_SINGLE)
    for part in (BILLING, SUPPORT):
        if part in cleaned and _is_of(cleaned, part, dict, "an object", left_out):
            figures = cleaned[part] = dict(cleaned[part])
            _read(figures, _KINDS[part], f"{part}.", left_out)
    if CONTACTS in cleaned and _is_of(cleaned, CONTACTS, list, "a list", left_out):
        people = _read_people(cleaned[CONTACTS], left_out)
        if people is None:
            left_out.paths.add(CONTACTS)
            del cleaned[CONTACTS]
        else:
            cleaned[CONTACTS] = people


def _is_of(cleaned: dict[str, Any], part: str, kind: type, described: str, left_out: _LeftOut) -> bool:
    """Whether a part is what holds its fields; what is none is left out."""
    if isinstance(cleaned[part], kind):
        return True
    left_out.add(part, f"must be {described}")
    del cleaned[part]
    return False


def _required(data: Mapping[str, Any], name: str, read: Callable[[object], str]) -> str:
    try:
        return read(data[name])
    except InvalidValue as error:
        raise InvalidField(f"data.{name}", error) from None


def _read(
    values: dict[str, Any],
    kinds: Mapping[str, Kind],
    place: str,
    left_out: _LeftOut,
    *,
    required: frozenset[str] = frozenset(),
    decisive: frozenset[str] = frozenset(),
    besides: frozenset[str] = frozenset(),
) -> None:
    """Replace each value by what it reads as; null stays, and what cannot be read goes, as what nothing is known of
    and cannot be stored. ``besides``: names that are read elsewhere.

    ``kinds`` with amounts last: the currency of the same message, if it names one, says what they are, and how many
    decimals they have. Raises InvalidField for a decisive one.
    """
    for name, kind in kinds.items():
        if name not in values or (values[name] is None and name not in required):
            continue
        read: Callable[[Any], Any] = kind.read
        if kind.name == "amount":
            if f"{place}currency" in left_out.paths:
                left_out.add(f"{place}{name}", "is in a currency that cannot be read")
                del values[name]
                continue
            read = partial(read_amount, least=kind.least, currency=values.get("currency") or None)
        elif name in required:
            read = partial(read_line, longest=kind.longest, required=True)
        try:
            _check_spelling(kind, values[name])
            values[name] = read(values[name])
        except InvalidValue as error:
            if name in decisive:
                raise InvalidField(f"data.{place}{name}", error) from None
            left_out.add(f"{place}{name}", error)
            del values[name]
    for name in values.keys() - kinds.keys() - besides:
        if not is_storable(name) or not is_storable(values[name]):
            left_out.add(f"{place}{shorten_text(name)}", "contains what cannot be stored: NUL, or half of a character")
            del values[name]


def _check_spelling(kind: Kind, value: object) -> None:
    """Numbers are spelled as the schema has them: what is only read as one, such as 1e3, is not what was meant."""
    if not kind.is_number or not isinstance(value, str):
        return
    pattern = kind.schema.get("pattern")
    if not (pattern and re.search(pattern, value)):
        raise InvalidValue("invalid_number", gettext_noop("is not a number; write for example 1234.50"))


def _is_text_or_none(value: object) -> bool:
    """Whether a person's field says what its sender meant: one that was cut or garbled on its way does not."""
    return value is None or (isinstance(value, str) and is_storable(value))


def _read_people(people: list[Any], left_out: _LeftOut) -> list[dict[str, Any]] | None:
    """People with what can be kept of each; someone of whom nothing is said is left out.

    None where the list says less than its sender knows, because they would replace all that are known: one of them
    cannot be read or stored, or no one is left. Only ``[]`` says that there is no one.
    """
    if len(people) > MOST_PEOPLE:
        left_out.add(CONTACTS, f"has more than {MOST_PEOPLE} people")
        return None
    known = []
    for number, person in enumerate(people):
        place = f"{CONTACTS}[{number}]"
        if not isinstance(person, dict):
            left_out.add(place, "must be an object")
            return None
        cleaned = dict(person)
        _read(cleaned, _KINDS[CONTACTS], f"{place}.", left_out)
        if not all(_is_text_or_none(person.get(name)) for name in _KINDS[CONTACTS]):
            return None
        cleaned["email"], cleaned["phone"] = cleaned.get("email") or None, cleaned.get("phone") or None
        cleaned["name"] = cleaned.get("name") or cleaned["email"] or cleaned["phone"]
        if cleaned["name"]:
            known.append(cleaned)
        elif any(path.startswith(f"{place}.") for path in left_out.paths):
            return None
        else:
            left_out.add(place, "has no name")
    return known if known or not people else None
