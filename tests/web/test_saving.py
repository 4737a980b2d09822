"""The save rate of the page is what a look at each customer's history, notes, tasks and mail says."""

import csv
import datetime as dt
import io
import re
from collections import Counter, defaultdict
from html import unescape
from uuid import uuid4

import pytest

from audit.models import LifecycleHistory
from lifecycle.models import Customer, EffectRun, FigureChange, InsightState, Note, RiskEpisode, Task
from lifecycle.queries.insight.at_risk import WAYS
from lifecycle.rules.insight.saving import ACTIONS, NOTHING, compare_actions
from lifecycle.services.insight.at_risk import read_at_risk
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import read_episodes
from lifecycle.services.work.notes import By, delete_note, write_note
from lifecycle.services.work.tasks import change_task, create_task
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.conftest import make_people
from tests.factories import MINIMAL, TenantFactory
from tests.services.test_insight import ACTOR, NOW, at, step, tell
from tests.web.conftest import text_of

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
WEEK, DAYS = dt.timedelta(days=7), dt.timedelta(days=90)
LATER = NOW + dt.timedelta(days=120)
# Day of the move -> stage. The reason is the stage's: each name's first letter chooses a stage to come from.
STORIES = {
    "recovers": [(0, "Active"), (10, "At-Risk"), (40, "Active")],
    "recovers too soon to be called": [(0, "Active"), (10, "At-Risk"), (14, "Active")],
    "recovers too late": [(0, "Active"), (10, "At-Risk"), (101, "Active")],
    "churns": [(0, "Active"), (10, "At-Risk"), (50, "Churned")],
    "goes on": [(0, "Onboarded"), (20, "At-Risk")],
    "comes back": [(0, "Active"), (5, "At-Risk"), (30, "Active"), (60, "At-Risk"), (90, "Onboarded")],
    "is too new": [(0, "Active"), (190, "At-Risk")],
    "is at risk from the beginning": [(3, "At-Risk"), (33, "Active")],
}


@pytest.fixture(scope="module")
def saved(django_db_setup, django_db_blocker):
    """The tenant, its manager, and its customers by name: for some of whom something was done in time, or too late."""
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration=RISKY)
        people = make_people(tenant)
        customers = tell(tenant, STORIES, {})
        moved = tell(tenant, {"is moved": [(0, "Active"), (10, "At-Risk")]}, {})
        owner = people.account_manager
        with tenant_context(tenant.id):
            step(tenant, moved["is moved"], 60, "Active", source="Configuration")
            Customer.objects.filter(id__in=[customers["recovers"].id, customers["churns"].id]).update(
                owner=owner.username, owner_key=owner.username
            )
            write(tenant, customers["recovers"], 12, by=owner)
            write(tenant, customers["churns"], 16.9)
            write(tenant, customers["goes on"], 27.1)
            write(tenant, customers["goes on"], 21, deleted=True)
            write(tenant, customers["comes back"], 61)
            plan(tenant, customers["churns"], 9, done=13, by=owner)
            plan(tenant, customers["comes back"], 6)
            mail(tenant, customers["recovers too late"], 11, "contact:1")
            mail(tenant, customers["recovers"], 11, "user:1")
            mail(tenant, customers["goes on"], 22, "contact:1", state="failed")
            mail(tenant, customers["comes back"], 62, "renewal.campaign.requested", kind="event")
            say(tenant, customers["churns"], 1, {"billing.arr": "1000", "billing.balance_overdue": "101"})
            say(tenant, customers["churns"], 9, {"support.open_issues": 4, "support.csat": 2.5})
            say(tenant, customers["recovers"], 1, {"billing.arr": "1000", "billing.balance_overdue": "99"})
            say(tenant, customers["recovers"], 11, {"support.open_issues": 9})
            say(tenant, customers["goes on"], 1, {"billing.balance_overdue": "1"})
        keep_facts(tenant)
    return tenant, people, customers | moved


def write(tenant, customer, days, *, by=None, deleted=False):
    Note.objects.create(
        tenant_id=tenant.id,
        customer_id=customer.id,
        text=b"x",
        created_at=at(days),
        created_by=str(by.id if by else uuid4()),
        deleted_at=at(days) if deleted else None,
    )


