"""What a new configuration changes, said in words."""

import json
from typing import Any

from hypothesis import given

from tenants.rules.configuration.document import ConfigurationChange, diff_configurations, parse_configuration
from tenants.sentences import describe_change
from tests.rules.documents import FULL, SMALLEST, configurations, relaxed


def sentences(old: dict[str, Any], new: dict[str, Any], **renamed: str) -> list[str]:
    changes = diff_configurations(parse_configuration(old), parse_configuration(new), renamed=renamed)
    return [describe_change(change) for change in changes]


def test_an_added_stage_is_described_with_everything_about_it() -> None:
    new = {
        **FULL,
        "stages": ["Prospect", "Onboarded", "Active", "Renewing", "At-Risk", "Churned"],
        "categories": {**FULL["categories"], "Renewing": "renewal"},
        "transitions": {**FULL["transitions"], "Active": ["Renewing", "At-Risk", "Churned"], "Renewing": ["Active"]},
        "required_reason_codes": ["Renewing", "At-Risk", "Churned"],
        "max_days": {"Onboarded": 30, "Renewing": 60},
    }

    assert sentences(FULL, new) == [
        "Stage “Renewing” is added, with the category “Renewal”.",
        "From “Active” to “Renewing” becomes possible.",
        "From “Renewing” to “Active” becomes possible.",
        "“Renewing” requires a reason.",
        "“Renewing” may last at most 60 days instead of any time.",
    ]


def test_a_removed_stage_takes_its_transitions_rules_and_effects_with_it() -> None:
    new = {
        **FULL,
        "stages": ["Prospect", "Onboarded", "Active", "Churned"],
        "categories": {key: value for key, value in FULL["categories"].items() if key != "At-Risk"},
        "transitions": {"Prospect": ["Onboarded", "Churned"], "Onboarded": ["Active"], "Active": ["Churned"]},
        "required_reason_codes": ["Churned"],
        "reason_codes": {"Churned": ["Price"]},
        "colors": {},
        "guidance": {},
        "event_rules": [],
        "effects": [{**FULL["effects"][1], "template": "farewell"}],
    }

    assert sentences(FULL, new) == [
        "Stage “At-Risk” is removed.",
        "From “Active” to “At-Risk” is no longer possible.",
        "From “At-Risk” to “Active” is no longer possible.",
        "From “At-Risk” to “Churned” is no longer possible.",
        "“Churned” accepts “Price” instead of “Price” and “Competitor”.",
        "Event rule removed: when a contract is renewed, customers in “Active” or “At-Risk” moved to “Active”.",
        "Event rule removed: when a support issue is closed, customers in “At-Risk” moved to “Active”.",
        "The automation “Escalate” is removed.",
        "The automation “Forecast” is removed.",
        "The automation “Win back” is changed: the template.",
    ]


def test_a_renamed_stage_is_one_change_and_not_remove_and_add() -> None:
    new: dict[str, Any] = json.loads(json.dumps(FULL).replace("At-Risk", "In danger"))

    changes = diff_configurations(parse_configuration(FULL), parse_configuration(new), renamed={"At-Risk": "In danger"})

    assert changes == [ConfigurationChange("stage_renamed", "At-Risk", "In danger")]
    assert describe_change(changes[0]) == "Stage “At-Risk” is renamed to “In danger”."
    assert len(sentences(FULL, new)) == 17


def test_a_rename_that_makes_no_sense_is_not_followed() -> None:
    new = {"stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Gone"], "categories": {"At-Risk": "risk"}}
    old = {**SMALLEST, "categories": {"At-Risk": "risk"}, "required_reason_codes": []}

    expected = sentences(old, new)

    assert expected[0] == "Stage “Churned” is removed."
    assert sentences(old, new, Churned="Nowhere", Nowhere="Gone") == expected
    assert sentences(old, new, Churned="Active") == expected


def test_two_stages_that_exchange_their_names_are_two_renames() -> None:
    old = {"stages": ["A", "B"], "categories": {"A": "risk"}}
    new = {"stages": ["B", "A"], "categories": {"B": "risk"}, "initial": "B"}

    assert sentences(old, new, A="B", B="A") == ["Stage “A” is renamed to “B”.", "Stage “B” is renamed to “A”."]


