"""What a new configuration changes, in words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tenants.rules.configuration.definitions import Configuration, Effect, EventRule, StageDefinition
from tenants.rules.texts import fold_text, list_texts, quote_text

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
]


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One difference. ``stage`` and ``to`` name the stages it concerns (``to``: of a transition, or the new name)."""

    kind: ChangeKind
    sentence: str
    stage: str | None = None
    to: str | None = None


def diff_configurations(
    old: Configuration, new: Configuration, *, renamed: Mapping[str, str] | None = None
) -> list[ConfigurationChange]:
    """Everything in which ``new`` differs from ``old``; empty if and only if they are equal.

    ``renamed`` maps names of stages in ``old`` to their names in ``new``; without it a renamed stage is one removed and
    one added. A stage that goes away and leaves its name to another is in it with a name that ``new`` does not have.
    Other entries that name no stage, or two that name the same, are not followed.
    """
    names = _usable_renames(old, new, renamed or {})
    changes = [
        ConfigurationChange("stage_renamed", f"Stage {quote_text(a)} is renamed to {quote_text(b)}.", a, b)
        for a, b in names.items()
        if b in new.stages
    ]
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
        effects=tuple(replace(effect, stages=rename_all(effect.stages)) for effect in configuration.effects),
    )


def _diff_stages(old: Configuration, new: Configuration, *, was: Mapping[str, str]) -> Iterator[ConfigurationChange]:
    for name in old.stages:
        if name not in new.stages:
            removed, name_goes = was.get(name, name), "; another one gets its name" if name in was else ""
            yield ConfigurationChange("stage_removed", f"Stage {quote_text(removed)} is removed{name_goes}.", removed)
    for stage in new.definitions:
        if stage.name not in old.stages:
            sentence = f"Stage {quote_text(stage.name)} is added, with the category {quote_text(stage.category)}."
            yield ConfigurationChange("stage_added", sentence, stage.name)
    kept_before = [name for name in old.stages if name in new.stages]
    kept_now = [name for name in new.stages if name in old.stages]
    if kept_before != kept_now or (set(old.stages) == set(new.stages) and old.stages != new.stages):
        sentence = f"The order of the stages is now {list_texts(new.stages)}."
        yield ConfigurationChange("stages_reordered", sentence)
    if old.initial != new.initial:
        sentence = f"New customers begin in {quote_text(new.initial)} instead of {quote_text(old.initial)}."
        yield ConfigurationChange("initial_changed", sentence, new.initial)


def _diff_transitions(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.is_open and not new.is_open:
        sentence = "Transitions are listed one by one; before, every stage led to every other."
        yield ConfigurationChange("transitions_listed", sentence)
    if new.is_open and not old.is_open:
        yield ConfigurationChange(
            "transitions_opened", "Every stage leads to every other, including stages added later."
        )
    before = {(stage.name, to): None for stage in old.definitions for to in stage.to}
    now = {(stage.name, to): None for stage in new.definitions for to in stage.to}
    for a, b in before:
        if (a, b) not in now:
            sentence = f"From {quote_text(a)} to {quote_text(b)} is no longer possible."
            yield ConfigurationChange("transition_removed", sentence, a, b)
    for a, b in now:
        if (a, b) not in before:
            sentence = f"From {quote_text(a)} to {quote_text(b)} becomes possible."
            yield ConfigurationChange("transition_added", sentence, a, b)


def _describe_reasons(stage: StageDefinition) -> str:
    return "any reason" if stage.reason_codes is None else list_texts(stage.reason_codes)


def _describe_days(stage: StageDefinition) -> str:
    return "any time" if stage.max_days is None else f"at most {stage.max_days} days"


# What is compared of a stage, and the sentence for (its name, the stage before, the stage now).
_PARTS: tuple[tuple[str, ChangeKind, Callable[[str, StageDefinition, StageDefinition], str]], ...] = (
    (
        "category",
        "category_changed",
        lambda name, old, new: f"{name} means {quote_text(new.category)} instead of {quote_text(old.category)}.",
    ),
    (
        "reason_codes",
        "reason_codes_changed",
        lambda name, old, new: f"{name} accepts {_describe_reasons(new)} instead of {_describe_reasons(old)}.",
    ),
    (
        "max_days",
        "max_days_changed",
        lambda name, old, new: f"{name} may last {_describe_days(new)} instead of {_describe_days(old)}.",
    ),
    (
        "color",
        "color_changed",
        lambda name, _, new: f"{name} has the color {new.color or 'of its category'}.",
    ),
    ("guidance", "guidance_changed", lambda name, _, __: f"The guidance for {name} is changed."),
)


def _diff_definition(old: StageDefinition, new: StageDefinition) -> Iterator[ConfigurationChange]:
    name = quote_text(new.name)
    if new.requires_reason and not old.requires_reason:
        yield ConfigurationChange("reason_required", f"{name} requires a reason.", new.name)
    if old.requires_reason and not new.requires_reason:
        yield ConfigurationChange("reason_not_required", f"{name} no longer requires a reason.", new.name)
    for attribute, kind, describe in _PARTS:
        if getattr(old, attribute) != getattr(new, attribute):
            yield ConfigurationChange(kind, describe(name, old, new), new.name)


def _describe_rule(rule: EventRule) -> str:
    origin = "any stage" if rule.from_stages is None else list_texts(rule.from_stages, last="or")
    return f"{rule.event} from {origin} to {quote_text(rule.to)}"


def _diff_rules(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.event_rules == new.event_rules:
        return
    before, now = set(old.event_rules), set(new.event_rules)
    for rule in old.event_rules:
        if rule not in now:
            sentence = f"The event rule for {_describe_rule(rule)} is removed."
            yield ConfigurationChange("event_rules_changed", sentence, to=rule.to)
    for rule in new.event_rules:
        if rule not in before:
            sentence = f"The event rule for {_describe_rule(rule)} is added."
            yield ConfigurationChange("event_rules_changed", sentence, to=rule.to)
    if [rule for rule in old.event_rules if rule in now] != [rule for rule in new.event_rules if rule in before]:
        yield ConfigurationChange("event_rules_changed", "The event rules are tried in another order.")


def _diff_effects(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    before: dict[str, Effect] = {effect.name: effect for effect in old.effects}
    now: dict[str, Effect] = {effect.name: effect for effect in new.effects}
    for name in before:
        if name not in now:
            yield ConfigurationChange("effect_removed", f"The effect {quote_text(name)} is removed.")
    for name, effect in now.items():
        if name not in before:
            sentence = f"The effect {quote_text(name)} ({effect.kind}) is added."
            yield ConfigurationChange("effect_added", sentence)
        elif before[name] != effect:
            yield ConfigurationChange("effect_changed", f"The effect {quote_text(name)} is changed.")
    kept = [name for name in before if name in now]
    if kept != [name for name in now if name in before]:
        yield ConfigurationChange("effect_changed", "The effects are listed in another order.")


def _diff_money(old: Configuration, new: Configuration) -> Iterator[ConfigurationChange]:
    if old.currency != new.currency:
        now = f"ranked in {new.currency}" if new.currency else "no longer ranked in a currency of the tenant's own"
        yield ConfigurationChange("money_changed", f"Customers are {now}.")
    before, after = dict(old.rates), dict(new.rates)
    for currency in sorted(before.keys() | after.keys()):
        if before.get(currency) == after.get(currency):
            continue
        if currency in after:
            sentence = f"1 {currency} counts as {after[currency]:g} {new.currency}."
        else:
            sentence = f"The exchange rate of {currency} is removed."
        yield ConfigurationChange("money_changed", sentence)
