"""When the open tasks about a customer are due is kept with the status, by whatever way tasks come and go."""

import threading
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.state import ProjectState

from lifecycle.models import CustomerLifecycleStatus, Task
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.demo.past_work import PastTask, keep_past_work
from lifecycle.services.insight import sums
from lifecycle.services.work.notes import By
from lifecycle.services.work.tasks import change_task, create_task
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.services.acts import move
from tests.services.test_latest_notes import wait_until_someone_waits

ACTOR = system_actor("tests")
MIGRATION = import_module("lifecycle.migrations.0053_open_tasks_before").Migration(
    "0053_open_tasks_before", "lifecycle"
)


def day(days):
    return utc_now().date() + timedelta(days=days)


def add(tenant, customer, days):
    with tenant_context(tenant.id):
        due = None if days is None else day(days)
        return create_task(customer.id, "Call", by=By(tenant, ACTOR, utc_now()), due_on=due)["id"]


def made(tenant, customer, days):
    return Task(
        tenant_id=tenant.id,
        customer_id=customer.id,
        title=b"x",
        due_on=day(days),
        due_key=day(days),
        created_at=utc_now(),
        created_by="tests",
    )


def change(tenant, customer, task, **more):
    with tenant_context(tenant.id):
        change_task(task, customer_id=customer.id, by=By(tenant, ACTOR, utc_now()), **more)


def due(tenant):
    """Name -> when its open tasks are due, as it is kept."""
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer__name", "open_due"))


@pytest.fixture
def people(tenant):
    return {name: CustomerFactory(tenant=tenant, name=name) for name in ("Ann", "Bob", "Cyd")}


def test_open_tasks_count_by_the_day_they_are_due_and_those_without_a_day_do_not(tenant, people):
    assert due(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    for name, days in (("Ann", 5), ("Ann", -2), ("Ann", 5), ("Ann", None), ("Bob", None)):
        add(tenant, people[name], days)
    assert due(tenant) == {"Ann": [day(-2), day(5), day(5)], "Bob": None, "Cyd": None}
    assert sums.find_wrong_sums(tenant) == {}


def test_what_is_done_counts_no_more_until_it_is_reopened_and_what_is_put_off_counts_on_its_new_day(tenant, people):
    ann = people["Ann"]
    first, second = add(tenant, ann, -1), add(tenant, ann, 3)
    change(tenant, ann, first, done=True)
    assert due(tenant)["Ann"] == [day(3)]
    change(tenant, ann, second, due_on=day(9))
    assert due(tenant)["Ann"] == [day(9)]
    change(tenant, ann, first, done=False, due_on=day(2))
    assert due(tenant)["Ann"] == [day(2), day(9)]
    change(tenant, ann, first, due_on=None)
    change(tenant, ann, second, done=True)
    assert due(tenant)["Ann"] is None
    assert sums.find_wrong_sums(tenant) == {}


def test_another_title_writes_no_status(tenant, people):
    task = add(tenant, people["Ann"], 3)

    def place_of_row():
        with tenant_context(tenant.id), connection.cursor() as cursor:
            cursor.execute(
                "SELECT ctid::text FROM customer_lifecycle_status WHERE customer_id = %s", [people["Ann"].id]
            )
            return cursor.fetchone()

    before = place_of_row()
    change(tenant, people["Ann"], task, title="Call twice")
    assert place_of_row() == before
    change(tenant, people["Ann"], task, done=True)
    assert place_of_row() != before


def test_the_tasks_of_many_customers_are_kept_by_one_statement_and_those_of_a_past_are_done(tenant, people):
    by = By(tenant, ACTOR, utc_now() - timedelta(days=9), is_backdated=True)
    past = [PastTask(people[name].id, "Call", by, due_on=day(-8), done=by) for name in ("Ann", "Bob")]
    with tenant_context(tenant.id):
        keep_past_work([], past, tenant=tenant)
    assert due(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    with tenant_context(tenant.id):
        Task.objects.bulk_create(
            made(tenant, people[name], days) for name, days in (("Ann", -3), ("Cyd", 4), ("Ann", -5))
        )
    assert due(tenant) == {"Ann": [day(-5), day(-3)], "Bob": None, "Cyd": [day(4)]}


def test_two_who_finish_tasks_of_one_customer_at_once_and_one_who_moves_it_wait_for_each_other_and_lose_nothing(
    tenant, people, in_threads
):
    ann = people["Ann"]
    tasks = [add(tenant, ann, days) for days in (1, 2, 3)]
    moved = threading.Event()

    def work(number):
        if number == 0:
            with tenant_context(tenant.id):
                move(tenant, ann, "Active")
                moved.set()
                wait_until_someone_waits()
        else:
            assert moved.wait(60)
            change(tenant, ann, tasks[number], done=True)

    assert in_threads(3, work) == [None, None, None]
    assert due(tenant)["Ann"] == [day(1)]
    assert sums.find_wrong_sums(tenant) == {}


def test_of_two_tasks_at_once_both_are_kept_whichever_is_committed_first(tenant, people, in_threads):
    """The second waits for the first at the status, and then sees both."""
    first_wrote = threading.Event()

    def keep(days):
        with tenant_context(tenant.id):
            if days == 5:
                assert first_wrote.wait(60)
            made(tenant, people["Ann"], days).save(force_insert=True)
            if days == 1:
                first_wrote.set()
                wait_until_someone_waits()

    assert in_threads(2, lambda number: keep((1, 5)[number])) == [None, None]
    assert due(tenant)["Ann"] == [day(1), day(5)]


def test_who_is_erased_has_no_open_tasks(tenant, people):
    add(tenant, people["Ann"], 2)
    add(tenant, people["Bob"], 3)
    with tenant_context(tenant.id):
        erase_customer(people["Ann"].external_id, tenant=tenant, actor=ACTOR, reason="Asked", now=utc_now())
        kept = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "open_due"))
    assert kept[people["Bob"].id] == [day(3)] and kept[people["Cyd"].id] is None
    assert sums.find_wrong_sums(tenant) == {}


