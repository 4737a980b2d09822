"""What a new configuration changes: by kind, for programs and for sentences about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tenants.rules.configuration.definitions import Configuration, Effect, EventRule, StageDefinition
from tenants.rules.configuration.effects import write_effect
from tenants.rules.configuration.health_reader import diff_health
from tenants.rules.configuration.risk_rules import RiskRule, write_risk_rule
from tenants.rules.texts import fold_text

ChangeKind = Literal[
    "stage_added",
    "stage_removed",
    "stage_renamed",
    "stages_reordered",
    "initial_changed",
    "transition_added",
    "transition_removed",
    "transitions_opened",
    "transitions_listed",
    "category_changed",
    "reason_required",
    "reason_not_required",
    "reason_codes_changed",
    "max_days_changed",
    "color_changed",
    "guidance_changed",
    "event_rules_changed",
    "effect_added",
    "effect_removed",
    "effect_changed",
    "money_changed",
    "source_priority_changed",
    "risk_rule_added",
    "risk_rule_removed",
    "risk_rule_changed",
    "health_changed",
]

# What an effect or a rule looks at, in the names of their messages.
EFFECT_CONCERNS: Final = "effect_concerns"
EFFECT_COMES_FROM: Final = "effect_comes_from"
EFFECT_MADE_BY: Final = "effect_made_by"
RISK_RULE_CONCERNS: Final = "risk_rule_concerns"


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One difference. ``stage`` and ``to`` name the stages it concerns (``to``: of a transition, or the new name).

    The sentence for people is made at the edge of ``message``, which names it where a kind has several, and ``params``.
    """

    kind: ChangeKind
    stage: str | None = None
    to: str | None = None
    message: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.message:
            object.__setattr__(self, "message", self.kind)


def _change(
    kind: ChangeKind, message: str = "", *, stage: str | None = None, to: str | None = None, **params: Any
) -> ConfigurationChange:
    return ConfigurationChange(kind, stage, to, message, params)


def diff_configurations(
    old: Configuration, new: Configuration, *, renamed: Mapping[str, str] | None = None
) -> list[ConfigurationChange]:
    """Everything in which ``new`` differs from ``old``; empty if and only if they are equal.

    ``renamed`` maps names of stages in ``old`` to their names in ``new``; without it a renamed stage is one removed and
    one added. A stage that goes away and leaves its name to another is in it with a name that ``new`` does not have.
    Other entries that name no stage, or two that name the same, are not followed.
    """
    names = _usable_renames(old, new, renamed or {})
    changes = [_change("stage_renamed", stage=a, to=b) for a, b in names.items() if b in new.stages]
    before = _rename(old, names)
    changes += _diff_stages(before, new, was={b: a for a, b in names.items()})
    changes += _diff_transitions(before, new)
    was = {stage.name: stage for stage in before.definitions}
    for stage in new.definitions:
        if stage.name in was:
            changes += _diff_definition(was[stage.name], stage)
        else:
            changes += _diff_definition(StageDefinition(stage.name, stage.category, ()), stage)
    changes += _diff_rules(before, new)
    changes += _diff_effects(before, new)
    changes += _diff_money(before, new)
    changes += _diff_priority(before, new)
    changes += _diff_risk_rules(before, new)
    changes += [_change("health_changed", name, **params) for name, params in diff_health(before.health, new.health)]
    return changes


def _usable_renames(old: Configuration, new: Configuration, renamed: Mapping[str, str]) -> dict[str, str]:
    taken: set[str] = set()
    usable: dict[str, str] = {}
    for name in old.stages:
        target = renamed.get(name)
        if target is not None and target != name and target in new.stages and target not in taken:
            taken.add(target)
            usable[name] = target
    folded = {fold_text(name) for name in taken}
    for name in old.stages:
        target = renamed.get(name)
        if name not in usable and isinstance(target, str) and fold_text(name) in folded and target not in new.stages:
            usable[name] = target
    kept = {name for name in old.stages if name not in usable}
    return {name: target for name, target in usable.items() if target not in kept}


def _rename(configuration: Configuration, names: Mapping[str, str]) -> Configuration:
    if not names:
        return configuration

    def rename_all(stages: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(stage, stage) for stage in stages)

    return replace(
        configuration,
        definitions=tuple(
            replace(stage, name=names.get(stage.name, stage.name), to=rename_all(stage.to))
            for stage in configuration.definitions
        ),
        initial=names.get(configuration.initial, configuration.initial),
        event_rules=tuple(
            replace(
                rule,
                to=names.get(rule.to, rule.to),
                from_stages=None if rule.from_stages is None else rename_all(rule.from_stages),
            )
            for rule in configuration.event_rules
        ),
        effects=tuple(
            replace(effect, stages=rename_all(effect.stages), from_stages=rename_all(effect.from_stages))
            for effect in configuration.effects
        ),
        risk_rules=tuple(
            replace(rule, to=names.get(rule.to, rule.to), stages=rename_all(rule.stages))
            for rule in configuration.risk_rules
        ),
    )


