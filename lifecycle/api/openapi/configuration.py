"""A tenant's configuration as JSON Schema: components by name, with the bounds that the rules hold documents to."""

from typing import Any, Final

from lifecycle.api.openapi.health import build_components
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.ownership import SOURCED_PATHS
from lifecycle.rules.risk.figures import RISK_FIGURES
from tenants.rules.configuration.conditions import OPERATORS
from tenants.rules.configuration.definitions import LONGEST_COMMENT, LONGEST_REASON, LONGEST_STAGE
from tenants.rules.configuration.document import LONGEST_GUIDANCE, LONGEST_STAY_DAYS, MOST_REASONS
from tenants.rules.configuration.effect_kinds import TOPICS
from tenants.rules.configuration.effect_reader import MOST_EFFECTS, MOST_RECIPIENTS
from tenants.rules.configuration.effects import (
    EFFECT_SOURCES,
    LONGEST_BODY,
    LONGEST_DELAY_MINUTES,
    LONGEST_HOLD_MINUTES,
    LONGEST_STEP_MINUTES,
    LONGEST_SUBJECT,
    MOST_AN_HOUR,
    MOST_STEPS,
)
from tenants.rules.configuration.risk_rule_reader import MOST_RISK_RULES
from tenants.rules.configuration.risk_rules import ACTIONS, LONGEST_WAIT_DAYS
from tenants.rules.configuration.risk_rules import LONGEST_NAME as LONGEST_RULE_NAME
from tenants.rules.configuration.sections import (
    LARGEST_NUMBER,
    LARGEST_RATE,
    LONGEST_TEXT,
    MOST_CONDITIONS,
    MOST_RATES,
    MOST_RULES,
    MOST_STAGES,
    MOST_VALUES,
    SMALLEST_RATE,
)
from tenants.rules.configuration.source_priority import LONGEST_SOURCE, MOST_SOURCES, SOURCE
from tenants.rules.effect_texts import FIELDS

# What the rules refuse in a text of one line: control characters, and marks that make it look like another one
# (without tags, which are refused, too: beyond U+FFFF, patterns are written differently in each language).
_REFUSED = r"\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
ONE_LINE: Final = rf"^[^{_REFUSED}]*$"
# It neither begins nor ends with a blank.
LINE: Final = rf"^[^\s{_REFUSED}](?:[^{_REFUSED}]*[^\s{_REFUSED}])?$"
# Something that is no blank, with line breaks and tabs in it; blanks around it are taken away, whichever they are.
_BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_REFUSED_INSIDE = _REFUSED.replace(r"\x00-\x1f", r"\x00-\x08\x0b\x0c\x0e-\x1f")
# What may be in a text and is nothing by itself: fillers, joiners, variants, accents without a letter, private use.
_UNSEEN = (
    r"\xad\u0300-\u036f\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u200c\u200d"
    r"\u2800\u3164\ue000-\uf8ff\ufe00-\ufe0f\uffa0\ufffc"
)
_SEEN = rf"[^{_BLANKS}{_REFUSED_INSIDE}{_UNSEEN}]"
_INSIDE = rf"[^{_REFUSED_INSIDE}]"
_END = rf"[^{_BLANKS}{_REFUSED_INSIDE}]"
_BLANKS_INSIDE = r"\t\n\r\x20\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
PARAGRAPHS: Final = (
    rf"^[{_BLANKS}]*(?:[{_UNSEEN}][{_UNSEEN}{_BLANKS_INSIDE}]*)?{_SEEN}(?:{_INSIDE}*{_END})?[{_BLANKS}]*$"
)
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


def _minutes(most: int, description: str) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": 0, "maximum": most, "description": description}


