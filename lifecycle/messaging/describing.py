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
from lifecycle.services.events.samples import envelope

ASYNCAPI: Final = Path(settings.BASE_DIR) / "docs" / "events" / "asyncapi.yaml"
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
    """The AsyncAPI document: what comes in from the registry, what goes out as it stands."""
    document: dict[str, Any] = yaml.safe_load(ASYNCAPI.read_text())
    document["info"]["description"] = " ".join(document["info"]["description"].split())
    going_out = {name: one for name, one in document["channels"].items() if f"publish.{name}" in document["operations"]}
    sent = {f"publish.{name}": document["operations"][f"publish.{name}"] for name in going_out}
    messages = document["components"]["messages"]
    document["channels"] = {**{name: _channel(one) for name, one in EVENT_TYPES.items()}, **going_out}
    document["operations"] = {**{f"consume.{name}": _operation(one) for name, one in EVENT_TYPES.items()}, **sent}
    document["components"]["messages"] = {
        **{name: _message(one) for name, one in EVENT_TYPES.items()},
        **{name: messages[name] for name in going_out},
    }
    return copy.deepcopy(document)


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
