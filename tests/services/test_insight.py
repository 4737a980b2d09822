"""What is kept for figures is what the history says: kept bit by bit, made again, and after it was tampered with."""

import datetime as dt
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audit.models import LifecycleHistory
from lifecycle.management.commands import rebuild_facts as command
from lifecycle.models import InsightFact, SegmentFact, Stay
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight import working
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.sums import find_wrong_sums, replace_sums
from lifecycle.services.insight.turns import take_turn
from lifecycle.services.transitions.apply import Call, apply, place
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory

ACTOR = system_actor("tests")
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
# Day -> stage, in the order in which they are recorded: clocks differ, and one goes back.
STORIES = {
    "ann": [(0, "Prospect"), (3, "Onboarded"), (20, "Active"), (50, "At-Risk"), (60, "Active")],
    "bob": [(1, "Prospect"), (1, "Churned"), (40, "Prospect"), (39.5, "Active")],
    "cyd": [(10, "Onboarded"), (45, "At-Risk"), (70, "Churned")],
    "dan": [(33, "Prospect")],
}
REPORTS = {"ann": [(2, 100, "EUR"), (30, 150, "EUR"), (50, 120, "USD")], "cyd": [(44, 70, "EUR")]}


def at(days):
    return START + dt.timedelta(days=days)


def tell(tenant, stories=STORIES, reports=REPORTS):
    """The customers of these stories, by name."""
    made = {name: CustomerFactory(tenant=tenant, name=name, stage=None) for name in stories}
    with tenant_context(tenant.id):
        for name, story in stories.items():
            for number, (days, stage) in enumerate(story):
                step(tenant, made[name], days, stage, first=number == 0)
        for name, reported in reports.items():
            for days, arr, currency in reported:
                say(tenant, made[name], days, arr, currency)
    return made


def step(tenant, customer, days, stage, *, first=False, source="Import"):
    change = Change(customer_id=customer.id, stage=stage, reason_code=f"{stage}!", effective_at=at(days))
    (outcome,) = (place if first else apply)(Call(tenant, ACTOR, source, NOW), [change], backdated=True)
    assert outcome.moved, outcome


def say(tenant, customer, days, arr, currency):
    fact = CustomerFacts(customer.external_id, "/billing", at(days), billing={"arr": str(arr), "currency": currency})
    record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)


def kept(tenant):
    """Everything that is kept, but for when it was recorded."""
    with tenant_context(tenant.id):
        return (
            sorted(Stay.objects.filter(tenant_id=tenant.id).values_list(), key=str),
            sorted(InsightFact.objects.filter(tenant_id=tenant.id).values_list(), key=str),
            sorted(SegmentFact.objects.filter(tenant_id=tenant.id).values_list(), key=str),
        )


def standing(tenant, day):
    """Stage -> how many stood there at the end of the day, by the daily facts."""
    with tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT from_stage, to_stage, customers FROM lifecycle_insight_fact"
            " WHERE tenant_id = %s AND kind = 'flow' AND day <= %s",
            [tenant.id, day],
        )
        found = Counter()
        for came_from, went_to, customers in cursor.fetchall():
            found[went_to] += customers
            found[came_from] -= customers
    return {stage: count for stage, count in found.items() if count and stage}


def replayed(tenant, day):
    """The same by the history itself, row by row."""
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    with tenant_context(tenant.id):
        rows = list(LifecycleHistory.objects.filter(tenant_id=tenant.id).order_by("customer_id", "sequence"))
    latest, stands = {}, {}
    for row in rows:
        latest[row.customer_id] = max(latest.get(row.customer_id, row.effective_at), row.effective_at)
        if latest[row.customer_id] < end:
            stands[row.customer_id] = f"0:{row.to_stage}"
    return Counter(stands.values())


def test_the_facts_say_of_every_day_what_a_replay_of_the_history_says(tenant):
    tell(tenant)
    assert keep_facts(tenant) == 4 and keep_facts(tenant) == 0
    for days in range(-1, 75):
        day = at(days).date()
        assert standing(tenant, day) == replayed(tenant, day), day


