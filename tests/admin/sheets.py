"""Configurations of every kind, and a sheet of the editor as a browser posts it."""

from typing import Any

from django.http import QueryDict
from hypothesis import strategies as st

from lifecycle.admin.configuration.folding import _EFFECT_TEXTS
from lifecycle.admin.configuration.health_sheet import HealthSheet
from lifecycle.admin.configuration.layout import lay_out
from lifecycle.admin.configuration.sheet import RiskRow, RuleRow, Sheet
from tenants.rules.configuration.starters import STARTERS
from tests.factories import CONTRACT_EXAMPLE, MINIMAL, SAAS
from tests.rules.documents import FULL

WITH_EVERYTHING: dict[str, Any] = {
    **SAAS,
    "colors": {"Live": "#1b7f4b"},
    "guidance": {"Wobbly": "Call them.\nThen write it down."},
    "event_rules": [
        {
            "event": "support.issue.closed",
            "from": ["Wobbly"],
            "to": "Live",
            "when": [
                {"field": "open_issues", "op": "eq", "value": 0},
                {"field": "csat", "op": "ge", "value": 4.5},
                {"field": "severity", "op": "in", "value": ["low", "5", 5]},
                {"field": "closed_at", "op": "exists", "value": True},
                {"field": "issue_id", "op": "ne", "value": "true"},
            ],
        },
        {"event": "contract.renewed", "to": "Live", "reason_code": "Contract Renewed"},
    ],
    "effects": [
        {
            "name": "Tell",
            "on": "leave",
            "categories": ["risk", "lost"],
            "kind": "email",
            "to": ["owner", "a@b.example"],
        },
        {"name": "Count", "on": "enter", "kind": "forecast"},
        {
            "name": "Campaign",
            "on": "enter",
            "stages": ["Live"],
            "from": ["Wobbly"],
            "sources": ["UI", "EventListener"],
            "kind": "event",
            "topic": "renewal.campaign.requested",
            "template": "renewal",
            "delay_minutes": 0,
            "cap_per_hour": 7,
            "enabled": False,
        },
        {
            "name": "Alert",
            "on": "enter",
            "kind": "alert",
            "to": ["user:Ada", "owner"],
            "subject": "“{{ customer.name }}” & {{{{",
            "body": "Call:\n\n  them; a=b&c%0A\n{{ link }}",
            "hold_minutes": 5,
            "escalate": [
                {"to": ["managers", "user:Bob"], "after_minutes": 60},
                {"to": ["admins"], "after_minutes": 90},
            ],
        },
    ],
    "currency": "EUR",
    "rates": {"USD": 0.92, "JPY": 1e-05},
    "source_priority": {"support.csat": ["/import", "/support"]},
    "risk_rules": [
        {
            "name": "Overdue and unhappy",
            "when": [
                {"field": "billing.overdue_percent", "op": "gt", "value": 10.5},
                {"field": "support.open_issues", "op": "exists", "value": True},
            ],
            "for_days": 14,
            "categories": ["engaged", "renewal"],
            "action": "move",
            "to": "Wobbly",
            "reason_code": "Low & < high",
        },
        {
            "name": "Fine segments",
            "when": [{"field": "segment", "op": "in", "value": ["Gold", "5"]}],
            "stages": ["Live"],
            "action": "propose",
            "to": "Wobbly",
            "enabled": False,
        },
    ],
    "health": {
        "start": 90,
        "good_from": 80,
        "watch_from": 45,
        "parts": [
            {"name": "Stage", "measure": "category", "categories": {"risk": 20, "renewal": -5}, "weight": 10},
            {"name": "Satisfaction", "measure": "csat", "points": 30, "from": 4.5, "to": 2, "if_missing": 5},
            {
                "name": "Silence",
                "measure": "days_since_note",
                "steps": [{"at_least": 90, "points": 40}, {"at_most": 0.5, "points": -10}],
            },
        ],
    },
}
DOCUMENTS = {
    "contract": CONTRACT_EXAMPLE,
    "minimal": MINIMAL,
    "saas": SAAS,
    "everything": WITH_EVERYTHING,
    **{name: dict(starter.document) for name, starter in STARTERS.items()},
}


