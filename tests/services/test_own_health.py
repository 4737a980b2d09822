"""A tenant's own health: what everything shows, what a draft would change, and what its bands would have said."""

import datetime as dt
import random
from collections import Counter
from dataclasses import asdict

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from lifecycle.models import HealthPlay, Note
from lifecycle.queries.list_conditions import read_where
from lifecycle.queries.list_statements import sort
from lifecycle.queries.listing import ListQuery, Search, list_customers
from lifecycle.queries.selection import count_customers
from lifecycle.rules.health import Work, judge
from lifecycle.rules.insight.shares import measure_share
from lifecycle.services.configuration.health_preview import (
    HealthQuestion,
    ask_of_draft,
    count_health_changes,
    list_health_changes,
)
from lifecycle.services.configuration.previews import preview_configuration
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.health_past import read_health_past
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.insight import health_backtest, health_plays
from lifecycle.services.insight.as_of import read_past
from lifecycle.services.insight.health_backtest import PastJudge, describe_sums, find_landmarks
from lifecycle.services.insight.health_plays import (
    begin_health_play,
    describe_health_play,
    find_health_play,
    find_tenants_with_health_plays,
    work_off_health_plays,
)
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.work.notes import By, delete_note, write_note
from lifecycle.services.work.tasks import create_task
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import parse_configuration, read_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.services.configuration.policies import live_policy
from tenants.services.configuration.versions import open_draft
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.acts import publish
from tests.services.test_insight import ACTOR, step, tell

HEALTH = {
    "start": 90,
    "good_from": 80,
    "watch_from": 50,
    "parts": [
        {"name": "Silence", "measure": "days_since_note", "steps": [{"at_least": 14, "points": 15}], "if_missing": 35},
        {"name": "Left undone", "measure": "overdue_tasks", "points": 20, "from": 0, "to": 2},
        {"name": "Anger", "measure": "open_issues", "points": 40, "from": 2, "to": 12},
    ],
}
OWN = {**MINIMAL, "health": HEALTH}
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def report(tenant, customer, at, **facts):
    fact = CustomerFacts(customer.external_id, "/support", at, **facts)
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=at, create=False, backdated=True)


@pytest.fixture
def four(tenant):
    """Ann has a fresh note, Bob an old one and an overdue task, Cyd many issues, of Dan nothing is known."""
    now = utc_now()
    made = {name: CustomerFactory(tenant=tenant, name=name) for name in ("Ann", "Bob", "Cyd", "Dan")}
    for name, issues in (("Ann", 0), ("Bob", 2), ("Cyd", 12)):
        report(tenant, made[name], now - dt.timedelta(days=30), support={"open_issues": issues})
    with tenant_context(tenant.id):
        write_note(made["Ann"].id, "Called.", by=By(tenant, ACTOR, now))
        write_note(made["Bob"].id, "Called.", by=By(tenant, ACTOR, now - dt.timedelta(days=20)))
        create_task(made["Bob"].id, "Call", by=By(tenant, ACTOR, now), due_on=now.date() - dt.timedelta(days=3))
        create_task(made["Ann"].id, "Call", by=By(tenant, ACTOR, now), due_on=now.date())
    return made


SCORES = {"Ann": 90, "Bob": 65, "Cyd": 15, "Dan": None}


def test_list_filter_order_and_page_of_a_customer_have_the_score_of_the_tenant_s_own_formula(tenant, four):
    now = utc_now()
    with tenant_context(tenant.id):
        publish(tenant, OWN)
        policy = live_policy(tenant.id)
        with CaptureQueriesContext(connection) as statements:
            page = list_customers(ListQuery(ordering="health"), tenant=tenant, policy=policy, now=now)
        assert [(row["name"], row["health"]["score"], row["health"]["band"]) for row in page.rows] == [
            ("Cyd", 15, "poor"), ("Bob", 65, "watch"), ("Ann", 90, "good"), ("Dan", None, "unknown")
        ]  # fmt: skip
        assert len(statements) == 2, "the page, and what people have written"
        for text, found in (("health<=65", 2), ("health>=66", 1), ('health:""', 1), ("health:15", 1)):
            where = ListQuery(where=read_where(text, policy, tenant))
            assert count_customers(where, tenant=tenant, policy=policy, now=now).number == found, text
        summaries = {name: read_summary(one.id, tenant=tenant, now=now)["health"] for name, one in four.items()}
    assert {name: one["score"] for name, one in summaries.items()} == SCORES
    assert summaries["Bob"]["parts"] == [
        {"part": "start", "points": 10},
        {"part": "Silence", "points": 15},
        {"part": "Left undone", "points": 10},
        {"part": "Anger", "points": 0},
    ]
    assert [reason.name for reason in summaries["Cyd"]["reasons"]] == ["open_issues", "part_unknown"]


