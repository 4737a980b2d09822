"""Reads the rules about customers at risk, and warns of what is probably not meant in them."""

from collections.abc import Mapping
from typing import Any, Final

from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.definitions import CATEGORIES, LONGEST_REASON, Configuration
from tenants.rules.configuration.document_reader import DocumentReader, Place
from tenants.rules.configuration.risk_rules import (
    ACTIONS,
    LONGEST_NAME,
    LONGEST_WAIT_DAYS,
    MOVE,
    RiskRule,
    figures_of_rules,
    find_figure,
)
from tenants.rules.configuration.sections import MOST_CONDITIONS, MOST_STAGES, read_condition

MOST_RISK_RULES: Final = 20
RISK_RULE_KEYS: Final = (
    "name",
    "when",
    "for_days",
    "stages",
    "categories",
    "action",
    "to",
    "reason_code",
    "enabled",
)
_REQUIRED: Final = ("name", "when", "action", "to")
# Of texts only these say something.
_TEXT_OPERATORS: Final = ("eq", "ne", "in", "exists")


def read_risk_rules(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[RiskRule, ...]:
    """The rules, each with a name of its own."""
    value = document.get("risk_rules", [])
    if value == []:
        return ()
    seen: set[str] = set()
    rules = (
        _read_rule(reader, item, place, seen)
        for item, place in reader.read_list(value, ("risk_rules",), "risk_rules", MOST_RISK_RULES)
    )
    return tuple(rule for rule in rules if rule is not None)


def _read_rule(reader: DocumentReader, item: object, place: Place, seen: set[str]) -> RiskRule | None:
    rule = reader.read_object(item, place, "risk_rule", RISK_RULE_KEYS, required=_REQUIRED)
    if rule is None or not set(_REQUIRED) <= rule.keys():
        return None
    name = reader.read_text(rule["name"], (*place, "name"), "name", LONGEST_NAME)
    if name is not None:
        reader.is_new(name, (*place, "name"), seen)
    when = _read_when(reader, rule["when"], (*place, "when"))
    action = reader.read_choice(rule["action"], (*place, "action"), "action", ACTIONS)
    to = reader.read_stage(rule["to"], (*place, "to"))
    wait, reason, enabled = 0, None, True
    stages: tuple[str, ...] = ()
    if rule.get("for_days") is not None:
        wait = reader.read_integer(rule["for_days"], (*place, "for_days"), "wait", 0, LONGEST_WAIT_DAYS) or 0
    if "stages" in rule:
        stages = reader.read_stages(rule["stages"], (*place, "stages"), "rule_stages", MOST_STAGES)
    categories = _read_categories(reader, rule, place)
    if rule.get("reason_code") is not None:
        reason = reader.read_text(rule["reason_code"], (*place, "reason_code"), "reason", LONGEST_REASON)
    if rule.get("enabled") is not None:
        enabled = reader.read_boolean(rule["enabled"], (*place, "enabled"), "enabled")
    if name is None or action is None or to is None:
        return None
    return RiskRule(name, when, to, action, wait, stages, categories, reason, enabled)


def _read_categories(reader: DocumentReader, rule: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    if "categories" not in rule:
        return ()
    found: set[str] = set()
    seen: set[str] = set()
    where = (*place, "categories")
    for item, at in reader.read_list(rule["categories"], where, "rule_categories", len(CATEGORIES)):
        word = reader.read_choice(item, at, "category", CATEGORIES)
        if word is not None and reader.is_new(word, at, seen):
            found.add(word)
    return tuple(category for category in CATEGORIES if category in found)


def _read_when(reader: DocumentReader, value: object, place: Place) -> tuple[Condition, ...]:
    """At least one condition: without any the rule would speak of everyone at all times."""
    known = tuple(figure.path for figure in figures_of_rules())
    conditions = []
    for item, where in reader.read_list(value, place, "conditions", MOST_CONDITIONS):
        condition = read_condition(reader, item, where)
        if condition is not None:
            _check_condition(reader, condition, where, known)
            conditions.append(condition)
    return tuple(conditions)


def _check_condition(reader: DocumentReader, condition: Condition, place: Place, known: tuple[str, ...]) -> None:
    figure = find_figure(condition.field)
    if figure is None:
        reader.add_unknown((*place, "field"), "unknown_value", "field", condition.field, known)
        return
    if condition.op == "exists":
        return
    # None: refused already.
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    values = tuple(value for value in values if value is not None)
    if figure.is_number:
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            reader.add_error((*place, "value"), "wrong_type", "figure_needs_number", field=condition.field)
    elif condition.op not in _TEXT_OPERATORS:
        reader.add_error((*place, "op"), "unknown_value", "text_has_no_order", field=condition.field)
    elif not all(isinstance(value, str) for value in values):
        reader.add_error((*place, "value"), "wrong_type", "figure_needs_text", field=condition.field)


def note_risk_rules(reader: DocumentReader, configuration: Configuration) -> None:
    """Warn of rules that can never fire, and of moves that would always be refused."""
    for index, rule in enumerate(configuration.risk_rules):
        place = ("risk_rules", index)
        if not rule.enabled:
            continue
        looked_at = [one for one in configuration.definitions if rule.looks_at(one.name, one.category)]
        if not looked_at:
            reader.add_warning(place, "rule_never_fires", "risk_rule_without_stage")
            continue
        closed = tuple(stage.name for stage in looked_at if rule.to not in stage.to)
        if len(closed) == len(looked_at):
            reader.add_warning(place, "rule_never_fires", "rule_without_transition", stage=rule.to)
        elif closed and rule.stages:
            reader.add_warning(place, "rule_refused", stage=rule.to, closed=closed)
        target = configuration.definition(rule.to)
        if target.requires_reason and rule.reason_code is None and rule.action == MOVE:
            reader.add_warning(place, "rule_never_fires", "rule_without_reason", stage=rule.to)
        if rule.reason_code and target.reason_codes is not None and rule.reason_code not in target.reason_codes:
            reader.add_warning(
                place, "rule_never_fires", "rule_with_unknown_reason", reason=rule.reason_code, stage=rule.to
            )