def test_the_migration_fills_it_for_tasks_that_were_there_before_however_often_it_is_begun(
    tenant, other_tenant, people, monkeypatch
):
    monkeypatch.setitem(MIGRATION.operations[0].code.__globals__, "BATCH", 1)
    eve = CustomerFactory(tenant=other_tenant, name="Eve", stage="Trial")
    for of, customer, days in ((tenant, people["Ann"], 5), (tenant, people["Cyd"], 6), (other_tenant, eve, 7)):
        add(of, customer, days)
        with tenant_context(of.id):
            CustomerLifecycleStatus.objects.update(open_due=None)
    for _run in range(2):
        with connections["owner"].schema_editor(atomic=MIGRATION.atomic) as editor:
            MIGRATION.apply(ProjectState(), editor)
        assert due(tenant) == {"Ann": [day(5)], "Bob": None, "Cyd": [day(6)]}
        assert due(other_tenant) == {"Eve": [day(7)]}


def test_one_that_is_wrong_is_found_and_made_right(tenant, people):
    add(tenant, people["Ann"], 5)
    with tenant_context(tenant.id):
        CustomerLifecycleStatus.objects.filter(customer=people["Ann"].id).update(open_due=[day(6)])
        CustomerLifecycleStatus.objects.filter(customer=people["Bob"].id).update(open_due=[day(1)])
    call_command("rebuild_facts", tenant=tenant.slug, stdout=StringIO())
    assert due(tenant) == {"Ann": [day(5)], "Bob": None, "Cyd": None}
    with tenant_context(tenant.id):
        CustomerLifecycleStatus.objects.filter(customer=people["Ann"].id).update(open_due=None)
    out = StringIO()
    with pytest.raises(CommandError, match="differs"):
        call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=out)
    assert "sums that differ: 1 open tasks" in out.getvalue()
    assert due(tenant)["Ann"] is None, "a check writes nothing"
