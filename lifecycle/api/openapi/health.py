"""A tenant's health as JSON Schema: components by name, with the bounds that the rules hold documents to."""

from typing import Any, Final

from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.health_formula import FULL_SCORE, MEASURES
from tenants.rules.configuration.health_reader import (
    LARGEST_BOUND,
    LONGEST_PART,
    MOST_HEALTH_STEPS,
    MOST_PARTS,
)

_POINTS: Final = {
    "type": "integer",
    "minimum": -FULL_SCORE,
    "maximum": FULL_SCORE,
    "description": "Points that are taken from the score; less than 0 are given.",
}
_BOUND: Final = {"type": "number", "minimum": -LARGEST_BOUND, "maximum": LARGEST_BOUND}
_SCORE: Final = {"type": ["integer", "null"], "maximum": FULL_SCORE}


def build_components(line: str) -> dict[str, dict[str, Any]]:
    """The components. ``line``: the pattern of a text of one line."""
    return {
        "HealthFormula": {
            "type": "object",
            "description": "How the score of a customer is made. Without it the usual formula counts.",
            "properties": {
                "start": {**_SCORE, "minimum": 0, "description": "The score without any worry; absent: 100."},
                "good_from": {**_SCORE, "minimum": 1, "description": "The lowest score that is good; absent: 70."},
                "watch_from": {**_SCORE, "minimum": 1, "description": "Less is poor; absent: 40."},
                "parts": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/HealthPart"},
                    "minItems": 1,
                    "maxItems": MOST_PARTS,
                },
            },
            "required": ["parts"],
            "additionalProperties": False,
        },
        "HealthPart": {
            "type": "object",
            "description": (
                "What a part takes: by `categories` of the stage; by the first of its `steps` that holds; or evenly,"
                " from none at `from` to `points` at `to` and beyond."
            ),
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_PART, "pattern": line},
                "measure": {"type": "string", "enum": list(MEASURES)},
                "points": {**_POINTS, "type": ["integer", "null"]},
                "from": {**_BOUND, "type": ["number", "null"]},
                "to": {**_BOUND, "type": ["number", "null"]},
                "steps": {
                    "type": ["array", "null"],
                    "items": {"$ref": "#/components/schemas/HealthStep"},
                    "minItems": 1,
                    "maxItems": MOST_HEALTH_STEPS,
                },
                "categories": {
                    "type": ["object", "null"],
                    "additionalProperties": _POINTS,
                    "propertyNames": {"enum": list(CATEGORIES)},
                    "minProperties": 1,
                },
                "if_missing": {
                    **_POINTS,
                    "type": ["integer", "null"],
                    "description": "Points that are taken where the measure is not known; absent: 0.",
                },
                "weight": {
                    "type": ["integer", "null"],
                    "minimum": 0,
                    "maximum": FULL_SCORE,
                    "description": "How much of the data the part stands for; absent: a figure's most points, else 0.",
                },
            },
            "required": ["name", "measure"],
            "additionalProperties": False,
        },
        "HealthStep": {
            "type": "object",
            "description": "What is taken from a value within a bound: either `at_least` or `at_most`.",
            "properties": {
                "at_least": {**_BOUND, "type": ["number", "null"]},
                "at_most": {**_BOUND, "type": ["number", "null"]},
                "points": _POINTS,
            },
            "required": ["points"],
            "additionalProperties": False,
        },
    }
