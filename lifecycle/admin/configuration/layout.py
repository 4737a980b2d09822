"""From the contract's JSON to rows: strictly, so that the form never leaves out or invents anything."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.admin.configuration.fitting import is_same, read_object
from lifecycle.admin.configuration.health_layout import lay_out_health
from lifecycle.admin.configuration.rows import EXISTS, MISSING, UNKNOWN, CannotLayOut, ConditionRow
from lifecycle.admin.configuration.sheet import (
    MOST_CONDITIONS,
    MOST_DIGITS,
    MOST_REFERENCES,
    MOST_ROWS,
    MOST_STEPS,
    MOST_UNKNOWN,
    EffectRow,
    GoneRow,
    RiskRow,
    RuleRow,
    Sheet,
    StageRow,
    StepRow,
)
from lifecycle.admin.configuration.source_rows import lay_out_sources
from lifecycle.admin.configuration.typed import read_rates, read_value, write_value
from lifecycle.admin.configuration.words import is_text
from tenants.rules.configuration.definitions import DEFAULT_CATEGORY
from tenants.rules.configuration.document import KEYS
from tenants.rules.configuration.effect_reader import EFFECT_KEYS
from tenants.rules.configuration.meaning import infer_category
from tenants.rules.configuration.risk_rule_reader import RISK_RULE_KEYS
from tenants.sentences.figures import say_number

_WORDS = ("categories", "sources")
_TEXTS = ("template", "topic", "subject")
_NUMBERS = ("delay_minutes", "hold_minutes", "cap_per_hour")


def lay_out(document: Any, *, renamed: Mapping[str, str], live_stages: Collection[str]) -> Sheet:
    """The rows of a document; writing them gives a document that means the same. Raises CannotLayOut.

    ``renamed`` maps stages of today to their names in the document; entries that name none of them are not followed.
    """
    known = read_object(document, _("The configuration"), KEYS, ("stages",))
    sheet = Sheet(is_open="transitions" not in known)
    _check_size(known)
    _lay_out_stages(sheet, known)
    if sheet.is_open:
        # When it is closed, it begins with what is possible now.
        for row in sheet.stages:
            row.to = {other.key for other in sheet.stages if other is not row}
    _lay_out_transitions(sheet, known.get("transitions", {}))
    if "initial" in known:
        sheet.initial = sheet.reference_to(_text(known["initial"], "initial", blank=False))
    elif sheet.stages:
        sheet.initial = sheet.stages[0].key
    keys = iter(range(len(sheet.stages), 10_000))
    for item in _list(known.get("event_rules", []), "event_rules"):
        sheet.rules.append(_lay_out_rule(sheet, str(next(keys)), item))
    for item in _list(known.get("effects", []), "effects"):
        sheet.effects.append(_lay_out_effect(sheet, str(next(keys)), item))
    for item in _list(known.get("risk_rules", []), "risk_rules"):
        sheet.risks.append(_lay_out_risk(sheet, str(next(keys)), item))
    sheet.currency = _text(known.get("currency", ""), "currency")
    sheet.rates = _rates(known.get("rates", {}))
    sheet.sources = lay_out_sources(known.get("source_priority", {}))
    if "health" in known:
        sheet.health = lay_out_health(known["health"])
    _check_references(sheet)
    back = {new: old for old, new in renamed.items() if old in live_stages}
    for row in sheet.stages:
        is_kept = row.name in live_stages and row.name not in renamed
        row.origin = back.get(row.name) or (row.name if is_kept else "")
    return sheet


def _check_size(known: Mapping[str, Any]) -> None:
    """Raise CannotLayOut for more rows than the form holds: with every pair of stages it grows by their square."""
    for kind, key in (
        ("stage", "stages"),
        ("rule", "event_rules"),
        ("effect", "effects"),
        ("risk", "risk_rules"),
    ):
        count = len(value) if isinstance(value := known.get(key), list | tuple) else 0
        if count > MOST_ROWS[kind]:
            shown = {"key": key, "count": say_number(count), "most": MOST_ROWS[kind]}
            raise CannotLayOut(_("“%(key)s” has %(count)s rows; the form shows at most %(most)s.") % shown)


def _check_references(sheet: Sheet) -> None:
    lists = [row.to for row in sheet.stages] + [row.origins for row in sheet.rules]
    lists += [references for row in sheet.effects for references in (row.stages, row.origins)]
    lists += [row.stages for row in sheet.risks]
    if len({ref for refs in lists for ref in refs if ref.startswith(UNKNOWN)}) > MOST_UNKNOWN:
        raise CannotLayOut(_("It names more than %(most)s stages that do not exist.") % {"most": MOST_UNKNOWN})


def lay_out_gone(
    sheet: Sheet, *, live_stages: Collection[str], mapping: Mapping[str, Any], customers: Mapping[str, int]
) -> None:
    """Add a row for each stage of today that the sheet does not have, with what the mapping says about it."""
    origins = {row.origin for row in sheet.present}
    sheet.gone = []
    for stage in live_stages:
        if stage in origins or any(row.name == stage and not row.is_renamed for row in sheet.present):
            continue
        to, reason = read_target(mapping.get(stage))
        reference = sheet.reference_to(to) if to else ""
        sheet.gone.append(GoneRow(stage, customers.get(stage, 0), reference, reason))


def read_target(target: Any) -> tuple[str, str]:
    """Stage and reason of an entry of a mapping, empty where it names none."""
    if isinstance(target, Mapping):
        to, reason = target.get("to"), target.get("reason_code")
        return (to if isinstance(to, str) else ""), (reason if isinstance(reason, str) else "")
    return (target, "") if isinstance(target, str) else ("", "")


def _lay_out_stages(sheet: Sheet, known: Mapping[str, Any]) -> None:
    names = [_text(name, "stages") for name in _list(known.get("stages", []), "stages")]
    if len(set(names)) < len(names) or "" in names:
        raise CannotLayOut(_("A stage without a name, or two stages of the same name, have no rows of their own."))
    categories = _by_stage(known, "categories", names)
    reasons = _by_stage(known, "reason_codes", names)
    days = _by_stage(known, "max_days", names)
    colors = _by_stage(known, "colors", names)
    guidance = _by_stage(known, "guidance", names)
    required = [_text(name, "required_reason_codes") for name in _list(known.get("required_reason_codes", []), "")]
    if not set(required) <= set(names) or len(set(required)) < len(required):
        raise CannotLayOut(_("“required_reason_codes” names something that is not a stage, or a stage twice."))
    for index, name in enumerate(names):
        default = DEFAULT_CATEGORY if "categories" in known else infer_category(name)
        sheet.stages.append(
            StageRow(
                key=str(index),
                name=name,
                category=_text(categories.get(name, default), "categories"),
                color=_text(colors[name], "colors", blank=False) if name in colors else "",
                requires_reason=name in required,
                reasons=_lines(reasons[name], "reason_codes") if name in reasons else "",
                days=_whole(days[name], "max_days") if name in days else "",
                guidance=_paragraph(guidance.get(name, "")),
            )
        )


def _lay_out_transitions(sheet: Sheet, transitions: Any) -> None:
    names = [row.name for row in sheet.stages]
    for name, targets in read_object(transitions, "“transitions”", names).items():
        row = next(row for row in sheet.stages if row.name == name)
        listed = [_text(target, "transitions") for target in _short_list(targets, "transitions")]
        if len(set(listed)) < len(listed):
            raise CannotLayOut(_("“transitions” names a target twice."))
        row.to = {sheet.reference_to(target) for target in listed}


def _lay_out_rule(sheet: Sheet, key: str, item: Any) -> RuleRow:
    rule = read_object(item, _("An event rule"), ("event", "from", "to", "reason_code", "when"), ("event", "to"))
    reason = rule.get("reason_code")
    conditions = _short_list(rule.get("when", []), "when", MOST_CONDITIONS)
    return RuleRow(
        key=key,
        event=_text(rule["event"], "event"),
        to=_reference(sheet, rule["to"]),
        from_any="from" not in rule,
        origins=_references(sheet, rule["from"]) if "from" in rule else set(),
        reason="" if reason is None else _text(reason, "reason_code", blank=False),
        when=[_lay_out_condition(number, condition) for number, condition in enumerate(conditions)],
    )


def _lay_out_condition(number: int, item: Any, *, is_of_risk: bool = False) -> ConditionRow:
    condition = read_object(item, _("A condition"), ("field", "op", "value"), ("field", "op"))
    op = _text(condition["op"], "op")
    row = ConditionRow(_text(condition["field"], "field"), op, number=number)
    if op in (EXISTS, MISSING):
        wanted = condition.get("value", True)
        row.op = EXISTS if wanted is True else MISSING
        is_kept = op == EXISTS and isinstance(wanted, bool)
    else:
        of_text = is_of_risk and is_text(row)
        row.value = write_value(condition["value"], op, is_text=of_text) if "value" in condition else ""
        read = read_value(op, row.value, is_text=of_text)
        is_kept = "value" not in condition or is_same(read, condition["value"])
    if row.is_blank or not is_kept:
        raise CannotLayOut(_("A condition has no field, or a value that cannot be typed."))
    return row


def _lay_out_risk(sheet: Sheet, key: str, item: Any) -> RiskRow:
    rule = read_object(item, _("An at-risk rule"), RISK_RULE_KEYS, ("name", "when", "action", "to"))
    categories = [_text(word, "categories") for word in _short_list(rule.get("categories", []), "categories")]
    if _is_empty(rule, "stages", "categories") or len(set(categories)) < len(categories):
        raise CannotLayOut(_("An at-risk rule has an empty list, or names a category twice."))
    when = _short_list(rule["when"], "when", MOST_CONDITIONS)
    reason, days, enabled = rule.get("reason_code"), rule.get("for_days"), rule.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise CannotLayOut(_("“%(key)s” is neither true nor false.") % {"key": "enabled"})
    return RiskRow(
        key=key,
        name=_text(rule["name"], "name"),
        when=[_lay_out_condition(number, one, is_of_risk=True) for number, one in enumerate(when)],
        days="" if days is None else _whole(days, "for_days"),
        everywhere=_is_everywhere(rule),
        stages=_references(sheet, rule.get("stages", [])),
        categories=set(categories),
        action=_text(rule["action"], "action"),
        to=_reference(sheet, rule["to"]),
        reason="" if reason is None else _text(reason, "reason_code", blank=False),
        enabled=enabled is not False,
    )


def _lay_out_effect(sheet: Sheet, key: str, item: Any) -> EffectRow:
    effect = read_object(item, _("An automation"), EFFECT_KEYS, ("name", "on", "kind"))
    words = {name: [_text(word, name) for word in _short_list(effect.get(name, []), name)] for name in _WORDS}
    if _is_empty(effect, *_WORDS, "stages", "to", "from") or any(
        len(set(listed)) < len(listed) for listed in words.values()
    ):
        raise CannotLayOut(_("An automation has an empty list, or names a category or a source twice."))
    enabled = effect.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise CannotLayOut(_("“%(key)s” is neither true nor false.") % {"key": "enabled"})
    texts: dict[str, Any] = {
        name: "" if effect.get(name) is None else _text(effect[name], name, blank=False) for name in _TEXTS
    }
    numbers: dict[str, Any] = {
        name: "" if effect.get(name) is None else _whole(effect[name], name) for name in _NUMBERS
    }
    return EffectRow(
        key=key,
        name=_text(effect["name"], "name"),
        on=_text(effect["on"], "on"),
        kind=_text(effect["kind"], "kind"),
        to=_lines(effect["to"], "to") if "to" in effect else "",
        everywhere=_is_everywhere(effect),
        stages=_references(sheet, effect.get("stages", [])),
        origins=_references(sheet, effect.get("from", [])),
        categories=set(words["categories"]),
        sources=set(words["sources"]),
        body="" if effect.get("body") is None else _paragraph(effect["body"], "body", blank=False),
        escalate=_lay_out_steps(effect.get("escalate")),
        enabled=enabled is not False,
        **texts,
        **numbers,
    )


def _is_everywhere(item: Mapping[str, Any]) -> bool:
    """Whether a rule or an effect is about every stage: it names none, and no category."""
    return "stages" not in item and "categories" not in item


def _is_empty(item: Mapping[str, Any], *keys: str) -> bool:
    """Whether a list is empty, but for stages of which none was chosen, which the form can show."""
    chosen = {"stages"} if "categories" not in item else set()
    return any(item.get(key) == [] for key in keys if key not in chosen)


def _lay_out_steps(value: Any) -> list[StepRow]:
    steps = [value] if isinstance(value, Mapping) else _short_list(value or [], "escalate", MOST_STEPS)
    rows = []
    for item in steps:
        keys = ("to", "after_minutes")
        step = read_object(item, _("A step of an escalation"), keys, keys)
        rows.append(StepRow(_lines(step["to"], "to"), _whole(step["after_minutes"], "after_minutes")))
    return rows


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise CannotLayOut(_("“%(key)s” is not a list.") % {"key": what})
    return list(value)


def _short_list(value: Any, what: str, most: int = MOST_REFERENCES) -> list[Any]:
    listed = _list(value, what)
    if len(listed) > most:
        shown = {"key": what, "count": say_number(len(listed)), "most": most}
        raise CannotLayOut(_("“%(key)s” has %(count)s entries; the form shows at most %(most)s.") % shown)
    return listed


def _text(value: Any, what: str, *, blank: bool = True) -> str:
    if not isinstance(value, str) or not (value or blank) or len(value.splitlines()) > 1 or value.endswith("\n"):
        raise CannotLayOut(_("“%(key)s” has a value that is not a line of text.") % {"key": what})
    return value


def _paragraph(value: Any, what: str = "guidance", *, blank: bool = True) -> str:
    if not isinstance(value, str) or "\r" in value or not (blank or value.strip()):
        raise CannotLayOut(_("“%(key)s” has a value that is not text.") % {"key": what})
    return value


def _lines(value: Any, what: str) -> str:
    lines = [_text(line, what) for line in _list(value, what)]
    if not all(line.strip() for line in lines) or not lines:
        raise CannotLayOut(_("“%(key)s” has an empty list, or an empty line.") % {"key": what})
    return "\n".join(lines)


def _whole(value: Any, what: str) -> str:
    """A whole number as it is typed, or the text that is in its place."""
    if isinstance(value, str) and value and not value.lstrip("-").isdecimal():
        return _text(value, what)
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:  # infinity and NaN as well
        raise CannotLayOut(_("“%(key)s” has a value that is not a whole number.") % {"key": what})
    if abs(value) >= 10**MOST_DIGITS:
        raise CannotLayOut(
            _("“%(key)s” has a number of more than %(most)s digits.") % {"key": what, "most": MOST_DIGITS}
        )
    return str(int(value))


def _rates(value: Any) -> str:
    """Exchange rates, one per line, so that ``read_rates`` gives them back."""
    if not isinstance(value, Mapping):
        raise CannotLayOut(_("“rates” is not an object."))
    lines = [name if rate == "" else f"{name} {json.dumps(rate)}" for name, rate in value.items()]
    read = read_rates("\n".join(lines))
    if list(read) != list(value) or not all(map(is_same, read.values(), value.values())):
        raise CannotLayOut(_("“rates” has an entry that is not a currency and a number."))
    return "\n".join(lines)


def _by_stage(known: Mapping[str, Any], key: str, names: Collection[str]) -> Mapping[str, Any]:
    return read_object(known.get(key, {}), f"“{key}”", names)


def _reference(sheet: Sheet, name: Any) -> str:
    text = _text(name, "to")
    return sheet.reference_to(text) if text else ""


def _references(sheet: Sheet, names: Any) -> set[str]:
    listed = [_text(name, "stages", blank=False) for name in _short_list(names, "stages")]
    if len(set(listed)) < len(listed):
        raise CannotLayOut(_("A stage is named twice in one list."))
    return {sheet.reference_to(name) for name in listed}
