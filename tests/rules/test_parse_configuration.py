"""An admin hands in a configuration: what is accepted, and how everything that is wrong is named at its place."""

import json
from typing import Any

import pytest
from hypothesis import given

from tenants.rules.configuration.document import (
    Condition,
    Effect,
    Escalation,
    EventRule,
    Finding,
    InvalidConfiguration,
    parse_configuration,
)
from tenants.sentences import describe_finding, describe_invalid
from tests.rules.documents import FULL, SMALLEST, any_json, check, configurations, damaged, relaxed


def errors_of(document: object) -> list[tuple[str, str]]:
    return [(error.path, error.code) for error in check(document) if error.severity == "error"]


def only_error_of(document: object) -> Finding:
    errors = [error for error in check(document) if error.severity == "error"]
    assert len(errors) == 1, errors
    return errors[0]


def test_the_sample_of_the_specification_is_valid_as_it_stands() -> None:
    configuration = parse_configuration(SMALLEST)

    assert configuration.stages == ("Prospect", "Onboarded", "Active", "At-Risk", "Churned")
    assert configuration.initial == "Prospect"
    assert configuration.is_open
    assert configuration.definition("Active").to == ("Prospect", "Onboarded", "At-Risk", "Churned")
    assert [stage.requires_reason for stage in configuration.definitions] == [False, False, False, True, True]
    assert configuration.definition("At-Risk").reason_codes is None


def test_without_categories_the_names_suggest_them() -> None:
    configuration = parse_configuration(SMALLEST)

    assert [stage.category for stage in configuration.definitions] == [
        "acquisition",
        "onboarding",
        "engaged",
        "risk",
        "lost",
    ]


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Churn Risk", "risk"),
        ("AtRisk", "risk"),
        ("at_risk", "risk"),
        ("Brisk trade", "engaged"),
        ("Lost customer", "lost"),
        ("In Renewal", "renewal"),
        ("Renewed", "renewal"),
        ("LEAD", "acquisition"),
        ("Blei", "engaged"),
        ("42", "engaged"),
        ("リスク", "engaged"),
    ],
)
def test_a_name_suggests_a_category(name: str, category: str) -> None:
    assert parse_configuration({"stages": [name]}).definition(name).category == category


def test_with_categories_a_stage_that_is_not_named_there_is_engaged() -> None:
    configuration = parse_configuration({"stages": ["Lead", "At-Risk"], "categories": {"Lead": "onboarding"}})

    assert [stage.category for stage in configuration.definitions] == ["onboarding", "engaged"]


def test_a_full_configuration_is_read_completely() -> None:
    configuration = parse_configuration(FULL)

    at_risk = configuration.definition("At-Risk")
    assert at_risk.category == "risk"
    assert at_risk.to == ("Active", "Churned")
    assert at_risk.reason_codes == ("Low Engagement", "Support Escalation")
    assert at_risk.color == "#b54708"
    assert at_risk.guidance == "Call within a day.\nWrite down what was said."
    assert configuration.definition("Onboarded").max_days == 30
    assert configuration.definition("Churned").to == ()
    assert not configuration.is_open
    assert configuration.event_rules == (
        EventRule("contract.renewed", "Active", ("Active", "At-Risk"), "Contract Renewed"),
        EventRule(
            "support.issue.closed",
            "Active",
            ("At-Risk",),
            None,
            (Condition("open_issues", "eq", 0), Condition("csat", "ge", 4)),
        ),
    )
    assert configuration.effects == (
        Effect(
            "Escalate",
            "enter",
            "alert",
            ("owner",),
            (),
            ("risk",),
            escalate=(Escalation(("managers", "user:Ada"), 1440),),
        ),
        Effect(
            "Win back",
            "enter",
            "email",
            ("contacts:Sponsor", "contacts"),
            ("Churned",),
            (),
            "bye",
            sources=("UI", "API"),
            subject="Come back, {{ customer.name }}",
            body="Dear {{ recipient.name }},\n\nwe miss you.",
            delay_minutes=4320,
            hold_minutes=30,
            cap_per_hour=50,
        ),
        Effect("Forecast", "leave", "forecast", (), (), ("risk",), from_stages=("At-Risk",)),
    )


def test_the_canonical_document_is_the_same_in_every_order_of_writing() -> None:
    shuffled = json.loads(json.dumps(dict(reversed(FULL.items()))))
    shuffled["transitions"] = {key: to[::-1] for key, to in reversed(FULL["transitions"].items())}

    assert parse_configuration(shuffled).to_document() == FULL
    assert list(parse_configuration(shuffled).to_document()) == list(FULL)


def test_the_canonical_document_writes_out_the_categories_so_that_a_rename_keeps_the_meaning() -> None:
    assert parse_configuration(SMALLEST).to_document() == {
        "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
        "initial": "Prospect",
        "categories": FULL["categories"],
        "required_reason_codes": ["At-Risk", "Churned"],
    }


