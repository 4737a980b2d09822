"""The form and the JSON of a draft are the same document: nothing is left out, nothing is invented."""

import json
from contextlib import suppress
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.admin.configuration.documents import SameNameTwice, write_document, write_mapping, write_renamed
from lifecycle.admin.configuration.folding import _EFFECT_TEXTS
from lifecycle.admin.configuration.health_sheet import HealthSheet, change_health
from lifecycle.admin.configuration.json_text import arrange, find_lines, write_json
from lifecycle.admin.configuration.layout import lay_out, lay_out_gone
from lifecycle.admin.configuration.places import file_findings
from lifecycle.admin.configuration.posted import change_rows, read_sheet
from lifecycle.admin.configuration.rows import CannotLayOut
from lifecycle.admin.configuration.sheet import RiskRow, RuleRow, Sheet, StageRow
from lifecycle.admin.configuration.typed import read_value, write_value
from tenants.rules.configuration.document import parse_configuration, read_configuration
from tenants.rules.configuration.starters import STARTERS
from tests.factories import CONTRACT_EXAMPLE, MINIMAL, SAAS
from tests.rules.documents import FULL, check, configurations, damaged, relaxed

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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_means_the_same_after_a_way_through_the_form(name: str) -> None:
    document = DOCUMENTS[name]
    sheet = read_sheet(post(laid_out(document)))
    assert parse_configuration(write_document(sheet)) == parse_configuration(document)
    assert write_renamed(sheet) == {}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_was_written_by_the_form_is_written_the_same_again(name: str) -> None:
    written = write_document(laid_out(DOCUMENTS[name]))
    assert write_document(read_sheet(post(laid_out(written)))) == written


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (10**9, "out_of_range"),
        (1e9, "out_of_range"),
        (-(10**9), "out_of_range"),
        (10**20 - 1, "out_of_range"),
        (0, "out_of_range"),
        ("3_0", "wrong_type"),
    ],
)
def test_a_number_out_of_range_is_still_a_number_after_a_way_through_the_form(number: Any, code: str) -> None:
    document = {**FULL, "max_days": {"Onboarded": number}}
    written = write_document(read_sheet(post(laid_out(document))))
    assert [error.code for error in check(document)] == [code]
    assert [error.code for error in check(written)] == [code]


@pytest.mark.parametrize("number", [10**20, 1e300, float("inf"), float("nan"), 2.5, True])
def test_a_number_that_no_field_holds_keeps_the_draft_as_json(number: Any) -> None:
    with pytest.raises(CannotLayOut, match="max_days"):
        laid_out({**FULL, "max_days": {"Onboarded": number}})


@relaxed
@given(configurations())
def test_every_configuration_in_order_can_be_shown_and_means_the_same(document: Any) -> None:
    written = write_document(read_sheet(post(laid_out(document))))
    assert parse_configuration(written) == parse_configuration(document)


@relaxed
@given(st.one_of(damaged(), misspelled()))
def test_what_the_form_can_show_it_keeps_errors_and_all(document: Any) -> None:
    """Whatever the draft: the form either says that it cannot show it, or writes what has the very same errors."""
    try:
        sheet = laid_out(document)
    except CannotLayOut:
        return
    written = write_document(sheet)

    def errors(of: Any) -> list[tuple[str, str]]:
        return sorted((error.code, error.severity) for error in check(of))

    assert errors(written) == errors(document)
    assert laid_out(written) == sheet


@pytest.mark.parametrize(
    "value",
    [
        0,
        1.5,
        True,
        None,
        "",
        "5",
        "true",
        "plain",
        '"quoted"',
        "a, b",
        ["a", 1, "1"],
        [],
        -3,
        "[1]",
        "NaN",
        " lead",
        "trail ",
        "two\nlines",
    ],
)
def test_a_value_of_a_condition_is_typed_and_read_back(value: Any) -> None:
    read = read_value("eq", write_value(value))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "text", ['"\\u0000"', '"\\ud800"', '["\\u0000"]', "[[1]]", '{"a": 1}', "[" * 900, "1e999", "9" * 5000]
)
def test_what_no_condition_may_say_stays_the_text_that_was_typed(text: str) -> None:
    assert read_value("eq", text) == text
    assert read_value("in", text) in (text, [text])


FIELDS = st.sampled_from(
    [
        "stage",
        "rule",
        "effect",
        "gone",
        "initial",
        "is_open",
        *(
            f"stage-{key}-{part}"
            for key in "01"
            for part in ("name", "origin", "days", "to", "order", "reasons", "color")
        ),
        *(f"rule-{key}-{part}" for key in "01" for part in ("event", "to", "any", "from", "when", "when-0-value")),
        *(f"effect-{key}-{part}" for key in "01" for part in ("name", "to", "stages", "categories")),
        *(f"gone-0-{part}" for part in ("stage", "to", "reason")),
    ]
)
VALUES = st.one_of(
    st.sampled_from(["0", "1", "?", "?X", "A", "", "-1", "\x00", "on", "nan", "[", '"']), st.text(max_size=6)
)


