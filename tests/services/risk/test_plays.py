"""At-risk rules played over the past, in batches that a worker works off."""

import ast
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.models import AdministrationEntry
from lifecycle.management.commands import move_customers
from lifecycle.models import RulePlay
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.risk import playing
from lifecycle.services.risk.past import EFFECTIVE, RECORDED
from lifecycle.services.risk.playing import (
    begin_play,
    describe_results,
    find_play,
    find_tenants_with_plays,
    play_rules,
    work_off_plays,
)
from tenants.context import tenant_context
from tenants.rules.configuration.document import parse_configuration
from tenants.services.configuration.versions import NoSuchVersion, discard_draft, open_draft
from tests.factories import MINIMAL, utc_now
from tests.services.acts import publish
from tests.services.risk.rules import ACTOR, DOCUMENT, ISSUES, NOW, OVERDUE, START


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


@pytest.mark.parametrize("is_published", [False, True])
def test_rules_are_played_over_churns_to_a_stage_that_the_draft_or_a_version_before_it_has_taken_away(
    tenant, reported, is_published
):
    categories = {"At-Risk": "risk", "Gone": "lost"}
    merged = {"stages": [*MINIMAL["stages"][:-1], "Gone"], "categories": categories, "risk_rules": [OVERDUE]}
    if is_published:
        with tenant_context(tenant.id):
            mapping = {"Churned": "Gone"}
            publish_configuration(merged, tenant=tenant, actor=ACTOR, now=utc_now(), mapping=mapping)
    (overdue,) = results(tenant, document=merged)
    # No alarm of customers who were lost before it, and none of those who leave by the publication.
    assert (overdue.alarms, overdue.caught, overdue.churns, overdue.false) == (2, 1, 2, 1)


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

    def undo(tenant):
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
