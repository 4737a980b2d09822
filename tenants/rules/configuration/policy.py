"""A configuration compiled for look-ups: what the hot path asks, answered by one dictionary access."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tenants.rules.configuration.definitions import (
    CATEGORIES,
    DEFAULT_CATEGORY,
    Configuration,
    Effect,
    EventRule,
    StageDefinition,
)
from tenants.rules.configuration.health_formula import HealthFormula
from tenants.rules.money import Exchange
from tenants.rules.texts import clean_line, suggest_text

# Shown where a configuration names no color; distinguishable also without seeing colors, by lightness.
CATEGORY_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "acquisition": "#6b7a90",
        "onboarding": "#2563a8",
        "engaged": "#1b7f4b",
        "risk": "#b54708",
        "renewal": "#6941a5",
        "lost": "#7a271a",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """One version of a tenant's configuration, immutable and shared by all threads. Compile it once a version.

    Stages of another version may be asked for everywhere: they lead nowhere, require nothing and mean ``engaged``.
    """

    configuration: Configuration
    version: int
    stages: tuple[str, ...]
    initial: str
    leads_to: Mapping[str, frozenset[str]] = field(repr=False)
    # The stages that are not entered without a reason [AC-5].
    required: frozenset[str] = field(repr=False)
    definitions: Mapping[str, StageDefinition] = field(repr=False)
    enter_effects: Mapping[str, tuple[Effect, ...]] = field(repr=False)
    leave_effects: Mapping[str, tuple[Effect, ...]] = field(repr=False)
    # Whether any effect asks for more than the stage: otherwise no one looks.
    has_conditional_effects: bool = field(repr=False)
    by_category: Mapping[str, tuple[str, ...]] = field(repr=False)
    by_event: Mapping[str, tuple[EventRule, ...]] = field(repr=False)
    exchange: Exchange = field(repr=False)
    exchange_table: Mapping[str, float] = field(repr=False)
    source_priority: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def health(self) -> HealthFormula:
        """How the score of a customer is made."""
        return self.configuration.health

    def allowed_from(self, stage: str | None) -> tuple[str, ...]:
        """The stages that a customer in ``stage`` may be moved to, in order.

        All for None (a customer not placed yet) and for a stage of another version, about which no rule speaks.
        """
        definition = self.definitions.get(stage) if stage is not None else None
        return self.stages if definition is None else definition.to

    def allows(self, from_stage: str | None, to_stage: str) -> bool:
        """Whether the configuration lets a customer be moved from one stage to the other."""
        leads_to = self.leads_to.get(from_stage) if from_stage is not None else None
        return to_stage in self.definitions if leads_to is None else to_stage in leads_to

    def reason_codes(self, stage: str) -> tuple[str, ...] | None:
        """The reasons accepted for entering the stage; None: any text up to 255 characters."""
        definition = self.definitions.get(stage)
        return None if definition is None else definition.reason_codes

    def category(self, stage: str) -> str:
        """What the stage means: acquisition, onboarding, engaged, risk, renewal or lost."""
        definition = self.definitions.get(stage)
        return DEFAULT_CATEGORY if definition is None else definition.category

    def stages_in(self, category: str) -> tuple[str, ...]:
        """The stages with this meaning, in order."""
        return self.by_category.get(category, ())

    def max_days(self, stage: str) -> int | None:
        """The days that a customer is expected to stay at most; None: no expectation."""
        definition = self.definitions.get(stage)
        return None if definition is None else definition.max_days

    def effects_of(self, from_stage: str | None, to_stage: str, source: str | None = None) -> tuple[Effect, ...]:
        """The business processes that the move starts [BP-1]: those of entering, then those of leaving.

        ``source``: that of the history row; None: any, where it is not known yet.
        """
        entering = self.enter_effects.get(to_stage, ())
        leaving = self.leave_effects.get(from_stage, ()) if from_stage is not None else ()
        effects = entering + leaving if leaving else entering
        if not effects or not self.has_conditional_effects:
            return effects
        return tuple(effect for effect in effects if effect.begins_with(from_stage, source))

    def effect(self, name: str) -> Effect | None:
        """The effect of that name, enabled or not; None if there is none."""
        return next((effect for effect in self.configuration.effects if effect.name == name), None)

    def source_order(self, path: str) -> tuple[str, ...]:
        """The sources of a field, the first before all others; those of its part, where it has none of its own."""
        order = self.source_priority
        return order.get(path) or order.get(path.partition(".")[0] if "." in path else "company") or ()

    def rules_for(self, event_type: str) -> tuple[EventRule, ...]:
        """The event rules for a type of event, in order."""
        return self.by_event.get(event_type, ())

    def matching_rule(
        self, event_type: str, stage: str | None, data: object, unread: Collection[str] = ()
    ) -> EventRule | None:
        """The first rule that speaks of this event for a customer in this stage, or None.

        ``unread``: paths that were in the event and could not be read. Where it depends on one of them whether a rule
        speaks of the event, none does: neither that one nor those after it.
        """
        for rule in self.by_event.get(event_type, ()):
            if not unread:
                if rule.accepts(stage, data):
                    return rule
            elif rule.may_accept(stage, data, unread):
                return None if rule.depends_on(unread) else rule
        return None

    def color(self, stage: str) -> str:
        """The color of the stage as ``#rrggbb``: its own, or that of its category."""
        definition = self.definitions.get(stage)
        own = None if definition is None else definition.color
        return own or CATEGORY_COLORS[self.category(stage)]

    def guidance(self, stage: str) -> str:
        """The text that helps people who work with customers in the stage; may be empty."""
        definition = self.definitions.get(stage)
        return "" if definition is None else definition.guidance

    def canonical_stage(self, name: str) -> str | None:
        """The stage of this name (in any Unicode form, with blanks around it or not), or None. Case counts."""
        if name in self.definitions:
            return name
        composed = clean_line(name)
        return composed if composed in self.definitions else None

    def suggest_stage(self, name: str) -> str | None:
        """The stage that was probably meant by a name that is none, or None."""
        return suggest_text(name, self.stages)


