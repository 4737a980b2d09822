"""What a compiled policy answers."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given

from tenants.rules.configuration.document import CATEGORIES, parse_configuration
from tenants.rules.configuration.policy import CATEGORY_COLORS, Policy, compile_policy
from tests.rules.documents import FULL, SMALLEST, configurations, relaxed


@pytest.fixture
def policy() -> Policy:
    return compile_policy(parse_configuration(FULL), version=7)


def test_a_policy_answers_what_its_configuration_says(policy: Policy) -> None:
    assert policy.version == 7
    assert policy.stages == ("Prospect", "Onboarded", "Active", "At-Risk", "Churned")
    assert policy.initial == "Prospect"
    assert policy.allowed_from("Active") == ("At-Risk", "Churned")
    assert policy.allowed_from("Churned") == ()
    assert policy.allows("Active", "At-Risk")
    assert not policy.allows("Active", "Onboarded")
    assert not policy.allows("Active", "Active")
    assert "At-Risk" in policy.required
    assert "Active" not in policy.required
    assert policy.reason_codes("Churned") == ("Price", "Competitor")
    assert policy.reason_codes("Active") is None
    assert policy.category("At-Risk") == "risk"
    assert policy.stages_in("risk") == ("At-Risk",)
    assert policy.stages_in("renewal") == ()
    assert policy.max_days("Onboarded") == 30
    assert policy.max_days("Active") is None
    assert policy.color("At-Risk") == "#b54708"
    assert policy.color("Active") == CATEGORY_COLORS["engaged"]
    assert policy.guidance("At-Risk") == "Call within a day.\nWrite down what was said."
    assert policy.guidance("Active") == ""


def test_an_open_configuration_lets_every_stage_lead_to_every_other() -> None:
    policy = compile_policy(parse_configuration(SMALLEST), version=1)

    assert policy.allowed_from("Churned") == ("Prospect", "Onboarded", "Active", "At-Risk")
    assert policy.allows("Churned", "Prospect")
    assert not policy.allows("Churned", "Churned")


def test_entering_and_leaving_a_stage_start_its_effects(policy: Policy) -> None:
    def names(from_stage: str | None, to_stage: str) -> list[str]:
        return [effect.name for effect in policy.effects_of(from_stage, to_stage)]

    assert names("Active", "At-Risk") == ["Escalate"]
    assert names("At-Risk", "Churned") == ["Win back", "Forecast"]
    assert names("At-Risk", "Active") == ["Forecast"]
    assert names("Prospect", "Onboarded") == []
    assert names(None, "Churned") == ["Win back"]


def test_an_effect_that_names_neither_stages_nor_categories_concerns_every_stage() -> None:
    effect = {"name": "Tell", "on": "enter", "kind": "alert", "to": ["owner"]}
    policy = compile_policy(parse_configuration({**FULL, "effects": [effect]}), version=1)

    assert all([effect.name for effect in policy.effects_of(None, stage)] == ["Tell"] for stage in policy.stages)


@pytest.mark.parametrize(
    ("condition", "from_stage", "source", "starts"),
    [
        ({}, None, "Import", True),
        ({"from": ["Active"]}, "Active", "UI", True),
        ({"from": ["Active"]}, "Onboarded", "UI", False),
        ({"from": ["Active"]}, None, "UI", False),
        ({"sources": ["UI", "API"]}, "Active", "API", True),
        ({"sources": ["UI", "API"]}, "Active", "EventListener", False),
        ({"sources": ["UI"]}, "Active", "Undo", False),
        ({"sources": ["UI"]}, "Active", None, True),
        ({"enabled": False}, "Active", "UI", False),
    ],
)
def test_where_a_change_comes_from_decides_what_it_starts(
    condition: dict[str, Any], from_stage: str | None, source: str | None, starts: bool
) -> None:
    effect = {"name": "Tell", "on": "enter", "kind": "forecast", "stages": ["At-Risk"], **condition}
    policy = compile_policy(parse_configuration({**FULL, "effects": [effect]}), version=1)

    assert [one.name for one in policy.effects_of(from_stage, "At-Risk", source)] == ["Tell"] * starts
    assert policy.effect("Tell") is policy.configuration.effects[0]
    assert policy.effect("tell") is None


def test_the_first_rule_that_fits_the_event_decides(policy: Policy) -> None:
    closed = {"open_issues": 0, "csat": 4.5}

    assert len(policy.rules_for("contract.renewed")) == 1
    assert policy.rules_for("customer.created") == ()
    assert (
        policy.matching_rule("support.issue.closed", "At-Risk", closed) is policy.rules_for("support.issue.closed")[0]
    )
    assert policy.matching_rule("support.issue.closed", "At-Risk", {**closed, "open_issues": 1}) is None
    assert policy.matching_rule("support.issue.closed", "At-Risk", {**closed, "csat": 3}) is None
    assert policy.matching_rule("support.issue.closed", "Active", closed) is None
    assert policy.matching_rule("support.issue.closed", "At-Risk", None) is None
    assert policy.matching_rule("customer.created", "Prospect", {}) is None


def test_where_a_rule_asks_for_what_could_not_be_read_none_decides() -> None:
    absent = {"field": "billing.arr", "op": "exists", "value": False}
    rules = [
        {"event": "customer.updated", "from": ["Active"], "to": "At-Risk", "when": [absent]},
        {"event": "customer.updated", "to": "Prospect"},
    ]
    policy = compile_policy(parse_configuration({**FULL, "event_rules": rules}), version=1)
    first, second = policy.rules_for("customer.updated")

    assert policy.matching_rule("customer.updated", "Active", {}) is first
    for unread in ("billing.arr", "billing"):
        assert policy.matching_rule("customer.updated", "Active", {}, {unread}) is None
        # Whatever the value was, the first rule says nothing of this stage.
        assert policy.matching_rule("customer.updated", "At-Risk", {}, {unread}) is second
    for unread in ("billing.a", "bill", "name"):
        assert policy.matching_rule("customer.updated", "Active", {}, {unread}) is first


def test_only_a_rule_from_everywhere_speaks_of_a_customer_that_stands_nowhere_yet() -> None:
    rules = [
        {"event": "customer.created", "from": ["Prospect"], "to": "Onboarded"},
        {"event": "customer.created", "to": "Active"},
    ]
    policy = compile_policy(parse_configuration({**FULL, "event_rules": rules}), version=1)

    placed, unplaced = (policy.matching_rule("customer.created", stage, {}) for stage in ("Prospect", None))

    assert placed is not None
    assert placed.to == "Onboarded"
    assert unplaced is not None
    assert unplaced.to == "Active"


def test_a_stage_is_found_by_its_exact_name_and_another_spelling_is_only_suggested(policy: Policy) -> None:
    assert policy.canonical_stage("At-Risk") == "At-Risk"
    assert policy.canonical_stage("at-risk") is None
    assert policy.suggest_stage("at-risk") == "At-Risk"
    assert policy.suggest_stage("  ACTIVE ") == "Active"
    assert policy.suggest_stage("Churnd") == "Churned"
    assert policy.suggest_stage("Nirvana") is None
    assert policy.suggest_stage("A" * 1_000_000) is None


def test_a_stage_of_another_version_requires_nothing_and_may_be_left_for_any_stage(policy: Policy) -> None:
    assert policy.allowed_from("Gone") == policy.stages
    assert policy.allows("Gone", "Active")
    assert not policy.allows("Gone", "Gone")
    assert not policy.allows("Active", "Gone")
    assert "Gone" not in policy.required
    assert policy.reason_codes("Gone") is None
    assert policy.category("Gone") == "engaged"
    assert policy.max_days("Gone") is None
    assert policy.effects_of("Gone", "At-Risk")[0].name == "Escalate"
    assert policy.effects_of("Active", "Gone") == ()


def test_a_policy_cannot_be_changed(policy: Policy) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.version = 8  # type: ignore[misc]
    with pytest.raises(TypeError):
        policy.definitions["New"] = policy.definitions["Active"]  # type: ignore[index]


@relaxed
@given(configurations())
def test_every_answer_stays_inside_the_configuration(document: dict[str, Any]) -> None:
    policy = compile_policy(parse_configuration(document), version=1)
    stages = set(policy.stages)

    assert policy.initial in stages
    assert [stage for category in CATEGORIES for stage in policy.stages_in(category)].__len__() == len(stages)
    for stage in policy.stages:
        allowed = policy.allowed_from(stage)
        assert set(allowed) <= stages - {stage}
        assert all(policy.allows(stage, other) == (other in allowed) for other in policy.stages)
        assert policy.category(stage) in CATEGORIES
        assert stage in policy.stages_in(policy.category(stage))
        for other in policy.stages:
            assert set(policy.effects_of(stage, other)) <= set(policy.configuration.effects)
