"""A configuration that is in order, as immutable values; what they mean is compiled into a policy."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tenants.rules.configuration.categories import CATEGORIES
from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.effect_kinds import EFFECT_KINDS
from tenants.rules.configuration.effects import EFFECT_MOMENTS, EFFECT_SOURCES, Effect, Escalation, write_effect
from tenants.rules.configuration.health_formula import USUAL_HEALTH, HealthFormula, write_health
from tenants.rules.configuration.risk_rules import RiskRule, write_risk_rule

__all__ = [
    "CATEGORIES",
    "DEFAULT_CATEGORY",
    "EFFECT_KINDS",
    "EFFECT_MOMENTS",
    "EFFECT_SOURCES",
    "LONGEST_COMMENT",
    "LONGEST_REASON",
    "LONGEST_STAGE",
    "Configuration",
    "Effect",
    "Escalation",
    "EventRule",
    "StageDefinition",
]

LONGEST_STAGE = 100
LONGEST_REASON = 255
# Why a version was made.
LONGEST_COMMENT = 500

DEFAULT_CATEGORY = "engaged"


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """One stage. ``to``: the stages it leads to, in the order of the stages. ``reason_codes`` None: any reason."""

    name: str
    category: str
    to: tuple[str, ...]
    requires_reason: bool = False
    reason_codes: tuple[str, ...] | None = None
    max_days: int | None = None
    color: str | None = None
    guidance: str = ""


@dataclass(frozen=True, slots=True)
class EventRule:
    """An event that moves customers to a stage. ``from_stages`` None: from every stage, also one added later."""

    event: str
    to: str
    from_stages: tuple[str, ...] | None = None
    reason_code: str | None = None
    when: tuple[Condition, ...] = ()

    def accepts(self, stage: str | None, data: object) -> bool:
        """Whether the rule speaks of a customer in ``stage`` (None: not placed yet) and an event with ``data``."""
        return self.may_accept(stage, data)

    def may_accept(self, stage: str | None, data: object, unread: Collection[str] = ()) -> bool:
        """The same, if each condition held that asks for a path that could not be read."""
        if self.from_stages is not None and stage not in self.from_stages:
            return False
        return all(one.holds(data) or one.asks_for(unread) for one in self.when)

    def depends_on(self, unread: Collection[str]) -> bool:
        """Whether some condition asks for a path that could not be read."""
        return any(one.asks_for(unread) for one in self.when)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A tenant's lifecycle, normalised. ``is_open``: no transitions were listed, every stage leads to every other.

    ``currency`` is that in which customers are ranked (empty: none named), ``rates`` what one unit of others is worth
    in it, in alphabetical order. ``source_priority``: a field's path, or a part of the customer, and its sources, the
    one that goes before all others first.
    """

    definitions: tuple[StageDefinition, ...]
    initial: str
    is_open: bool = True
    event_rules: tuple[EventRule, ...] = ()
    effects: tuple[Effect, ...] = ()
    currency: str = ""
    rates: tuple[tuple[str, float], ...] = ()
    source_priority: tuple[tuple[str, tuple[str, ...]], ...] = ()
    risk_rules: tuple[RiskRule, ...] = ()
    health: HealthFormula = USUAL_HEALTH

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(stage.name for stage in self.definitions)

    def definition(self, name: str) -> StageDefinition:
        """The stage of that name; KeyError if there is none."""
        for stage in self.definitions:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def to_document(self) -> dict[str, Any]:
        """The canonical JSON of the contract: parsing it gives an equal configuration.

        Categories are always written out, so that a stage keeps its meaning when it is renamed.
        """
        document: dict[str, Any] = {"stages": list(self.stages), "initial": self.initial}
        if not self.is_open:
            document["transitions"] = {stage.name: list(stage.to) for stage in self.definitions if stage.to}
        document["categories"] = {stage.name: stage.category for stage in self.definitions}
        document["required_reason_codes"] = [stage.name for stage in self.definitions if stage.requires_reason]
        optional = {
            "reason_codes": {s.name: list(s.reason_codes) for s in self.definitions if s.reason_codes is not None},
            "max_days": {s.name: s.max_days for s in self.definitions if s.max_days is not None},
            "colors": {s.name: s.color for s in self.definitions if s.color is not None},
            "guidance": {s.name: s.guidance for s in self.definitions if s.guidance},
            "event_rules": [_write_rule(rule) for rule in self.event_rules],
            "effects": [write_effect(effect) for effect in self.effects],
            "currency": self.currency,
            "rates": dict(self.rates),
            "source_priority": {path: list(sources) for path, sources in self.source_priority},
            "risk_rules": [write_risk_rule(rule) for rule in self.risk_rules],
            "health": write_health(self.health) if self.health != USUAL_HEALTH else {},
        }
        return document | {key: value for key, value in optional.items() if value}


def _write_rule(rule: EventRule) -> dict[str, Any]:
    written: dict[str, Any] = {"event": rule.event}
    if rule.from_stages is not None:
        written["from"] = list(rule.from_stages)
    written["to"] = rule.to
    if rule.reason_code is not None:
        written["reason_code"] = rule.reason_code
    if rule.when:
        written["when"] = [condition.to_document() for condition in rule.when]
    return written