_RECIPIENTS: Final = (
    "Whom it is for: `owner`, `managers`, `admins`, `user:NAME`; of an e-mail also `contacts`, `contacts:ROLE` and"
    " addresses; of a webhook names or addresses of endpoints."
)
_FIELDS: Final = f"It can use {', '.join(f'`{{{{ {name} }}}}`' for name in FIELDS)}."
_NAME: Final = _line(LONGEST_STAGE)
_REASON: Final = _line(LONGEST_REASON)
_STAGES: Final = _list(_NAME, MOST_STAGES, uniqueItems=True)
_SOME_STAGES: Final = _list(_NAME, MOST_STAGES, least=1, uniqueItems=True)
_NUMBER: Final = {"type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}
_SCALAR: Final = {"anyOf": [_line(LONGEST_TEXT), _NUMBER, {"type": "boolean"}]}

COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    **build_components(LINE),
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
                "additionalProperties": {"type": "number", "minimum": SMALLEST_RATE, "maximum": LARGEST_RATE},
                "propertyNames": {"pattern": "^[A-Za-z]{3}$"},
                "maxProperties": MOST_RATES,
                "description": "Currency -> the worth of one unit in `currency`. Others have approximate rates.",
            },
            "source_priority": {
                "type": "object",
                "additionalProperties": _list(
                    {"type": "string", "maxLength": LONGEST_SOURCE, "pattern": f"^{SOURCE}$"},
                    MOST_SOURCES,
                    least=1,
                    uniqueItems=True,
                ),
                "propertyNames": {"enum": list(SOURCED_PATHS)},
                "description": (
                    "Field, or part of the customer -> its sources, the one that goes before all others first."
                    " Fields that are not named have the newest report."
                ),
            },
            "risk_rules": _list(reference("RiskRule"), MOST_RISK_RULES),
            "health": reference("HealthFormula"),
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
    "RiskRule": _object(
        {
            "name": _line(LONGEST_RULE_NAME),
            "when": _list(reference("RiskCondition"), MOST_CONDITIONS, least=1, description="All of them must hold."),
            "for_days": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": LONGEST_WAIT_DAYS,
                "description": "For so many days without a break; absent: at once.",
            },
            "stages": {**_SOME_STAGES, "description": "It looks at customers in these, and in those of `categories`."},
            "categories": _list(reference("CategoryEnum"), 6, least=1, uniqueItems=True),
            "action": {
                "type": "string",
                "enum": list(ACTIONS),
                "description": "Whether it proposes or makes the move.",
            },
            "to": _NAME,
            "reason_code": _optional(_REASON),
            "enabled": {"type": ["boolean", "null"], "description": "Absent: true."},
        },
        "name",
        "when",
        "action",
        "to",
        description="A rule about customers at risk. Without `stages` and `categories`: all stages that are not lost.",
    ),
    "RiskCondition": _object(
        {
            "field": {"type": "string", "enum": [figure.path for figure in RISK_FIGURES]},
            "op": {"type": "string", "enum": list(OPERATORS)},
            "value": {
                "anyOf": [*_SCALAR["anyOf"], _list(_SCALAR, MOST_VALUES, least=1)],
                "description": "A number, or for figures that are text a text; for `in` a list of them.",
            },
        },
        "field",
        "op",
        description="What must hold of a customer's figures, or of time.",
    ),
    "EffectDefinition": _object(
        {
            "name": _line(LONGEST_TEXT),
            "on": reference("EffectMomentEnum"),
            "kind": reference("EffectKindEnum"),
            "stages": _SOME_STAGES,
            "categories": _list(reference("CategoryEnum"), 6, least=1, uniqueItems=True),
            "from": {**_SOME_STAGES, "description": "Only for customers who come from these; absent: from any."},
            "sources": _list(
                {"type": "string", "enum": list(EFFECT_SOURCES)},
                len(EFFECT_SOURCES),
                least=1,
                uniqueItems=True,
                description="Only for changes of these sources; absent: of any.",
            ),
            "to": _list(_line(LONGEST_TEXT), MOST_RECIPIENTS, least=1, description=_RECIPIENTS),
            "topic": {"type": ["string", "null"], "enum": [*TOPICS, None], "description": "Of an event."},
            "template": _optional(_line(LONGEST_TEXT, description="A name for the system that takes up an event.")),
            "subject": _optional(_line(LONGEST_SUBJECT, description=_FIELDS)),
            "body": _optional({"type": "string", "minLength": 1, "maxLength": LONGEST_BODY, "description": _FIELDS}),
            "delay_minutes": _minutes(LONGEST_DELAY_MINUTES, "It runs so much later, if the customer is still there."),
            "hold_minutes": _minutes(
                LONGEST_HOLD_MINUTES, "It can be taken back for so long; absent: 10 for mail to customers, else 0."
            ),
            "cap_per_hour": _optional({"type": "integer", "minimum": 1, "maximum": MOST_AN_HOUR}),
            "escalate": {
                "anyOf": [
                    reference("EscalationStep"),
                    _list(reference("EscalationStep"), MOST_STEPS),
                    {"type": "null"},
                ],
                "description": "Whom an alert goes to as well that no one acknowledges.",
            },
            "enabled": {"type": ["boolean", "null"], "description": "Absent: true."},
        },
        "name",
        "on",
        "kind",
        description="A business process that a move starts.",
    ),
    "EscalationStep": _object(
        {
            "to": _list(_line(LONGEST_TEXT), MOST_RECIPIENTS, least=1, description="`owner`, `managers`, `user:NAME`."),
            "after_minutes": {"type": "integer", "minimum": 1, "maximum": LONGEST_STEP_MINUTES},
        },
        "to",
        "after_minutes",
        description="So long after the change, the alert goes to these people.",
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
            "start_effects": {
                "type": "boolean",
                "default": False,
                "description": "The moves of the mapping start what they would by hand; else they start nothing.",
            },
            "confirm_effects": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "Refuse unless the moves start as many effects together: the number of the"
                " preview. Needed when they start more than the tenant lets one request start unasked.",
            },
        },
        "configuration",
        description="A configuration, and what becomes of stages that are renamed or go away.",
    ),
}
CONFIGURATION: Final = reference("Configuration")
PUBLISHED: Final = {"application/json": {"oneOf": [CONFIGURATION, reference("Publication")]}}
