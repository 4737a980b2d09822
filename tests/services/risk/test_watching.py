"""At-risk rules as customers live on: they propose, or move as the system."""

import datetime as dt

import pytest

from audit.models import AdministrationEntry
from lifecycle.management.commands import move_customers
from lifecycle.models import CustomerLifecycleStatus, RiskFiring, RiskState
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.risk import watching
from lifecycle.services.risk.proposals import ProposalRefused, dismiss_proposal, list_proposals
from lifecycle.services.risk.watching import watch_rules
from lifecycle.services.transitions.apply import Call, apply
from tenants.context import tenant_context
from tenants.services.accounts.people import resume_tenant, suspend_tenant
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, utc_now
from tests.services import acts
from tests.services.acts import publish
from tests.services.risk.rules import ACTOR, ISSUES, OVERDUE


@pytest.fixture
def live(tenant):
    """Two rules are live, at once, over Eve, who is in Active."""
    eve = CustomerFactory(tenant=tenant, name="eve", stage="Active")
    with tenant_context(tenant.id):
        publish(tenant, {**MINIMAL, "risk_rules": [{**OVERDUE, "for_days": 0}, ISSUES]})
    assert watch_rules(tenant) == 1 and watch_rules(tenant) == 0
    return eve


def say(tenant, customer, **facts):
    with tenant_context(tenant.id):
        acts.report(tenant, customer, **facts)


def firings(tenant):
    with tenant_context(tenant.id):
        found = RiskFiring.objects.filter(tenant_id=tenant.id).order_by("id")
        return [(one.rule, one.state, one.decided_by) for one in found]


def stage_of(tenant, customer):
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.get(customer_id=customer.id)


def test_a_rule_that_moves_does_so_once_in_a_stretch_as_the_system_with_its_name_in_the_history(tenant, live):
    say(tenant, live, support={"open_issues": 6})
    assert watch_rules(tenant) == 1
    status = stage_of(tenant, live)
    assert (status.stage, status.source, status.updated_by) == ("At-Risk", "Rule", "system:risk_rules")
    assert (status.reason_code, firings(tenant)) == ("Many issues", [("Issues", "moved", "system:risk_rules")])
    # A person brings the customer back while the issues are still open: that holds.
    with tenant_context(tenant.id):
        acts.move(tenant, live, "Active")
    say(tenant, live, support={"open_issues": 8})
    watch_rules(tenant)
    assert stage_of(tenant, live).stage == "Active"
    # They are closed, and come again: another stretch.
    say(tenant, live, support={"open_issues": 0})
    watch_rules(tenant)
    say(tenant, live, support={"open_issues": 5})
    watch_rules(tenant)
    assert stage_of(tenant, live).stage == "At-Risk"
    assert [state for _rule, state, _who in firings(tenant)] == ["moved", "moved"]


def test_a_proposal_is_shown_until_a_person_moves_the_customer_there(tenant, live):
    say(tenant, live, billing={"arr": "100", "currency": "EUR", "balance_overdue": "50"})
    assert watch_rules(tenant) == 1
    with tenant_context(tenant.id):
        ((proposal,), count) = list_proposals(tenant=tenant)
        assert (count, proposal["rule"], proposal["stage"], proposal["to_stage"]) == (1, "Overdue", "Active", "At-Risk")
        assert list_proposals(tenant=tenant, owners=["nemo"]) == ([], 0)
        call = Call(tenant, ACTOR, "UI", utc_now())
        (outcome,) = apply(call, [Change(live.id, "At-Risk", reason_code="They owe us")])
        assert outcome.moved and list_proposals(tenant=tenant) == ([], 0)
    watch_rules(tenant)
    assert firings(tenant) == [("Overdue", "accepted", "system:tests")]


def test_a_proposal_ends_with_its_conditions_and_with_its_rule(tenant, live):
    say(tenant, live, billing={"arr": "100", "balance_overdue": "50"})
    watch_rules(tenant)
    say(tenant, live, billing={"balance_overdue": "0"})
    watch_rules(tenant)
    assert firings(tenant) == [("Overdue", "over", "")]
    say(tenant, live, billing={"balance_overdue": "60"})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        publish(tenant, MINIMAL)
    watch_rules(tenant)
    assert firings(tenant) == [("Overdue", "over", ""), ("Overdue", "over", "")]


