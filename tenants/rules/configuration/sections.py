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
    Effect,
    EventRule,
)
from tenants.rules.configuration.document_reader import Place, Reader, name_type
from tenants.rules.configuration.events import event_types
from tenants.rules.texts import list_texts, quote_text
from tenants.rules.values import InvalidValue, read_currency

MOST_STAGES = 50
MOST_RULES = 100
MOST_EFFECTS = 100
MOST_CONDITIONS = 10
MOST_VALUES = 50
MOST_RECIPIENTS = 20
LONGEST_REASON = 255
LONGEST_TEXT = 255
LARGEST_NUMBER = 10**15
MOST_RATES = 100
SMALLEST_RATE, LARGEST_RATE = 1e-9, 1e9

# Whom an e-mail or an alert can be sent to without an address: the account manager of the customer, the tenant's
# account managers, its admins, and the customer's own contacts.
RECIPIENTS: tuple[str, ...] = ("owner", "managers", "admins", "contacts")

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,3}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def read_rules(reader: Reader, document: Mapping[str, Any]) -> tuple[EventRule, ...]:
    """The event rules, in their order: the first that fits an event decides."""
    value = document.get("event_rules", [])
    if value == []:
        return ()
    rules = (
        _read_rule(reader, item, place)
        for item, place in reader.read_list(value, ("event_rules",), "The event rules", MOST_RULES)
    )
    return tuple(rule for rule in rules if rule is not None)


def _read_rule(reader: Reader, item: object, place: Place) -> EventRule | None:
    known = ("event", "from", "to", "reason_code", "when")
    rule = reader.read_object(item, place, "The event rule", known, required=("event", "to"))
    if rule is None:
        return None
    event = reader.read_choice(rule["event"], (*place, "event"), "event", event_types()) if "event" in rule else None
    to = reader.read_stage(rule["to"], (*place, "to")) if "to" in rule else None
    from_stages = None
    if "from" in rule:
        from_stages = reader.read_stages(rule["from"], (*place, "from"), "The stages of the rule", MOST_STAGES)
    reason = None
    if rule.get("reason_code") is not None:
        reason = reader.read_text(rule["reason_code"], (*place, "reason_code"), "The reason", LONGEST_REASON)
    when = _read_conditions(reader, rule.get("when", []), (*place, "when"))
    if event is None or to is None:
        return None
    return EventRule(event, to, from_stages, reason, when)


def _read_conditions(reader: Reader, value: object, place: Place) -> tuple[Condition, ...]:
    if value == []:
        return ()
    conditions = (
        _read_condition(reader, item, where)
        for item, where in reader.read_list(value, place, "The conditions", MOST_CONDITIONS)
    )
    return tuple(condition for condition in conditions if condition is not None)


def _read_condition(reader: Reader, item: object, place: Place) -> Condition | None:
    condition = reader.read_object(item, place, "The condition", ("field", "op", "value"), required=("field", "op"))
    if condition is None or "field" not in condition or "op" not in condition:
        return None
    field = reader.read_text(condition["field"], (*place, "field"), "The field", LONGEST_TEXT)
    if field is not None and not _FIELD.fullmatch(field):
        sentence = f"{quote_text(field)} is not the name of a field; write for example “open_issues” or “billing.arr”."
        reader.add_error((*place, "field"), "bad_field", sentence)
        field = None
    op = reader.read_choice(condition["op"], (*place, "op"), "operator", OPERATORS)
    if field is None or op is None:
        return None
    where = (*place, "value")
    if op == "exists":
        wanted = condition.get("value", True)
        if not isinstance(wanted, bool):
            reader.add_error(where, "wrong_type", f"“exists” takes true or false, not {name_type(wanted)}.")
            return None
        return Condition(field, op, wanted)
    if "value" not in condition:
        reader.add_error(where, "missing_key", f"The condition must have a value to compare {quote_text(field)} with.")
        return None
    if op == "in":
        values = reader.read_list(condition["value"], where, "The values", MOST_VALUES)
        return Condition(field, op, tuple(_read_scalar(reader, one, at) for one, at in values))
    value = _read_scalar(reader, condition["value"], where)
    if op not in ("eq", "ne") and isinstance(value, bool):
        reader.add_error(where, "wrong_type", "Only numbers and texts have an order; true and false have none.")
    return Condition(field, op, value)


def _read_scalar(reader: Reader, value: object, place: Place) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER or (isinstance(value, float) and not math.isfinite(value)):
            reader.add_error(place, "out_of_range", f"The value must be within ±{LARGEST_NUMBER:,}.")
            return None
        return value
    if isinstance(value, str):
        return reader.read_text(value, place, "The value", LONGEST_TEXT)
    reader.add_error(place, "wrong_type", f"The value must be a text, a number, true or false, not {name_type(value)}.")
    return None


def read_effects(reader: Reader, document: Mapping[str, Any]) -> tuple[Effect, ...]:
    """The effects, each with a name of its own."""
    value = document.get("effects", [])
    if value == []:
        return ()
    seen: set[str] = set()
    effects = (
        _read_effect(reader, item, place, seen)
        for item, place in reader.read_list(value, ("effects",), "The effects", MOST_EFFECTS)
    )
    return tuple(effect for effect in effects if effect is not None)


