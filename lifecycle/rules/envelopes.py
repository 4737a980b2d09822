"""From the bytes of a message to an event, or to the reason why it is none. CloudEvents 1.0 over Kafka: structured mode
(the value is the whole event) and binary mode (attributes are ``ce_`` headers, the value is the data).
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.event_values import InvalidField, clean_data
from lifecycle.rules.fields import BILLING, CONTACTS, SUPPORT
from lifecycle.rules.message_json import is_storable, parse_message
from lifecycle.rules.ownership import OWNED_PARTS, find_foreign_part, find_source_root
from lifecycle.rules.schemas import (
    ATTRIBUTES,
    TYPES,
    InvalidDocument,
    describe_versions,
    find_versions,
    parse_time,
    validate_data,
    validate_envelope,
)
from tenants.rules import messages
from tenants.rules.values import InvalidValue, read_kept_external_id

Headers = tuple[tuple[str, bytes | None], ...]

# The attribute that says how many changes of event rules led to an event, and the number at which rules stop.
DEPTH: Final = "causationdepth"
MOST_DEPTH: Final = 3
BINARY_PREFIX: Final = "ce_"
STRUCTURED_TYPE: Final = "application/cloudevents+json"
# Attributes that nothing depends on: one that is no text, or too long, is as good as none.
_INCIDENTAL: Final = frozenset({"traceparent"})
_LONGEST_TEXT: Final = 255
# What of the data of an event is an object or a list by itself.
_PARTS: Final = frozenset({CONTACTS, BILLING, SUPPORT})
# What the messages of unreadable events are filed under instead of a type.
UNKNOWN_TYPE: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it lies in the log: where, and its bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    # Headers that the client library cannot give: a name that is not UTF-8.
    has_unreadable_headers: bool = False
    # When it was put into the log, by its sender's or the broker's clock; None where it came another way.
    sent_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event. ``data`` fits this version of the schema of its type, each value read; ``time`` is in UTC.

    ``rejected``: what was left out of the data, place and reason of each; ``unread``: the paths of it, which are not
    absent to rules. ``depth``: how many changes of event rules
    led to it (``causationdepth``); a value that is none counts as the most, so that no loop runs through it.
    """

    id: str
    source: str
    type: str
    time: dt.datetime
    tenant: str
    external_id: str
    data: Mapping[str, Any]
    trace_id: str = ""
    version: int = 1
    rejected: tuple[str, ...] = ()
    depth: int = 0
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why a message is not a valid event, and what could be read of it nevertheless ('' for what could not)."""

    code: str
    reason: messages.Message
    tenant: str = ""
    type: str = UNKNOWN_TYPE
    source: str = ""
    id: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A message and what it was read as."""

    message: Message
    event: Event | Invalid


def receive(message: Message) -> Received:
    """Read a message. Never raises, whatever the bytes are."""
    try:
        return Received(message, read_event(message))
    except (ValueError, ArithmeticError, LookupError, RecursionError) as error:
        # Not known to happen. One message must not stop all that come after it.
        reason = messages.Message("event_unreadable", {"error_class": type(error).__name__})
        return Received(message, Invalid("unreadable", reason))


def log_identity(message: Message) -> tuple[str, str]:
    """The identity of a message that names none: where it lies, with a digest because a broker may lose its log."""
    digest = hashlib.sha256(b"%b|%b" % (message.key or b"", message.value or b"")).hexdigest()[:16]
    return f"kafka:{message.topic}", f"{message.partition}/{message.offset}/{digest}"


def read_event(message: Message) -> Event | Invalid:
    """The event in a message, or the first error found: form, envelope, type, data, key, source."""
    document = _read_document(message)
    if isinstance(document, Invalid):
        return document
    known = _Known(document, message)
    try:
        validate_envelope(document)
    except InvalidDocument as error:
        if _lacks_only_the_tenant(document):
            return known.invalid("unknown_tenant", messages.Message("event_no_tenant"))
        return known.invalid("invalid_envelope", error.message)
    event_type = document["type"]
    if event_type not in TYPES:
        return known.invalid("unknown_type", messages.Message("event_unknown_type", {"types_known": list(TYPES)}))
    versions = find_versions(event_type, document.get("dataschema"))
    if not versions:
        known_here = {"type": event_type, "known": describe_versions(event_type)}
        return known.invalid("unknown_type", messages.Message("event_no_schema", known_here))
    given = document["data"] = _leave_out_unset(document["source"], document["data"])
    try:
        version = validate_data(event_type, versions, given)
        cleaned = clean_data(event_type, given)
    except InvalidDocument as error:
        return known.invalid("invalid_data", error.message)
    except InvalidField as error:
        return known.invalid("invalid_data", error.message)
    data = cleaned.data
    contradiction = _find_contradiction(message, document, data)
    if contradiction is not None:
        return known.invalid(*contradiction)
    time = parse_time(document["time"])
    assert time is not None  # noqa: S101  the schema has checked it
    return Event(
        document["id"],
        document["source"],
        event_type,
        time,
        document["tenantid"],
        data["external_id"],
        data,
        known.trace_id,
        version,
        cleaned.rejected,
        _read_depth(document.get(DEPTH)),
        cleaned.unread,
    )