def plan(tenant, customer, days, *, done=None, by=None):
    Task.objects.create(
        tenant_id=tenant.id,
        customer_id=customer.id,
        title=b"x",
        due_key=dt.date(9999, 12, 31),
        created_at=at(days),
        created_by="someone",
        done_at=at(done) if done else None,
        done_by=str(by.id) if by else "",
    )


def mail(tenant, customer, days, recipient, *, kind="email", state="done"):
    EffectRun.objects.create(
        tenant_id=tenant.id,
        history_id=uuid4(),
        customer_id=customer.id,
        request_id=uuid4(),
        configuration_version=1,
        effect="x",
        kind=kind,
        recipient=recipient,
        lane_id=uuid4(),
        state=state,
        due_at=at(days),
        created_at=at(days),
        finished_at=at(days),
    )


def say(tenant, customer, days, figures):
    FigureChange.objects.create(
        tenant_id=tenant.id,
        customer_id=customer.id,
        effective_at=at(days),
        recorded_at=NOW,
        source="/x",
        figures=figures,
    )


def brute_force(tenant, now, owner_id):
    """Reason and action -> recovered and count, customer by customer."""
    found = defaultdict(lambda: [0, 0])
    for customer in Customer.objects.filter(tenant_id=tenant.id):
        rows = list(LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer.id).order_by("sequence"))
        for number, row in enumerate(rows):
            entered = row.effective_at
            was_at_risk = number > 0 and rows[number - 1].to_stage == "At-Risk"
            if row.to_stage != "At-Risk" or was_at_risk or entered + DAYS > now:
                continue
            after = next((later for later in rows[number + 1 :] if later.to_stage != "At-Risk"), None)
            if after is not None and after.effective_at < entered + WEEK:
                continue
            if after is not None and after.source == "Configuration" and after.effective_at < entered + DAYS:
                continue
            recovered = (
                after is not None
                and after.effective_at < entered + DAYS
                and after.to_stage not in ("At-Risk", "Churned")
            )

            def within(timestamp, entered=entered):
                return timestamp is not None and entered <= timestamp < entered + WEEK

            of = {"tenant_id": tenant.id, "customer_id": customer.id}
            notes = [one for one in Note.objects.filter(**of) if within(one.created_at) and not one.deleted_at]
            tasks = [one for one in Task.objects.filter(**of) if within(one.created_at)]
            done = [one for one in Task.objects.filter(**of) if within(one.done_at)]
            runs = [
                one
                for one in EffectRun.objects.filter(**of, state="done")
                if within(one.finished_at)
                and (one.recipient.startswith("contact:") or one.recipient == "renewal.campaign.requested")
            ]
            is_owned = customer.owner != ""
            by_owner = [one for one in notes if one.created_by == owner_id] + [
                one for one in done if one.done_by == owner_id
            ]
            actions = [bool(notes), bool(tasks), bool(runs), bool(is_owned and by_owner)]
            names = [name for name, was in zip(ACTIONS, actions, strict=True) if was] or [NOTHING]
            for reason in (None, row.reason_code):
                for name in names:
                    found[reason, name][0] += recovered
                    found[reason, name][1] += 1
    return {key: tuple(counts) for key, counts in found.items()}


def keep(tenant, is_kept):
    """Those that have ended and are older than a week are kept, or none is."""
    with tenant_context(tenant.id):
        InsightState.objects.filter(tenant_id=tenant.id).update(risk="", loose=True)
    if is_kept:
        assert keep_episodes(tenant, clock=lambda: LATER) > 0 and keep_episodes(tenant, clock=lambda: LATER) == 0
        with tenant_context(tenant.id):
            assert RiskEpisode.objects.filter(tenant_id=tenant.id).count() == 8


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_counts_are_those_of_a_look_at_each_customer(saved, db, is_kept):
    tenant, people, _ = saved
    keep(tenant, is_kept)
    period = Period(at(-5).date(), at(200).date())
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        episodes = read_episodes(period, stages, tenant=tenant, now=LATER)
        expected = brute_force(tenant, LATER, str(people.account_manager.id))
    found = {
        (one.reason, one.action): (one.all.recovered, one.all.count)
        for one in compare_actions(episodes)
        if one.all.count
    }
    assert found == expected
    assert found[None, NOTHING] == (1, 2) and found[None, "contact"] == (1, 2) and found[None, "message"] == (1, 2)
    # Severity is that of when they came to be at risk: two worries of four, one, and none.
    assert sorted((one.severity, one.done[3]) for one in episodes if one.done[3]) == [(0, True), (2, True)]
    assert sum(one.severity == 1 for one in episodes) == 1


