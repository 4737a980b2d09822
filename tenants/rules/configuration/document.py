"""From a JSON document to a tenant's lifecycle configuration [DM-4], every error named at its place."""

import re
from collections.abc import Mapping
from typing import Any

from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.definitions import (
    CATEGORIES,
    DEFAULT_CATEGORY,
    EFFECT_KINDS,
    EFFECT_MOMENTS,
    EFFECT_SOURCES,
    LONGEST_REASON,
    LONGEST_STAGE,
    Configuration,
    Effect,
    Escalation,
    EventRule,
    StageDefinition,
)
from tenants.rules.configuration.diff import ConfigurationChange, diff_configurations
from tenants.rules.configuration.document_reader import DocumentReader, name_type
from tenants.rules.configuration.effect_reader import read_effects
from tenants.rules.configuration.errors import ERROR, WARNING, Finding, InvalidConfiguration
from tenants.rules.configuration.health_reader import note_health, read_health
from tenants.rules.configuration.meaning import infer_category
from tenants.rules.configuration.risk_rule_reader import note_risk_rules, read_risk_rules
from tenants.rules.configuration.sections import MOST_STAGES, read_money, read_rules
from tenants.rules.configuration.source_priority import note_priority, read_priority
from tenants.rules.configuration.warnings import note_concerns
from tenants.rules.texts import clean_line

__all__ = [
    "CATEGORIES",
    "EFFECT_KINDS",
    "EFFECT_MOMENTS",
    "EFFECT_SOURCES",
    "ERROR",
    "WARNING",
    "Condition",
    "Configuration",
    "ConfigurationChange",
    "Effect",
    "Escalation",
    "EventRule",
    "Finding",
    "InvalidConfiguration",
    "StageDefinition",
    "diff_configurations",
    "parse_configuration",
    "read_configuration",
]

LONGEST_GUIDANCE = 2000
LONGEST_STAY_DAYS = 3650
MOST_REASONS = 100