def _leave_out_unset(source: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without parts of other sources that are null. A whole part that is null clears nothing, not even from
    its own source, and serializers write one for each object that is not set.
    """
    others = _PARTS - OWNED_PARTS.get(find_source_root(source), frozenset())
    return {name: value for name, value in data.items() if value is not None or name not in others}


def _read_depth(value: object) -> int:
    if value is None:
        return 0
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return min(int(text), MOST_DEPTH) if text.isascii() and text.isdecimal() and len(text) < 5 else MOST_DEPTH


def _lacks_only_the_tenant(document: Mapping[str, Any]) -> bool:
    if document.get("tenantid"):
        return False
    try:
        validate_envelope({**document, "tenantid": "x"})
    except InvalidDocument:
        return False
    return True


class _Known:
    """What can be read of a document that may be wrong in any part."""

    def __init__(self, document: Mapping[str, Any], message: Message) -> None:
        self.document = document
        trace = (self._text("traceparent") or _find_trace(message)).split("-")
        self.trace_id = trace[1] if len(trace) == 4 else ""

    def _text(self, name: str) -> str:
        value = self.document.get(name)
        return value[:_LONGEST_TEXT] if isinstance(value, str) and is_storable(value) else ""

    def invalid(self, code: str, reason: messages.Message) -> Invalid:
        event_type = self._text("type")
        return Invalid(
            code,
            reason,
            tenant=self._text("tenantid"),
            type=event_type if event_type in TYPES else UNKNOWN_TYPE,
            source=self._text("source"),
            id=self._text("id"),
            trace_id=self.trace_id,
        )


def _find_trace(message: Message) -> str:
    """The trace context of a sender whose tracing puts it into a header of Kafka's, beside the event."""
    header = next((value or b"" for name, value in message.headers if name.lower() == "traceparent"), b"")
    return header[:255].decode("ascii", errors="replace").replace("\x00", "")


def _read_document(message: Message) -> dict[str, Any] | Invalid:
    """The event as one document, in whichever mode it came."""
    if message.has_unreadable_headers:
        return Invalid("unreadable", messages.Message("event_header_name"))
    if not message.value:
        return Invalid("unreadable", messages.Message("event_no_value"))
    attributes = {
        name.lower().removeprefix(BINARY_PREFIX): value
        for name, value in message.headers
        if name.lower().startswith(BINARY_PREFIX)
    }
    content_type = next((value or b"" for name, value in message.headers if name.lower() == "content-type"), b"")
    is_binary = "specversion" in attributes and not content_type.lower().startswith(STRUCTURED_TYPE.encode())
    try:
        body = parse_message(message.value)
        document = {name: (value or b"").decode() for name, value in attributes.items()} if is_binary else body
    except (orjson.JSONDecodeError, UnicodeDecodeError) as error:
        return Invalid("unreadable", _find_error(error))
    if not isinstance(document, dict):
        return Invalid("unreadable", messages.Message("event_no_object"))
    if is_binary:
        document["data"] = body
        if content_type:
            document["datacontenttype"] = content_type.decode(errors="replace")
    elif document.get("data") is None and isinstance(document.get("data_base64"), str):
        # Some libraries write so what they were given as bytes, JSON or not (CloudEvents, JSON format).
        document["data"] = _decode_data(document["data_base64"])
    return _read_attributes(document, message)


def _decode_data(text: str) -> Any:
    """The JSON in a text of base64; None where there is none, as if no data had been given."""
    try:
        return parse_message(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        return None


def _read_attributes(document: dict[str, Any], message: Message) -> dict[str, Any] | Invalid:
    """The document without attributes that say nothing: null is as good as not given (CloudEvents, JSON format), and
    what is not of the envelope, or incidental, may be anything.
    """
    kept = {}
    for name, value in document.items():
        if name == "data":
            kept[name] = value
        elif value is None or (name in _INCIDENTAL and not (isinstance(value, str) and len(value) <= _LONGEST_TEXT)):
            continue
        elif is_storable(value):
            kept[name] = value
        elif name in ATTRIBUTES and name not in _INCIDENTAL:
            reason = messages.Message("event_not_storable", {"field": name})
            return _Known(document, message).invalid("invalid_data", reason)
    return kept


def _find_error(error: ValueError) -> messages.Message:
    """Where it is no JSON, and never what is there."""
    if isinstance(error, orjson.JSONDecodeError):
        return messages.Message("event_no_json", {"position": error.pos + 1})
    return messages.Message("event_no_utf8")


def _names(name: bytes | str | None, external_id: str) -> bool:
    """Whether a key or a subject is this id, in whatever form it came."""
    if name in (external_id, external_id.encode()):
        return True
    try:
        return read_kept_external_id(name.decode() if isinstance(name, bytes) else name) == external_id
    except (InvalidValue, UnicodeDecodeError):
        return False


def _find_contradiction(
    message: Message, document: Mapping[str, Any], data: Mapping[str, Any]
) -> tuple[str, messages.Message] | None:
    """What is wrong between the parts of a message that are well-formed each."""
    external_id = data["external_id"]
    if not _names(message.key, external_id) or not _names(document.get("subject", external_id), external_id):
        return "key_mismatch", messages.Message("event_key")
    # Also what was left out of them has an owner.
    foreign = find_foreign_part(document["source"], document["type"], document["data"])
    if foreign is not None:
        return "source_not_allowed", foreign
    wrong = EVENT_TYPES[document["type"]].check(data)
    return None if wrong is None else ("invalid_data", wrong)
