"""What an admin is warned of: possible, but probably not meant. A warning never refuses a configuration."""

from typing import Any

import pytest
from django.utils import translation

from tenants.rules.configuration.document import Finding, parse_configuration
from tenants.sentences import describe_finding
from tests.rules.documents import FULL, SMALLEST, check

BIG = {"field": "arr", "op": "gt", "value": 10}
LATE = {"field": "ends_on", "op": "exists"}


def warnings_of(document: object) -> list[tuple[str, str]]:
    errors = check(document)
    assert all(error.severity == "warning" for error in errors), errors
    parse_configuration(document)
    return [(error.path, error.code) for error in errors]


def rule_warnings(**rule: Any) -> list[Finding]:
    return check({**FULL, "event_rules": [{"event": "contract.renewed", **rule}]})


@pytest.mark.parametrize(
    ("first", "second", "fires"),
    [
        ({}, {"from": ["At-Risk"]}, False),
        ({}, {}, False),
        ({"from": ["At-Risk"]}, {}, True),
        ({"from": ["At-Risk"]}, {"from": ["At-Risk"]}, False),
        ({"when": [BIG]}, {}, True),
        ({"when": [BIG]}, {"when": [BIG, LATE]}, False),
        ({"when": [BIG, LATE]}, {"when": [BIG]}, True),
        ({"event": "support.issue.closed"}, {}, True),
    ],
)
def test_a_rule_behind_one_that_always_wins_can_never_fire(
    first: dict[str, Any], second: dict[str, Any], fires: bool
) -> None:
    rules = [{"event": "contract.renewed", "to": "Active", **rule} for rule in (first, second)]
    found = [error for error in check({**FULL, "event_rules": rules}) if error.path == "/event_rules/1"]
    assert [error.code for error in found] == ([] if fires else ["rule_never_fires"])
    assert fires or "rule 1 comes first" in describe_finding(found[0])


def test_a_configuration_in_order_has_no_warnings() -> None:
    assert check(FULL) == []


def test_the_sample_of_the_specification_is_warned_only_of_reasons_that_are_free_text() -> None:
    warning = check(SMALLEST)[0]
    assert (warning.path, warning.code, warning.severity) == ("/reason_codes/At-Risk", "no_reason_codes", "warning")
    assert describe_finding(warning) == (
        "“At-Risk” requires a reason but names none: any text of up to 255 characters works."
    )
    assert warnings_of(SMALLEST) == [
        ("/reason_codes/At-Risk", "no_reason_codes"),
        ("/reason_codes/Churned", "no_reason_codes"),
    ]


def test_a_configuration_without_risk_or_loss_is_warned_of() -> None:
    assert warnings_of({"stages": ["A", "B"], "categories": {}}) == [
        ("/categories", "no_risk_stage"),
        ("/categories", "no_lost_stage"),
    ]


def test_categories_are_called_by_their_names_in_the_reader_s_language() -> None:
    effect = {"name": "Greet", "on": "enter", "categories": ["onboarding", "risk"], "kind": "alert", "to": ["owner"]}
    document = {"stages": ["A", "B"], "categories": {"B": "renewal"}, "transitions": {"A": ["B"]}, "effects": [effect]}
    said = {
        "en": [
            "No stage has the category “At risk (risk)”: no customer will ever be listed as at risk.",
            "No stage has the category “Lost”: no customer will ever be counted as lost.",
            "No transition leads out of “B”, and its category is “Renewal”, not “Lost”.",
            "Nothing starts this automation: no stage has the category “Onboarding” or “At risk (risk)”.",
        ],
        "de": [
            "Keine Phase hat die Kategorie „Gefährdet (risk)“",
            "Keine Phase hat die Kategorie „Verloren (lost)“",
            "ihre Kategorie ist „Verlängerung (renewal)“, nicht „Verloren (lost)“",
            "Keine Phase hat die Kategorie „Onboarding“ oder „Gefährdet (risk)“",
        ],
    }
    for language, sentences in said.items():
        with translation.override(language):
            written = [describe_finding(finding) for finding in check(document)]
        for sentence in sentences:
            assert any(sentence in one for one in written), (sentence, written)


