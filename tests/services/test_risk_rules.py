"""At-risk rules played over a tenant's past, in the draft and by the command, and as customers live on."""

import ast
import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.models import AdministrationEntry
from lifecycle.management.commands import move_customers
from lifecycle.models import CustomerLifecycleStatus, RiskFiring, RiskState, RulePlay
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.risk import playing, watching
from lifecycle.services.risk.past import EFFECTIVE, RECORDED
from lifecycle.services.risk.playing import (
    begin_play,
    describe_results,
    find_play,
    find_tenants_with_plays,
    play_rules,
    work_off_plays,
)
from lifecycle.services.risk.proposals import ProposalRefused, dismiss_proposal, list_proposals
from lifecycle.services.risk.watching import watch_rules
from lifecycle.services.transitions.apply import Call, apply, place
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import parse_configuration
from tenants.services.accounts.people import resume_tenant, suspend_tenant
from tenants.services.configuration.versions import NoSuchVersion, discard_draft, open_draft
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, utc_now
from tests.services import acts
from tests.services.acts import publish

ACTOR = system_actor("tests")
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
NOW = START + dt.timedelta(days=300)
OVERDUE = {
    "name": "Overdue",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "for_days": 14,
    "action": "propose",
    "to": "At-Risk",
}
ISSUES = {
    "name": "Issues",
    "when": [{"field": "support.open_issues", "op": "ge", "value": 5}],
    "stages": ["Active"],
    "action": "move",
    "to": "At-Risk",
    "reason_code": "Many issues",
}
DOCUMENT = {**MINIMAL, "risk_rules": [OVERDUE, ISSUES]}


def at(days):
    return START + dt.timedelta(days=days)


def report(tenant, customer, days, now=NOW, **facts):
    fact = CustomerFacts(customer.external_id, "/tests", at(days), **facts)
    record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=now, create=False)


def move(tenant, customer, days, stage, *, first=False):
    change = Change(customer_id=customer.id, stage=stage, reason_code="So", effective_at=at(days))
    (outcome,) = (place if first else apply)(Call(tenant, ACTOR, "Import", NOW), [change], backdated=True)
    assert outcome.moved, outcome


@pytest.fixture
def reported(tenant):
    """Ann was overdue for long and left, Bob paid and stays, Cyd left without a sign, Dan has issues now."""
    made = {name: CustomerFactory(tenant=tenant, name=name, owner=owner, stage=None) for name, owner in OWNERS.items()}
    with tenant_context(tenant.id):
        for customer in made.values():
            move(tenant, customer, 0, "Active", first=True)
        report(tenant, made["ann"], 10, billing={"arr": "1000", "currency": "EUR", "balance_overdue": "200"})
        report(tenant, made["ann"], 40, support={"open_issues": 7})
        move(tenant, made["ann"], 60.5, "Churned")
        report(tenant, made["bob"], 20, billing={"arr": "500", "currency": "EUR", "balance_overdue": "400"})
        report(tenant, made["bob"], 50, billing={"balance_overdue": "0"})
        move(tenant, made["cyd"], 100, "Churned")
        report(tenant, made["dan"], 290, support={"open_issues": 9})
    return made


OWNERS = {"ann": "amy", "bob": "amy", "cyd": "ben", "dan": ""}


def results(tenant, known=EFFECTIVE, document=DOCUMENT):
    configuration = parse_configuration(document)
    *_steps, played = play_rules(configuration, tenant=tenant, since=START, until=NOW, known=known)
    return describe_results(configuration, played.tally, since=START, until=NOW, managers=2)


def test_rules_are_played_over_what_was_reported_and_where_customers_were(tenant, reported):
    overdue, issues = results(tenant)
    weeks = 300 / 7
    # Ann's from day 24 on; Bob's alarm on day 34 came to nothing.
    assert (overdue.alarms, overdue.caught, overdue.churns, overdue.false, overdue.undecided) == (2, 1, 2, 1, 0)
    assert (overdue.leads, overdue.value, overdue.added, overdue.due) == ((36, 36, 36), {"EUR": 1000}, 0, 0)
    assert overdue.false_a_week == pytest.approx(1 / (2 * weeks))
    # Dan's alarm is ten days old: whether they leave is not known yet.
    assert (issues.alarms, issues.caught, issues.false, issues.undecided) == (2, 1, 0, 1)
    assert (issues.leads, issues.added, issues.due) == ((20, 20, 20), 0, 1)
    alone = results(tenant, document={**MINIMAL, "risk_rules": [OVERDUE, {**ISSUES, "enabled": False}]})
    assert [one.added for one in alone] == [1, 0]


def test_history_that_was_loaded_was_not_known_here_before_it_came(tenant, reported):
    assert [(one.alarms, one.churns) for one in results(tenant, RECORDED)] == [(0, 0), (0, 0)]


def test_stages_are_known_under_the_names_that_they_have_in_the_draft(tenant, reported):
    text = repr(DOCUMENT).replace("Active", "Live")
    configuration = parse_configuration(ast.literal_eval(text))
    renamed = {"Active": "Live"}
    steps = play_rules(configuration, tenant=tenant, since=START, until=NOW, known=EFFECTIVE, renamed=renamed)
    *_rest, played = steps
    assert [one.caught for one in played.tally.rules] == [1, 1]


def test_a_customer_that_was_erased_is_not_played_over(tenant, reported):
    with tenant_context(tenant.id):
        erase_customer(reported["ann"].external_id, tenant=tenant, actor=ACTOR, reason="asked", now=NOW)
    assert [one.caught for one in results(tenant)] == [0, 0]


@pytest.fixture
def draft(tenant, reported):
    with tenant_context(tenant.id):
        return open_draft(document=DOCUMENT, tenant=tenant, actor=ACTOR, now=NOW)