@pytest.mark.parametrize("spelled", ["Zurück", "Zurück ", "Zuru\u0308ck"])
def test_a_stage_that_leads_to_itself_is_named_however_it_is_written(spelled: str) -> None:
    document = {"stages": ["Zurück", "Lost"], "transitions": {spelled: ["Lost", spelled]}}

    assert errors_of(document) == [(f"/transitions/{spelled}/1", "self_transition")]


def test_every_error_is_named_and_not_only_the_first() -> None:
    document = {
        "stages": ["Lead", "lead", "Act\u202eive", "Lost"],
        "initial": "Gone",
        "transitions": {"Lead": ["Lost", "Lost", "Lead", "Nowhere"], "Nowhere": []},
        "categories": {"Lead": "prospect"},
        "required_reason_codes": ["Lost", 7],
        "reason_codes": {"Lost": ["Price", "price", ""]},
        "max_days": {"Lead": 0, "Lost": True},
        "colors": {"Lead": "red"},
        "guidance": {"Lead": "x" * 2001},
        "event_rules": [{"event": "contract.signed", "to": "Lost", "if": 1}],
        "effects": [{"name": "Mail", "on": "entry", "kind": "fax", "to": []}],
        "colour": {},
    }

    assert errors_of(document) == [
        ("/colour", "unknown_key"),
        ("/stages/1", "duplicate"),
        ("/stages/2", "control_character"),
        ("/initial", "unknown_stage"),
        ("/transitions/Lead/1", "duplicate"),
        ("/transitions/Lead/3", "unknown_stage"),
        ("/transitions/Lead/2", "self_transition"),
        ("/transitions/Nowhere", "unknown_stage"),
        ("/categories/Lead", "unknown_value"),
        ("/required_reason_codes/1", "wrong_type"),
        ("/reason_codes/Lost/1", "duplicate"),
        ("/reason_codes/Lost/2", "blank"),
        ("/max_days/Lead", "out_of_range"),
        ("/max_days/Lost", "wrong_type"),
        ("/colors/Lead", "invalid_color"),
        ("/guidance/Lead", "too_long"),
        ("/event_rules/0/if", "unknown_key"),
        ("/event_rules/0/event", "unknown_value"),
        ("/effects/0/on", "unknown_value"),
        ("/effects/0/kind", "unknown_value"),
        ("/effects/0/to", "empty"),
    ]
    with pytest.raises(InvalidConfiguration) as raised:
        parse_configuration(document)
    assert len(raised.value.findings) == 21
    assert describe_invalid(raised.value) == "/colour: There is no key “colour”; did you mean “colors”? And 20 more."


@pytest.mark.parametrize(
    ("document", "path", "code", "sentence"),
    [
        (None, "", "wrong_type", "The configuration must be an object, not null."),
        ([], "", "wrong_type", "The configuration must be an object, not a list."),
        ({}, "/stages", "missing_key", "The configuration must have the key “stages”."),
        ({"stages": []}, "/stages", "empty", "Add at least one stage."),
        ({"stages": "Lead"}, "/stages", "wrong_type", "The stages must be a list, not text."),
        ({"stages": ["A", None]}, "/stages/1", "wrong_type", "The stage must be text, not null."),
        ({"stages": ["A\x00"]}, "/stages/0", "control_character",
         "The stage “A\\u0000” contains the control character U+0000; remove it."),
        ({"stages": ["A\ud800"]}, "/stages/0", "control_character",
         "The stage “A\\ud800” contains the control character U+D800; remove it."),
        ({"stages": ["\u202eA"]}, "/stages/0", "control_character",
         "The stage “\\u202eA” contains the control character U+202E; remove it."),
        ({"stages": ["  "]}, "/stages/0", "blank", "The stage is blank."),
        ({"stages": ["A", "\u1e9e", "SS"]}, "/stages/2", "duplicate",
         "“SS” is named twice; case makes no difference."),
        ({"stages": ["Café", "CAFE\u0301"]}, "/stages/1", "duplicate",
         "“CAFÉ” is named twice; case makes no difference."),
        ({"stages": ["x" * 101]}, "/stages/0", "too_long",
         f"The stage “{'x' * 80}…” has 101 characters; at most 100 are possible."),
        ({"stages": ["A"], "initial": None}, "/initial", "wrong_type", "The stage must be text, not null."),
        ({"stages": ["A/b~c"], "max_days": {"A/b~c": 3651}}, "/max_days/A~1b~0c", "out_of_range",
         "The number of days must be from 1 to 3,650."),
        ({"stages": ["At-Risk"], "max_days": {"at risk": 5}}, "/max_days/at risk", "unknown_stage",
         "There is no stage “at risk”; did you mean “At-Risk”?"),
        ({"stages": ["A"], "categories": {"A": "churned"}}, "/categories/A", "unknown_value",
         "There is no category “churned”; it must be one of “acquisition”, “onboarding”, “engaged”, “risk”, “renewal” "
         "or “lost”."),
        ({"stages": ["A"], "reason_codes": {"A": []}}, "/reason_codes/A", "empty",
         "The reasons must not be empty. Add at least one, or leave the key out."),
        ({"stages": ["A"], "colors": {"A": 7}}, "/colors/A", "wrong_type",
         "The color must be text such as “#1f6feb”, not a number."),
        ({"stages": ["A"], "transitions": []}, "/transitions", "wrong_type",
         "“transitions” must be an object, not a list."),
    ],
)  # fmt: skip
def test_an_error_says_what_is_wrong_and_what_would_be_right(
    document: object, path: str, code: str, sentence: str
) -> None:
    error = only_error_of(document)

    assert (error.path, error.code, describe_finding(error)) == (path, code, sentence)


