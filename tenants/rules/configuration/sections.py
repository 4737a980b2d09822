"""Reads the lists of a configuration that are made of objects: event rules with their conditions, and effects."""

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from tenants.rules.configuration.conditions import OPERATORS, Condition, Scalar
from tenants.rules.configuration.definitions import (
    CATEGORIES,
    EFFECT_KINDS,
    EFFECT_MOMENTS,
    LONGEST_REASON,
    Effect,
    EventRule,
)
from tenants.rules.configuration.document_reader import DocumentReader, Place, name_type
from tenants.rules.configuration.events import event_types
from tenants.rules.values import InvalidValue, read_currency

MOST_STAGES = 50
MOST_RULES = 100
MOST_EFFECTS = 100
MOST_CONDITIONS = 10
MOST_VALUES = 50
MOST_RECIPIENTS = 20
LONGEST_TEXT = 255
LARGEST_NUMBER = 10**15
MOST_RATES = 100
SMALLEST_RATE, LARGEST_RATE = 1e-9, 1e9

# Whom an e-mail or an alert can be sent to without an address: the account manager of the customer, the tenant's
# account managers, its admins, and the customer's own contacts.
RECIPIENTS: tuple[str, ...] = ("owner", "managers", "admins", "contacts")

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,3}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


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
        from_stages = reader.read_stages(rule["from"], (*place, "from"), "rule_stages", MOST_STAGES)
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
        _read_condition(reader, item, where)
        for item, where in reader.read_list(value, place, "conditions", MOST_CONDITIONS)
    )
    return tuple(condition for condition in conditions if condition is not None)


def _read_condition(reader: DocumentReader, item: object, place: Place) -> Condition | None:
    condition = reader.read_object(item, place, "condition", ("field", "op", "value"), required=("field", "op"))
    if condition is None or "field" not in condition or "op" not in condition:
        return None
    field = reader.read_text(condition["field"], (*place, "field"), "field", LONGEST_TEXT)
    if field is not None and not _FIELD.fullmatch(field):
        reader.add_error((*place, "field"), "bad_field", name=field)
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


def read_effects(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[Effect, ...]:
    """The effects, each with a name of its own."""
    value = document.get("effects", [])
    if value == []:
        return ()
    seen: set[str] = set()
    effects = (
        _read_effect(reader, item, place, seen)
        for item, place in reader.read_list(value, ("effects",), "effects", MOST_EFFECTS)
    )
    return tuple(effect for effect in effects if effect is not None)


def _read_effect(reader: DocumentReader, item: object, place: Place, seen: set[str]) -> Effect | None:
    known = ("name", "on", "stages", "categories", "kind", "to", "template")
    effect = reader.read_object(item, place, "effect", known, required=("name", "on", "kind"))
    if effect is None or not {"name", "on", "kind"} <= effect.keys():
        return None
    name = reader.read_text(effect["name"], (*place, "name"), "name", LONGEST_TEXT)
    if name is not None:
        reader.is_new(name, (*place, "name"), seen)
    moment = reader.read_choice(effect["on"], (*place, "on"), "moment", EFFECT_MOMENTS)
    kind = reader.read_choice(effect["kind"], (*place, "kind"), "effect_kind", EFFECT_KINDS)
    stages: tuple[str, ...] = ()
    if "stages" in effect:
        stages = reader.read_stages(effect["stages"], (*place, "stages"), "effect_stages", MOST_STAGES)
    categories = _read_categories(reader, effect, place)
    to = _read_recipients(reader, effect, place, kind)
    template = None
    if effect.get("template") is not None:
        template = reader.read_text(effect["template"], (*place, "template"), "template", LONGEST_TEXT)
    if name is None or moment is None or kind is None:
        return None
    return Effect(name, moment, kind, to, stages, categories, template)


def _read_categories(reader: DocumentReader, effect: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    if "categories" not in effect:
        return ()
    found: set[str] = set()
    seen: set[str] = set()
    where = (*place, "categories")
    for item, at in reader.read_list(effect["categories"], where, "effect_categories", len(CATEGORIES)):
        category = reader.read_choice(item, at, "category", CATEGORIES)
        if category is not None and reader.is_new(category, at, seen):
            found.add(category)
    return tuple(category for category in CATEGORIES if category in found)


def _read_recipients(
    reader: DocumentReader, effect: Mapping[str, Any], place: Place, kind: str | None
) -> tuple[str, ...]:
    where = (*place, "to")
    if "to" not in effect:
        # The churn forecast is one for the tenant: it needs no address.
        if kind not in (None, "forecast"):
            reader.add_error(where, "missing_key", "missing_recipients", effect_kind=kind)
        return ()
    recipients = reader.read_texts(effect["to"], where, "recipients", MOST_RECIPIENTS, LONGEST_TEXT)
    for index, recipient in enumerate(recipients):
        if kind == "webhook" and not _is_web_address(recipient):
            reader.add_error((*where, index), "bad_recipient", "not_https", recipient=recipient)
        elif kind in ("email", "alert") and "@" in recipient and not _ADDRESS.fullmatch(recipient):
            reader.add_error((*where, index), "bad_recipient", "not_email", recipient=recipient)
        elif kind in ("email", "alert") and "@" not in recipient and recipient not in RECIPIENTS:
            reader.add_warning((*where, index), "unknown_recipient", recipient=recipient, choices=RECIPIENTS)
    return recipients


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


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, user = parts.hostname, parts.username
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host) and user is None and " " not in text
