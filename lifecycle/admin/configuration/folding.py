"""Rows of a long form, folded: one hidden field carries what is not shown, so that the form stays small.

A folded row holds the very fields that it would have if it were open, under shorter names, and is read by the same
reader: whatever is saved, moved or checked while it is folded, nothing of it is lost.
"""

from collections.abc import Iterator, Sequence

from lifecycle.admin.configuration.rows import ConditionRow
from lifecycle.admin.configuration.sheet import EffectRow, RiskRow, RuleRow, Sheet

FoldableRow = RuleRow | EffectRow | RiskRow
# Of one kind. A form with as many rows as this shows them all.
MOST_OPEN = 10
# What a query string, an attribute or the end of a line would read otherwise.
_ESCAPES = str.maketrans({character: f"%{ord(character):02X}" for character in "%&=+;#\"'<>\r\n\t"})

_EFFECT_TEXTS = (
    "name",
    "on",
    "kind",
    "to",
    "template",
    "topic",
    "subject",
    "body",
    "delay_minutes",
    "hold_minutes",
    "cap_per_hour",
)


def fold_sheet(sheet: Sheet) -> None:
    """Fold event rules, at-risk rules and effects of a sheet that has many: all but those that the caller opened."""
    for rule in sheet.rules:
        rule.target = sheet.name_of(rule.to)
    for risk in sheet.risks:
        risk.target = sheet.name_of(risk.to)
    for rows in (sheet.rules, sheet.effects, sheet.risks):
        _fold(rows)


def open_row(rows: Sequence[FoldableRow], key: str) -> None:
    """Open one row to be edited. When too many are open, the first of the others is folded."""
    row = next((row for row in rows if row.key == key), None)
    if row is None:
        return
    row.is_open = True
    others = [other for other in rows if other.is_open and other is not row]
    if len(others) >= MOST_OPEN:
        others[0].is_open = False


def _fold(rows: Sequence[FoldableRow]) -> None:
    if len(rows) <= MOST_OPEN:
        for row in rows:
            row.folded = ""
        return
    for row in rows:
        row.folded = "" if row.is_open else "&".join(_pairs(row))


def _pairs(row: FoldableRow) -> Iterator[str]:
    match row:
        case RuleRow():
            fields = _rule_fields(row)
        case RiskRow():
            fields = _risk_fields(row)
        case _:
            fields = _effect_fields(row)
    return (f"{name}={value.translate(_ESCAPES)}" for name, value in fields if value)


def _rule_fields(row: RuleRow) -> Iterator[tuple[str, str]]:
    yield from (("event", row.event), ("to", row.to), ("reason", row.reason), ("any", "on" if row.from_any else ""))
    yield from (("from", reference) for reference in sorted(row.origins))
    yield from _condition_fields(row.when)


def _condition_fields(when: Sequence[ConditionRow]) -> Iterator[tuple[str, str]]:
    for number, condition in enumerate(when):
        yield "when", str(number)
        yield f"when-{number}-field", condition.field
        yield f"when-{number}-op", condition.op
        yield f"when-{number}-value", condition.value


def _risk_fields(row: RiskRow) -> Iterator[tuple[str, str]]:
    yield from ((name, getattr(row, name)) for name in ("name", "days", "action", "to", "reason"))
    yield from (("enabled", "on" if row.enabled else ""), ("any", "on" if row.everywhere else ""))
    for name, values in (("stages", row.stages), ("categories", row.categories)):
        yield from ((name, value) for value in sorted(values))
    yield from _condition_fields(row.when)


def _effect_fields(row: EffectRow) -> Iterator[tuple[str, str]]:
    yield from ((name, getattr(row, name)) for name in _EFFECT_TEXTS)
    yield from (("enabled", "on" if row.enabled else ""), ("any", "on" if row.everywhere else ""))
    for name, values in (
        ("stages", row.stages),
        ("categories", row.categories),
        ("from", row.origins),
        ("sources", row.sources),
    ):
        yield from ((name, value) for value in sorted(values))
    for number, step in enumerate(row.escalate):
        yield "step", str(number)
        yield f"step-{number}-to", step.to
        yield f"step-{number}-after", step.after