def _read_effect(reader: Reader, item: object, place: Place, seen: set[str]) -> Effect | None:
    known = ("name", "on", "stages", "categories", "kind", "to", "template")
    effect = reader.read_object(item, place, "The effect", known, required=("name", "on", "kind"))
    if effect is None or not {"name", "on", "kind"} <= effect.keys():
        return None
    name = reader.read_text(effect["name"], (*place, "name"), "The name", LONGEST_TEXT)
    if name is not None:
        reader.is_new(name, (*place, "name"), seen)
    moment = reader.read_choice(effect["on"], (*place, "on"), "moment", EFFECT_MOMENTS)
    kind = reader.read_choice(effect["kind"], (*place, "kind"), "kind of effect", EFFECT_KINDS)
    stages: tuple[str, ...] = ()
    if "stages" in effect:
        stages = reader.read_stages(effect["stages"], (*place, "stages"), "The stages of the effect", MOST_STAGES)
    categories = _read_categories(reader, effect, place)
    to = _read_recipients(reader, effect, place, kind)
    template = None
    if effect.get("template") is not None:
        template = reader.read_text(effect["template"], (*place, "template"), "The template", LONGEST_TEXT)
    if name is None or moment is None or kind is None:
        return None
    return Effect(name, moment, kind, to, stages, categories, template)


def _read_categories(reader: Reader, effect: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    if "categories" not in effect:
        return ()
    found: set[str] = set()
    seen: set[str] = set()
    where = (*place, "categories")
    for item, at in reader.read_list(effect["categories"], where, "The categories of the effect", len(CATEGORIES)):
        category = reader.read_choice(item, at, "category", CATEGORIES)
        if category is not None and reader.is_new(category, at, seen):
            found.add(category)
    return tuple(category for category in CATEGORIES if category in found)


def _read_recipients(reader: Reader, effect: Mapping[str, Any], place: Place, kind: str | None) -> tuple[str, ...]:
    where = (*place, "to")
    if "to" not in effect:
        # The churn forecast is one for the tenant: it needs no address.
        if kind not in (None, "forecast"):
            reader.add_error(where, "missing_key", f"An effect of kind “{kind}” must say in “to” whom it is for.")
        return ()
    recipients = reader.read_texts(effect["to"], where, "The recipients", MOST_RECIPIENTS, LONGEST_TEXT)
    for index, recipient in enumerate(recipients):
        if kind == "webhook" and not _is_web_address(recipient):
            sentence = f"{quote_text(recipient)} is not an https address; write for example “https://crm.example/hook”."
            reader.add_error((*where, index), "bad_recipient", sentence)
        elif kind in ("email", "alert") and "@" in recipient and not _ADDRESS.fullmatch(recipient):
            sentence = f"{quote_text(recipient)} is not an e-mail address; write for example “success@acme.example”."
            reader.add_error((*where, index), "bad_recipient", sentence)
        elif kind in ("email", "alert") and "@" not in recipient and recipient not in RECIPIENTS:
            known = list_texts(RECIPIENTS, last="or")
            sentence = f"There is no recipient {quote_text(recipient)}. Use {known}, or an e-mail address."
            reader.add_warning((*where, index), "unknown_recipient", sentence)
    return recipients


def read_money(reader: Reader, document: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, float], ...]]:
    """The currency in which customers are ranked, and the worth of others in it."""
    currency = _read_currency(reader, document["currency"], ("currency",)) if "currency" in document else ""
    value = document.get("rates", {})
    if not isinstance(value, Mapping):
        reader.add_error(("rates",), "wrong_type", f"The exchange rates must be an object, not {name_type(value)}.")
        return currency or "", ()
    if value and currency == "":
        sentence = "Exchange rates need “currency”: they say what one unit of another currency is worth in it."
        reader.add_error(("currency",), "missing_key", sentence)
    if len(value) > MOST_RATES:
        reader.add_error(("rates",), "too_many", f"There can be at most {MOST_RATES} exchange rates.")
    rates: dict[str, float] = {}
    for name, rate in islice(value.items(), MOST_RATES):
        place = ("rates", str(name))
        code = _read_currency(reader, name, place)
        number = _read_rate(reader, rate, place)
        if code == "":
            reader.add_error(place, "empty", "An exchange rate must name its currency.")
        elif code is not None and code == currency:
            reader.add_error(place, "own_currency", f"{code} is the tenant's own currency: its rate is always 1.")
        elif code in rates:
            reader.add_error(place, "duplicate", f"{code} is named twice; case makes no difference.")
        elif code is not None and number is not None:
            rates[code] = number
    return currency or "", tuple(sorted(rates.items()))


def _read_currency(reader: Reader, value: object, place: Place) -> str | None:
    try:
        return read_currency(value)
    except InvalidValue as error:
        reader.add_error(place, error.code, f"The currency {quote_text(str(value))} {error}.")
        return None


def _read_rate(reader: Reader, value: object, place: Place) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number:
        reader.add_error(place, "wrong_type", f"An exchange rate must be a number, not {name_type(value)}.")
        return None
    if not SMALLEST_RATE <= value <= LARGEST_RATE:  # type: ignore[operator]
        reader.add_error(place, "out_of_range", "An exchange rate must be greater than 0, and at most 1,000,000,000.")
        return None
    return float(value)  # type: ignore[arg-type]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, user = parts.hostname, parts.username
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host) and user is None and " " not in text
