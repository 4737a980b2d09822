"""From rows to the contract's JSON."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lifecycle.admin.configuration.health_sheet import write_health_sheet
from lifecycle.admin.configuration.rows import EXISTS, MISSING, UNKNOWN, Concerned, ConditionRow
from lifecycle.admin.configuration.sheet import MOST_DIGITS, EffectRow, RiskRow, RuleRow, Sheet
from lifecycle.admin.configuration.source_rows import write_sources
from lifecycle.admin.configuration.typed import read_rates, read_value
from lifecycle.admin.configuration.words import is_text
from tenants.rules.configuration.definitions import CATEGORIES, EFFECT_SOURCES


class SameNameTwice(Exception):
    """Two rows have the very same name, and JSON keeps what belongs to a stage under its name: it holds one of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.message, self.params = "duplicate_row", {"name": name}
        super().__init__(name)


def write_document(sheet: Sheet) -> dict[str, Any]:
    """The contract's JSON of a sheet, with errors where the sheet is. Raises SameNameTwice."""
    rows = sheet.present
    names = [row.name for row in rows]
    name, count = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise SameNameTwice(name)
    document: dict[str, Any] = {"stages": names}
    if sheet.initial and (initial := sheet.name_of(sheet.initial)):
        document["initial"] = initial
    if not sheet.is_open:
        targets = {row.name: list(_in_order(sheet, row.to)) for row in rows}
        document["transitions"] = {name: to for name, to in targets.items() if to}
    if rows:
        document["categories"] = {row.name: row.category for row in rows}
    document["required_reason_codes"] = [row.name for row in rows if row.requires_reason]
    optional: dict[str, Any] = {
        "reason_codes": {row.name: row.reasons.splitlines() for row in rows if row.reasons},
        "max_days": {row.name: _read_number(row.days) for row in rows if row.days},
        "colors": {row.name: row.color for row in rows if row.color},
        "guidance": {row.name: row.guidance for row in rows if row.guidance},
        "event_rules": [_write_rule(sheet, rule) for rule in sheet.rules],
        "effects": [_write_effect(sheet, effect) for effect in sheet.effects],
        "currency": sheet.currency,
        "rates": read_rates(sheet.rates),
        "source_priority": write_sources(sheet.sources),
        "risk_rules": [_write_risk(sheet, risk) for risk in sheet.risks],
        "health": write_health_sheet(sheet.health),
    }
    return document | {key: value for key, value in optional.items() if value}


def write_renamed(sheet: Sheet) -> dict[str, str]:
    """Stage names of the live version -> their names in the draft."""
    return {row.origin: row.name for row in sheet.present if row.is_renamed}


def write_mapping(sheet: Sheet) -> dict[str, Any]:
    """Where the customers of each stage that goes away shall go."""
    return {
        row.stage: {"to": sheet.name_of(row.to)} | ({"reason_code": row.reason} if row.reason else {})
        for row in sheet.gone
        if row.to
    }


def _in_order(sheet: Sheet, references: set[str]) -> Iterator[str]:
    """The names behind references, in the order of the stages; what is no stage comes last."""
    yield from (row.name for row in sheet.present if row.key in references)
    yield from (ref.removeprefix(UNKNOWN) for ref in sorted(references) if ref.startswith(UNKNOWN))


def _write_rule(sheet: Sheet, rule: RuleRow) -> dict[str, Any]:
    written: dict[str, Any] = {"event": rule.event}
    if not rule.from_any:
        written["from"] = list(_in_order(sheet, rule.origins))
    written["to"] = sheet.name_of(rule.to)
    if rule.reason:
        written["reason_code"] = rule.reason
    if when := [_write_condition(row) for row in rule.when if not row.is_blank]:
        written["when"] = when
    return written


def _write_risk(sheet: Sheet, risk: RiskRow) -> dict[str, Any]:
    written: dict[str, Any] = {"name": risk.name}
    written["when"] = [_write_condition(row, is_text=is_text(row)) for row in risk.when if not row.is_blank]
    if risk.days:
        written["for_days"] = _read_number(risk.days)
    written |= _write_concerned(sheet, risk)
    written |= {"action": risk.action, "to": sheet.name_of(risk.to)}
    if risk.reason:
        written["reason_code"] = risk.reason
    if not risk.enabled:
        written["enabled"] = False
    return written


def _write_concerned(sheet: Sheet, row: Concerned) -> dict[str, Any]:
    """The stages and categories of a row: none of them where it is about all, and an empty list where no one chose."""
    if row.everywhere:
        return {}
    chosen = {
        "stages": list(_in_order(sheet, row.stages)),
        "categories": _in_word_order(row.categories, CATEGORIES),
    }
    return {key: value for key, value in chosen.items() if value} or {"stages": []}


def _write_condition(row: ConditionRow, *, is_text: bool = False) -> dict[str, Any]:
    if row.op in (EXISTS, MISSING):
        return {"field": row.field, "op": EXISTS, "value": row.op == EXISTS}
    written: dict[str, Any] = {"field": row.field, "op": row.op}
    if row.value:
        written["value"] = read_value(row.op, row.value, is_text=is_text)
    return written


def _write_effect(sheet: Sheet, effect: EffectRow) -> dict[str, Any]:
    written: dict[str, Any] = {"name": effect.name, "on": effect.on}
    written |= _write_concerned(sheet, effect)
    conditions = {
        "from": list(_in_order(sheet, effect.origins)),
        "sources": _in_word_order(effect.sources, EFFECT_SOURCES),
    }
    written |= {key: value for key, value in conditions.items() if value}
    written["kind"] = effect.kind
    more: dict[str, Any] = {"to": effect.to.splitlines()}
    more |= {key: getattr(effect, key) for key in ("topic", "template", "subject", "body")}
    written |= {key: value for key, value in more.items() if value}
    numbers = {key: getattr(effect, key) for key in ("delay_minutes", "hold_minutes", "cap_per_hour")}
    written |= {key: _read_number(text) for key, text in numbers.items() if text}
    if steps := [step for step in effect.escalate if not step.is_blank]:
        written["escalate"] = [
            {"to": step.to.splitlines(), "after_minutes": _read_number(step.after)} for step in steps
        ]
    if not effect.enabled:
        written["enabled"] = False
    return written


def _in_word_order(words: set[str], known: tuple[str, ...]) -> list[str]:
    """Words in the order of those known; what is none of them comes last."""
    return [word for word in known if word in words] + sorted(words - set(known))


def _read_number(text: str) -> int | str:
    """A typed number; what is none stays as it was typed, and the rules say so."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS else text