def test_a_dismissed_proposal_says_why_and_does_not_come_again_in_the_stretch(tenant, live):
    say(tenant, live, billing={"arr": "100", "balance_overdue": "50"})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        ((proposal,), _count) = list_proposals(tenant=tenant)
        one = {"tenant": tenant, "actor": ACTOR, "now": utc_now()}
        for reason, code in ((" ", "reason_required"), ("x" * 256, "reason_required")):
            with pytest.raises(ProposalRefused) as refused:
                dismiss_proposal(proposal["id"], live.id, reason=reason, **one)
            assert refused.value.code == code
        assert list_proposals(tenant=tenant)[1] == 1
        dismiss_proposal(proposal["id"], live.id, reason="They pay\n next week", **one)
        with pytest.raises(ProposalRefused) as refused:
            dismiss_proposal(proposal["id"], live.id, reason="Again", **one)
        assert refused.value.code == "conflict"
        entry = AdministrationEntry.objects.filter(action="dismiss_proposal").get()
        assert (entry.subject, entry.reason) == (str(live.id), ""), "no erasure would reach it there"
        assert RiskFiring.objects.get().dismissal == "They pay next week"
    say(tenant, live, billing={"balance_overdue": "70"})
    watch_rules(tenant)
    assert firings(tenant) == [("Overdue", "dismissed", "system:tests")]


def test_a_rule_that_waits_fires_when_its_days_are_over_though_nothing_is_reported(tenant, live):
    with tenant_context(tenant.id):
        publish(tenant, {**MINIMAL, "risk_rules": [{**OVERDUE, "for_days": 14}]})
    say(tenant, live, billing={"arr": "100", "balance_overdue": "50"})
    assert watch_rules(tenant) == 1
    with tenant_context(tenant.id):
        state = RiskState.objects.get(customer_id=live.id)
        assert dt.timedelta(days=13, hours=23) < state.due_at - utc_now() <= dt.timedelta(days=14)
        assert not RiskFiring.objects.filter(tenant_id=tenant.id).exists()
    later = utc_now() + dt.timedelta(days=14, minutes=1)
    assert watch_rules(tenant, clock=lambda: later) == 1
    assert firings(tenant) == [("Overdue", "open", "")]
    assert watch_rules(tenant, clock=lambda: later) == 0


def test_a_condition_that_no_one_lives_to_see_stops_no_other_rule(tenant, live):
    """Ten million days are after the year 9999."""
    never = {**OVERDUE, "name": "Never", "when": [{"field": "days_in_stage", "op": "ge", "value": 10_000_000}]}
    with tenant_context(tenant.id):
        publish(tenant, {**MINIMAL, "risk_rules": [never, ISSUES]})
    say(tenant, live, support={"open_issues": 6})
    assert watch_rules(tenant) == 1
    assert firings(tenant) == [("Issues", "moved", "system:risk_rules")]


def test_a_customer_that_cannot_be_judged_is_put_off_and_the_others_are_looked_at(tenant, live, monkeypatch):
    names = ("flo", "gus", "hal", "ida", "jon")
    invalid, *others = [CustomerFactory(tenant=tenant, name=name, stage="Active") for name in names]
    for one in (live, invalid, *others):
        say(tenant, one, support={"open_issues": 6})
    find_due = watching._find_due

    def judge(one, *rest):
        if one.customer_id == invalid.id:
            raise ValueError("cannot be judged")
        return find_due(one, *rest)

    monkeypatch.setattr(watching, "_find_due", judge)
    now = utc_now()
    assert watch_rules(tenant, clock=lambda: now) == 6
    assert [stage_of(tenant, one).stage for one in (live, invalid, *others)] == ["At-Risk", "Active"] + ["At-Risk"] * 4
    assert len(firings(tenant)) == 5
    # Those that were moved are looked at once more; the other one not before its time.
    assert watch_rules(tenant, clock=lambda: now) == 5
    assert watch_rules(tenant, clock=lambda: now) == 0
    monkeypatch.setattr(watching, "_find_due", find_due)
    assert watch_rules(tenant, clock=lambda: now + watching.PUT_OFF) == 1
    assert stage_of(tenant, invalid).stage == "At-Risk"