def test_a_stage_is_looked_up_for_the_order_of_health_only_where_it_takes_points(tenant, four):
    staged = {
        **HEALTH,
        "parts": [*HEALTH["parts"], {"name": "Stage", "measure": "category", "categories": {"risk": 40}}],
    }
    now = utc_now()
    for health, looked_up in ((HEALTH, False), (staged, True)):
        with tenant_context(tenant.id):
            publish(tenant, {**MINIMAL, "health": health})
            query, policy = ListQuery(ordering="-health"), live_policy(tenant.id)
            with CaptureQueriesContext(connection) as statements:
                page = list_customers(query, tenant=tenant, policy=policy, now=now)
            asked = Search(query, None, policy, None, tenant, now)
            statement = sort(asked.ordering, asked.filters, asked.window)
        assert [row["name"] for row in page.rows] == ["Ann", "Bob", "Cyd", "Dan"] and len(statements) == 2
        assert ("tenants_stage" in statement) is looked_up


def test_of_several_notes_the_latest_that_is_left_counts_in_list_filter_and_page(tenant, four):
    """Ann's last note is deleted, Cyd has three, and Dan a fresh one of which no figure makes a score."""
    now = utc_now()
    with tenant_context(tenant.id):
        publish(tenant, OWN)
        policy = live_policy(tenant.id)
        (note,) = Note.objects.filter(customer_id=four["Ann"].id)
        write_note(four["Ann"].id, "Before.", by=By(tenant, ACTOR, now - dt.timedelta(days=40)))
        delete_note(note.id, customer_id=four["Ann"].id, by=By(tenant, ACTOR, now))
        for days in (50, 3, 20):
            write_note(four["Cyd"].id, "Called.", by=By(tenant, ACTOR, now - dt.timedelta(days=days)))
        write_note(four["Dan"].id, "Called.", by=By(tenant, ACTOR, now))
        scores = {name: read_summary(one.id, tenant=tenant, now=now)["health"]["score"] for name, one in four.items()}
        assert scores == {"Ann": 75, "Bob": 65, "Cyd": 50, "Dan": None}
        page = list_customers(ListQuery(ordering="-health"), tenant=tenant, policy=policy, now=now)
        assert [(row["name"], row["health"]["score"]) for row in page.rows] == list(scores.items())
        where = ListQuery(where=read_where("health:75", policy, tenant))
        assert [row["name"] for row in list_customers(where, tenant=tenant, policy=policy, now=now).rows] == ["Ann"]
        at_risk = ListQuery(filters={"stage": ("Prospect",)}, ordering="health")
        found = list_customers(at_risk, tenant=tenant, policy=policy, now=now).rows
        assert [row["name"] for row in found] == ["Cyd", "Bob", "Ann", "Dan"]