@relaxed
@given(
    st.lists(st.tuples(FIELDS, VALUES), max_size=30),
    st.sampled_from(["add_stage", "add_rule", "remove_stage:0", "up_stage:1", "new_stage:0", "remove_rule:0", "x"]),
)
def test_no_form_however_forged_makes_a_document_that_cannot_be_kept(fields: Any, action: str) -> None:
    data = QueryDict(mutable=True)
    for name, value in fields:
        data.appendlist(name, value)
    sheet = read_sheet(data)
    change_rows(sheet, action)
    try:
        document = write_document(sheet)
    except SameNameTwice:
        return
    file_findings(sheet, document, check(document))
    kept = json.dumps([document, write_renamed(sheet), write_mapping(sheet)], allow_nan=False)
    assert "\\u0000" not in kept
    assert write_json(document)
    with suppress(CannotLayOut):
        lay_out_gone(laid_out(document, live_stages=["A"]), live_stages=["A"], mapping={}, customers={})


def test_values_between_commas_are_a_list_for_in() -> None:
    assert read_value("in", "low, 5, high") == ["low", 5, "high"]
    assert read_value("eq", "1e999") == "1e999", "what no database could keep stays text"


def test_a_renamed_row_keeps_its_transitions_and_is_known_as_a_rename() -> None:
    sheet = laid_out(SAAS, live_stages=SAAS["stages"])
    sheet.stages[2].name = "Running"
    again = read_sheet(post(sheet))
    written = write_document(again)
    assert write_renamed(again) == {"Live": "Running"}
    assert written["transitions"]["Rollout"] == ["Running", "Wobbly", "Lost"]
    assert written["transitions"]["Running"] == ["Wobbly", "Renewing"]
    shown = laid_out(written, renamed={"Live": "Running"}, live_stages=SAAS["stages"])
    assert [(row.origin, row.name) for row in shown.stages if row.is_renamed] == [("Live", "Running")]


def test_a_rename_of_a_version_that_is_no_longer_live_is_not_followed() -> None:
    sheet = laid_out(SAAS, renamed={"Pilot": "Trial"}, live_stages=SAAS["stages"])
    assert {row.origin for row in sheet.stages} == set(SAAS["stages"])


def test_rows_stand_in_the_order_of_their_numbers() -> None:
    data = post(laid_out(SAAS))
    data["stage-5-order"], data["stage-0-order"] = "1", "99"
    assert [row.name for row in read_sheet(data).stages] == ["Lost", "Rollout", "Live", "Wobbly", "Renewing", "Trial"]
    data["stage-5-order"] = "what?"
    assert read_sheet(data).stages[4].name == "Lost"


def test_the_buttons_of_a_row_move_and_remove_it() -> None:
    sheet = laid_out(WITH_EVERYTHING)
    change_rows(sheet, "up_stage:1")
    assert [row.name for row in sheet.stages][:2] == ["Rollout", "Trial"]
    change_rows(sheet, "down_stage:1")
    change_rows(sheet, "up_stage:0")
    assert [row.name for row in sheet.stages][:2] == ["Trial", "Rollout"]
    change_rows(sheet, "remove_stage:2")
    written = write_document(sheet)
    assert "Live" not in written["stages"]
    assert written["transitions"]["Wobbly"] == ["Renewing", "Lost"]
    assert written["event_rules"][0]["to"] == "Live", "the rule shows what it has lost"
    assert ("/event_rules/0/to", "unknown_stage") in [(f.path, f.code) for f in check(written)]
    change_rows(sheet, "remove_rule:6")
    change_rows(sheet, "add_effect")
    assert (len(sheet.rules), len(sheet.effects)) == (1, 5)


@pytest.mark.parametrize(
    "action", ["", "save", "add_planet", "remove_stage:", "remove_stage:77", "up_stage:x", "_:_", ":"]
)
def test_what_no_button_says_does_nothing(action: str) -> None:
    sheet = laid_out(SAAS)
    change_rows(sheet, action)
    assert sheet == laid_out(SAAS)


def test_an_empty_row_is_left_out_and_two_rows_of_one_name_cannot_be_written() -> None:
    sheet = laid_out(MINIMAL)
    change_rows(sheet, "add_stage")
    assert write_document(sheet)["stages"] == MINIMAL["stages"]
    sheet.stages[-1].name = "Active"
    with pytest.raises(SameNameTwice, match="Active"):
        write_document(sheet)