def test_a_play_is_worked_off_in_batches_and_a_worker_that_comes_later_goes_on(tenant, draft, monkeypatch):
    monkeypatch.setattr(playing, "BATCH", 1)
    with tenant_context(tenant.id):
        play = begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW, known=EFFECTIVE)
    assert (play.done, play.total, play.managers, play.finished_at) == (0, 4, 2, None)
    assert tenant.id in {one.id for one in find_tenants_with_plays()}
    first = next(work_off_plays(tenant, now=NOW))
    assert (first.done, first.finished_at) == (1, None)
    last = list(work_off_plays(tenant, now=NOW))[-1]
    assert last.done == 4 and last.finished_at == NOW
    assert tenant.id not in {one.id for one in find_tenants_with_plays()}
    *_rest, played = play_rules(
        parse_configuration(DOCUMENT), tenant=tenant, since=play.since, until=NOW, known=EFFECTIVE
    )
    assert last.tally == played.tally.to_json()
    with tenant_context(tenant.id):
        again = begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW)
        assert (again.known, again.done) == (EFFECTIVE, 0), "the record is shorter than 90 days"
        assert RulePlay.objects.filter(tenant_id=tenant.id).count() == 1
        assert find_play(draft.id, tenant=tenant).id == again.id


def test_of_two_who_ask_for_a_play_at_once_both_are_answered_and_one_play_is_left(tenant, draft, in_threads):
    def ask():
        with tenant_context(tenant.id):
            return begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW, known=EFFECTIVE).id

    asked = in_threads(4, lambda _number: ask())
    with tenant_context(tenant.id):
        assert RulePlay.objects.get(draft_id=draft.id).id in asked
        entries = AdministrationEntry.objects.filter(action="play_rules", subject=str(draft.id))
        assert [(one.actor, one.detail) for one in entries] == [
            (ACTOR.name, {"revision": 1, "known": EFFECTIVE, "customers": 4})
        ] * 4


def test_of_a_draft_that_was_discarded_no_play_begins(tenant, draft):
    with tenant_context(tenant.id):
        discard_draft(draft.id, expected_revision=draft.revision, tenant=tenant, actor=ACTOR, now=NOW)
        with pytest.raises(NoSuchVersion):
            begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW)
        assert not RulePlay.objects.filter(tenant_id=tenant.id).exists()
        assert not AdministrationEntry.objects.filter(action="play_rules").exists()


def test_a_play_that_fails_holds_up_nothing_else_of_its_tenant(tenant, draft, monkeypatch):
    with tenant_context(tenant.id):
        begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW, known=EFFECTIVE)
    monkeypatch.setattr(playing._Player, "play", fail)
    undone = []

    def undo(tenant, *, now):
        undone.append(tenant.slug)
        yield "one"

    mover = move_customers.Command(stdout=StringIO())
    monkeypatch.setattr(mover, "_run", lambda **_options: None)
    mover.handle(once=False, health_file=None, metrics_port=None)
    stop = move_customers.StopRequest()
    for _ in range(2):
        mover._work_off("rules", [tenant], work_off_plays, stop)
        assert mover._work_off("undo", [tenant], undo, stop)
    assert undone == [tenant.slug] * 2


def fail(*_arguments):
    raise ValueError("made to fail")


def test_the_command_says_what_the_live_rules_or_those_of_a_file_would_have_done(tenant, reported, tmp_path):
    with pytest.raises(CommandError, match="no at-risk rules"):
        call_command("play_rules", tenant=tenant.slug, stdout=StringIO())
    with tenant_context(tenant.id):
        publish(tenant, DOCUMENT)
    call_command("play_rules", tenant=tenant.slug, known=EFFECTIVE, days=3650, stdout=(said := StringIO()))
    lines = said.getvalue().splitlines()
    assert lines[-3] == f"{tenant.slug}: 4 customers, 2 churns, as effective"
    assert lines[-2].startswith(
        "Overdue: caught 1 of 2 churns, 36 days before (half: 36 to 36); by no other rule 0; revenue caught 1,000 EUR; "
    )
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"stages": ["A"], "risk_rules": [{}]}')
    with pytest.raises(CommandError, match="/risk_rules/0/name"):
        call_command("play_rules", tenant=tenant.slug, configuration=str(wrong), stdout=StringIO())


# As customers live on: what is recorded now is known now.


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


def test_a_long_play_lets_the_others_work_in_between(tenant, draft, monkeypatch):
    monkeypatch.setattr(playing, "BATCH", 1)
    monkeypatch.setattr(move_customers, "PLAY_SECONDS", 0.0)
    with tenant_context(tenant.id):
        play = begin_play(draft, tenant=tenant, actor=ACTOR, now=NOW, known=EFFECTIVE)
    asked = []

    def look(_stop):
        with tenant_context(tenant.id):
            asked.append(RulePlay.objects.get(id=play.id).done)
        return False

    mover = move_customers.Command(stdout=StringIO())
    monkeypatch.setattr(mover, "_work", look)
    mover.handle(once=True, health_file=None, metrics_port=None)
    assert asked[:5] == [0, 1, 2, 3, 4]


def test_what_the_transitions_refuse_is_tried_once(tenant, live):
    with tenant_context(tenant.id):
        closed = {**MINIMAL, "transitions": {"Prospect": ["At-Risk"]}}
        publish(tenant, {**closed, "risk_rules": [ISSUES]})
    say(tenant, live, support={"open_issues": 6})
    watch_rules(tenant)
    assert (stage_of(tenant, live).stage, firings(tenant)) == ("Active", [("Issues", "refused", "system:risk_rules")])
    assert watch_rules(tenant) == 0


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