def test_rules_of_a_suspended_tenant_move_no_one(tenant, live, monkeypatch):
    say(tenant, live, support={"open_issues": 6})
    mover = move_customers.Command()
    monkeypatch.setattr(mover, "_run", lambda **_options: None)
    # The mover's own list of tenants, without those of other tests.
    listed = move_customers.list_tenants
    monkeypatch.setattr(move_customers, "list_tenants", lambda: [one for one in listed() if one == tenant])
    mover.handle(once=False, health_file=None, metrics_port=None)
    suspend_tenant(tenant=tenant, reason="Unpaid", actor=ADMIN_ACTOR, now=utc_now())
    mover._rules._rests_until = 0.0
    while mover._rules.work(enough=lambda: False):
        pass
    assert stage_of(tenant, live).stage == "Active"
    resume_tenant(tenant=tenant, reason="Paid", actor=ADMIN_ACTOR, now=utc_now())
    mover._rules._rests_until = 0.0
    while mover._rules.work(enough=lambda: False):
        pass
    assert stage_of(tenant, live).stage == "At-Risk"


def test_what_the_transitions_refuse_is_tried_once(tenant, live):
    with tenant_context(tenant.id):
        closed = {**MINIMAL, "transitions": {"Prospect": ["At-Risk"]}}
        publish(tenant, {**closed, "risk_rules": [ISSUES]})
    say(tenant, live, support={"open_issues": 6})
    watch_rules(tenant)
    assert (stage_of(tenant, live).stage, firings(tenant)) == ("Active", [("Issues", "refused", "system:risk_rules")])
    assert watch_rules(tenant) == 0


def test_a_move_that_is_refused_does_not_keep_another_rule_from_its_own(tenant, live):
    farewell = {**ISSUES, "name": "Farewell", "to": "Churned", "reason_code": "Too many issues"}
    with tenant_context(tenant.id):
        closed = {**MINIMAL, "transitions": {"Active": ["Churned"]}}
        publish(tenant, {**closed, "risk_rules": [ISSUES, farewell]})
    say(tenant, live, support={"open_issues": 6})
    assert watch_rules(tenant) == 1 and stage_of(tenant, live).stage == "Active"
    assert watch_rules(tenant) == 1
    by_rule = [("Issues", "refused", "system:risk_rules"), ("Farewell", "moved", "system:risk_rules")]
    assert (stage_of(tenant, live).stage, firings(tenant)) == ("Churned", by_rule)
    assert watch_rules(tenant) == 1 and watch_rules(tenant) == 0


def test_who_was_moved_under_the_look_is_looked_at_again(tenant, live, monkeypatch):
    say(tenant, live, support={"open_issues": 6})
    look = watching._find_behind

    def find_and_move(*arguments, **more):
        found = look(*arguments, **more)
        acts.move(tenant, live, "Onboarded")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(watching, "_find_behind", find_and_move)
        watch_rules(tenant)
    assert (stage_of(tenant, live).stage, firings(tenant)) == ("Onboarded", [])
    assert watch_rules(tenant) == 1 and firings(tenant) == []


def test_what_rules_did_goes_with_the_person_and_is_in_the_export(tenant, live):
    say(tenant, live, billing={"arr": "100", "balance_overdue": "50"})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        exported = export_customer(live.external_id, tenant=tenant, actor=ACTOR, now=utc_now())
        assert [one["rule"] for one in exported["rule_firings"]] == ["Overdue"]
        erase_customer(live.external_id, tenant=tenant, actor=ACTOR, reason="asked", now=utc_now())
    assert firings(tenant) == [] and watch_rules(tenant) == 0