def _diff_stages(old: Configuration, new: Configuration, *, was: Mapping[str, str]) -> Iterator[ConfigurationChange]:
    for name in old.stages:
        if name not in new.stages:
            yield _change("stage_removed", "stage_replaced" if name in was else "", stage=was.get(name, name))
    for stage in new.definitions:
        if stage.name not in old.stages:
            yield _change("stage_added", stage=stage.name, category=stage.category)
    kept_before = [name for name in old.stages if name in new.stages]
    kept_now = [name for name in new.stages if name in old.stages]
    if kept_before != kept_now or (set(old.stages) == set(new.stages) and old.stages != new.stages):
        yield _change("stages_reordered", stages=new.stages)
    if old.initial != new.initial:
        yield _change("initial_changed", stage=new.initial, before=old.initial)


def _diff_transitions(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.is_open and not new.is_open:
        yield _change("transitions_listed")
    if new.is_open and not old.is_open:
        yield _change("transitions_opened")
    before = {(stage.name, to): None for stage in old.definitions for to in stage.to}
    now = {(stage.name, to): None for stage in new.definitions for to in stage.to}
    for a, b in before:
        if (a, b) not in now:
            yield _change("transition_removed", stage=a, to=b)
    for a, b in now:
        if (a, b) not in before:
            yield _change("transition_added", stage=a, to=b)


def _choose(before: str, now: str, old: object, new: object) -> str:
    """The message where there was, or is now, no limit; the usual one where there are two."""
    return before if old is None else now if new is None else ""


def _diff_definition(old: StageDefinition, new: StageDefinition) -> Iterator[ConfigurationChange]:
    name = new.name
    if new.requires_reason != old.requires_reason:
        yield _change("reason_required" if new.requires_reason else "reason_not_required", stage=name)
    if old.category != new.category:
        yield _change("category_changed", stage=name, category=new.category, category_before=old.category)
    if old.reason_codes != new.reason_codes:
        message = _choose("any_reason_before", "any_reason_now", old.reason_codes, new.reason_codes)
        yield _change("reason_codes_changed", message, stage=name, reasons=new.reason_codes, before=old.reason_codes)
    if old.max_days != new.max_days:
        message = _choose("any_time_before", "any_time_now", old.max_days, new.max_days)
        yield _change("max_days_changed", message, stage=name, days=new.max_days, days_before=old.max_days)
    if old.color != new.color:
        yield _change("color_changed", "" if new.color else "color_of_category", stage=name, color=new.color)
    if old.guidance != new.guidance:
        yield _change("guidance_changed", stage=name)


def _change_rule(rule: EventRule, verb: Literal["added", "removed"]) -> ConfigurationChange:
    origin = "" if rule.from_stages is not None else "_anywhere"
    return _change(
        "event_rules_changed", f"rule_{verb}{origin}", to=rule.to, event=rule.event, origins=rule.from_stages
    )


def _diff_rules(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.event_rules == new.event_rules:
        return
    before, now = set(old.event_rules), set(new.event_rules)
    gone = [rule for rule in old.event_rules if rule not in now]
    added = [rule for rule in new.event_rules if rule not in before]
    changed: dict[EventRule, EventRule] = {}
    for rule in tuple(added):
        # The same event from and to the same stages: one rule whose conditions or reason are others now.
        was = next((one for one in gone if replace(one, when=rule.when, reason_code=rule.reason_code) == rule), None)
        if was is not None:
            gone.remove(was)
            added.remove(rule)
            changed[rule] = was
            keys = tuple(key for key in ("when", "reason_code") if getattr(was, key) != getattr(rule, key))
            yield _change("event_rules_changed", "rule_changed", to=rule.to, event=rule.event, keys=keys)
    yield from (_change_rule(rule, "removed") for rule in gone)
    yield from (_change_rule(rule, "added") for rule in added)
    # Also of those that are changed: the first rule that fits decides.
    stay = set(changed.values()) | (before & now)
    order_now = [changed.get(rule, rule) for rule in new.event_rules if rule in before or rule in changed]
    if [rule for rule in old.event_rules if rule in stay] != order_now:
        yield _change("event_rules_changed", "rules_reordered")


def _concerned(of: Effect | RiskRule) -> dict[str, tuple[str, ...]]:
    """Which customers it is about; with neither, those in every stage."""
    return {"stages": of.stages, "categories": of.categories}


def _change_effect(old: Effect, new: Effect) -> Iterator[ConfigurationChange]:
    """What starts it is said in full: anyone who reads it has to see that it starts more often than before."""
    if old.enabled != new.enabled:
        yield _change("effect_changed", "effect_enabled" if new.enabled else "effect_disabled", effect=new.name)
    if _concerned(old) != _concerned(new):
        concerned: dict[str, Any] = {"concerned": _concerned(new), "concerned_before": _concerned(old)}
        yield _change("effect_changed", EFFECT_CONCERNS, effect=new.name, **concerned)
    if old.from_stages != new.from_stages:
        came: dict[str, Any] = {"came_from": new.from_stages, "came_from_before": old.from_stages}
        yield _change("effect_changed", EFFECT_COMES_FROM, effect=new.name, **came)
    if old.sources != new.sources:
        made: dict[str, Any] = {"made_by": new.sources, "made_by_before": old.sources}
        yield _change("effect_changed", EFFECT_MADE_BY, effect=new.name, **made)
    before, now = write_effect(old), write_effect(new)
    said = ("enabled", "stages", "categories", "from", "sources")
    if keys := tuple(key for key in {**before, **now} if before.get(key) != now.get(key) and key not in said):
        yield _change("effect_changed", effect=new.name, keys=keys)


def _diff_effects(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    before: dict[str, Effect] = {effect.name: effect for effect in old.effects}
    now: dict[str, Effect] = {effect.name: effect for effect in new.effects}
    for name in before:
        if name not in now:
            yield _change("effect_removed", effect=name)
    for name, effect in now.items():
        if name not in before:
            added: dict[str, Any] = {"effect": name, "effect_kind": effect.kind, "concerned": _concerned(effect)}
            yield _change("effect_added", f"effect_added_{effect.on}", **added)
        elif before[name] != effect:
            yield from _change_effect(before[name], effect)
    kept = [name for name in before if name in now]
    if kept != [name for name in now if name in before]:
        yield _change("effect_changed", "effects_reordered")


def _diff_money(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.currency != new.currency:
        yield _change("money_changed", "currency_set" if new.currency else "currency_removed", currency=new.currency)
    before, after = dict(old.rates), dict(new.rates)
    for currency in sorted(before.keys() | after.keys()):
        if before.get(currency) == after.get(currency):
            continue
        if currency in after:
            yield _change("money_changed", "rate_set", currency=currency, rate=after[currency], own=new.currency)
        else:
            yield _change("money_changed", "rate_removed", currency=currency)


def _diff_priority(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    before, after = dict(old.source_priority), dict(new.source_priority)
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield _change("source_priority_changed", "source_priority_removed", path=path)
        elif before.get(path) != after[path]:
            yield _change("source_priority_changed", path=path, sources=after[path])


def _change_risk_rule(old: RiskRule, new: RiskRule) -> Iterator[ConfigurationChange]:
    if old.enabled != new.enabled:
        yield _change("risk_rule_changed", "risk_rule_on" if new.enabled else "risk_rule_off", rule=new.name)
    if _concerned(old) != _concerned(new):
        looked_at: dict[str, Any] = {"looked_at": _concerned(new), "looked_at_before": _concerned(old)}
        yield _change("risk_rule_changed", RISK_RULE_CONCERNS, rule=new.name, **looked_at)
    before, now = write_risk_rule(old), write_risk_rule(new)
    said = ("enabled", "stages", "categories")
    if keys := tuple(key for key in {**before, **now} if before.get(key) != now.get(key) and key not in said):
        yield _change("risk_rule_changed", rule=new.name, keys=keys)


def _diff_risk_rules(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    before, now = {rule.name: rule for rule in old.risk_rules}, {rule.name: rule for rule in new.risk_rules}
    for name in before:
        if name not in now:
            yield _change("risk_rule_removed", rule=name)
    for name, rule in now.items():
        was = before.get(name)
        if was is None:
            yield _change("risk_rule_added", rule=name, to=rule.to, looked_at=_concerned(rule))
        elif was != rule:
            yield from _change_risk_rule(was, rule)
    kept = [name for name in before if name in now]
    if kept != [name for name in now if name in before]:
        yield _change("risk_rule_changed", "risk_rules_reordered")