def test_a_stage_no_one_can_come_to_and_a_dead_end_that_is_not_lost_are_warned_of() -> None:
    document = {**FULL, "transitions": {"Prospect": ["Active", "Churned"], "At-Risk": ["Active"]}, "event_rules": []}

    assert warnings_of(document) == [
        ("/stages/1", "unreachable_stage"),
        ("/stages/1", "dead_end"),
        ("/max_days/Onboarded", "no_way_out"),
        ("/stages/2", "dead_end"),
        ("/stages/3", "unreachable_stage"),
    ]


def test_reachable_means_from_the_initial_stage_over_any_number_of_moves() -> None:
    document = {
        "stages": ["Lost", "C", "B", "Risk"],
        "initial": "Risk",
        "transitions": {"Risk": ["B"], "B": ["C"], "C": ["Lost"]},
    }

    assert warnings_of(document) == []


def test_a_rule_whose_transition_is_not_allowed_can_never_fire() -> None:
    (warning,) = rule_warnings(**{"from": ["Prospect"], "to": "Active"})

    assert warning.path == "/event_rules/0"
    assert describe_finding(warning) == "The rule can never fire: no transition leads from its stages to “Active”."


def test_a_rule_from_everywhere_to_where_no_transition_leads_can_never_fire() -> None:
    (warning,) = rule_warnings(to="Prospect")

    assert (warning.path, warning.code) == ("/event_rules/0", "rule_never_fires")


def test_a_rule_that_some_of_its_stages_refuse_is_named_with_them() -> None:
    (warning,) = rule_warnings(**{"from": ["Prospect", "Onboarded", "Active"], "to": "Active"})

    assert (warning.path, warning.code) == ("/event_rules/0/from", "rule_refused")
    assert describe_finding(warning) == "No transition leads to “Active” from “Prospect”: there the rule is refused."


def test_a_rule_without_the_reason_that_its_stage_requires_can_never_fire() -> None:
    (warning,) = rule_warnings(to="At-Risk")

    assert warning.path == "/event_rules/0/reason_code"
    assert describe_finding(warning) == "The rule can never fire: “At-Risk” requires a reason and the rule gives none."


def test_a_rule_with_a_reason_that_its_stage_does_not_know_can_never_fire() -> None:
    (warning,) = rule_warnings(to="At-Risk", reason_code="low engagement")

    assert warning.path == "/event_rules/0/reason_code"
    assert describe_finding(warning) == "The rule can never fire: “low engagement” is not a reason of “At-Risk”."


@pytest.mark.parametrize(("event", "field"), [("contract.renewed", "open_issues"), ("customer.updated", "billing.tax")])
def test_a_condition_on_a_field_that_the_event_does_not_have_is_warned_of(event: str, field: str) -> None:
    rule = {"event": event, "to": "Active", "when": [{"field": field, "op": "exists"}]}

    (warning,) = check({**FULL, "event_rules": [rule]})

    assert (warning.path, warning.code) == ("/event_rules/0/when/0/field", "unknown_field")
    assert describe_finding(warning) == f"The event “{event}” has no field “{field}”."


@pytest.mark.parametrize(
    ("condition", "is_warned_of"),
    [
        ({"op": "ge", "value": "4,5"}, True),
        ({"op": "eq", "value": "4"}, True),
        ({"op": "ne", "value": True}, True),
        ({"op": "in", "value": ["4", "5"]}, True),
        ({"op": "in", "value": ["4", 5]}, False),
        ({"op": "ge", "value": 4.5}, False),
        ({"op": "exists", "value": False}, False),
    ],
)
def test_a_number_of_an_event_that_is_compared_with_something_else_is_warned_of(
    condition: dict[str, Any], is_warned_of: bool
) -> None:
    rule = {"event": "support.issue.closed", "to": "Active", "when": [{"field": "csat", **condition}]}

    found = check({**FULL, "event_rules": [rule]})

    assert [warning.path for warning in found] == ["/event_rules/0/when/0/value"] * is_warned_of
    assert [describe_finding(warning) for warning in found] == (
        ["“csat” is a number; give a number to compare it with."] * is_warned_of
    )


