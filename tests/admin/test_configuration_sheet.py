"""The form and the JSON of a draft are the same document: nothing is left out, nothing is invented."""

import json
from contextlib import suppress
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.admin.configuration.documents import SameNameTwice, write_document, write_mapping, write_renamed
from lifecycle.admin.configuration.health_sheet import change_health
from lifecycle.admin.configuration.json_text import arrange, find_lines, write_json
from lifecycle.admin.configuration.layout import lay_out_gone
from lifecycle.admin.configuration.places import file_findings
from lifecycle.admin.configuration.posted import change_rows, read_sheet
from lifecycle.admin.configuration.rows import CannotLayOut
from lifecycle.admin.configuration.sheet import StageRow
from lifecycle.admin.configuration.typed import read_value, write_value
from tenants.rules.configuration.document import parse_configuration, read_configuration
from tests.admin.sheets import DOCUMENTS, WITH_EVERYTHING, laid_out, misspelled, post
from tests.factories import MINIMAL, SAAS
from tests.rules.documents import FULL, check, configurations, damaged, relaxed


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


def test_the_empty_line_of_a_rule_keeps_its_number_as_long_as_it_is_empty() -> None:
    """By it what is typed there while the server answers is put back."""
    data = QueryDict("rule=7&rule-7-when=0&rule-7-when-0-field=csat&rule-7-when-0-op=exists", mutable=True)
    data.update(QueryDict("rule-7-when=1&rule-7-when-1-op=eq"))
    numbers = [condition.number for condition in read_sheet(data).rules[0].when_shown]
    assert numbers == [0, 1]
    data["rule-7-when-1-value"] = "4"
    assert [condition.number for condition in read_sheet(data).rules[0].when_shown] == [0, 1, 2]


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
