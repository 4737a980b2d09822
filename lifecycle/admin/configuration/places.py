"""Findings of a document, filed at the rows and fields of the form that they are about."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lifecycle.admin.configuration.health_sheet import file_health_finding
from lifecycle.admin.configuration.sheet import ConditionRow, Findings, RiskRow, RuleRow, Sheet, StageRow
from tenants.rules.configuration.errors import Finding, point

# Keys of the document -> fields of a stage's row.
_FIELDS = {
    "categories": "category",
    "reason_codes": "reasons",
    "max_days": "days",
    "colors": "color",
    "guidance": "guidance",
    "transitions": "to",
}


def file_findings(sheet: Sheet, document: Mapping[str, Any], findings: Iterable[Finding]) -> None:
    """Put each finding where it belongs: at a field of a row, or at the part of the form as a whole."""
    rows = sheet.present
    by_place = {point(key, row.name): (row, field) for key, field in _FIELDS.items() for row in rows}
    for finding in findings:
        parts = finding.path.split("/")[1:]
        if parts[:1] == ["health"]:
            file_health_finding(sheet.health, finding)
            continue
        if not _file_at_stage(finding, parts, rows, by_place, document) and not _file_at_item(sheet, finding, parts):
            _file(sheet.findings, parts[0] if parts else "", finding)


def _file_at_stage(
    finding: Finding,
    parts: Sequence[str],
    rows: Sequence[StageRow],
    by_place: Mapping[str, tuple[StageRow, str]],
    document: Mapping[str, Any],
) -> bool:
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
        return False
    _file(row.findings, field, finding)
    return True


def _file_at_item(sheet: Sheet, finding: Finding, parts: Sequence[str]) -> bool:
    index = _index(parts, 1)
    if index is None or parts[0] not in ("event_rules", "effects", "risk_rules"):
        return False
    field = parts[2] if len(parts) > 2 else ""
    if parts[0] == "effects":
        if index < len(sheet.effects):
            _file(sheet.effects[index].findings, field, finding)
        return index < len(sheet.effects)
    rules: Sequence[RuleRow | RiskRow] = sheet.rules if parts[0] == "event_rules" else sheet.risks
    if index < len(rules):
        rule = rules[index]
        condition = _condition(rule.when, _index(parts, 3)) if field == "when" else None
        if condition is not None:
            _file(condition.findings, parts[4] if len(parts) > 4 else "", finding)
        else:
            _file(rule.findings, field, finding)
        return True
    return False


def file_plan_findings(sheet: Sheet, findings: Iterable[Finding]) -> None:
    """Put findings of renames and of the mapping at the rows that they are about."""
    renamed = {point("renamed", row.origin): row for row in sheet.present if row.origin}
    gone = {point("mapping", row.stage): row for row in sheet.gone}
    for finding in findings:
        if finding.path in renamed:
            _file(renamed[finding.path].findings, "name", finding)
        elif finding.path in gone:
            _file(gone[finding.path].findings, "to", finding)
        else:
            file_findings(sheet, {}, [finding])


def _condition(rows: Sequence[ConditionRow], index: int | None) -> ConditionRow | None:
    filled = [row for row in rows if not row.is_blank]
    return filled[index] if index is not None and index < len(filled) else None


def _index(parts: Sequence[str], position: int) -> int | None:
    if len(parts) <= position or not parts[position].isdecimal():
        return None
    return int(parts[position])


def _file(findings: Findings, field: str, finding: Finding) -> None:
    findings.setdefault(field, []).append(finding)