KEYS = (
    "stages",
    "required_reason_codes",
    "initial",
    "transitions",
    "categories",
    "reason_codes",
    "event_rules",
    "max_days",
    "effects",
    "colors",
    "guidance",
    "currency",
    "rates",
    "source_priority",
    "risk_rules",
    "health",
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def parse_configuration(document: object) -> Configuration:
    """The configuration that a JSON document describes, of which only errors are of interest.

    Raises InvalidConfiguration with everything that ``read_configuration`` finds.
    """
    configuration, findings = read_configuration(document)
    if configuration is None:
        raise InvalidConfiguration(tuple(findings))
    return configuration


def read_configuration(document: object) -> tuple[Configuration | None, list[Finding]]:
    """The configuration that a JSON document describes, and what is to be said about it, errors first. Never raises.

    None if there is an error. Warnings do not refuse it; those that concern the whole need it valid.
    """
    reader = DocumentReader()
    known = reader.read_object(document, (), "configuration", KEYS, required=("stages",))
    if known is None:
        return None, reader.findings
    _read_stage_names(reader, known)
    initial = _read_initial(reader, known)
    definitions = _read_definitions(reader, known)
    rules = read_rules(reader, known)
    effects = read_effects(reader, known)
    currency, rates = read_money(reader, known)
    priority = read_priority(reader, known)
    risk_rules = read_risk_rules(reader, known)
    health = read_health(reader, known)
    if reader.errors:
        return None, reader.findings
    is_open = "transitions" not in known
    configuration = Configuration(
        definitions, initial, is_open, rules, effects, currency, rates, priority, risk_rules=risk_rules, health=health
    )
    note_concerns(reader, configuration)
    note_priority(reader, configuration)
    note_risk_rules(reader, configuration)
    note_health(reader, configuration)
    return configuration, reader.findings


def _read_stage_names(reader: DocumentReader, document: Mapping[str, Any]) -> None:
    if "stages" not in document:
        return
    value = document["stages"]
    if value == []:
        reader.add_error(("stages",), "empty", "no_stages")
        return
    names: list[str] = []
    seen: set[str] = set()
    for item, place in reader.read_list(value, ("stages",), "stages", MOST_STAGES):
        name = reader.read_text(item, place, "stage", LONGEST_STAGE)
        if name is not None and reader.is_new(name, place, seen):
            names.append(name)
    if isinstance(value, list | tuple):
        reader.mentioned = {item for item in value if isinstance(item, str)}
    reader.stages = tuple(names)
    reader.has_stages = bool(names)


def _read_initial(reader: DocumentReader, document: Mapping[str, Any]) -> str:
    initial = reader.read_stage(document["initial"], ("initial",)) if "initial" in document else None
    return initial or next(iter(reader.stages), "")


def _read_definitions(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[StageDefinition, ...]:
    transitions = _read_transitions(reader, document)
    categories = _read_categories(reader, document)
    required: tuple[str, ...] = ()
    if document.get("required_reason_codes", []) != []:
        value = document["required_reason_codes"]
        required = reader.read_stages(value, ("required_reason_codes",), "required", MOST_STAGES)
    reasons = {
        stage: reader.read_texts(value, place, "reasons", MOST_REASONS, LONGEST_REASON)
        for stage, value, place in reader.read_by_stage(document, "reason_codes")
    }
    max_days = {
        stage: reader.read_integer(value, place, "days", 1, LONGEST_STAY_DAYS)
        for stage, value, place in reader.read_by_stage(document, "max_days")
    }
    colors = {
        stage: _read_color(reader, value, place) for stage, value, place in reader.read_by_stage(document, "colors")
    }
    guidance = {
        stage: reader.read_text(value, place, "guidance", LONGEST_GUIDANCE, multiline=True)
        for stage, value, place in reader.read_by_stage(document, "guidance")
        if value != ""
    }
    return tuple(
        StageDefinition(
            name=stage,
            category=categories[stage],
            to=transitions[stage],
            requires_reason=stage in required,
            reason_codes=reasons.get(stage),
            max_days=max_days.get(stage),
            color=colors.get(stage),
            guidance=guidance.get(stage) or "",
        )
        for stage in reader.stages
    )


def _read_transitions(reader: DocumentReader, document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The stages that each stage leads to: those listed, none for a stage that is not, or all without the key."""
    if "transitions" not in document:
        return {stage: tuple(other for other in reader.stages if other != stage) for stage in reader.stages}
    leads_to: dict[str, tuple[str, ...]] = dict.fromkeys(reader.stages, ())
    for stage, value, place in reader.read_by_stage(document, "transitions"):
        if value == []:
            continue
        targets = reader.read_stages(value, place, "targets", MOST_STAGES)
        if stage in targets:
            # It may be written with a blank too many, or in another form than its name is kept in.
            index = next(i for i, item in enumerate(value) if isinstance(item, str) and clean_line(item) == stage)
            reader.add_error((*place, index), "self_transition")
        leads_to[stage] = targets
    return leads_to


def _read_categories(reader: DocumentReader, document: Mapping[str, Any]) -> dict[str, str]:
    """The category of each stage: as given, else ``engaged``; without the key, what the names suggest."""
    if "categories" not in document:
        return {stage: infer_category(stage) for stage in reader.stages}
    given = dict.fromkeys(reader.stages, DEFAULT_CATEGORY)
    for stage, value, place in reader.read_by_stage(document, "categories"):
        given[stage] = reader.read_choice(value, place, "category", CATEGORIES) or DEFAULT_CATEGORY
    return given


def _read_color(reader: DocumentReader, value: object, place: tuple[str | int, ...]) -> str | None:
    if isinstance(value, str) and _COLOR.fullmatch(value):
        return value.lower()
    if isinstance(value, str):
        reader.add_error(place, "invalid_color")
    else:
        reader.add_error(place, "wrong_type", "color_not_text", type=name_type(value))
    return None
