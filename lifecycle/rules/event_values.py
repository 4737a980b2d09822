"""The data of an event as they are kept: every field read like everywhere else, what cannot be kept left out.

A bad value costs its own field and nothing beside it: the customer keeps the good name it has, a person is known
without the address that is none. Only what an event cannot do without (its ids) makes it invalid as a whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from tenants.rules.values import (
    LONGEST_PHONE,
    InvalidValue,
    read_amount,
    read_count,
    read_currency,
    read_day,
    read_email,
    read_external_id,
    read_line,
    read_score,
    read_timestamp,
)

Reader = Callable[[Any], Any]

_ZERO: Final = Decimal(0)


def _day(value: Any) -> str:
    return read_day(value).isoformat()


def _timestamp(value: Any) -> str:
    return read_timestamp(value).isoformat()


_COMPANY: Final[Mapping[str, Reader]] = {
    "name": partial(read_line, longest=200, required=True),
    "industry": partial(read_line, longest=100),
    "segment": partial(read_line, longest=100),
    "owner": partial(read_line, longest=150),
}
_PERSON: Final[Mapping[str, Reader]] = {
    "name": partial(read_line, longest=200),
    "email": read_email,
    "phone": partial(read_line, longest=LONGEST_PHONE),
    "role": partial(read_line, longest=100),
}
# Field -> the least it may be. The currency of the same message, if it names one, says how many decimals there are.
_AMOUNTS: Final[Mapping[str, Decimal | None]] = {"arr": _ZERO, "mrr": _ZERO, "balance_overdue": None}
_BILLING: Final[Mapping[str, Reader]] = {"currency": read_currency, "renewal_on": _day}
_SUPPORT: Final[Mapping[str, Reader]] = {"open_issues": read_count, "csat": read_score}
_CONTRACT: Final[Mapping[str, Reader]] = {"signed_at": _timestamp, "starts_on": _day, "ends_on": _day}
_ISSUE: Final[Mapping[str, Reader]] = {
    "severity": partial(read_line, longest=30),
    "opened_at": _timestamp,
    "closed_at": _timestamp,
    **_SUPPORT,
}
# Type -> the ids that its events cannot do without.
_REQUIRED: Final[Mapping[str, str]] = {"contract.renewed": "contract_id", "support.issue.closed": "issue_id"}


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
    cleaned["external_id"] = _required(data, "external_id")
    if event_type in _REQUIRED:
        cleaned[_REQUIRED[event_type]] = _required(data, _REQUIRED[event_type])
    if event_type == "contract.renewed":
        _read(cleaned, _CONTRACT, "data", rejected)
        _read_amounts(cleaned, "data", rejected)
    elif event_type == "support.issue.closed":
        _read(cleaned, _ISSUE, "data", rejected)
    else:
        _read(cleaned, _COMPANY, "data", rejected)
        if "billing" in cleaned:
            billing = cleaned["billing"] = dict(cleaned["billing"])
            _read(billing, _BILLING, "data.billing", rejected)
            _read_amounts(billing, "data.billing", rejected)
        if "support" in cleaned:
            support = cleaned["support"] = dict(cleaned["support"])
            _read(support, _SUPPORT, "data.support", rejected)
        if "contacts" in cleaned:
            cleaned["contacts"] = _read_people(cleaned["contacts"], rejected)
    return Cleaned(cleaned, tuple(rejected))


def _required(data: Mapping[str, Any], name: str) -> str:
    try:
        return read_external_id(data[name])
    except InvalidValue as error:
        raise InvalidValue(error.code, f"data.{name} {error}") from None


def _read(values: dict[str, Any], readers: Mapping[str, Reader], place: str, rejected: list[str]) -> None:
    """Replace each value by what it reads as; null stays, and what cannot be read goes."""
    for name, reader in readers.items():
        value = values.get(name)
        if value is None:
            continue
        try:
            values[name] = reader(value)
        except InvalidValue as error:
            rejected.append(f"{place}.{name} {error}")
            del values[name]


def _read_amounts(values: dict[str, Any], place: str, rejected: list[str]) -> None:
    currency = values.get("currency") or None
    readers = {name: partial(read_amount, currency=currency, least=least) for name, least in _AMOUNTS.items()}
    _read(values, readers, place, rejected)


def _read_people(people: list[Mapping[str, Any]], rejected: list[str]) -> list[dict[str, Any]]:
    """People with what can be kept of each; somebody of whom nothing can be kept is left out."""
    known = []
    for number, person in enumerate(people):
        cleaned = dict(person)
        _read(cleaned, _PERSON, f"data.contacts[{number}]", rejected)
        cleaned["email"], cleaned["phone"] = cleaned.get("email") or None, cleaned.get("phone") or None
        cleaned["name"] = cleaned.get("name") or cleaned["email"] or cleaned["phone"]
        if cleaned["name"]:
            known.append(cleaned)
        elif not any(place.startswith(f"data.contacts[{number}]") for place in rejected):
            rejected.append(f"data.contacts[{number}] has no name")
    return known
