"""Findings of a document, filed at the rows and fields of the form that they are about.

Each gets an *anchor*: the id of the field, of the row, or of the step of the form, so that a list of findings leads
there and the page can put a new finding beside its field.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.admin.configuration.health_sheet import file_health_finding
from lifecycle.admin.configuration.rows import ConditionRow, Findings
from lifecycle.admin.configuration.sheet import EffectRow, RiskRow, RuleRow, Sheet, StageRow
from lifecycle.admin.configuration.source_rows import file_source_finding
from tenants.rules.configuration.errors import Finding, point

# Keys of the document -> fields of a stage's row.
_FIELDS: Final = {
    "categories": "category",
    "reason_codes": "reasons",
    "max_days": "days",
    "colors": "color",
    "guidance": "guidance",
    "transitions": "to",
}
# Keys of a rule or an effect -> fields of its row, where they have other names.
_NAMES: Final = {"reason_code": "reason", "for_days": "days", "from": "origins"}
# Keys of the document -> the step of the form that holds them; everything else is about the stages.
STEP_OF: Final[Mapping[str, str]] = {
    "transitions": "transitions",
    "required_reason_codes": "reasons",
    "reason_codes": "reasons",
    "event_rules": "rules",
    "risk_rules": "rules",
    "effects": "automations",
    "health": "health",
    "currency": "data",
    "rates": "data",
    "source_priority": "data",
}


@dataclass(frozen=True, slots=True)
class Filed:
    """A finding, the step of the form that it is in, and the id of what it is about."""

    finding: Finding
    step: str
    anchor: str


def find_step(finding: Finding) -> str:
    """The step of the form that a finding is about."""
    return STEP_OF.get(finding.path.split("/")[1] if "/" in finding.path else "", "stages")


def file_findings(sheet: Sheet, document: Mapping[str, Any], findings: Iterable[Finding]) -> list[Filed]:
    """Put each finding where it belongs: at a field of a row, or at the part of the form as a whole."""
    rows = sheet.present
    by_place = {point(key, row.name): (row, field) for key, field in _FIELDS.items() for row in rows}
    filed = []
    for finding in findings:
        parts = finding.path.split("/")[1:]
        step = find_step(finding)
        if step == "health":
            anchor = file_health_finding(sheet.health, finding)
        elif parts[:1] == ["source_priority"] and (source := file_source_finding(sheet.sources, finding)):
            anchor = f"source-{source.key}-path"
        else:
            anchor = _file_at_stage(finding, parts, rows, by_place, document) or _file_at_item(sheet, finding, parts)
        if not anchor:
            _file(sheet.findings, parts[0] if parts else "", finding)
            anchor = parts[0] if parts[:1] in (["currency"], ["rates"]) else f"step-{step}"
        filed.append(Filed(finding, step, anchor))
    return filed


def _file_at_stage(
    finding: Finding,
    parts: Sequence[str],
    rows: Sequence[StageRow],
    by_place: Mapping[str, tuple[StageRow, str]],
    document: Mapping[str, Any],
) -> str:
    head, index = (parts[0] if parts else ""), _index(parts, 1)
    row: StageRow | None = None
    field = "name"
    if head == "stages" and index is not None and index < len(rows):
        row = rows[index]
    elif head == "required_reason_codes" and index is not None and index < len(document.get(head, ())):
        name = document[head][index]
        row, field = next((row for row in rows if row.name == name), None), "requires_reason"
    elif head in _FIELDS and len(parts) > 1:
        # The name of a stage may contain what looks like further steps: the longest place that fits is meant.
        found = max((place for place in by_place if f"{finding.path}/".startswith(f"{place}/")), key=len, default=None)
        row, field = by_place[found] if found is not None else (None, "")
    if row is None:
        return ""
    _file(row.findings, field, finding)
    return f"from-{row.key}" if field == "to" else f"stage-{row.key}-{field}"


def _file_at_item(sheet: Sheet, finding: Finding, parts: Sequence[str]) -> str:
    index = _index(parts, 1)
    kinds: Mapping[str, tuple[str, Sequence[RuleRow | RiskRow | EffectRow]]] = {
        "event_rules": ("rule", sheet.rules),
        "risk_rules": ("risk", sheet.risks),
        "effects": ("effect", sheet.effects),
    }
    if index is None or parts[0] not in kinds or index >= len(kinds[parts[0]][1]):
        return ""
    kind, rows = kinds[parts[0]]
    row = rows[index]
    field = parts[2] if len(parts) > 2 else ""
    anchor = f"{kind}-{row.key}"
    condition = None
    if field == "when" and not isinstance(row, EffectRow):
        condition = _condition(row.when, _index(parts, 3))
    if condition is not None:
        of = parts[4] if len(parts) > 4 else ""
        _file(condition.findings, of, finding)
        inner = f"when-{condition.number}-{of or 'field'}"
    else:
        _file(row.findings, field, finding)
        inner = _NAMES.get(field, field)
    is_folded = not isinstance(row, RiskRow) and bool(row.folded)
    return anchor if is_folded or not inner else f"{anchor}-{inner}"


def file_plan_findings(sheet: Sheet, findings: Iterable[Finding]) -> list[Filed]:
    """Put findings of renames and of the mapping at the rows that they are about."""
    renamed = {point("renamed", row.origin): row for row in sheet.present if row.origin}
    gone = {point("mapping", row.stage): (index, row) for index, row in enumerate(sheet.gone)}
    filed = []
    for finding in findings:
        if finding.path in renamed:
            _file(renamed[finding.path].findings, "name", finding)
            filed.append(Filed(finding, "stages", f"stage-{renamed[finding.path].key}-name"))
        elif finding.path in gone:
            index, row = gone[finding.path]
            _file(row.findings, "to", finding)
            filed.append(Filed(finding, "stages", f"gone-{index}-to"))
        else:
            filed += file_findings(sheet, {}, [finding])
    return filed


def _condition(rows: Sequence[ConditionRow], index: int | None) -> ConditionRow | None:
    filled = [row for row in rows if not row.is_blank]
    return filled[index] if index is not None and index < len(filled) else None


def _index(parts: Sequence[str], position: int) -> int | None:
    if len(parts) <= position or not parts[position].isdecimal():
        return None
    return int(parts[position])


def _file(findings: Findings, field: str, finding: Finding) -> None:
    findings.setdefault(field, []).append(finding)