def test_the_past_of_a_score_has_notes_tasks_and_the_configuration_that_changed_it(tenant, four):
    # A Sunday at noon; its week began with the configuration of before.
    now = (utc_now() + dt.timedelta(days=10)).replace(hour=12)
    now += dt.timedelta(days=6 - now.weekday())
    changed_at = now - dt.timedelta(days=3)
    with tenant_context(tenant.id):
        publish_configuration(OWN, tenant=tenant, actor=ACTOR, now=changed_at)
        past = read_health_past(four["Bob"].id, tenant=tenant, now=now)
    assert {one.score for one in past.timestamps if one.at < changed_at} == {94}
    assert {one.score for one in past.timestamps if one.at >= changed_at} == {65}
    assert all(sum(one.points.values()) == 100 - one.score for one in past.timestamps)
    assert past.configured == [(changed_at, 2)]
    assert [(one.part, one.points, one.configuration) for one in past.deltas] == [
        ("Silence", -15, 2), ("Left undone", -10, 2), ("start", -10, 2), ("issues", 6, 2)
    ]  # fmt: skip
    assert {one.at for one in past.deltas} == {changed_at}


def test_a_draft_says_who_would_turn_poor_and_who_good_in_as_many_statements_for_any_number(tenant, four):
    now = utc_now()
    configuration, findings = read_configuration(OWN)
    names = {stage: stage for stage in MINIMAL["stages"]}

    def ask():
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
            question = HealthQuestion(live_policy(tenant.id), compile_policy(configuration, 2), names)
            changes = count_health_changes(question, tenant=tenant, now=now)
            first, after = list_health_changes(question, tenant=tenant, now=now, limit=1)
            rest, end = list_health_changes(question, tenant=tenant, now=now, limit=5, after=after)
            poor, _end = list_health_changes(question, tenant=tenant, now=now, band="poor")
        return changes, [*first, *rest], end, poor, len(statements)

    changes, rows, end, poor, few = ask()
    # By the usual formula: 100, 94 and 85.
    assert {(one.before, one.after): one.customers for one in changes.bands} == {
        ("good", "good"): 1, ("good", "watch"): 1, ("good", "poor"): 1, ("unknown", "unknown"): 1
    }  # fmt: skip
    assert (changes.become("poor"), changes.become("good"), changes.changed) == (1, 0, 2)
    assert [(one.name, one.before, one.after) for one in rows] == [("Cyd", 85, 15), ("Bob", 94, 65)]
    assert end == ""
    assert [one.name for one in poor] == ["Cyd"]
    with tenant_context(tenant.id):
        tried = preview_configuration(configuration, findings, tenant=tenant, now=now)
    assert (tried.health.customers, [one.name for one in tried.health.examples]) == (2, ["Cyd", "Bob"])
    for _ in range(20):
        CustomerFactory(tenant=tenant)
    assert ask()[-1] == few


def test_customers_of_a_stage_whose_name_another_takes_are_judged_by_where_they_go(tenant):
    now = utc_now()
    customer = CustomerFactory(tenant=tenant, name="Ann", stage="Active")
    report(tenant, customer, now - dt.timedelta(days=30), support={"open_issues": 0})
    # "Onboarded" is called "Active" from now on, and those who are active are lost.
    document = {
        "stages": ["Prospect", "Active", "At-Risk", "Churned"],
        "categories": {"At-Risk": "risk", "Churned": "lost"},
    }
    plan = {"renamed": {"Onboarded": "Active"}, "mapping": {"Active": "Churned"}}
    with tenant_context(tenant.id):
        tried = preview_configuration(*read_configuration(document), tenant=tenant, now=now, **plan)
        draft = open_draft(tenant=tenant, actor=ACTOR, now=now, document=document, **plan)
        question = ask_of_draft(draft, live=live_policy(tenant.id), tenant=tenant)
    assert tried.plan_findings == ()
    assert [(one.name, one.before, one.after) for one in tried.health.examples] == [("Ann", 100, 35)]
    assert (question.names["Active"], question.names["Onboarded"]) == ("Churned", "Active")


STORIES = {
    "ann": [(0, "Prospect"), (20, "Active"), (50, "At-Risk"), (60, "Active")],
    "bob": [(1, "Prospect"), (30, "Active"), (80, "Churned")],
    "cyd": [(10, "Onboarded"), (45, "At-Risk"), (70, "Churned"), (140, "Active"), (200, "Churned")],
    "dan": [(33, "Prospect")],
}
ISSUES = {"ann": [(5, 1), (40, 9)], "bob": [(2, 4), (33, 14), (70, None)], "cyd": [(12, 8), (150, 3)], "dan": []}


