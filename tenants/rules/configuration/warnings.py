"""What is possible in a configuration but probably not meant: its warnings."""

from tenants.rules.configuration.conditions import Condition
from tenants.rules.configuration.definitions import Configuration, EventRule, StageDefinition
from tenants.rules.configuration.document_reader import Reader
from tenants.rules.configuration.events import event_fields
from tenants.rules.texts import list_texts, quote_text


def note_concerns(reader: Reader, configuration: Configuration) -> None:
    """Add a warning for everything in a valid configuration that is probably not meant."""
    _note_categories(reader, configuration)
    reachable = find_reachable(configuration)
    for index, stage in enumerate(configuration.definitions):
        _note_stage(reader, index, stage, reachable)
    for index, rule in enumerate(configuration.event_rules):
        _note_rule(reader, index, rule, configuration)
    _note_covered_rules(reader, configuration)


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


def _note_categories(reader: Reader, configuration: Configuration) -> None:
    present = {stage.category for stage in configuration.definitions}
    if "risk" not in present:
        sentence = "No stage has the category “risk”: no customer will ever be listed as at risk."
        reader.add_warning(("categories",), "no_risk_stage", sentence)
    if "lost" not in present:
        sentence = "No stage has the category “lost”: no customer will ever be counted as lost."
        reader.add_warning(("categories",), "no_lost_stage", sentence)


def _note_stage(reader: Reader, index: int, stage: StageDefinition, reachable: frozenset[str]) -> None:
    name = quote_text(stage.name)
    if stage.name not in reachable:
        sentence = f"No customer can come from the initial stage to {name}: no transitions lead there."
        reader.add_warning(("stages", index), "unreachable_stage", sentence)
    if not stage.to and stage.category != "lost":
        sentence = f"No transition leads out of {name}, and its category is {quote_text(stage.category)}, not “lost”."
        reader.add_warning(("stages", index), "dead_end", sentence)
    if not stage.to and stage.max_days is not None:
        sentence = f"Customers are expected to leave {name} within {stage.max_days} days, but no transition leads out."
        reader.add_warning(("max_days", stage.name), "no_way_out", sentence)
    if stage.requires_reason and stage.reason_codes is None:
        sentence = f"{name} requires a reason but names none: any text of up to 255 characters works."
        reader.add_warning(("reason_codes", stage.name), "no_reason_codes", sentence)


def _note_rule(reader: Reader, index: int, rule: EventRule, configuration: Configuration) -> None:
    place = ("event_rules", index)
    target = configuration.definition(rule.to)
    origins = rule.from_stages if rule.from_stages is not None else configuration.stages
    closed = tuple(s for s in origins if s != rule.to and rule.to not in configuration.definition(s).to)
    if len(closed) + (rule.to in origins) == len(origins):
        sentence = f"The rule can never fire: no transition leads from its stages to {quote_text(rule.to)}."
        reader.add_warning(place, "rule_never_fires", sentence)
    elif closed and rule.from_stages is not None:
        sentence = f"No transition leads to {quote_text(rule.to)} from {list_texts(closed)}: there the rule is refused."
        reader.add_warning((*place, "from"), "rule_refused", sentence)
    if target.requires_reason and rule.reason_code is None:
        sentence = f"The rule can never fire: {quote_text(rule.to)} requires a reason and the rule gives none."
        reader.add_warning((*place, "reason_code"), "rule_never_fires", sentence)
    known = target.reason_codes
    if known is not None and rule.reason_code is not None and rule.reason_code not in known:
        sentence = f"The rule can never fire: {quote_text(rule.reason_code)} is not a reason of {quote_text(rule.to)}."
        reader.add_warning((*place, "reason_code"), "rule_never_fires", sentence)
    for number, condition in enumerate(rule.when):
        if condition.field not in event_fields(rule.event):
            sentence = f"The event {quote_text(rule.event)} has no field {quote_text(condition.field)}."
            reader.add_warning((*place, "when", number, "field"), "unknown_field", sentence)


def _note_covered_rules(reader: Reader, configuration: Configuration) -> None:
    """Rules that another one before them always wins against: the same event, no stage and no condition less."""
    # Sets keep the hashes of what they hold: a comparison of two rules does not look at their values again.
    before: list[tuple[str, frozenset[str], frozenset[Condition]]] = []
    everywhere = frozenset(configuration.stages)
    for index, rule in enumerate(configuration.event_rules):
        origins = everywhere if rule.from_stages is None else frozenset(rule.from_stages)
        when = frozenset(rule.when)
        for earlier, (event, wins_from, conditions) in enumerate(before):
            if event == rule.event and origins <= wins_from and conditions <= when:
                sentence = (
                    f"The rule can never fire: rule {earlier + 1} comes first and fits every event that this one fits."
                )
                reader.add_warning(("event_rules", index), "rule_never_fires", sentence)
                break
        before.append((rule.event, origins, when))