@pytest.mark.parametrize(
    ("effect", "is_warned_of"),
    [
        ({"delay_minutes": 2880}, True),
        ({"delay_minutes": 1440}, True),
        ({"hold_minutes": 2000}, True),
        ({"delay_minutes": 1439}, False),
        ({"delay_minutes": 2880, "enabled": False}, False),
        ({}, False),
    ],
)
def test_an_alert_that_escalates_before_anyone_sees_it_is_warned_of(effect: dict[str, Any], is_warned_of: bool) -> None:
    steps = [{"to": ["admins"], "after_minutes": 9000}, {"to": ["managers"], "after_minutes": 1440}]
    alert = {"name": "Tell", "on": "enter", "kind": "alert", "to": ["owner"], "escalate": steps, **effect}

    found = check({**FULL, "effects": [alert]})

    assert [(warning.path, warning.code) for warning in found] == (
        [("/effects/0/escalate", "escalates_too_early")] * is_warned_of
    )
    if is_warned_of:
        assert describe_finding(found[0]).startswith("The alert goes to others after 1,440 minutes, before anyone sees")


def test_a_recipient_that_no_one_is_called_is_warned_of() -> None:
    effect = {"name": "Escalate", "on": "enter", "kind": "alert", "to": ["onwer"]}

    (warning,) = check({**FULL, "effects": [effect]})

    assert warning.path == "/effects/0/to/0"
    assert describe_finding(warning) == (
        "There is no recipient “onwer”. Use “owner”, “managers” or “admins”, or “user:” and a name."
    )


def test_a_thousand_warnings_leave_nothing_of_the_configuration_unread() -> None:
    effects = [
        {"name": f"Tell {n}", "on": "enter", "kind": "alert", "to": [f"no one {n}.{m}" for m in range(10)]}
        for n in range(100)
    ]

    assert len(check({**FULL, "effects": effects})) == 200
    assert len(parse_configuration({**FULL, "effects": effects}).effects) == 100


@pytest.mark.parametrize(
    ("effect", "path", "sentence"),
    [
        (
            {"kind": "alert", "to": ["contacts"]},
            "/to/0",
            "“contacts” has no account here and sees no alerts. Use “owner”, “managers” or “admins”, or “user:” and a"
            " name.",
        ),
        (
            {"kind": "alert", "to": ["owner"], "escalate": {"to": ["boss@acme.example"], "after_minutes": 5}},
            "/escalate/to/0",
            "“boss@acme.example” has no account here and sees no alerts. Use “owner”, “managers” or “admins”, or"
            " “user:” and a name.",
        ),
        (
            {"kind": "email", "to": ["user:"]},
            "/to/0",
            "There is no recipient “user:”. Use “owner”, “managers”, “admins” or “contacts”, or “user:” and a name.",
        ),
        ({"kind": "forecast", "to": ["owner"]}, "/to", "“to” is of no use to an automation of kind “forecast”."),
        (
            {"kind": "email", "to": ["owner"], "topic": "churn.forecast.requested"},
            "/topic",
            "“topic” is of no use to an automation of kind “email”.",
        ),
        (
            {"kind": "email", "to": ["owner"], "template": "letter"},
            "/template",
            "The name of a template changes nothing in an e-mail: the usual text is sent. Write “subject” and “body”.",
        ),
        (
            {"kind": "forecast", "categories": ["renewal"]},
            "/categories",
            "Nothing starts this automation: no stage has the category “Renewal”.",
        ),
        (
            {"kind": "forecast", "stages": ["Active"], "from": ["Prospect", "Churned"]},
            "/from",
            "No change starts this automation: none of its transitions leads from “Prospect” or “Churned”.",
        ),
        (
            {"kind": "forecast", "on": "leave", "stages": ["Active"], "from": ["At-Risk"]},
            "/from",
            "No change starts this automation: none of its transitions leads from “At-Risk”.",
        ),
    ],
)  # fmt: skip
def test_what_an_effect_says_in_vain_is_warned_of(effect: dict[str, object], path: str, sentence: str) -> None:
    (warning,) = check({**FULL, "effects": [{"name": "Tell", "on": "enter", **effect}]})

    assert (warning.severity, warning.path) == ("warning", f"/effects/0{path}")
    assert describe_finding(warning) == sentence