def test_every_other_change_is_described() -> None:
    new = {
        **FULL,
        "stages": ["Onboarded", "Prospect", "Active", "At-Risk", "Churned"],
        "initial": "Onboarded",
        "categories": {**FULL["categories"], "Active": "renewal"},
        "required_reason_codes": ["At-Risk"],
        "reason_codes": {"At-Risk": FULL["reason_codes"]["At-Risk"]},
        "max_days": {},
        "colors": {},
        "guidance": {},
        "event_rules": FULL["event_rules"][::-1],
        "effects": FULL["effects"][::-1],
    }

    assert sentences(FULL, new) == [
        "The order of the stages is now “Onboarded”, “Prospect”, “Active”, “At-Risk” and “Churned”.",
        "New customers begin in “Onboarded” instead of “Prospect”.",
        "“Onboarded” may last any time instead of at most 30 days.",
        "“Active” means “Renewal” instead of “Engaged”.",
        "“At-Risk” has the color of its category.",
        "The guidance for “At-Risk” is changed.",
        "“Churned” no longer requires a reason.",
        "“Churned” accepts any reason instead of “Price” and “Competitor”.",
        "The event rules are tried in another order.",
        "The automations are listed in another order.",
    ]


def test_opening_and_closing_the_transitions_is_described() -> None:
    closed = {**SMALLEST, "stages": ["A", "B"], "required_reason_codes": [], "transitions": {"A": ["B"]}}
    opened = {**closed}
    del opened["transitions"]

    assert sentences(closed, opened) == [
        "Every stage leads to every other, including stages added later.",
        "From “B” to “A” becomes possible.",
    ]
    assert sentences(opened, closed) == [
        "Transitions are listed one by one; before, every stage led to every other.",
        "From “B” to “A” is no longer possible.",
    ]


@relaxed
@given(configurations(), configurations())
def test_the_diff_is_empty_only_between_equal_configurations(one: dict[str, Any], other: dict[str, Any]) -> None:
    old, new = parse_configuration(one), parse_configuration(other)

    assert diff_configurations(old, old) == []
    assert bool(diff_configurations(old, new)) == (old != new)
    assert all(describe_change(change).endswith(".") for change in diff_configurations(old, new))


def test_a_changed_event_rule_that_is_tried_in_another_order_is_said_to_be() -> None:
    first, second = FULL["event_rules"]
    changed = {**second, "when": [{"field": "open_issues", "op": "eq", "value": 0}]}
    in_place = sentences(FULL, {**FULL, "event_rules": [first, changed]})
    moved = sentences(FULL, {**FULL, "event_rules": [changed, first]})
    assert len(in_place) == 1
    assert moved == [*in_place, "The event rules are tried in another order."]


def test_a_condition_on_true_is_another_one_than_on_one() -> None:
    rule = {"event": "support.issue.closed", "from": ["At-Risk"], "to": "Active"}
    one, other, true = (
        {**FULL, "event_rules": [{**rule, "when": [{"field": "open_issues", "op": op, "value": value}]}]}
        for op, value in (("eq", 1), ("eq", 1.0), ("eq", True))
    )
    assert sentences(one, other) == []
    assert len(sentences(true, one)) == len(sentences(one, true)) == 1


def test_an_effect_that_is_switched_off_and_one_that_says_something_else_are_distinguished() -> None:
    escalate, win_back, forecast = FULL["effects"]
    new = {
        **FULL,
        "effects": [
            {**escalate, "enabled": False},
            {**win_back, "subject": "Come back", "delay_minutes": 60},
            {key: value for key, value in forecast.items() if key != "from"},
        ],
    }

    assert sentences(FULL, new) == [
        "The automation “Escalate” is switched off.",
        "The automation “Win back” is changed: the subject and the delay.",
        "The automation “Forecast” is for customers who come from any stage; before, from “At-Risk”.",
    ]
    assert sentences(new, {**new, "effects": [escalate, *new["effects"][1:]]}) == [
        "The automation “Escalate” is switched on."
    ]