@st.composite
def misspelled(draw: st.DrawFn) -> Any:
    """A full configuration with some of its texts replaced by others: errors that rows can hold."""
    texts = st.sampled_from(["A", "Active", "active", "Nowhere", "", " x", "enter", "risk", "eq", "billing.arr", "7"])
    rate = draw(st.integers(2, 30))

    def misspell(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: misspell(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [misspell(inner) for inner in value]
        return draw(texts) if isinstance(value, str) and not draw(st.integers(0, rate)) else value

    return misspell({**FULL, "risk_rules": WITH_EVERYTHING["risk_rules"]})


def laid_out(document: Any, **options: Any) -> Sheet:
    return lay_out(document, **{"renamed": {}, "live_stages": (), **options})


def post_health(sheet: HealthSheet, data: QueryDict) -> None:
    if not sheet.is_own:
        return
    data["health_own"] = "on"
    for name in ("start", "good_from", "watch_from"):
        data[f"health_{name}"] = getattr(sheet, name)
    for place, row in enumerate(sheet.parts, start=1):
        data.appendlist("part", row.key)
        prefix = f"part-{row.key}-"
        data[f"{prefix}order"] = str(place)
        for name in ("name", "measure", "points", "begin", "end", "if_missing", "weight"):
            data[prefix + name] = getattr(row, name)
        data[f"{prefix}steps"] = row.steps.replace("\n", "\r\n")
        for category, points in row.by_category:
            data[f"{prefix}category-{category}"] = points


def post(sheet: Sheet) -> QueryDict:
    """What a browser sends for the form of a sheet."""
    data = QueryDict(mutable=True)
    data["initial"] = sheet.initial
    data["currency"], data["rates"] = sheet.currency, sheet.rates.replace("\n", "\r\n")
    for source in sheet.sources:
        data.appendlist("source", source.key)
        data[f"source-{source.key}-path"] = source.path
        data.setlist(f"source-{source.key}-name", source.sources_shown)
    post_health(sheet.health, data)
    if sheet.is_open:
        data["is_open"] = "on"
    for place, row in enumerate(sheet.stages, start=1):
        data.appendlist("stage", row.key)
        prefix = f"stage-{row.key}-"
        for name in ("origin", "name", "category", "color", "reasons", "days", "guidance"):
            data[prefix + name] = getattr(row, name).replace("\n", "\r\n")
        data[f"{prefix}order"] = str(place)
        if row.requires_reason:
            data[f"{prefix}requires_reason"] = "on"
        data.setlist(f"{prefix}to", sorted(row.to))
    post_rules(sheet, data)
    for effect in sheet.effects:
        data.appendlist("effect", effect.key)
        prefix = f"effect-{effect.key}-"
        for name in _EFFECT_TEXTS:
            data[prefix + name] = getattr(effect, name).replace("\n", "\r\n")
        if effect.enabled:
            data[f"{prefix}enabled"] = "on"
        if effect.everywhere:
            data[f"{prefix}any"] = "on"
        for number, step in enumerate(effect.steps_shown):
            data.appendlist(f"{prefix}step", str(number))
            data[f"{prefix}step-{number}-to"], data[f"{prefix}step-{number}-after"] = step.to, step.after
        data.setlist(f"{prefix}from", sorted(effect.origins))
        data.setlist(f"{prefix}sources", sorted(effect.sources))
        data.setlist(f"{prefix}stages", sorted(effect.stages))
        data.setlist(f"{prefix}categories", sorted(effect.categories))
    post_risks(sheet, data)
    for number, gone in enumerate(sheet.gone):
        data.appendlist("gone", str(number))
        data[f"gone-{number}-stage"], data[f"gone-{number}-to"] = gone.stage, gone.to
        data[f"gone-{number}-reason"] = gone.reason
    return data


def post_risks(sheet: Sheet, data: QueryDict) -> None:
    for risk in sheet.risks:
        data.appendlist("risk", risk.key)
        prefix = f"risk-{risk.key}-"
        for name in ("name", "days", "action", "to", "reason"):
            data[prefix + name] = getattr(risk, name)
        if risk.enabled:
            data[f"{prefix}enabled"] = "on"
        if risk.everywhere:
            data[f"{prefix}any"] = "on"
        data.setlist(f"{prefix}stages", sorted(risk.stages))
        data.setlist(f"{prefix}categories", sorted(risk.categories))
        post_conditions(risk, prefix, data)


def post_conditions(rule: RuleRow | RiskRow, prefix: str, data: QueryDict) -> None:
    for condition in rule.when_shown:
        data.appendlist(f"{prefix}when", str(condition.number))
        for name in ("field", "op", "value"):
            data[f"{prefix}when-{condition.number}-{name}"] = getattr(condition, name)


def post_rules(sheet: Sheet, data: QueryDict) -> None:
    for rule in sheet.rules:
        data.appendlist("rule", rule.key)
        prefix = f"rule-{rule.key}-"
        for name in ("event", "to", "reason"):
            data[prefix + name] = getattr(rule, name)
        if rule.from_any:
            data[f"{prefix}any"] = "on"
        data.setlist(f"{prefix}from", sorted(rule.origins))
        post_conditions(rule, prefix, data)