def look_at_each(tenant, now, owner_id):
    """Reason and what is counted -> how many, customer by customer."""
    found = Counter()
    for customer in Customer.objects.filter(tenant_id=tenant.id):
        of = {"tenant_id": tenant.id, "customer_id": customer.id}
        rows = list(LifecycleHistory.objects.filter(**of).order_by("sequence"))
        for number, row in enumerate(rows):
            if row.to_stage != "At-Risk" or (number and rows[number - 1].to_stage == "At-Risk"):
                continue
            after = next((later for later in rows[number + 1 :] if later.to_stage != "At-Risk"), None)
            begin, end = row.effective_at, after.effective_at if after else now
            notes = [one for one in Note.objects.filter(**of, deleted_at=None) if begin <= one.created_at < end]
            tasks = Task.objects.filter(**of)
            sent = EffectRun.objects.filter(**of, state="done", finished_at__gte=begin, finished_at__lt=end)
            owned = customer.owner and (
                any(one.created_by == owner_id for one in notes)
                or any(one.done_at and begin <= one.done_at < end and one.done_by == owner_id for one in tasks)
            )
            done = {
                "note": bool(notes),
                "task": any(begin <= one.created_at < end for one in tasks),
                "message": any(
                    one.recipient.startswith("contact:") or one.recipient == "renewal.campaign.requested"
                    for one in sent
                ),
                "contact": bool(owned),
            }
            ways = [name for name, was in done.items() if was] or ["nothing"]
            if after is None:
                ways.append("open")
            elif after.source == "Configuration":
                ways.append("published")
            else:
                ways.append("lost" if after.to_stage == "Churned" else "recovered")
            for reason in (None, row.reason_code):
                found.update((reason, way) for way in ("all", *ways))
    return found


@pytest.mark.parametrize("is_kept", [False, True])
def test_entering_and_leaving_risk_is_counted_as_a_look_at_each_customer_does(saved, page_client, db, is_kept):
    tenant, people, _ = saved
    keep(tenant, is_kept)
    period = Period(at(-5).date(), at(200).date())
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        rows = read_at_risk(period, stages, tenant=tenant, now=LATER)
        expected = look_at_each(tenant, LATER, str(people.account_manager.id))
    found = {(row.reason, way): count for row in rows for way, count in row.counts.items() if count}
    assert found == dict(expected)
    assert {way: found.get((None, way), 0) for way in WAYS} == {
        "all": 10,
        "open": 2,
        "recovered": 6,
        "lost": 1,
        "published": 1,
        "nothing": 4,
        "note": 4,
        "task": 1,
        "message": 2,
        "contact": 2,
    }
    for row in rows:
        assert sum(row.counts[way] for way in ("open", "recovered", "lost", "published")) == row.counts["all"]


def test_what_is_kept_of_a_customer_is_made_again_when_something_about_it_changes(db):
    """An episode of thirty days with a note and a task that was done in its first week, long ago."""
    tenant = TenantFactory(configuration=RISKY)
    customer = tell(tenant, {"ann": [(0, "Active"), (10, "At-Risk"), (40, "Active")]}, {})["ann"]
    keep_facts(tenant)
    by = By(tenant, ACTOR, at(12))
    with tenant_context(tenant.id):
        write_note(customer.id, "Called.", by=by)
        note = Note.objects.get(customer_id=customer.id).id
        task = create_task(customer.id, "Call", by=by)
        task = change_task(task["id"], customer_id=customer.id, expected_version=task["version"], by=by, done=True)

    def kept():
        assert keep_episodes(tenant, clock=lambda: LATER) in (0, 1)
        with tenant_context(tenant.id):
            one = RiskEpisode.objects.get(tenant_id=tenant.id)
            return one.stage.partition(":")[2], one.week_noted, one.week_tasked, len(one.week_contacts), one.left_at

    assert kept() == ("At-Risk", True, True, 1, at(40))
    with tenant_context(tenant.id):
        change_task(task["id"], customer_id=customer.id, expected_version=task["version"], by=by, done=False)
    assert kept() == ("At-Risk", True, True, 1, at(40))
    with tenant_context(tenant.id):
        delete_note(note, customer_id=customer.id, by=by)
    assert kept() == ("At-Risk", False, True, 0, at(40))
    with tenant_context(tenant.id):
        step(tenant, customer, 41, "At-Risk")
    keep_facts(tenant)
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        period = Period(at(-5).date(), at(200).date())
        (whole, *_reasons) = read_at_risk(period, stages, tenant=tenant, now=LATER)
    assert (whole.counts["all"], whole.counts["open"], whole.counts["recovered"]) == (2, 1, 1)
    assert kept()[-1] == at(40)
    with tenant_context(tenant.id):
        assert InsightState.objects.get(tenant_id=tenant.id).loose, "the second one goes on"


