"""The demo: the same on every machine, believable, provable, and safe to load again."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from uuid_utils.compat import uuid7

from audit.models import AdministrationEntry, LifecycleHistory
from audit.services.chain import row_hash
from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus, EffectRun, Note, Task
from lifecycle.rules.insight.saving import compare_actions
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.health_past import read_health_past
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.demo import loading, scenarios
from lifecycle.services.demo.past_writings import find_past_episodes, plan_past_work
from lifecycle.services.demo.stories import tell_story
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import read_episodes
from lifecycle.services.work.notes import describe_notes
from lifecycle.services.work.renewals import Month, measure_retention, months_before
from lifecycle.services.work.renewed import count_renewed
from lifecycle.services.work.tasks import describe_tasks
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.services.accounts.people import create_tenant
from tenants.services.configuration.policies import live_policy
from tenants.services.configuration.versions import live_version
from tenants.services.directory import find_login
from tests.services.demos import NOW, OWNERS, load, tenant_called, with_slug
from tests.services.sessions import await_end_of_sessions, list_sessions

LOGINS = (
    "viewer@acme.example",
    "manager@acme.example",
    "admin@acme.example",
    "workflow@acme.example",
    "manager@globex.example",
    "admin@globex.example",
    "super@wiseapp.example",
)


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: Any) -> tuple[TenantRef, TenantRef]:
    """Both tenants with 120 customers each, loaded once for all tests here that only look."""
    with django_db_blocker.unblock():
        load("--customers", "120")
        return tenant_called("acme"), tenant_called("globex")


@pytest.fixture
def acme(demo: tuple[TenantRef, TenantRef], db: None) -> TenantRef:
    return demo[0]


# --- what is loaded -----------------------------------------------------------------------------------------------


def test_it_is_refused_when_debug_is_off(db: None) -> None:
    with override_settings(DEBUG=False), pytest.raises(CommandError, match="refused when DEBUG is off"):
        call_command("load_demo", "--customers", "0")


def test_the_logins_of_the_contract_are_there(acme: TenantRef) -> None:
    for username in LOGINS:
        user = find_login(username)
        assert user is not None and user.check_password("demo"), username
    assert find_login("workflow@acme.example").is_service_account  # type: ignore[union-attr]
    assert find_login("super@wiseapp.example").tenant is None  # type: ignore[union-attr]


def test_every_chain_is_whole_and_ends_at_the_status(demo: tuple[TenantRef, TenantRef], db: None) -> None:
    for tenant in demo:
        with tenant_context(tenant.id):
            heads = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "head_hash"))
            assert len(heads) == 120
            last: dict[Any, tuple[int, str, bytes]] = {}
            for row in LifecycleHistory.objects.order_by("customer_id", "sequence").values():
                sequence, stage, head = last.get(row["customer_id"], (0, None, b""))
                assert (row["sequence"], row["from_stage"]) == (sequence + 1, stage)
                assert bytes(row["previous_hash"]) == head
                assert bytes(row["hash"]) == row_hash(row)
                assert row["changed_at"] == row["effective_at"] <= row["recorded_at"]
                last[row["customer_id"]] = row["sequence"], row["to_stage"], bytes(row["hash"])
            assert {customer: bytes(head) for customer, head in heads.items()} == {
                customer: head for customer, (_, _, head) in last.items()
            }


def test_the_status_dates_from_the_last_change_and_not_from_the_loading(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        loaded_at = live_version(acme).published_at  # type: ignore[union-attr]
        assert not CustomerLifecycleStatus.objects.filter(updated_at__gte=loaded_at).exists()
        assert not Customer.objects.filter(created_at__gte=loaded_at).exists()


def test_people_and_parts_of_the_system_have_moved_the_customers(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        rows = list(
            LifecycleHistory.objects.values_list("source", "actor_kind", "changed_by", "reason_code", "to_stage")
        )
    kinds = {(source, kind) for source, kind, *_ in rows}
    assert kinds == {("UI", "user"), ("API", "service"), ("EventListener", "system"), ("Import", "system")}
    assert len({name for source, _, name, *_ in rows if source == "UI"}) > 3
    assert all(reason for *_, reason, stage in rows if stage in ("At-Risk", "Churned"))


def test_contacts_figures_and_renewals_are_there(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        contact = Contact.objects.order_by("id").first()
        assert contact is not None and contact.email.endswith(".example") and " " in contact.name
        today = datetime.now(UTC).date()
        due = BillingFigures.objects.filter(renewal_on__range=(today, today + timedelta(days=90)))
        assert due.count() > 3
        owners = set(Customer.objects.values_list("owner", flat=True))
    assert "manager@acme.example" in owners and len(owners) == 6


def test_people_have_written_about_customers_at_risk(demo: tuple[TenantRef, TenantRef], db: None) -> None:
    for tenant, scenario, word in zip(demo, scenarios.SCENARIOS, (" the ", " die "), strict=True):
        with tenant_context(tenant.id):
            now = live_version(tenant).published_at  # type: ignore[union-attr]
            notes = list(Note.objects.order_by("id"))
            tasks = list(Task.objects.order_by("id"))
            titles = describe_tasks(tasks, tenant=tenant, today=now.date())
            texts = [row["text"] for row in describe_notes(notes, tenant=tenant)] + [row["title"] for row in titles]
        assert notes and any(task.done_at for task in tasks) and any(not task.done_at for task in tasks)
        assert [note.created_at for note in notes] == sorted(note.created_at for note in notes)
        assert any(word in f" {text.lower()} " for text in texts)
        # Each was written while its customer was at risk, then or now.
        for note in notes:
            episodes = at_risk_of(note.customer_id, scenario, tenant)
            assert any(begin <= note.created_at <= (end or now) for begin, end in episodes)
        for task in tasks:
            assert task.created_at <= (task.done_at or now) <= now
            assert task.done_at or -4 < (task.due_on - now.date()).days < 33, task.due_on


def test_a_manager_believes_what_past_months_have_kept_and_renewed(acme: TenantRef) -> None:
    """Contracts were signed when they began, not all in the month in which the demo was loaded."""
    today = datetime.now(UTC).date()
    month = Month(today.year, today.month)
    with tenant_context(acme.id):
        months = months_before(month, 6)
        kept = measure_retention(months, tenant=acme, policy=live_policy(acme.id))
        renewed = [count_renewed(one, tenant=acme) for one in (month, *months)]
    assert {row.month for row in kept} == set(months)
    for row in kept:
        assert 80 <= row.gross <= row.net <= 120, row
    assert any(row.gross < 100 for row in kept) and any(row.net > row.gross for row in kept)
    assert sum(renewed) > 0 and max(renewed) < 120 / 4, renewed


def test_the_line_of_a_score_ends_at_the_score_of_today(acme: TenantRef) -> None:
    """Also of those who were lost: their contract was to be renewed once, and is no longer."""
    now = datetime.now(UTC)
    with tenant_context(acme.id):
        ended = BillingFigures.objects.filter(renewal_on=None).order_by("customer_id")
        ids = list(ended.values_list("customer_id", flat=True)[:12])
        assert len(ids) > 5
        for customer_id in ids:
            past, summary = (read(customer_id, tenant=acme, now=now) for read in (read_health_past, read_summary))
            assert past is not None and summary is not None
            assert past.timestamps[-1].score == summary["health"]["score"], customer_id


def at_risk_of(customer_id: Any, scenario: scenarios.Scenario, tenant: TenantRef) -> list[tuple[Any, Any]]:
    """When the customer was at risk; until None where it still is."""
    with tenant_context(tenant.id):
        rows = LifecycleHistory.objects.filter(customer_id=customer_id).order_by("sequence")
        moves = list(rows.values_list("effective_at", "to_stage"))
    ends = [at for at, _stage in moves[1:]] + [None]
    risky = [scenario.document["categories"][stage] == "risk" for _at, stage in moves]
    return [(at, end) for (at, _stage), end, is_risky in zip(moves, ends, risky, strict=True) if is_risky]


def test_a_manager_believes_what_calling_customers_at_risk_has_brought(
    demo: tuple[TenantRef, TenantRef], db: None
) -> None:
    """Neither everyone nor no one recovers, with a call or without; those who were called recover more often."""
    for tenant, scenario in zip(demo, scenarios.SCENARIOS, strict=True):
        people = {name: system_actor(name) for name in OWNERS}
        by_step: dict[str, list[bool]] = {"called": [], "not called": []}
        for number in range(2000):
            story = tell_story(scenario, number, owners=OWNERS, now=NOW)
            notes, tasks = plan_past_work(scenario, story, uuid7(), tenant=tenant, managers=people)
            written = [one.by.now for one in (*notes, *tasks)]
            assert all(one.by.now < one.done.now < NOW for one in tasks)
            for entered, left in find_past_episodes(scenario, story):
                assert all(at < NOW for at in written)
                week = entered.at + timedelta(days=7)
                if left.at < week:
                    continue
                is_saved = scenario.document["categories"][left.stage] != "lost" and left.at < entered.at + timedelta(
                    days=90
                )
                is_called = any(entered.at <= at < week for at in written)
                by_step["called" if is_called else "not called"].append(is_saved)
        called, left_alone = (sum(found) / len(found) for found in by_step.values())
        assert min(map(len, by_step.values())) > 200
        assert 0.4 < left_alone < called < 0.9
        assert 0.05 < called - left_alone < 0.3


def test_what_was_done_about_customers_at_risk_is_found_by_the_save_rate(acme: TenantRef) -> None:
    keep_facts(acme)
    today = datetime.now(UTC)
    with tenant_context(acme.id):
        stages = Stages.of(live_policy(acme.id), acme)
        period = Period(today.date() - timedelta(days=730), today.date())
        found = compare_actions(read_episodes(period, stages, tenant=acme, now=today))
    shown = {one.action: one.all for one in found if one.reason is None}
    for action in ("nothing", "note", "task", "message", "contact"):
        assert 0 < shown[action].recovered < shown[action].count, action


def test_what_automations_wrote_to_customers_then_is_on_their_timelines(acme: TenantRef) -> None:
    """To each contact, once, ten minutes after the move; of what was moved within the last day they still do."""
    with tenant_context(acme.id):
        moves = {row.id: row for row in LifecycleHistory.objects.all()}
        sent = list(EffectRun.objects.filter(state=EffectRun.DONE, kind="email"))
        waiting = set(EffectRun.objects.exclude(state=EffectRun.DONE).values_list("history_id", flat=True))
        contacts = Counter(Contact.objects.values_list("customer_id", flat=True))
    assert {run.effect for run in sent} == {"Offer help", "Renewal campaign"}
    for run in sent:
        move = moves[run.history_id]
        assert (run.customer_id, run.created_at) == (move.customer_id, move.effective_at)
        assert run.finished_at == move.effective_at + timedelta(minutes=10)
        assert move.effective_at < datetime.now(UTC) - timedelta(days=1)
    helped = [move for move in moves.values() if move.to_stage == "At-Risk" and move.source == "API"]
    helped = [move for move in helped if move.id not in waiting]
    written = Counter(run.history_id for run in sent if run.effect == "Offer help")
    assert len(helped) > 5
    assert written == {move.id: contacts[move.customer_id] for move in helped}


def test_the_administration_log_has_what_was_done_then_in_its_order(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        done = AdministrationEntry.objects.filter(action="complete_task").order_by("id")
        times = list(done.values_list("recorded_at", flat=True))
    past = [at for at in times if at < datetime.now(UTC) - timedelta(days=30)]
    assert len(past) > 20 and past == sorted(past)


def test_what_is_written_about_the_past_takes_no_more_statements_for_more_customers(acme: TenantRef) -> None:
    scenario, people = scenarios.ACME, {name: system_actor(name) for name in OWNERS}
    with tenant_context(acme.id), transaction.atomic():
        ids = dict(Customer.objects.values_list("external_id", "id"))
        taken = []
        for number in (30, 90):
            stories = [tell_story(scenario, index, owners=OWNERS, now=NOW) for index in range(number)]
            with CaptureQueriesContext(connection) as statements:
                loading.write_past(scenario, stories, ids, tenant=acme, managers=people)
            taken.append(len(statements))
            before = Note.objects.count()
        # The other tests here look at what the demo alone has written.
        transaction.set_rollback(True)
    assert before > 30
    assert taken[0] == taken[1] <= 5


def test_only_what_was_moved_within_the_last_day_starts_its_effects(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = with_slug(scenarios.GLOBEX, f"d-{uuid7().hex[-12:]}")
    tenant, cast = loading.prepare_tenant(scenario, now=NOW)
    monkeypatch.setattr(loading, "FRESH", timedelta(days=200))
    list(loading.load_customers(scenario, 40, tenant=tenant, cast=cast, now=NOW))
    with tenant_context(tenant.id):
        started = set(EffectRun.objects.filter(attempts=0).values_list("history_id", flat=True))
        moves = dict(LifecycleHistory.objects.filter(sequence__gt=1).values_list("id", "effective_at"))
    assert started
    assert all(moves[history_id] > NOW - timedelta(days=200) for history_id in started)


def test_the_people_of_the_demo_work_in_teams(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        people = User.objects.filter(tenant_id=acme.id, is_service_account=False)
        teams = Counter(people.values_list("team", flat=True))
    assert teams == {"East": 3, "West": 3, "": 2}


# --- again --------------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_a_larger_one_adds_what_is_missing(acme: TenantRef) -> None:
    with tenant_context(acme.id):
        before = list(LifecycleHistory.objects.order_by("id").values_list("hash", flat=True))
    out = load("--customers", "120")
    assert "acme: 120 customers, nothing to add" in out and "globex: 120 customers, nothing to add" in out
    assert "acme: 120 customers, nothing to add" in load("--customers", "0")
    with tenant_context(acme.id):
        assert list(LifecycleHistory.objects.order_by("id").values_list("hash", flat=True)) == before


def test_a_batch_that_is_interrupted_is_loaded_whole_the_next_time(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = with_slug(scenarios.GLOBEX, f"d-{uuid7().hex[-12:]}")
    tenant, cast = loading.prepare_tenant(scenario, now=NOW)
    monkeypatch.setattr(loading, "BATCH", 20)
    original, calls = loading._move, Counter[str]()

    def fail_once(*arguments: Any, **options: Any) -> None:
        calls["move"] += 1
        if calls["move"] == 15:
            raise KeyboardInterrupt
        original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_move", fail_once)
        with pytest.raises(KeyboardInterrupt):
            list(loading.load_customers(scenario, 60, tenant=tenant, cast=cast, now=NOW))
    assert loading.count_customers(tenant) < 60
    assert loading.count_customers(tenant) % 20 == 0
    list(loading.load_customers(scenario, 60, tenant=tenant, cast=cast, now=NOW))
    assert loading.count_customers(tenant) == 60
    with tenant_context(tenant.id):
        expected = [tell_story(scenario, number, owners=tuple(cast.managers), now=NOW) for number in range(60)]
        assert LifecycleHistory.objects.count() == sum(1 + len(story.moves) for story in expected)


def test_a_killed_load_is_finished_by_the_next(db: None, tmp_path: Path) -> None:
    """A process of its own, killed with -9 while it writes."""
    scenario = with_slug(scenarios.GLOBEX, f"d-{uuid7().hex[-12:]}")
    database = connection.settings_dict["NAME"]
    script = tmp_path / "load.py"
    script.write_text(
        "import django, sys; django.setup()\n"
        "from django.db import connections\n"
        f"for alias in connections: connections[alias].settings_dict['NAME'] = {database!r}\n"
        "from tests.services.demos import NOW, with_slug\n"
        "from lifecycle.services.demo import loading, scenarios\n"
        "loading.BATCH = 25\n"
        f"scenario = with_slug(scenarios.GLOBEX, {scenario.slug!r})\n"
        "tenant, cast = loading.prepare_tenant(scenario, now=NOW)\n"
        "print('ready', flush=True)\n"
        "for progress in loading.load_customers(scenario, 400, tenant=tenant, cast=cast, now=NOW):\n"
        "    print(progress.done, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "DJANGO_SETTINGS_MODULE": "config.settings"}
    before = list_sessions()
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    while "ready" not in (line := process.stdout.readline()):
        assert line or process.poll() is None
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # A batch whose end it had sent is written by then, and not while the next load looks for what is missing.
    await_end_of_sessions(but=before)
    tenant, cast = loading.prepare_tenant(scenario, now=NOW)
    list(loading.load_customers(scenario, 400, tenant=tenant, cast=cast, now=NOW))
    with tenant_context(tenant.id):
        assert Customer.objects.count() == CustomerLifecycleStatus.objects.count() == 400


def test_a_tenant_with_another_lifecycle_is_left_alone(db: None) -> None:
    scenario = with_slug(scenarios.GLOBEX, f"d-{uuid7().hex[-12:]}")
    tenant = create_tenant(slug=scenario.slug, name="Somebody's own", actor=system_actor("tests"), now=NOW)
    with tenant_context(tenant.id):
        publish_configuration({"stages": ["One", "Two"]}, tenant=tenant, actor=system_actor("tests"), now=NOW)
    found, cast = loading.prepare_tenant(scenario, now=NOW)
    assert found == tenant
    with pytest.raises(loading.DemoRefused, match="is no longer the demo's, so no customers can be added"):
        list(loading.load_customers(scenario, 5, tenant=tenant, cast=cast, now=NOW))
    assert loading.count_customers(tenant) == 0


def test_the_number_of_customers_must_be_one(db: None) -> None:
    for text in ("-1", "many", "9999999"):
        with pytest.raises(CommandError, match="is not a whole number from 0 to 200000"):
            load(f"--customers={text}")
