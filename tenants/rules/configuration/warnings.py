"""What is possible in a configuration but probably not meant: its warnings."""

from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.definitions import LONGEST_REASON, Configuration, Effect, EventRule, StageDefinition
from tenants.rules.configuration.document_reader import DocumentReader
from tenants.rules.configuration.events import event_fields, event_numbers

NEVER = "rule_never_fires"


def note_concerns(reader: DocumentReader, configuration: Configuration) -> None:
    """Add a warning for everything in a valid configuration that is probably not meant."""
    _note_categories(reader, configuration)
    reachable = find_reachable(configuration)
    for index, stage in enumerate(configuration.definitions):
        _note_stage(reader, index, stage, reachable)
    for index, rule in enumerate(configuration.event_rules):
        _note_rule(reader, index, rule, configuration)
    _note_covered_rules(reader, configuration)
    for index, effect in enumerate(configuration.effects):
        _note_effect(reader, index, effect, configuration)


def find_reachable(configuration: Configuration) -> frozenset[str]:
    """The stages that a customer can come to from the initial stage, itself included."""
    leads_to = {stage.name: stage.to for stage in configuration.definitions}
    reached = {configuration.initial}
    ahead = [configuration.initial]
    while ahead:
        new = [stage for stage in leads_to[ahead.pop()] if stage not in reached]
        reached.update(new)
        ahead.extend(new)
    return frozenset(reached)


def _note_categories(reader: DocumentReader, configuration: Configuration) -> None:
    present = {stage.category for stage in configuration.definitions}
    if RISK not in present:
        reader.add_warning(("categories",), "no_risk_stage", category=RISK)
    if LOST not in present:
        reader.add_warning(("categories",), "no_lost_stage", category=LOST)


def _note_stage(reader: DocumentReader, index: int, stage: StageDefinition, reachable: frozenset[str]) -> None:
    name = stage.name
    if name not in reachable:
        reader.add_warning(("stages", index), "unreachable_stage", stage=name)
    if not stage.to and stage.category != LOST:
        reader.add_warning(("stages", index), "dead_end", stage=name, category=stage.category, lost_category=LOST)
    if not stage.to and stage.max_days is not None:
        reader.add_warning(("max_days", name), "no_way_out", stage=name, count=stage.max_days)
    if stage.requires_reason and stage.reason_codes is None:
        reader.add_warning(("reason_codes", name), "no_reason_codes", stage=name, most=LONGEST_REASON)


def _note_rule(reader: DocumentReader, index: int, rule: EventRule, configuration: Configuration) -> None:
    place = ("event_rules", index)
    target = configuration.definition(rule.to)
    origins = rule.from_stages if rule.from_stages is not None else configuration.stages
    closed = tuple(s for s in origins if s != rule.to and rule.to not in configuration.definition(s).to)
    if len(closed) + (rule.to in origins) == len(origins):
        reader.add_warning(place, NEVER, "rule_without_transition", stage=rule.to)
    elif closed and rule.from_stages is not None:
        reader.add_warning((*place, "from"), "rule_refused", stage=rule.to, closed=closed)
    if target.requires_reason and rule.reason_code is None:
        reader.add_warning((*place, "reason_code"), NEVER, "rule_without_reason", stage=rule.to)
    known = target.reason_codes
    if known is not None and rule.reason_code is not None and rule.reason_code not in known:
        where = (*place, "reason_code")
        reader.add_warning(where, NEVER, "rule_with_unknown_reason", reason=rule.reason_code, stage=rule.to)
    for number, condition in enumerate(rule.when):
        if condition.field not in event_fields(rule.event):
            at = (*place, "when", number, "field")
            reader.add_warning(at, "unknown_field", event=rule.event, field=condition.field)
        elif condition.field in event_numbers(rule.event) and not _asks_for_number(condition):
            at = (*place, "when", number, "value")
            reader.add_warning(at, "wrong_type", "figure_needs_number", field=condition.field)


def _asks_for_number(condition: Condition) -> bool:
    """Whether it could hold for a number."""
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    has_number = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return condition.op == "exists" or has_number


def _note_covered_rules(reader: DocumentReader, configuration: Configuration) -> None:
    """Rules that another one before them always wins against: the same event, no stage and no condition less."""
    # Sets keep the hashes of what they hold: a comparison of two rules does not look at their values again.
    before: list[tuple[str, frozenset[str], frozenset[Condition]]] = []
    everywhere = frozenset(configuration.stages)
    for index, rule in enumerate(configuration.event_rules):
        origins = everywhere if rule.from_stages is None else frozenset(rule.from_stages)
        when = frozenset(rule.when)
        for earlier, (event, wins_from, conditions) in enumerate(before):
            if event == rule.event and origins <= wins_from and conditions <= when:
                reader.add_warning(("event_rules", index), NEVER, "rule_behind_another", number=earlier + 1)
                break
        before.append((rule.event, origins, when))


def _note_effect(reader: DocumentReader, index: int, effect: Effect, configuration: Configuration) -> None:
    """What no change of a stage can ever start, and what goes on to others before anyone has seen it."""
    if not effect.enabled:
        return
    waits = max(effect.delay_minutes, effect.hold_minutes or 0)
    first = min((step.after_minutes for step in effect.escalate), default=None)
    if effect.kind == "alert" and first is not None and first <= waits:
        # Its steps count from the change, as it does itself: no one could have acknowledged it by then.
        reader.add_warning(("effects", index, "escalate"), "escalates_too_early", after=first, waits=waits)
    stages = {stage.name for stage in configuration.definitions if effect.concerns(stage.name, stage.category)}
    if not stages:
        where = ("effects", index, "categories")
        reader.add_warning(where, "effect_without_stage", categories=effect.categories)
    elif effect.from_stages:
        left = (configuration.definition(name) for name in effect.from_stages)
        if effect.on == "leave":
            is_possible = any(stage.name in stages and stage.to for stage in left)
        else:
            is_possible = any(stages & set(stage.to) for stage in left)
        if not is_possible:
            reader.add_warning(("effects", index, "from"), "effect_never_starts", origins=effect.from_stages)
