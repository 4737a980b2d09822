"""Reads the parts of a configuration that are made of objects: event rules with their conditions, and money."""

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from tenants.rules.configuration.conditions import OPERATORS, Condition, Scalar
from tenants.rules.configuration.definitions import LONGEST_REASON, EventRule
from tenants.rules.configuration.document_reader import DocumentReader, Place, name_type
from tenants.rules.configuration.events import event_types
from tenants.rules.values import InvalidValue, read_currency

MOST_STAGES = 50
MOST_RULES = 100
MOST_CONDITIONS = 10
MOST_VALUES = 50
LONGEST_TEXT = 255
LARGEST_NUMBER = 10**15
MOST_RATES = 100
SMALLEST_RATE, LARGEST_RATE = 1e-9, 1e9

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,3}")


def read_rules(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[EventRule, ...]:
    """The event rules, in their order: the first that fits an event decides."""
    value = document.get("event_rules", [])
    if value == []:
        return ()
    rules = (
        _read_rule(reader, item, place)
        for item, place in reader.read_list(value, ("event_rules",), "event_rules", MOST_RULES)
    )
    return tuple(rule for rule in rules if rule is not None)


def _read_rule(reader: DocumentReader, item: object, place: Place) -> EventRule | None:
    known = ("event", "from", "to", "reason_code", "when")
    rule = reader.read_object(item, place, "event_rule", known, required=("event", "to"))
    if rule is None:
        return None
    event = reader.read_choice(rule["event"], (*place, "event"), "event", event_types()) if "event" in rule else None
    to = reader.read_stage(rule["to"], (*place, "to")) if "to" in rule else None
    from_stages = None
    if "from" in rule:
        from_stages = reader.read_stages(rule["from"], (*place, "from"), "rule_origins", MOST_STAGES)
    reason = None
    if rule.get("reason_code") is not None:
        reason = reader.read_text(rule["reason_code"], (*place, "reason_code"), "reason", LONGEST_REASON)
    when = _read_conditions(reader, rule.get("when", []), (*place, "when"))
    if event is None or to is None:
        return None
    return EventRule(event, to, from_stages, reason, when)


def _read_conditions(reader: DocumentReader, value: object, place: Place) -> tuple[Condition, ...]:
    if value == []:
        return ()
    conditions = (
        read_condition(reader, item, where)
        for item, where in reader.read_list(value, place, "conditions", MOST_CONDITIONS)
    )
    return tuple(condition for condition in conditions if condition is not None)


def read_condition(reader: DocumentReader, item: object, place: Place) -> Condition | None:
    """One condition, of which only the shape is checked."""
    condition = reader.read_object(item, place, "condition", ("field", "op", "value"), required=("field", "op"))
    if condition is None or "field" not in condition or "op" not in condition:
        return None
    field = reader.read_text(condition["field"], (*place, "field"), "field", LONGEST_TEXT)
    if field is not None and not _FIELD.fullmatch(field):
        reader.add_error((*place, "field"), "invalid_field", name=field)
        field = None
    op = reader.read_choice(condition["op"], (*place, "op"), "operator", OPERATORS)
    if field is None or op is None:
        return None
    where = (*place, "value")
    if op == "exists":
        wanted = condition.get("value", True)
        if not isinstance(wanted, bool):
            reader.add_error(where, "wrong_type", "exists_not_boolean", type=name_type(wanted))
            return None
        return Condition(field, op, wanted)
    if "value" not in condition:
        reader.add_error(where, "missing_key", "missing_value", field=field)
        return None
    if op == "in":
        values = reader.read_list(condition["value"], where, "values", MOST_VALUES)
        return Condition(field, op, tuple(_read_scalar(reader, one, at) for one, at in values))
    value = _read_scalar(reader, condition["value"], where)
    if op not in ("eq", "ne") and isinstance(value, bool):
        reader.add_error(where, "wrong_type", "boolean_has_no_order")
    return Condition(field, op, value)


def _read_scalar(reader: DocumentReader, value: object, place: Place) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER or (isinstance(value, float) and not math.isfinite(value)):
            reader.add_error(place, "out_of_range", "number_too_large", most=LARGEST_NUMBER)
            return None
        return value
    if isinstance(value, str):
        return reader.read_text(value, place, "value", LONGEST_TEXT)
    reader.add_error(place, "wrong_type", "not_scalar", type=name_type(value))
    return None


def read_money(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, float], ...]]:
    """The currency in which customers are ranked, and the worth of others in it."""
    currency = _read_currency(reader, document["currency"], ("currency",)) if "currency" in document else ""
    value = document.get("rates", {})
    if not isinstance(value, Mapping):
        reader.add_error(("rates",), "wrong_type", "not_object", subject="rates", type=name_type(value))
        return currency or "", ()
    if value and currency == "":
        reader.add_error(("currency",), "missing_key", "missing_currency")
    if len(value) > MOST_RATES:
        reader.add_error(("rates",), "too_many", "too_many_rates", most=MOST_RATES)
    rates: dict[str, float] = {}
    for name, rate in islice(value.items(), MOST_RATES):
        place = ("rates", str(name))
        code = _read_currency(reader, name, place)
        number = _read_rate(reader, rate, place)
        if code == "":
            reader.add_error(place, "empty", "rate_of_no_currency")
        elif code is not None and code == currency:
            reader.add_error(place, "own_currency", currency=code)
        elif code in rates:
            reader.add_error(place, "duplicate", "duplicate_currency", currency=code)
        elif code is not None and number is not None:
            rates[code] = number
    return currency or "", tuple(sorted(rates.items()))


def _read_currency(reader: DocumentReader, value: object, place: Place) -> str | None:
    try:
        return read_currency(value)
    except InvalidValue as error:
        reader.add_error(place, error.code, f"currency_{error.code}", text=str(value), **error.params)
        return None


def _read_rate(reader: DocumentReader, value: object, place: Place) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number:
        reader.add_error(place, "wrong_type", "rate_not_number", type=name_type(value))
        return None
    if not SMALLEST_RATE <= value <= LARGEST_RATE:  # type: ignore[operator]
        reader.add_error(place, "out_of_range", "rate_out_of_range", most=int(LARGEST_RATE))
        return None
    return float(value)  # type: ignore[arg-type]