def compile_policy(configuration: Configuration, version: int) -> Policy:
    """The policy of a configuration. ``version`` is its number, which every history row names."""
    definitions = configuration.definitions
    exchange = Exchange(configuration.currency, dict(configuration.rates))
    return Policy(
        configuration=configuration,
        version=version,
        stages=configuration.stages,
        initial=configuration.initial,
        leads_to=MappingProxyType({stage.name: frozenset(stage.to) for stage in definitions}),
        required=frozenset(stage.name for stage in definitions if stage.requires_reason),
        definitions=MappingProxyType({stage.name: stage for stage in definitions}),
        enter_effects=_effects_by_stage(configuration, "enter"),
        leave_effects=_effects_by_stage(configuration, "leave"),
        has_conditional_effects=any(effect.has_conditions for effect in configuration.effects),
        by_category=MappingProxyType(
            {category: tuple(s.name for s in definitions if s.category == category) for category in CATEGORIES}
        ),
        by_event=MappingProxyType(
            {
                event: tuple(rule for rule in configuration.event_rules if rule.event == event)
                for event in {rule.event for rule in configuration.event_rules}
            }
        ),
        exchange=exchange,
        exchange_table=MappingProxyType(exchange.table()),
        source_priority=MappingProxyType(dict(configuration.source_priority)),
    )


def _effects_by_stage(configuration: Configuration, timestamp: str) -> Mapping[str, tuple[Effect, ...]]:
    return MappingProxyType(
        {
            stage.name: tuple(
                effect
                for effect in configuration.effects
                if effect.on == timestamp and effect.concerns(stage.name, stage.category)
            )
            for stage in configuration.definitions
        }
    )