def test_the_past_judged_at_once_is_the_past_judged_customer_by_customer(tenant, monkeypatch):
    """Stages, figures, notes and tasks as they stood then; who had churned within 90 days. Batch after batch."""
    monkeypatch.setattr(health_backtest, "BATCH", 3)
    made = tell(tenant, STORIES, {})
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    for name, reported in ISSUES.items():
        for days, issues in reported:
            report(tenant, made[name], start + dt.timedelta(days=days), support={"open_issues": issues})
    with tenant_context(tenant.id):
        for name, days in (("ann", 33), ("bob", 65)):
            by = By(tenant, ACTOR, start + dt.timedelta(days=days))
            write_note(made[name].id, "Called.", by=by)
            create_task(made[name].id, "Call", by=by, due_on=(start + dt.timedelta(days=days + 9)).date())
    keep_facts(tenant)
    draft = compile_policy(parse_configuration(OWN), 2)
    names = {stage: stage for stage in MINIMAL["stages"]}
    with tenant_context(tenant.id):
        live = live_policy(tenant.id)
        said, seen = judge_past(live, draft, names, tenant=tenant)
        counted = Counter()
        for day in said.landmarks:
            for name, customer in made.items():
                past = read_past(customer.id, day - dt.timedelta(days=1), known="effective", tenant=tenant)
                if past.stage is None or past.stage == "Churned":
                    continue
                at = dt.datetime.combine(day, dt.time(), dt.UTC)
                notes = [days for who, days in (("ann", 33), ("bob", 65)) if who == name]
                written = [start + dt.timedelta(days=days) for days in notes]
                work = Work(
                    next(((at - one).days for one in written if one < at), None),
                    sum(one < at and (one + dt.timedelta(days=9)).date() < day for one in written),
                )
                value = past.figures.get("support.open_issues", (None, None))[0]
                figures = {"arr": None, "balance_overdue": None, "csat": None, "days_to_renewal": None}
                churned = any(
                    stage == "Churned" and at <= start + dt.timedelta(days=days) < at + dt.timedelta(days=90)
                    for days, stage in STORIES[name]
                )
                for which, policy in (("live", live), ("draft", draft)):
                    judged = judge(policy, past.stage, past.days_in_stage, open_issues=value, work=work, **figures)
                    counted[which, judged.band, "rows"] += 1
                    counted[which, judged.band, "hits"] += churned
    found = {
        (which, one.band, key): getattr(one.share, key)
        for which in ("live", "draft")
        for one in getattr(said, which)
        for key in ("rows", "hits")
        if getattr(one.share, key)
    }
    assert found == {key: number for key, number in counted.items() if number}
    assert sum(number for (_which, _band, key), number in found.items() if key == "hits") == 2 * 5
    assert {band for _which, band, _key in found} == {"good", "watch", "poor", "unknown"}
    assert seen == [3, 1]


def judge_past(live, draft, names, *, tenant):
    """What the bands said, and how many customers each batch had."""
    past, sums, after, counts = PastJudge(live, draft, names, tenant=tenant, now=NOW), {}, None, []
    while not counts or counts[-1] == health_backtest.BATCH:
        after, count = past.judge(sums, after)
        counts.append(count)
    return describe_sums(sums, now=NOW), counts


def test_whom_a_publication_moved_to_the_lost_says_nothing_of_who_is_lost(tenant):
    """Dan and Eve would be looked at on 1 April and 1 May; in the middle of May one is lost, the other only moved."""
    made = tell(tenant, {"dan": [(0, "Active")], "eve": [(0, "Active")]}, {})
    with tenant_context(tenant.id):
        step(tenant, made["dan"], 75, "Churned")
        step(tenant, made["eve"], 75, "Churned", source="Configuration")
    keep_facts(tenant)
    with tenant_context(tenant.id):
        live = live_policy(tenant.id)
        said, _counts = judge_past(live, live, {}, tenant=tenant)
    looked = [(one.band, one.share.rows, one.share.hits) for one in said.live if one.share.rows]
    assert looked == [("unknown", 2, 2)]


