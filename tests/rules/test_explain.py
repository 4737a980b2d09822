"""A person opens a customer: which stages are offered, and why the others are not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.transitions import Allowed, Change, Refused, Status, decide, explain
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tests.rules.documents import configurations, relaxed
from tests.rules.spoken import spoken
from tests.rules.test_decide import CUSTOMER, POLICY, in_stage


def test_a_manager_sees_every_other_stage_with_what_it_needs_and_starts() -> None:
    options = explain(POLICY, in_stage("Active"), may_update=True)

    assert [(option.stage, option.allowed, option.reason_required) for option in options] == [
        ("Prospect", False, False),
        ("Onboarded", False, False),
        ("At-Risk", True, True),
        ("Churned", True, True),
    ]
    assert options[0].refusal is not None
    assert spoken(options[0].refusal) == Refused(
        "transition_not_allowed",
        "A customer in “Active” cannot be moved to “Prospect”. Choose one of: “At-Risk” or “Churned”.",
        ("At-Risk", "Churned"),
        field="stage",
    )
    assert options[2].refusal is None
    assert options[2].reason_codes == ("Low Engagement", "Support Escalation")
    assert [effect.name for effect in options[2].effects] == ["Escalate"]
    assert [effect.name for effect in options[3].effects] == ["Win back"]


def test_a_viewer_sees_that_no_stage_is_open_to_them() -> None:
    options = explain(POLICY, in_stage("Active"), may_update=False)

    assert [option.allowed for option in options] == [False] * 4
    assert {option.refusal.code for option in options if option.refusal} == {"permission_denied"}


def test_a_customer_that_stands_nowhere_is_offered_every_stage() -> None:
    options = explain(POLICY, in_stage(None, 0), may_update=True)

    assert [option.stage for option in options] == list(POLICY.stages)
    assert all(option.allowed for option in options)


@relaxed
@given(configurations(), st.data(), st.booleans())
def test_what_is_offered_is_what_is_decided(document: dict[str, Any], data: st.DataObject, may_update: bool) -> None:
    policy = compile_policy(parse_configuration(document), version=1)
    status = Status(CUSTOMER, data.draw(st.none() | st.sampled_from([*policy.stages, "Gone"])), 1)

    options = explain(policy, status, may_update=may_update)

    assert [option.stage for option in options] == [stage for stage in policy.stages if stage != status.stage]
    for option in options:
        decision = decide(policy, status, Change(CUSTOMER, option.stage), may_update=may_update)
        needs_reason = isinstance(decision, Refused) and decision.code == "reason_required"
        assert option.allowed == (isinstance(decision, Allowed) or needs_reason)
        if option.allowed:
            assert option.reason_required == needs_reason
            reason = (option.reason_codes or ("any",))[0]
            moved = decide(policy, status, Change(CUSTOMER, option.stage, reason), may_update=may_update)
            assert moved == Allowed(status.stage, option.stage, reason, option.effects)
        else:
            assert option.refusal == decision
