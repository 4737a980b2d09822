"""Somebody asks to move a customer: what is allowed, what is refused, and what the refusal says."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.transitions import Allowed, Change, Refused, Status, Unchanged, decide, refuse_effects
from lifecycle.sentences import say
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tests.rules.documents import FULL, SMALLEST, configurations, relaxed
from tests.rules.spoken import spoken

CUSTOMER = UUID("0198a5e0-0000-7000-8000-000000000001")
ENTERED = datetime(2025, 7, 28, 12, 34, tzinfo=UTC)
POLICY = compile_policy(parse_configuration(FULL), version=7)
CODES = {
    "permission_denied",
    "version_conflict",
    "invalid_stage",
    "transition_not_allowed",
    "reason_required",
    "unknown_reason",
    "stale_event",
    "effects_unconfirmed",
}


def in_stage(stage: str | None, version: int = 3) -> Status:
    return Status(CUSTOMER, stage, version, ENTERED if stage else None, ENTERED if stage else None)


def ask(status: Status, stage: str, *, may_update: bool = True, policy: Policy = POLICY, **change: Any) -> Any:
    return spoken(decide(policy, status, Change(CUSTOMER, stage, **change), may_update=may_update))


def test_a_manager_moves_a_customer_along_an_allowed_transition() -> None:
    assert ask(in_stage("Prospect"), "Onboarded") == Allowed("Prospect", "Onboarded", None, ())


def test_a_move_into_a_stage_that_requires_a_reason_is_allowed_with_one_and_names_its_effects() -> None:
    decision = ask(in_stage("Active"), "At-Risk", reason_code="Low Engagement")

    assert decision == Allowed("Active", "At-Risk", "Low Engagement", POLICY.effects_of("Active", "At-Risk"))
    assert [effect.name for effect in decision.effects] == ["Escalate"]


def test_a_viewer_cannot_move_a_customer_whatever_they_ask() -> None:
    expected = Refused("permission_denied", "You have view-only access. Ask an account manager.")

    assert ask(in_stage("Prospect"), "Onboarded", may_update=False) == expected
    assert ask(in_stage("Prospect"), "Prospect", may_update=False) == expected
    assert ask(in_stage("Prospect"), "Nowhere", may_update=False, expected_version=1) == expected


def test_a_stale_version_is_refused_even_when_the_customer_is_in_the_stage_already() -> None:
    expected = Refused(
        "version_conflict",
        "The customer was just updated by someone else. Your change was not saved: it is at version 3, in “Active”,"
        " and you expected version 2.",
    )

    assert ask(in_stage("Active"), "At-Risk", expected_version=2, reason_code="Low Engagement") == expected
    assert ask(in_stage("Active"), "Active", expected_version=2) == expected
    assert ask(in_stage("Active"), "Nowhere", expected_version=2) == expected


def test_the_version_that_was_expected_is_judged_on() -> None:
    assert ask(in_stage("Active"), "Active", expected_version=3) == Unchanged("Active")


def test_another_configuration_than_was_shown_is_refused_with_what_the_change_would_start_now() -> None:
    expected = Refused(
        "effects_unconfirmed",
        "The lifecycle configuration has changed since you opened this. Your change was not saved: review the options,"
        " then try again.",
        effects=tuple((effect, 1) for effect in POLICY.effects_of("Active", "At-Risk")),
    )
    assert ask(in_stage("Active"), "At-Risk", expected_configuration=6, reason_code="Low Engagement") == expected
    assert ask(in_stage("Active"), "At-Risk", expected_configuration=6) == expected
    for stage in ("Active", "Gone"):
        refused = ask(in_stage("Active"), stage, expected_configuration=6)
        assert (refused.code, refused.message) == (expected.code, expected.message)
    assert ask(in_stage("Active"), "Active", expected_configuration=7) == Unchanged("Active")
    # What happened to the customer comes first.
    assert ask(in_stage("Active"), "Active", expected_configuration=6, expected_version=2).code == "version_conflict"


def test_other_effects_than_as_many_as_were_confirmed_are_refused_and_named() -> None:
    effects = POLICY.effects_of("Active", "At-Risk")
    why = {"reason_code": "Low Engagement"}
    assert ask(in_stage("Active"), "At-Risk", expected_effects=1, **why) == ask(in_stage("Active"), "At-Risk", **why)
    assert ask(in_stage("Active"), "At-Risk", expected_effects=0, **why) == Refused(
        "effects_unconfirmed",
        "This would start 1 automation: “Escalate” (alert); you confirmed none. Nothing was saved: review what would"
        " start, then try again.",
        effects=tuple((effect, 1) for effect in effects),
    )
    assert ask(in_stage("Prospect"), "Onboarded", expected_effects=2) == Refused(
        "effects_unconfirmed",
        "This would start no automations; you confirmed 2. Nothing was saved: review what would start, then try again.",
        effects=(),
    )
    # A change that is refused anyway is refused for its own reason, and one that changes nothing starts nothing.
    assert ask(in_stage("Active"), "At-Risk", expected_effects=0).code == "reason_required"
    assert ask(in_stage("Active"), "Active", expected_effects=1) == Unchanged("Active")


def test_of_many_effects_ten_are_named() -> None:
    effects = [replace(POLICY.effects_of("Active", "At-Risk")[0], name=f"E{number % 12}") for number in range(24)]
    assert say(refuse_effects(Counter(effects), 23).message) == (
        f"This would start 24 automations: {', '.join(f'“E{number}” (alert)' for number in range(10))} and 2 more; you"
        " confirmed 23. Nothing was saved: review what would start, then try again."
    )


def test_a_customer_that_is_not_placed_yet_has_version_zero() -> None:
    assert ask(in_stage(None, version=0), "Prospect", expected_version=0) == Allowed(None, "Prospect", None, ())
    assert ask(in_stage(None, version=0), "Prospect", expected_version=1).message == (
        "The customer was just updated by someone else. Your change was not saved: it is at version 0, in no stage"
        " yet, and you expected version 1."
    )


def test_an_unknown_stage_is_answered_with_the_stages_and_the_one_that_was_meant() -> None:
    refusal = ask(in_stage("Active"), "at risk")

    assert refusal == Refused(
        "invalid_stage",
        "There is no stage “at risk”. Did you mean “At-Risk”? "
        "The stages are “Prospect”, “Onboarded”, “Active”, “At-Risk” and “Churned”.",
        ("Prospect", "Onboarded", "Active", "At-Risk", "Churned"),
        field="stage",
    )
    assert ask(in_stage("Active"), "Zzz").message == (
        "There is no stage “Zzz”. The stages are “Prospect”, “Onboarded”, “Active”, “At-Risk” and “Churned”."
    )


def test_a_stage_typed_in_decomposed_form_is_the_same_stage() -> None:
    policy = compile_policy(parse_configuration({"stages": ["New", "Café"]}), version=1)

    assert policy.canonical_stage("Cafe\u0301") == "Café"
    assert ask(in_stage("New"), "Cafe\u0301", policy=policy) == Allowed("New", "Café", None, ())
    assert ask(in_stage("Café"), "Cafe\u0301", policy=policy) == Unchanged("Café")


def test_the_stage_that_a_customer_already_has_changes_nothing_and_needs_no_reason() -> None:
    assert ask(in_stage("At-Risk"), "At-Risk") == Unchanged("At-Risk")
    assert ask(in_stage("At-Risk"), "At-Risk", reason_code="Nonsense") == Unchanged("At-Risk")


def test_a_transition_that_is_not_allowed_is_answered_with_those_that_are() -> None:
    assert ask(in_stage("Prospect"), "At-Risk") == Refused(
        "transition_not_allowed",
        "A customer in “Prospect” cannot be moved to “At-Risk”. Choose one of: “Onboarded” or “Churned”.",
        ("Onboarded", "Churned"),
        field="stage",
    )


def test_out_of_a_stage_without_transitions_nothing_is_allowed() -> None:
    assert ask(in_stage("Churned"), "Active") == Refused(
        "transition_not_allowed",
        "A customer in “Churned” cannot be moved to “Active”. No transition leads out of this stage.",
        (),
        field="stage",
    )


@pytest.mark.parametrize("reason", [None, "", "  ", "\t\n"])
def test_a_missing_or_blank_reason_is_answered_with_the_accepted_ones(reason: str | None) -> None:
    assert ask(in_stage("Active"), "At-Risk", reason_code=reason) == Refused(
        "reason_required",
        "To move a customer to “At-Risk” you must give a reason."
        " Choose one of: “Low Engagement” or “Support Escalation”.",
        ("Low Engagement", "Support Escalation"),
        field="reason_code",
    )


@pytest.mark.parametrize("reason", ["low engagement", "Low-Engagement", "Price", "x" * 255])
def test_a_reason_that_the_stage_does_not_know_is_answered_with_those_it_does(reason: str) -> None:
    refusal = ask(in_stage("Active"), "At-Risk", reason_code=reason)

    assert refusal.code == "unknown_reason"
    assert refusal.allowed == ("Low Engagement", "Support Escalation")
    assert refusal.field == "reason_code"
    assert refusal.message.endswith(
        " is not a reason for “At-Risk”. Choose one of: “Low Engagement” or “Support Escalation”."
    )


def test_without_named_reasons_any_text_is_one() -> None:
    policy = compile_policy(parse_configuration(SMALLEST), version=1)

    def move(reason: str | None) -> Any:
        return ask(in_stage("Active"), "Churned", policy=policy, reason_code=reason)

    assert move("Went bankrupt 💥").reason_code == "Went bankrupt 💥"
    assert move("  too dear ").reason_code == "too dear"
    assert move("Cafe\u0301 closed").reason_code == "Café closed"
    assert move("x" * 255).reason_code == "x" * 255
    assert move(None).message == (
        "To move a customer to “Churned” you must give a reason. Any text of up to 255 characters works."
    )
    assert move("x" * 256) == Refused(
        "unknown_reason",
        f"The reason “{'x' * 80}…” is 256 characters long; at most 255 fit.",
        field="reason_code",
    )
    assert move("a\x00b") == Refused(
        "unknown_reason",
        "The reason “a\\u0000b” contains the control character U+0000; remove it.",
        field="reason_code",
    )
    assert move("a \n b").reason_code == "a b"
    assert move("\ud800").code == "unknown_reason"
    assert move("\u200d\u200c").code == "reason_required"


def test_a_reason_may_be_given_where_none_is_required() -> None:
    assert ask(in_stage("Prospect"), "Onboarded", reason_code="Signed").reason_code == "Signed"
    assert ask(in_stage("Prospect"), "Onboarded", reason_code="  ").reason_code is None
    assert ask(in_stage("Prospect"), "Onboarded", reason_code="a\x00").code == "unknown_reason"


def test_a_new_customer_may_come_into_any_stage_with_its_reason() -> None:
    new = in_stage(None, version=0)

    assert ask(new, "Prospect") == Allowed(None, "Prospect", None, ())
    assert ask(new, "Active") == Allowed(None, "Active", None, ())
    assert ask(new, "Churned").code == "reason_required"
    assert ask(new, "Churned", reason_code="Price").reason_code == "Price"
    assert ask(new, "Nowhere").code == "invalid_stage"


def test_the_first_placement_into_the_initial_stage_needs_no_reason_even_if_it_requires_one() -> None:
    document = {**FULL, "required_reason_codes": ["Prospect"], "transitions": {"Active": ["Prospect"]}}
    policy = compile_policy(parse_configuration(document), version=1)

    assert ask(in_stage(None, 0), "Prospect", policy=policy) == Allowed(None, "Prospect", None, ())
    assert ask(in_stage("Active"), "Prospect", policy=policy).code == "reason_required"


def test_a_customer_in_a_stage_of_another_version_may_be_moved_to_any_stage() -> None:
    assert ask(in_stage("Gone"), "Active") == Allowed("Gone", "Active", None, ())
    assert ask(in_stage("Gone"), "At-Risk").code == "reason_required"
    assert ask(in_stage("Gone"), "Gone").code == "invalid_stage"


def test_an_event_older_than_the_stay_in_the_stage_is_refused_as_that() -> None:
    before, after = ENTERED - timedelta(seconds=1), ENTERED + timedelta(seconds=1)

    assert ask(in_stage("At-Risk"), "Active", effective_at=before, only_if_newer=True) == Refused(
        "stale_event",
        "The event of 2025-07-28T12:33:59+00:00 is older than the customer's stage: "
        "it has been in “At-Risk” since 2025-07-28T12:34:00+00:00.",
    )
    for fresh in (ENTERED, after, None):
        decision = ask(in_stage("At-Risk"), "Active", effective_at=fresh, only_if_newer=True)
        assert isinstance(decision, Allowed)
    assert isinstance(ask(in_stage("At-Risk"), "Active", effective_at=before), Allowed)


def test_an_old_event_is_stale_also_where_the_transition_or_the_reason_would_be_refused() -> None:
    old = {"effective_at": ENTERED - timedelta(days=1), "only_if_newer": True}

    assert ask(in_stage("Churned"), "Active", **old).code == "stale_event"
    assert ask(in_stage("Active"), "At-Risk", **old).code == "stale_event"
    assert ask(in_stage("Active"), "Active", **old) == Unchanged("Active")
    assert ask(in_stage("Active"), "Nowhere", **old).code == "invalid_stage"


times = st.none() | st.datetimes(timezones=st.just(UTC))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Policy, Status, Change, bool]:
    policy = compile_policy(parse_configuration(draw(configurations())), version=1)
    stage = st.sampled_from(policy.stages)
    known = [code for name in policy.stages for code in policy.reason_codes(name) or ()]
    texts = st.text(st.characters(), max_size=300)
    status = Status(CUSTOMER, draw(st.none() | stage | st.just("Gone")), draw(st.integers(0, 3)), draw(times), None)
    change = Change(
        CUSTOMER,
        draw(stage | texts),
        reason_code=draw(st.none() | texts | st.sampled_from(["", *known])),
        expected_version=draw(st.none() | st.integers(0, 3)),
        effective_at=draw(times),
        only_if_newer=draw(st.booleans()),
    )
    return policy, status, change, draw(st.booleans())


@relaxed
@given(cases())
def test_no_change_whatever_leads_outside_the_configuration(case: tuple[Policy, Status, Change, bool]) -> None:
    policy, status, change, may_update = case

    decision = decide(policy, status, change, may_update=may_update)

    assert decision == decide(policy, status, change, may_update=may_update)
    if isinstance(decision, Allowed):
        assert may_update
        assert change.expected_version in (None, status.version)
        assert decision.from_stage == status.stage
        assert decision.to_stage in policy.allowed_from(status.stage)
        assert decision.to_stage != status.stage
        assert set(decision.effects) <= set(policy.configuration.effects)
        _assert_reason_is_acceptable(policy, decision)
    elif isinstance(decision, Unchanged):
        assert decision.stage == status.stage
        assert may_update
    else:
        assert decision.code in CODES
        sentence = say(decision.message)
        assert sentence.endswith(".")
        assert len(sentence) < 6000
        sentence.encode()
        assert "\x00" not in sentence


def _assert_reason_is_acceptable(policy: Policy, decision: Allowed) -> None:
    codes = policy.reason_codes(decision.to_stage)
    first = decision.from_stage is None and decision.to_stage == policy.initial
    if decision.reason_code is None:
        assert first or decision.to_stage not in policy.required
    elif codes is not None:
        assert decision.reason_code in codes
    else:
        assert 1 <= len(decision.reason_code) <= 255
        assert decision.reason_code.strip() == decision.reason_code
        decision.reason_code.encode()
