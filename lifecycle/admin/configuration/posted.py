"""From the fields of a sent form to rows again, and what its buttons do to them. Nothing here is saved or judged."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.http import QueryDict

from lifecycle.admin.configuration.folding import open_row
from lifecycle.admin.configuration.health_sheet import MOST_PART_ROWS, read_health_sheet
from lifecycle.admin.configuration.rows import UNKNOWN, ConditionRow
from lifecycle.admin.configuration.sheet import (
    MOST_CONDITIONS,
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
from lifecycle.admin.configuration.source_rows import has_more_sources, read_sources
from tenants.rules.configuration.definitions import DEFAULT_CATEGORY
from tenants.rules.texts import unify_breaks

# Of what has no limit of its own: conditions of a rule, and stages of today that went away.
_MOST_KEYS = 200
_FOLDABLE = ("rule", "effect", "risk")

Foldable = TypeVar("Foldable", RuleRow, EffectRow, RiskRow)
AnyRow = TypeVar("AnyRow", StageRow, RuleRow, EffectRow, RiskRow)


def read_sheet(post: QueryDict) -> Sheet:
    """The sheet that a form holds, in the order that its ORDER fields give."""
    sheet = Sheet(is_open=post.get("is_open") == "on", initial=_line(post, "initial"))
    sheet.stages = _ordered(post, "stage", [_read_stage(post, key) for key in _keys(post, "stage")])
    sheet.rules = _ordered(post, "rule", [_unfold(post, "rule", key, _read_rule) for key in _keys(post, "rule")])
    effects = [_unfold(post, "effect", key, _read_effect) for key in _keys(post, "effect")]
    sheet.effects = _ordered(post, "effect", effects)
    sheet.risks = _ordered(post, "risk", [_unfold(post, "risk", key, _read_risk) for key in _keys(post, "risk")])
    sheet.gone = [
        GoneRow(
            stage=_line(post, f"gone-{index}-stage"),
            to=_line(post, f"gone-{index}-to"),
            reason=_line(post, f"gone-{index}-reason"),
        )
        for index in _keys(post, "gone")
    ]
    sheet.currency, sheet.rates = _line(post, "currency"), _lines(post, "rates")
    sheet.sources = read_sources(post)
    sheet.health = read_health_sheet(post)
    sheet.is_cut = _has_more(post, sheet)
    return sheet


def _has_more(post: QueryDict, sheet: Sheet) -> bool:
    """Whether a forged or damaged form has more than was read. The form itself never does."""
    lists = [row.to for row in sheet.stages] + [row.origins for row in sheet.rules]
    lists += [references for row in sheet.effects for references in (row.stages, row.origins)]
    lists += [row.stages for row in sheet.risks]
    unknown = {reference for references in lists for reference in references if reference.startswith(UNKNOWN)}
    return (
        any(len(set(post.getlist(kind))) > most for kind, most in MOST_ROWS.items())
        or len(set(post.getlist("part"))) > MOST_PART_ROWS
        or len(unknown) > MOST_UNKNOWN
        or has_more_sources(post, sheet.sources)
        or any(len(references) > MOST_REFERENCES for references in lists)
        or any(len(row.when) > MOST_CONDITIONS for row in sheet.rules)
        or any(len(row.when) > MOST_CONDITIONS for row in sheet.risks)
        or any(len(row.escalate) > MOST_STEPS for row in sheet.effects)
    )


def change_rows(sheet: Sheet, button: str) -> None:
    """Do what a button says: ``add_stage``, ``remove_rule:4``, ``up_effect:7``, ``new_stage:2``... Else nothing."""
    verb, _, key = button.partition(":")
    action, _, kind = verb.partition("_")
    rows = _rows_of(sheet, kind)
    if rows is None:
        return
    if action == "add" and len(rows) < MOST_ROWS[kind]:
        _add(sheet, kind)
        return
    index = next((index for index, row in enumerate(rows) if row.key == key), None)
    if index is None:
        return
    if action == "open" and kind in _FOLDABLE:
        open_row(rows, key)
    elif action == "fold" and kind in _FOLDABLE:
        rows[index].is_open = False
    elif action == "remove":
        if kind == "stage":
            _forget_stage(sheet, rows[index])
        del rows[index]
    elif action in ("up", "down"):
        other = index + (-1 if action == "up" else 1)
        if 0 <= other < len(rows):
            rows[index], rows[other] = rows[other], rows[index]
    elif action == "new" and kind == "stage":
        # Not the live stage under another name, but one of its own.
        rows[index].origin = ""


def _rows_of(sheet: Sheet, kind: str) -> list[Any] | None:
    rows: dict[str, list[Any]] = {
        "stage": sheet.stages,
        "rule": sheet.rules,
        "effect": sheet.effects,
        "risk": sheet.risks,
    }
    return rows.get(kind)


def _add(sheet: Sheet, kind: str) -> None:
    key = sheet.new_key()
    if kind == "stage":
        sheet.stages.append(StageRow(key))
        if not sheet.initial:
            sheet.initial = key
    elif kind == "rule":
        sheet.rules.append(RuleRow(key))
        open_row(sheet.rules, key)
    elif kind == "risk":
        sheet.risks.append(RiskRow(key))
        open_row(sheet.risks, key)
    else:
        sheet.effects.append(EffectRow(key))
        open_row(sheet.effects, key)


def _forget_stage(sheet: Sheet, row: StageRow) -> None:
    """Transitions go with the stage; rules and effects keep its name, so that it is seen what they have lost."""
    lost = f"{UNKNOWN}{row.name}"
    for other in sheet.stages:
        other.to.discard(row.key)
    for rule in sheet.rules:
        rule.to = lost if rule.to == row.key else rule.to
        rule.origins = {lost if ref == row.key else ref for ref in rule.origins}
    for effect in sheet.effects:
        effect.stages = {lost if ref == row.key else ref for ref in effect.stages}
        effect.origins = {lost if ref == row.key else ref for ref in effect.origins}
    for risk in sheet.risks:
        risk.to = lost if risk.to == row.key else risk.to
        risk.stages = {lost if ref == row.key else ref for ref in risk.stages}
    for gone in sheet.gone:
        gone.to = "" if gone.to == row.key else gone.to
    if sheet.initial == row.key:
        sheet.initial = next((other.key for other in sheet.stages if other is not row), "")


def _read_stage(post: QueryDict, key: str) -> StageRow:
    prefix = f"stage-{key}-"
    return StageRow(
        key=key,
        name=_line(post, f"{prefix}name"),
        origin=_line(post, f"{prefix}origin"),
        category=_line(post, f"{prefix}category") or DEFAULT_CATEGORY,
        color=_line(post, f"{prefix}color"),
        requires_reason=f"{prefix}requires_reason" in post,
        reasons=_lines(post, f"{prefix}reasons"),
        days=_line(post, f"{prefix}days"),
        guidance=text if (text := _paragraph(post, f"{prefix}guidance")).strip() else "",
        to=set(_many(post, f"{prefix}to")),
    )


def _unfold(post: QueryDict, kind: str, key: str, read: Callable[[QueryDict, str, str], Foldable]) -> Foldable:
    """A row from its own fields, or from the one field that carries them while it is folded."""
    prefix = f"{kind}-{key}-"
    if f"{prefix}folded" in post:
        return read(QueryDict(post.get(f"{prefix}folded", "")), key, "")
    row = read(post, key, prefix)
    row.is_open = True
    return row


def _read_rule(post: QueryDict, key: str, prefix: str) -> RuleRow:
    return RuleRow(
        key=key,
        event=_line(post, f"{prefix}event"),
        to=_line(post, f"{prefix}to"),
        from_any=f"{prefix}any" in post,
        origins=set(_many(post, f"{prefix}from")),
        reason=_line(post, f"{prefix}reason"),
        when=_read_conditions(post, prefix),
    )


def _read_conditions(post: QueryDict, prefix: str) -> list[ConditionRow]:
    return [
        ConditionRow(
            field=_line(post, f"{prefix}when-{number}-field"),
            op=_line(post, f"{prefix}when-{number}-op"),
            value=_line(post, f"{prefix}when-{number}-value"),
            number=int(number),
        )
        for number in _keys(post, f"{prefix}when")
    ]


def _read_risk(post: QueryDict, key: str, prefix: str) -> RiskRow:
    return RiskRow(
        key=key,
        name=_line(post, f"{prefix}name"),
        when=_read_conditions(post, prefix),
        days=_line(post, f"{prefix}days"),
        everywhere=f"{prefix}any" in post,
        stages=set(_many(post, f"{prefix}stages")),
        categories=set(_many(post, f"{prefix}categories")),
        action=_line(post, f"{prefix}action"),
        to=_line(post, f"{prefix}to"),
        reason=_line(post, f"{prefix}reason"),
        enabled=f"{prefix}enabled" in post,
    )


def _read_effect(post: QueryDict, key: str, prefix: str) -> EffectRow:
    return EffectRow(
        key=key,
        name=_line(post, f"{prefix}name"),
        on=_line(post, f"{prefix}on"),
        kind=_line(post, f"{prefix}kind"),
        to=_lines(post, f"{prefix}to"),
        template=_line(post, f"{prefix}template"),
        everywhere=f"{prefix}any" in post,
        stages=set(_many(post, f"{prefix}stages")),
        categories=set(_many(post, f"{prefix}categories")),
        origins=set(_many(post, f"{prefix}from")),
        sources=set(_many(post, f"{prefix}sources")),
        topic=_line(post, f"{prefix}topic"),
        subject=_line(post, f"{prefix}subject"),
        body=text if (text := _paragraph(post, f"{prefix}body")).strip() else "",
        delay_minutes=_line(post, f"{prefix}delay_minutes"),
        hold_minutes=_line(post, f"{prefix}hold_minutes"),
        cap_per_hour=_line(post, f"{prefix}cap_per_hour"),
        escalate=[
            step
            for number in _keys(post, f"{prefix}step")
            if not (
                step := StepRow(_lines(post, f"{prefix}step-{number}-to"), _line(post, f"{prefix}step-{number}-after"))
            ).is_blank
        ],
        enabled=f"{prefix}enabled" in post,
    )


def _ordered(post: QueryDict, kind: str, rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Rows by their numbers; what is no number leaves the row where it is."""

    def order(index: int) -> tuple[int, int]:
        text = post.get(f"{kind}-{rows[index].key}-order", "").strip()
        is_number = text.isascii() and text.isdecimal() and len(text) < 6
        return (int(text) if is_number else index + 1), index

    return [rows[index] for index in sorted(range(len(rows)), key=order)]


def _keys(post: QueryDict, name: str) -> list[str]:
    """The keys of the rows of one kind, each once."""
    keys = [key for key in post.getlist(name) if key.isascii() and key.isdecimal() and len(key) < 6]
    return list(dict.fromkeys(keys))[: MOST_ROWS.get(name, _MOST_KEYS)]


def _many(post: QueryDict, name: str) -> list[str]:
    return [_clean(value) for value in post.getlist(name)[: MOST_REFERENCES + 1] if value]


def _line(post: QueryDict, name: str) -> str:
    return " ".join(_clean(post.get(name, "")).splitlines()).strip()


def _paragraph(post: QueryDict, name: str) -> str:
    return unify_breaks(_clean(post.get(name, "")))


def _lines(post: QueryDict, name: str) -> str:
    return "\n".join(line.strip() for line in _paragraph(post, name).splitlines() if line.strip())


def _clean(text: str) -> str:
    """Without NUL, which PostgreSQL cannot hold."""
    return text.replace("\x00", "")