def test_kept_bit_by_bit_they_are_what_a_rebuild_makes_of_everything(tenant):
    customers = {name: CustomerFactory(tenant=tenant, name=name, stage=None) for name in STORIES}
    with tenant_context(tenant.id):
        for name in STORIES:
            step(tenant, customers[name], *STORIES[name][0], first=True)
    for round_ in range(1, 5):
        for name, story in STORIES.items():
            with tenant_context(tenant.id):
                if round_ < len(story):
                    step(tenant, customers[name], *story[round_])
                if round_ <= len(REPORTS.get(name, [])):
                    say(tenant, customers[name], *REPORTS[name][round_ - 1])
        keep_facts(tenant)
    bit_by_bit = kept(tenant)
    assert [progress.different for progress in rebuild_facts(tenant)][-1] == 0
    assert not find_wrong_sums(tenant)
    with tenant_context(tenant.id):
        Stay.objects.filter(tenant_id=tenant.id).delete()
        InsightFact.objects.filter(tenant_id=tenant.id).delete()
        SegmentFact.objects.filter(tenant_id=tenant.id).delete()
    assert [progress.different for progress in rebuild_facts(tenant)][-1] == 4
    replace_sums(tenant)
    assert kept(tenant) == bit_by_bit


def test_the_check_finds_what_somebody_changed_writes_nothing_and_a_rebuild_puts_it_right(tenant, monkeypatch):
    monkeypatch.setattr(command, "AGAIN_SECONDS", (0.0,))
    customers = tell(tenant)
    keep_facts(tenant)
    whole = kept(tenant)
    call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=(said := StringIO()))
    assert said.getvalue().splitlines()[-1] == f"{tenant.slug}: 4 customers, 0 differ; sums that differ: none"
    with tenant_context(tenant.id):
        Stay.objects.filter(tenant_id=tenant.id, customer_id=customers["ann"].id, sequence=2).update(arr=7)
        InsightFact.objects.filter(tenant_id=tenant.id, kind="flow", to_stage="0:Churned").update(customers=5)
    broken = kept(tenant)
    with pytest.raises(CommandError, match="differs from the history"):
        call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=(said := StringIO()))
    differ = "2 flow, 1 value, 1 value by segment"
    assert said.getvalue().splitlines()[-1] == f"{tenant.slug}: 4 customers, 1 differ; sums that differ: {differ}"
    assert kept(tenant) == broken
    call_command("rebuild_facts", tenant=tenant.slug, stdout=StringIO())
    call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=StringIO())
    assert kept(tenant) == whole


def test_who_is_written_to_as_the_check_looks_is_behind_and_does_not_differ(tenant, monkeypatch):
    customers = tell(tenant)
    keep_facts(tenant)
    with tenant_context(tenant.id):
        step(tenant, customers["dan"], 90, "Churned")
        Stay.objects.filter(tenant_id=tenant.id, customer_id=customers["ann"].id, sequence=2).update(arr=7)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        keep_facts(tenant)

    # Not the sleep of all threads: those that watch the tests sleep, too.
    monkeypatch.setattr("lifecycle.services.insight.keeping.time", SimpleNamespace(sleep=wait))
    found = [one.different for one in rebuild_facts(tenant, write=False, again=(1.0, 2.0))]
    assert (found, waits) == ([0, 2, 1, 1], [1.0, 2.0])
    for _ in rebuild_facts(tenant):
        pass
    assert [one.different for one in rebuild_facts(tenant, write=False, again=(1.0,))] == [0, 0]
    assert waits == [1.0, 2.0]


def test_a_stage_keeps_its_figures_under_a_new_name_and_a_publication_s_moves_are_no_one_s_own(tenant):
    customers = tell(tenant)
    keep_facts(tenant)
    before = standing(tenant, at(70).date())
    document = {**MINIMAL, "stages": ["Prospect", "Onboarded", "Live", "At-Risk", "Churned"]}
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=ACTOR, now=NOW, renamed={"Active": "Live"})
        step(tenant, customers["dan"], 90, "Live", source="Configuration")
    keep_facts(tenant)
    assert standing(tenant, at(70).date()) == before
    assert standing(tenant, at(91).date()) == {"0:Active": 3, "0:Churned": 1}
    with tenant_context(tenant.id):
        assert InsightFact.objects.get(kind="flow", number=1).customers == 1
        censored = InsightFact.objects.filter(kind="stay", to_stage="").values_list("from_stage", "number", "customers")
        assert list(censored) == [("0:Prospect", 57, 1)]


