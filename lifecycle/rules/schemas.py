"""The schemas of events, from ``docs/events/schemas``: published there, compiled here, one file each."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import fastjsonschema
import orjson

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "events" / "schemas"
ENVELOPE: Final = "envelope"
# The version that is meant when an event names none, for each type that is understood.
CURRENT: Final[Mapping[str, int]] = {
    "customer.created": 1,
    "customer.updated": 1,
    "contract.renewed": 1,
    "support.issue.closed": 1,
}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_REFERENCE = re.compile(r"urn:customer360:schema:(?P<type>[a-z.]+):(?P<version>[1-9][0-9]{0,5})")


class InvalidDocument(Exception):
    """A document does not fit its schema; the sentence names the place and what was expected, never the value."""


def parse_time(text: str) -> dt.datetime | None:
    """The moment of an RFC 3339 text, in UTC, or None when it is not one."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def parse_date(text: str) -> dt.date | None:
    """The day of a text such as 2026-03-31, or None when there is no such day."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def load_schema(name: str, version: int = 1) -> dict[str, Any]:
    """The published schema document."""
    schema: dict[str, Any] = orjson.loads((FOLDER / f"{name}.v{version}.json").read_bytes())
    return schema


def find_version(event_type: str, reference: str | None) -> int | None:
    """The version of the type's schema that an event names in ``dataschema``; None when there is no such schema."""
    if reference is None:
        return CURRENT.get(event_type)
    found = _REFERENCE.fullmatch(reference)
    if found is None or found["type"] != event_type or (event_type, int(found["version"])) not in _validators:
        return None
    return int(found["version"])


def validate_envelope(document: object) -> None:
    """Check the attributes of a CloudEvent. Raises InvalidDocument."""
    _check(_envelope, document, "the event")


def validate_data(event_type: str, version: int, data: object) -> None:
    """Check the data of an event of a known type and version. Raises InvalidDocument."""
    _check(_validators[event_type, version], data, "data")


def _check(validator: Callable[..., Any], document: object, name: str) -> None:
    try:
        validator(document, name_prefix=name)
    except fastjsonschema.JsonSchemaValueException as error:
        raise InvalidDocument(f"{error.message}.") from error


def _compile(name: str, version: int) -> Callable[..., Any]:
    compiled: Callable[..., Any] = fastjsonschema.compile(
        load_schema(name, version),
        formats={
            "date": lambda text: parse_date(text) is not None,
            "date-time": lambda text: parse_time(text) is not None,
        },
        use_default=False,
    )
    return compiled


_envelope = _compile(ENVELOPE, 1)
_validators = {(name, version): _compile(name, version) for name, version in CURRENT.items()}