def test_a_check_finds_an_episode_that_is_not_what_happened_and_a_rebuild_has_it_made_again(db):
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant, {name: [(0, "Active"), (10, "At-Risk"), (40, "Active")] for name in ("ann", "bob")}, {})
    keep_facts(tenant)
    assert keep_episodes(tenant) == 2
    assert [*rebuild_facts(tenant, write=False)][-1].different == 0
    with tenant_context(tenant.id):
        one = RiskEpisode.objects.filter(tenant_id=tenant.id).first()
        RiskEpisode.objects.filter(tenant_id=tenant.id, customer_id=one.customer_id).update(severity=2)
    assert [*rebuild_facts(tenant, write=False)][-1].different == 1
    assert [*rebuild_facts(tenant)][-1].different == 0
    assert keep_episodes(tenant) == 2
    assert [*rebuild_facts(tenant, write=False)][-1].different == 0
    with tenant_context(tenant.id):
        assert {one.severity for one in RiskEpisode.objects.filter(tenant_id=tenant.id)} == {0}


def test_the_page_and_its_file_show_what_was_done_while_customers_were_at_risk(saved, page_client, db):
    _tenant, people, customers = saved
    address = f"/insight?from={at(-5).date()}&to={at(200).date()}&show=risk"
    manager = page_client(people.account_manager)
    page = manager.get(address)
    assert "by reason: how it ended, and what was done while they were at risk" in text_of(page)
    file = page_client(people.viewer).get(f"{address}&csv=risk-by-reason").content.decode("utf-8-sig")
    heads, whole, by_reason = csv.reader(io.StringIO(file))
    assert heads[:6] == ["Reason", "Became at risk", "Still at risk", "Recovered", "Lost", "Moved by a publication"]
    assert (whole[:2], by_reason[:2]) == (["All reasons", "10"], ["At-Risk!", "10"])
    link = unescape(re.search(r'href="(/insight/customers\?[^"]*way=lost[^"]*)"', page.content.decode())[1])
    listed = manager.get(link)
    assert customers["churns"].external_id in text_of(listed) and 'id="count">1 row' in listed.content.decode()
    assert "(any reason): Lost" in text_of(listed)


def test_the_page_says_so_opens_the_lists_and_that_it_is_no_proof(saved, page_client, db):
    _tenant, people, customers = saved
    address = f"/insight?from={at(-5).date()}&to={at(100).date()}&show=save"
    page = page_client(people.account_manager).get(address)
    said = text_of(page)
    assert "This is not proof of cause" in said and "All reasons" in said and "At-Risk!" in said
    rows = list(
        csv.reader(io.StringIO(page_client(people.viewer).get(f"{address}&csv=save-rate").content.decode("utf-8-sig")))
    )
    by_action = {row[1]: row[2:] for row in rows[1:] if row[0] == "All reasons"}
    assert by_action["Nothing"][:2] == ["2", "50% (1)"]
    assert by_action["The owner wrote a note or did a task"][:2] == ["2", "50% (1)"]
    link = unescape(
        re.search(r'href="(/insight/customers\?[^"]*way=contact\+recovered[^"]*)"', page.content.decode())[1]
    )
    listed = page_client(people.account_manager).get(link)
    assert customers["recovers"].external_id in text_of(listed) and 'id="count">1 row' in listed.content.decode()
    assert "The owner wrote a note or did a task, and they recovered" in text_of(listed)
    assert page_client(people.viewer).get(link).status_code == 403