@pytest.fixture
def played(tenant, monkeypatch):
    """A draft whose play was asked for, over four customers in batches of one."""
    monkeypatch.setattr(health_backtest, "BATCH", 1)
    monkeypatch.setattr(health_plays, "BATCH", 1)
    tell(tenant, STORIES, {})
    keep_facts(tenant)
    with tenant_context(tenant.id):
        draft = open_draft(document=OWN, tenant=tenant, actor=ACTOR, now=NOW)
        live = live_policy(tenant.id)
        return begin_health_play(draft, live=live, names={}, tenant=tenant, actor=ACTOR, now=NOW)


def test_a_play_is_worked_off_in_batches_and_a_worker_that_comes_later_goes_on(tenant, played):
    assert (played.done, played.total, played.live_version, played.finished_at) == (0, 4, 1, None)
    assert tenant.id in {one.id for one in find_tenants_with_health_plays()}
    first = next(work_off_health_plays(tenant, now=NOW))
    assert (first.done, first.finished_at) == (1, None)
    last = list(work_off_health_plays(tenant, now=NOW))[-1]
    assert (last.done, last.total, last.finished_at) == (4, 4, NOW)
    assert tenant.id not in {one.id for one in find_tenants_with_health_plays()}
    with tenant_context(tenant.id):
        found = find_health_play(played.draft_id, tenant=tenant)
        whole, _counts = judge_past(
            live_policy(tenant.id), compile_policy(parse_configuration(OWN), 2), {}, tenant=tenant
        )
        assert describe_health_play(found) == whole
        assert sum(one.share.rows for one in whole.live) > 10
        entry = AdministrationEntry.objects.get(action="play_health")
        assert (entry.actor, entry.subject) == (ACTOR.name, str(played.draft_id))
        assert entry.detail == {"revision": 1, "configuration": 1, "customers": 4}


def test_who_asks_again_has_the_play_begun_again_and_of_two_at_once_one_is_left(tenant, played, in_threads):
    next(work_off_health_plays(tenant, now=NOW))

    def ask(_number):
        with tenant_context(tenant.id):
            draft = ConfigurationVersion.objects.get(id=played.draft_id)
            live = live_policy(tenant.id)
            return begin_health_play(draft, live=live, names={}, tenant=tenant, actor=ACTOR, now=NOW).id

    asked = in_threads(4, ask)
    with tenant_context(tenant.id):
        left = HealthPlay.objects.get(draft_id=played.draft_id)
    assert left.id in asked and (left.done, left.sums) == (0, {})


def test_months_of_which_ninety_days_are_not_over_are_left_out():
    assert find_landmarks(NOW, most=3) == [dt.date(2026, 6, 1), dt.date(2026, 7, 1), dt.date(2026, 8, 1)]


def test_looks_at_one_customer_are_not_counted_as_independent():
    """A thousand times a hundred customers, seen twelve times each: the interval holds the risk in 93 to 97%."""
    chance, covered, naive = random.Random(7), 0, 0
    for _ in range(1000):
        looks = [(12, 12 if chance.random() < 0.2 else 0) for _customer in range(100)]
        share = measure_share(
            1200,
            100,
            sum(y for _n, y in looks),
            squares=sum(n * n for n, _y in looks),
            products=sum(n * y for n, y in looks),
            hit_squares=sum(y * y for _n, y in looks),
        )
        covered += share.low <= 0.2 <= share.high
        wrong = measure_share(1200, 1200, share.hits, squares=1200, products=share.hits, hit_squares=share.hits)
        naive += wrong.low <= 0.2 <= wrong.high
    assert 930 <= covered <= 970, covered
    assert naive < 600, naive
    assert asdict(measure_share(0, 0, 0, squares=0, products=0, hit_squares=0)) == {
        "rows": 0, "customers": 0, "hits": 0, "low": None, "high": None
    }  # fmt: skip
    never = measure_share(50, 10, 0, squares=250, products=0, hit_squares=0)
    assert (never.low, round(never.high, 3)) == (0.0, 0.278)