def test_a_stage_that_was_refused_is_not_reported_again_where_it_is_referred_to() -> None:
    document = {"stages": ["Lead", "Act\x07ive"], "transitions": {"Lead": ["Act\x07ive"]}, "initial": "Act\x07ive"}

    assert errors_of(document) == [("/stages/1", "control_character")]


def test_blanks_around_a_stage_are_no_part_of_its_name() -> None:
    document = {"stages": ["Lead", " Active  now "], "transitions": {"Lead": ["Active now "]}, "initial": " Active now"}

    assert parse_configuration(document).stages == ("Lead", "Active now")
    assert parse_configuration(document).initial == "Active now"


def test_a_whole_number_may_be_written_as_a_decimal_and_a_colour_in_capitals() -> None:
    configuration = parse_configuration({"stages": ["A"], "max_days": {"A": 30.0}, "colors": {"A": "#FFaa00"}})

    assert configuration.to_document()["max_days"] == {"A": 30}
    assert configuration.to_document()["colors"] == {"A": "#ffaa00"}
    assert errors_of({"stages": ["A"], "max_days": {"A": 30.5}}) == [("/max_days/A", "wrong_type")]


def test_names_that_the_database_holds_for_the_same_are_duplicates() -> None:
    assert errors_of({"stages": ["İzmir", "izmir"]}) == [("/stages/1", "duplicate")]


def test_a_name_in_decomposed_form_is_the_same_name() -> None:
    document = {"stages": ["Cafe\u0301", "B"], "initial": "Caf\u00e9", "transitions": {"Cafe\u0301": ["B"]}}

    configuration = parse_configuration(document)

    assert configuration.stages == ("Café", "B")
    assert configuration.initial == "Café"
    assert configuration.definition("Café").to == ("B",)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"stages": [f"S{n}" for n in range(51)]}, "/stages"),
        ({"stages": ["A"], "reason_codes": {"A": [f"r{n}" for n in range(101)]}}, "/reason_codes/A"),
        (
            {"stages": ["A"], "event_rules": [{"event": "contract.renewed", "to": "A"}] * 101},
            "/event_rules",
        ),
        (
            {"stages": ["A"], "effects": [{"name": f"n{n}", "on": "enter", "kind": "forecast"} for n in range(101)]},
            "/effects",
        ),
    ],
)
def test_nothing_is_unbounded(document: object, path: str) -> None:
    error = only_error_of(document)

    assert (error.path, error.code) == (path, "too_many")


def test_a_million_errors_are_answered_with_the_first_ones() -> None:
    document = {
        "stages": ["A"],
        "transitions": {f"x{n}": [] for n in range(1_000_000)},
        "max_days": {f"x{n}": 1 for n in range(1000)},
    }

    errors = check(document)

    assert len(errors) == 201
    assert (errors[-1].path, errors[-1].code) == ("", "too_many_errors")
    assert describe_finding(errors[-1]) == "More than 200 errors; correct these."


@relaxed
@given(any_json | damaged())
def test_no_json_whatever_is_more_than_a_refusal(document: Any) -> None:
    errors = check(document)
    for error in errors:
        assert describe_finding(error).endswith((".", "?"))
        assert error.path == "" or error.path.startswith("/")
        json.dumps([error.path, describe_finding(error)], ensure_ascii=False).encode()
        assert "\x00" not in error.path + describe_finding(error)
    try:
        configuration = parse_configuration(document)
    except InvalidConfiguration as refusal:
        assert any(error.severity == "error" for error in refusal.findings)
        assert list(refusal.findings) == errors
    else:
        assert all(error.severity == "warning" for error in errors)
        assert parse_configuration(configuration.to_document()) == configuration


@relaxed
@given(configurations())
def test_reading_what_was_written_gives_the_same_configuration(document: dict[str, Any]) -> None:
    configuration = parse_configuration(document)

    written = configuration.to_document()

    assert parse_configuration(json.loads(json.dumps(written))) == configuration
    assert parse_configuration(written).to_document() == written
    assert hash(parse_configuration(written)) == hash(configuration)
