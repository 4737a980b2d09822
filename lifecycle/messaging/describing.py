"""The events described for those who send them: the JSON Schema of a customer's profile, and the AsyncAPI document.

Both are files that the registries of fields and of event types fill in; ``manage.py describe_events`` writes them.
"""

import copy
import datetime as dt
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson
import yaml
from django.conf import settings

from lifecycle.rules.event_types import EVENT_TYPES, EventType, Subject
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, SUPPORT, fields_of
from lifecycle.rules.ownership import OWNED_PARTS, find_owner
from lifecycle.rules.schemas import FOLDER, load_schema, registry
from lifecycle.services.effects.events_out import SOURCE as EFFECTS_SOURCE
from lifecycle.services.events.samples import envelope
from tenants.rules.configuration.effect_kinds import TOPICS

ASYNCAPI: Final = Path(settings.BASE_DIR) / "docs" / "events" / "asyncapi.yaml"
_TEXT: Final = {"type": "string"}
# What an effect's event says: a sample, and its schema.
_REQUESTED: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "tenant": ("acme", _TEXT),
    "customer_id": ("0195a3f1-0000-7aaa-8bbb-0123456789ab", {"type": "string", "format": "uuid"}),
    "external_id": ("C-1001", _TEXT),
    "effect": ("Renewal campaign", {**_TEXT, "description": "The name of the effect in the configuration."}),
    "template": ("renewal", {"type": ["string", "null"], "description": "As the effect names it."}),
    "from_stage": ("Active", {"type": ["string", "null"]}),
    "to_stage": ("Renewal Due", _TEXT),
    "reason_code": ("", _TEXT),
    "changed_at": ("2026-03-02T12:00:01.250000Z", {"type": "string", "format": "date-time"}),
    "sequence": (4, {"type": "integer", "description": "The customer's version: puts several in order."}),
}
_NOON: Final = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def describe_files() -> dict[Path, bytes]:
    """Every generated file, with what it has to hold."""
    files = {ASYNCAPI: yaml.safe_dump(_describe_channels(), sort_keys=False, width=120, allow_unicode=True).encode()}
    for name, entry in EVENT_TYPES.items():
        if entry.part is None:
            version = registry.versions[name][0]
            schema = orjson.dumps(_fill_profile(load_schema(name, version)), option=orjson.OPT_INDENT_2)
            files[FOLDER / f"{name}.v{version}.json"] = schema + b"\n"
    return files


def _fill_profile(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an event about the whole customer, with every field that there is."""

    def describe(part: str) -> dict[str, Any]:
        return {field.name: field.schema() for field in fields_of(part) if field.in_profile}

    properties = schema["properties"]
    people = properties[CONTACTS]
    properties[CONTACTS] = {**people, "items": {**people["items"], "properties": describe(CONTACTS)}}
    for part in (BILLING, SUPPORT):
        properties[part] = {**properties[part], "properties": describe(part)}
    rest = {name: properties[name] for name in (CONTACTS, BILLING, SUPPORT)}
    schema["properties"] = {"external_id": properties["external_id"], **describe(COMPANY), **rest}
    return schema


def _describe_channels() -> dict[str, Any]:
    """The AsyncAPI document: what comes in from the registry, what goes out as it is."""
    document: dict[str, Any] = yaml.safe_load(ASYNCAPI.read_text())
    document["info"]["description"] = " ".join(document["info"]["description"].split())
    operations, messages = document["operations"], document["components"]["messages"]
    going_out = {name: one for name, one in document["channels"].items() if f"publish.{name}" in operations}
    going_out |= {topic: _channel_out(topic) for topic in TOPICS}
    sent = {f"publish.{name}": operations.get(f"publish.{name}") or _operation_out(name) for name in going_out}
    messages |= {topic: _message_out(topic) for topic in TOPICS}
    document["channels"] = {**{name: _channel(one) for name, one in EVENT_TYPES.items()}, **going_out}
    document["operations"] = {**{f"consume.{name}": _operation(one) for name, one in EVENT_TYPES.items()}, **sent}
    document["components"]["messages"] = {
        **{name: _message(one) for name, one in EVENT_TYPES.items()},
        **{name: messages[name] for name in going_out},
    }
    return copy.deepcopy(document)


def _channel_out(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": f"{TOPICS[topic]} An effect of kind event of a tenant's configuration asks for it.",
        "messages": {topic: {"$ref": f"#/components/messages/{topic}"}},
    }


def _operation_out(topic: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": "Published by manage.py relay_events: at least once, with the id of the effect each time.",
        "messages": [{"$ref": f"#/channels/{topic}/messages/{topic}"}],
    }


def _message_out(topic: str) -> dict[str, Any]:
    """A request of an effect: its envelope is that of every event, its data are described here."""
    data = {name: value for name, (value, _) in _REQUESTED.items()}
    payload = {
        "specversion": "1.0",
        "id": "0195a3f1-8d2e-7c44-9b1a-2f6f0a1b2c3d",
        "source": EFFECTS_SOURCE,
        "type": topic,
        "subject": data["customer_id"],
        "time": data["changed_at"],
        "datacontenttype": "application/json",
        "dataschema": f"urn:customer360:schema:{topic}:1",
        "tenantid": "acme",
        "data": data,
    }
    properties = {name: schema for name, (_, schema) in _REQUESTED.items()}
    described = {"type": "object", "properties": properties, "required": list(properties)}
    folder = "../../" + FOLDER.relative_to(settings.BASE_DIR).as_posix()
    return {
        "name": topic,
        "title": topic,
        "summary": TOPICS[topic],
        "contentType": "application/cloudevents+json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {
                "allOf": [
                    {"$ref": f"{folder}/envelope.v1.json"},
                    {"properties": {"type": {"const": topic}, "data": described}},
                ]
            },
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The customer's id (UUID)."},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"name": "sample", "payload": payload}],
    }


def name_senders(entry: EventType) -> str:
    """Who may send an event of this type, in words."""
    if entry.part is not None:
        return f"From {find_owner(entry.part)}."
    return f"From {', '.join(OWNED_PARTS)}, each its own part."


def _channel(entry: EventType) -> dict[str, Any]:
    return {
        "address": entry.name,
        "description": f"{entry.title} {name_senders(entry)} {entry.effect}",
        "messages": {entry.name: {"$ref": f"#/components/messages/{entry.name}"}},
    }


def _operation(entry: EventType) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{entry.name}"},
        "summary": "Applied by manage.py consume_events.",
        "messages": [{"$ref": f"#/channels/{entry.name}/messages/{entry.name}"}],
    }


def _message(entry: EventType) -> dict[str, Any]:
    folder = "../../" + FOLDER.relative_to(settings.BASE_DIR).as_posix()
    version = registry.versions[entry.name][0]
    subject = Subject("C-1001")
    data = {"external_id": subject.external_id, **entry.sample(subject, Random(entry.name), _NOON)}  # noqa: S311  a sample
    payload = {**envelope(entry.name, data, tenant="acme", now=_NOON), "id": f"sample-of-{entry.name}"}
    return {
        "name": entry.name,
        "title": entry.name,
        "summary": entry.title,
        "contentType": "application/cloudevents+json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {
                "allOf": [
                    {"$ref": f"{folder}/envelope.v1.json"},
                    {
                        "properties": {
                            "type": {"const": entry.name},
                            "data": {"$ref": f"{folder}/{entry.name}.v{version}.json"},
                        }
                    },
                ]
            },
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The customer's external id, as in data.external_id."},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"name": "sample", "payload": payload}],
    }