def test_the_value_of_a_day_is_what_was_reported_by_then_and_before_the_first_report_that_one(tenant):
    tell(tenant)
    keep_facts(tenant)
    money = defaultdict(Decimal)
    with tenant_context(tenant.id):
        for fact in InsightFact.objects.filter(kind__in=("flow", "value"), day__lte=at(49).date()):
            money[fact.to_stage, fact.label] += fact.arr
            if fact.kind == "flow":
                money[fact.from_stage, fact.label] -= fact.arr
    assert {key: arr for key, arr in money.items() if arr and key[0]} == {
        ("0:Active", "EUR"): 150,
        ("0:At-Risk", "EUR"): 70,
    }


def test_erased_nothing_is_left_of_the_past_of_a_customer_s_revenue_and_the_moves_still_count(tenant):
    customers = tell(tenant)
    keep_facts(tenant)
    with tenant_context(tenant.id):
        erase_customer(customers["ann"].external_id, tenant=tenant, actor=ACTOR, reason="asked", now=NOW)
        stays = Stay.objects.filter(customer_id=customers["ann"].id)
        # Only what Billing says now, which is about the company, is left.
        assert set(stays.values_list("arr", "currency")) == {(Decimal(120), "USD")}
    for days in (5, 50, 74):
        assert standing(tenant, at(days).date()) == replayed(tenant, at(days).date())
    assert [progress.different for progress in rebuild_facts(tenant, write=False)][-1] == 0
    assert not find_wrong_sums(tenant)


def test_one_tenant_s_facts_are_not_another_s(tenant, other_tenant):
    tell(tenant)
    keep_facts(tenant)
    with tenant_context(other_tenant.id):
        assert not Stay.objects.exists() and not InsightFact.objects.exists()


def test_a_tenant_whose_stays_someone_else_makes_for_minutes_holds_up_no_other(tenant, other_tenant, monkeypatch):
    tell(tenant)
    tell(other_tenant, {"eve": [(0, "Trial")]}, {})
    monkeypatch.setattr(working, "PAUSE_SECONDS", 0)
    worker = working.FactWorker(lambda: [tenant, other_tenant])

    def look():
        while worker.work(enough=lambda: False):
            pass

    def look_beside():
        try:
            look()
        finally:
            connections.close_all()

    with tenant_context(tenant.id), ThreadPoolExecutor(1) as beside:
        take_turn(tenant)
        beside.submit(look_beside).result(timeout=50)
    assert standing(other_tenant, at(1).date()) == {"0:Trial": 1}
    assert not standing(tenant, at(1).date())
    look()
    assert standing(tenant, at(1).date())


def test_the_worker_goes_from_tenant_to_tenant_and_one_that_fails_holds_up_no_other(tenant, other_tenant, monkeypatch):
    tell(other_tenant, {"eve": [(0, "Trial")]}, {})
    monkeypatch.setattr(working, "PAUSE_SECONDS", 0)

    def keep(who, **given):
        if who == tenant:
            raise ValueError("its history cannot be read")
        return keep_facts(who, **given)

    monkeypatch.setattr(working, "keep_facts", keep)
    worker = working.FactWorker(lambda: [tenant, other_tenant])
    while worker.work(enough=lambda: False):
        pass
    assert standing(other_tenant, at(1).date()) == {"0:Trial": 1} and not standing(tenant, at(1).date())


def test_effects_are_counted_once_all_stays_and_then_all_episodes_were_looked_at(tenant, monkeypatch):
    """A load of the past, or a mover that was away for months, has effects that are over and in no episode yet."""
    monkeypatch.setattr(working, "PAUSE_SECONDS", 0)
    stays = working.FactWorker(lambda: [tenant], lambda *_, **__: 0)
    episodes = working.FactWorker(lambda: [tenant], lambda *_, **__: 0)
    effects = working.CountedEffects(stays, episodes)
    seen = [effects.are_counted()]
    for worker in (episodes, episodes, stays):
        assert worker.work(enough=lambda: False) is False
        seen.append(effects.are_counted())
    assert not any(seen), "the stays have just come"
    episodes.work(enough=lambda: False)
    assert not effects.are_counted(), "that round may have begun before"
    episodes.work(enough=lambda: False)
    assert effects.are_counted() and effects.are_counted()