def test_a_stage_without_a_name_is_named_at_its_row() -> None:
    sheet = laid_out(MINIMAL)
    sheet.stages.append(StageRow("9", days="soon"))
    written = write_document(sheet)
    file_findings(sheet, written, check(written))
    assert [error.code for error in sheet.stages[-1].findings["name"]] == ["blank"]


def test_errors_are_filed_at_the_row_and_field_that_they_are_about() -> None:
    document = {
        **WITH_EVERYTHING,
        "max_days": {"Live": 0},
        "colors": {"Live": "red"},
        "reason_codes": {"Wobbly": ["A", "a"]},
        "transitions": {"Trial": ["Nowhere"]},
    }
    sheet = laid_out(document)
    file_findings(sheet, write_document(sheet), check(write_document(sheet)))
    by_name = {
        row.name: {field: [f.code for f in errors] for field, errors in row.findings.items()} for row in sheet.stages
    }
    assert by_name["Live"] == {"days": ["out_of_range"], "color": ["invalid_color"]}
    assert by_name["Wobbly"] == {"reasons": ["duplicate"]}
    assert by_name["Trial"] == {"to": ["unknown_stage"]}
    assert sheet.unknown_targets == ["?Nowhere"]


def test_an_error_of_a_condition_is_filed_at_its_line() -> None:
    rules = [{"event": "contract.renewed", "to": "Live", "when": [{"field": "a b", "op": "eq", "value": 1}]}]
    sheet = laid_out({**SAAS, "event_rules": rules})
    file_findings(sheet, write_document(sheet), check(write_document(sheet)))
    assert [error.code for error in sheet.rules[0].when[0].findings["field"]] == ["invalid_field"]


def test_stages_that_went_away_ask_for_a_place_for_their_customers() -> None:
    document = {"stages": ["Prospect", "Danger"]}
    live = MINIMAL["stages"]
    sheet = laid_out(document, live_stages=live, renamed={"At-Risk": "Danger"})
    lay_out_gone(
        sheet, live_stages=live, mapping={"Churned": {"to": "Danger", "reason_code": "x"}}, customers={"Churned": 7}
    )
    assert [(row.stage, row.customers, sheet.name_of(row.to), row.reason) for row in sheet.gone] == [
        ("Onboarded", 0, "", ""),
        ("Active", 0, "", ""),
        ("Churned", 7, "Danger", "x"),
    ]
    assert write_mapping(read_sheet(post(sheet))) == {"Churned": {"to": "Danger", "reason_code": "x"}}


def test_the_text_of_a_document_names_the_line_of_each_value() -> None:
    text = write_json(WITH_EVERYTHING)
    assert list(arrange(WITH_EVERYTHING))[:4] == ["stages", "required_reason_codes", "initial", "transitions"]
    lines = find_lines(WITH_EVERYTHING, ["/event_rules/0/when/1/value", "/stages/0"])
    number = lines["/event_rules/0/when/1/value"]
    assert text.splitlines()[number - 1].strip() == '{"field": "csat", "op": "ge", "value": 4.5},'
    assert lines["/stages/0"] == lines["/stages"] == 2


def test_the_usual_health_is_made_one_s_own_and_changed_part_by_part():
    sheet = laid_out(MINIMAL)
    assert not sheet.health.is_own
    assert "health" not in write_document(sheet)
    change_health(sheet.health, "own_health")
    assert read_configuration(write_document(sheet))[0] == read_configuration(MINIMAL)[0], "it is still the usual one"
    change_health(sheet.health, "down_part:0")
    change_health(sheet.health, "remove_part:5")
    change_health(sheet.health, "add_part")
    assert [row.name for row in sheet.health.parts] == [
        "overdue_balance", "stage", "satisfaction", "issues", "time_in_stage", ""
    ]  # fmt: skip
    document = write_document(sheet)
    (finding,) = [one for one in read_configuration(document)[1] if one.path.startswith("/health/parts/5/name")]
    file_findings(sheet, document, [finding])
    assert sheet.health.parts[5].findings == {"name": [finding]}
    change_health(sheet.health, "usual_health")
    assert "health" not in write_document(sheet)


PART = {"name": "A", "measure": "csat"}


@pytest.mark.parametrize(
    "health",
    [
        [],
        {},
        {"parts": {}},
        {"parts": [{"name": "A"}]},
        {"parts": [{**PART, "steps": [{"a": 1}]}]},
        {"parts": [{**PART, "points": {}}]},
        {"parts": [{**PART, "to": ""}]},
        {"parts": [{**PART, "measure": "category", "categories": {"angry": 3}}]},
    ],
)
def test_a_health_that_rows_cannot_hold_stays_json(health):
    with pytest.raises(CannotLayOut):
        laid_out({**MINIMAL, "health": health})
