"""The schemas of events: the JSON files beside this one, one a type and version, all of them compiled.

A version that was published once stays: its senders need not all change in one night.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import fastjsonschema
import orjson

from lifecycle.rules.event_types import EVENT_TYPES
from tenants.rules.messages import Message
from tenants.rules.values import InvalidValue, is_day, read_timestamp

FOLDER: Final = Path(__file__).resolve().parent
ENVELOPE: Final = "envelope"
# The types that are understood.
TYPES: Final = tuple(EVENT_TYPES)
_FILE = re.compile(r"(?P<name>[a-z.]+)\.v(?P<version>[1-9][0-9]{0,5})\.json")
# What people write is read field by field (``event_values``): an invalid text costs its field, not the event.
_TEXT_KEYWORDS = frozenset(("minLength", "maxLength"))
_TEXT_FORMATS = ("email", "uri")
_REFERENCE = re.compile(r"urn:customer360:schema:(?P<type>[a-z.]+):(?P<version>[1-9][0-9]{0,5})")


class InvalidDocument(Exception):
    """A document does not fit its schema; ``message`` names the place and what was expected, never the value."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.name)
        self.message = message


def parse_time(text: str) -> dt.datetime | None:
    """The moment of an RFC 3339 text, in UTC, or None when it is not one."""
    try:
        return read_timestamp(text)
    except InvalidValue:
        return None


def load_schema(name: str, version: int = 1) -> dict[str, Any]:
    """The published schema document."""
    schema: dict[str, Any] = orjson.loads((FOLDER / f"{name}.v{version}.json").read_bytes())
    return schema


class Registry:
    """Every schema of a folder, compiled. ``versions``: those of each type that is understood, the newest first.

    What is published is what a sender has to keep to. What is taken is more: of data that fit no schema only the form
    is held to it, and what an event cannot do without; the other values are read one by one (``event_values``).

    Raises ValueError for a folder that lacks one.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._validators: dict[tuple[str, int], Callable[..., Any]] = {}
        self._forms: dict[tuple[str, int], Callable[..., Any]] = {}
        for path in folder.glob("*.json"):
            if found := _FILE.fullmatch(path.name):
                key = found["name"], int(found["version"])
                schema = orjson.loads(path.read_bytes())
                self._validators[key] = _compile(schema if key[0] == ENVELOPE else _leave_texts(schema))
                self._forms[key] = _compile(_leave_values(schema))
        self.versions: Mapping[str, tuple[int, ...]] = {
            name: tuple(sorted((version for known, version in self._validators if known == name), reverse=True))
            for name in TYPES
        }
        if missing := [name for name in (*TYPES, ENVELOPE) if (name, 1) not in self._validators]:
            raise ValueError(f"The folder {folder} has no first version of the schema of {', '.join(missing)}.")

    def check(self, name: str, version: int, document: object, *, place: str, form_only: bool = False) -> None:
        """Check a document, or no more than its form. Raises InvalidDocument."""
        validators = self._forms if form_only else self._validators
        try:
            validators[name, version](document, name_prefix=place)
        except fastjsonschema.JsonSchemaValueException as error:
            raise InvalidDocument(_describe(error)) from error


def find_versions(event_type: str, reference: str | None) -> tuple[int, ...]:
    """The versions of the type's schema that an event may be meant in; empty when it names one that is not known.

    With ``dataschema`` the one that it names. Without, each there is, the newest first: the sender may be older than
    the newest one.
    """
    versions = registry.versions.get(event_type, ())
    if reference is None:
        return versions
    found = _REFERENCE.fullmatch(reference)
    if found is None or found["type"] != event_type:
        return ()
    return tuple(version for version in versions if version == int(found["version"]))


def describe_versions(event_type: str) -> list[str]:
    """What ``dataschema`` may say for this type."""
    return [f"urn:customer360:schema:{event_type}:{version}" for version in registry.versions[event_type]]


def validate_envelope(document: object) -> None:
    """Check the attributes of a CloudEvent. Raises InvalidDocument."""
    registry.check(ENVELOPE, 1, document, place=ENVELOPE)


def validate_data(event_type: str, versions: Sequence[int], data: object) -> int:
    """The version of the schema that the data of an event are in: the first of the versions that they fit, else the
    first whose form they have.

    Raises InvalidDocument, as the first of them says it.
    """
    error: InvalidDocument | None = None
    for form_only in (False, True):
        error = None
        for version in versions:
            try:
                registry.check(event_type, version, data, place="data", form_only=form_only)
            except InvalidDocument as refusal:
                error = error or refusal
            else:
                return version
    raise error or InvalidDocument(
        Message("event_no_schema", {"type": event_type, "known": describe_versions(event_type)})
    )


# What a format of a text has to be.
_FORMATS: Final = {"date": "event_no_day", "date-time": "event_no_timestamp"}
_LEAST: Final = frozenset(("minimum", "exclusiveMinimum"))
_MOST: Final = frozenset(("maximum", "exclusiveMaximum"))


def _describe(error: Any) -> Message:
    """What the library has found, as a message of ours: by the rule that is broken, in the words of no library."""
    rule, wanted = error.rule, error.rule_definition
    # The attributes of an event have no place before them.
    field = error.name.removeprefix(f"{ENVELOPE}.")
    if rule == "required":
        within = "" if field == ENVELOPE else f"{field}."
        return Message(
            "event_fields_missing", {"fields": [f"{within}{name}" for name in wanted if name not in error.value]}
        )
    if rule == "type":
        return Message("event_type", {"field": field, "types": [wanted] if isinstance(wanted, str) else list(wanted)})
    if rule == "format" and wanted in _FORMATS:
        return Message(_FORMATS[wanted], {"field": field})
    if rule in ("enum", "const"):
        return Message("event_choice", {"field": field, "choices": [wanted] if rule == "const" else list(wanted)})
    if rule in ("minLength", "minItems"):
        return Message("event_empty", {"field": field})
    if rule in ("maxLength", "maxItems"):
        return Message("event_too_long", {"field": field, "most": wanted})
    if rule in _LEAST:
        return Message("event_bounds_least", {"field": field, "least": wanted})
    if rule in _MOST:
        return Message("event_bounds_most", {"field": field, "most": wanted})
    return Message("event_form", {"field": field})


def _compile(schema: dict[str, Any]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = fastjsonschema.compile(
        schema,
        formats={"date": is_day, "date-time": lambda text: parse_time(text) is not None},
        use_default=False,
    )
    return compiled


def _leave_texts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without what it says of single texts; types, numbers, days and required ids stay."""
    kept = {key: value for key, value in schema.items() if key not in _TEXT_KEYWORDS and value not in _TEXT_FORMATS}
    if "properties" in kept:
        kept["properties"] = {name: _leave_texts(field) for name, field in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _leave_texts({key: value for key, value in kept["items"].items() if key != "required"})
    return kept


def _leave_values(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with nothing but what has to be there, and what each of that has to be."""
    kept = _leave_texts(schema)
    required = kept.get("required", ())
    kept["properties"] = {name: field for name, field in kept.get("properties", {}).items() if name in required}
    return kept


registry = Registry()
# Those of an event that mean something here.
ATTRIBUTES: Final = frozenset(load_schema(ENVELOPE)["properties"])
