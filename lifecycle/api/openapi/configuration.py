"""A tenant's configuration as JSON Schema: components by name, with the bounds that the rules hold documents to."""

from typing import Any, Final

from lifecycle.rules.event_types import EVENT_TYPES
from tenants.rules.configuration.conditions import OPERATORS
from tenants.rules.configuration.definitions import LONGEST_COMMENT, LONGEST_REASON, LONGEST_STAGE
from tenants.rules.configuration.document import LONGEST_GUIDANCE, LONGEST_STAY_DAYS, MOST_REASONS
from tenants.rules.configuration.sections import (
    LARGEST_NUMBER,
    LARGEST_RATE,
    LONGEST_TEXT,
    MOST_CONDITIONS,
    MOST_EFFECTS,
    MOST_RATES,
    MOST_RECIPIENTS,
    MOST_RULES,
    MOST_STAGES,
    MOST_VALUES,
)

# What the rules refuse in a text of one line: control characters, and marks that make it look like another one.
_REFUSED = r"\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
# It neither begins nor ends with a blank.
LINE: Final = rf"^[^\s{_REFUSED}](?:[^{_REFUSED}]*[^\s{_REFUSED}])?$"
# PostgreSQL stores no NUL.
NO_NUL: Final = r"^[^\x00]*$"


def reference(name: str) -> dict[str, str]:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _line(longest: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": LINE, **more}


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: dict[str, Any], most: int, *, least: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most, **more}


def _by_stage(value: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": value,
        "propertyNames": {"maxLength": LONGEST_STAGE, "pattern": LINE},
        "maxProperties": MOST_STAGES,
        "description": f"Stage -> {description}.",
    }


def _object(properties: dict[str, Any], *required: str, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_NAME: Final = _line(LONGEST_STAGE)
_REASON: Final = _line(LONGEST_REASON)
_STAGES: Final = _list(_NAME, MOST_STAGES, uniqueItems=True)
_SOME_STAGES: Final = _list(_NAME, MOST_STAGES, least=1, uniqueItems=True)
_NUMBER: Final = {"type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}
_SCALAR: Final = {"anyOf": [_line(LONGEST_TEXT), _NUMBER, {"type": "boolean"}]}

COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "Configuration": _object(
        {
            "stages": {**_SOME_STAGES, "description": "The stages, in order."},
            "required_reason_codes": {**_STAGES, "description": "The stages that cannot be entered without a reason."},
            "initial": {**_NAME, "description": "Where new customers begin; absent: the first stage."},
            "transitions": {
                **_by_stage(_STAGES, "the stages it leads to"),
                "description": "Stage -> the stages it leads to. Without the key every stage leads to every other.",
            },
            "categories": _by_stage(reference("CategoryEnum"), "what it means"),
            "reason_codes": _by_stage(_list(_REASON, MOST_REASONS, least=1, uniqueItems=True), "accepted reasons"),
            "event_rules": _list(reference("EventRule"), MOST_RULES),
            "max_days": _by_stage(
                {"type": "integer", "minimum": 1, "maximum": LONGEST_STAY_DAYS}, "days expected at most"
            ),
            "effects": _list(reference("EffectDefinition"), MOST_EFFECTS),
            "colors": _by_stage({"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}, "its color"),
            "guidance": _by_stage({"type": "string", "maxLength": LONGEST_GUIDANCE}, "what to do in it"),
            "currency": {
                "type": "string",
                "pattern": "^[A-Za-z]{3}$",
                "description": "The currency in which customers are ranked by what is at stake.",
            },
            "rates": {
                "type": "object",
                "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST_RATE},
                "propertyNames": {"pattern": "^[A-Za-z]{3}$"},
                "maxProperties": MOST_RATES,
                "description": "Currency -> the worth of one unit in `currency`. Others have approximate rates.",
            },
        },
        "stages",
        description="A tenant's lifecycle. An unknown key is an error.",
    ),
    "EventRule": _object(
        {
            "event": {"type": "string", "enum": list(EVENT_TYPES)},
            "from": {**_SOME_STAGES, "description": "Absent: every stage."},
            "to": _NAME,
            "reason_code": _optional(_REASON),
            "when": _list(reference("EventCondition"), MOST_CONDITIONS, description="All of them must hold."),
        },
        "event",
        "to",
        description="An event that moves a customer by itself.",
    ),
    "EventCondition": _object(
        {
            "field": {
                "type": "string",
                "pattern": r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,3}$",
                "maxLength": LONGEST_TEXT,
                "description": "A path into the event's data, such as `billing.arr`.",
            },
            "op": {"type": "string", "enum": list(OPERATORS)},
            "value": {
                "anyOf": [*_SCALAR["anyOf"], _list(_SCALAR, MOST_VALUES, least=1)],
                "description": "A text, a number, true or false; for `in` a list of them.",
            },
        },
        "field",
        "op",
        description="What must hold of an event's data.",
    ),
    "EffectDefinition": _object(
        {
            "name": _line(LONGEST_TEXT),
            "on": reference("EffectMomentEnum"),
            "kind": reference("EffectKindEnum"),
            "stages": _SOME_STAGES,
            "categories": _list(reference("CategoryEnum"), 6, least=1, uniqueItems=True),
            "to": _list(
                _line(LONGEST_TEXT), MOST_RECIPIENTS, least=1, description="Whom it is for; not for a forecast."
            ),
            "template": _optional(_line(LONGEST_TEXT)),
        },
        "name",
        "on",
        "kind",
        description="A business process that a move starts.",
    ),
    "MappingTarget": _object(
        {"to": _NAME, "reason_code": _optional(_REASON)},
        "to",
        description="Where the customers of a stage go, and why.",
    ),
    "Publication": _object(
        {
            "configuration": reference("Configuration"),
            "renamed": _by_stage(_NAME, "the name that a stage of the live version has in this one"),
            "mapping": _by_stage(
                {"oneOf": [_NAME, reference("MappingTarget")]}, "where its customers go, as it goes away"
            ),
            "comment": {"type": "string", "maxLength": LONGEST_COMMENT, "pattern": NO_NUL},
        },
        "configuration",
        description="A configuration, and what becomes of stages that are renamed or go away.",
    ),
}
CONFIGURATION: Final = reference("Configuration")
PUBLISHED: Final = {"application/json": {"oneOf": [CONFIGURATION, reference("Publication")]}}
