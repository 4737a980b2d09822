"""When the latest note about a customer was written is kept with the status, by whatever way notes come and go."""

import threading
import time
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.state import ProjectState

from lifecycle.models import CustomerLifecycleStatus, Note
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.demo.past_work import PastNote, keep_past_work
from lifecycle.services.insight import sums
from lifecycle.services.work.notes import By, delete_note, edit_note, write_note
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now

ACTOR = system_actor("tests")
MIGRATION = import_module("lifecycle.migrations.0041_latest_notes").Migration("0041_latest_notes", "lifecycle")


def ago(days):
    return utc_now().replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=days)


def by(tenant, days):
    return By(tenant, ACTOR, ago(days), is_backdated=True)


def write(tenant, customer, days):
    with tenant_context(tenant.id):
        return write_note(customer.id, "Called.", by=by(tenant, days)).note["id"]


def latest(tenant):
    """Name -> when the latest note was written, as it is kept."""
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer__name", "noted_at"))


def wait_until_someone_waits():
    """Until another process of this database waits for a lock."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.1)
    raise AssertionError("no one waits")


@pytest.fixture
def people(tenant):
    return {name: CustomerFactory(tenant=tenant, name=name) for name in ("Ann", "Bob", "Cyd")}


def test_the_latest_note_counts_in_whatever_order_they_are_written(tenant, people):
    assert latest(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    for name, days in (("Ann", 5), ("Ann", 2), ("Ann", 9), ("Bob", 30)):
        write(tenant, people[name], days)
    assert latest(tenant) == {"Ann": ago(2), "Bob": ago(30), "Cyd": None}
    assert sums.find_wrong_sums(tenant) == {}


def test_a_deleted_note_counts_no_more_and_an_edited_one_as_of_when_it_was_written(tenant, people):
    write(tenant, people["Ann"], 9)
    note = write(tenant, people["Ann"], 2)
    with tenant_context(tenant.id):
        edit_note(note, "Called twice.", customer_id=people["Ann"].id, by=by(tenant, 1))
    assert latest(tenant)["Ann"] == ago(2)
    for expected in (ago(9), None):
        with tenant_context(tenant.id):
            left = Note.objects.filter(deleted_at=None).latest("created_at")
            delete_note(left.id, customer_id=people["Ann"].id, by=by(tenant, 0))
        assert latest(tenant)["Ann"] == expected
    assert sums.find_wrong_sums(tenant) == {}


def test_an_edit_writes_no_status(tenant, people):
    note = write(tenant, people["Ann"], 2)

    def place_of_row():
        with tenant_context(tenant.id), connection.cursor() as cursor:
            cursor.execute(
                "SELECT ctid::text FROM customer_lifecycle_status WHERE customer_id = %s", [people["Ann"].id]
            )
            return cursor.fetchone()

    before = place_of_row()
    with tenant_context(tenant.id):
        edit_note(note, "Called twice.", customer_id=people["Ann"].id, by=by(tenant, 1))
    assert place_of_row() == before
    write(tenant, people["Ann"], 1)
    assert place_of_row() != before


def test_the_notes_of_a_past_are_kept_by_one_statement_for_all_customers(tenant, people):
    past = [
        PastNote(people[name].id, "Called.", by(tenant, days)) for name, days in (("Ann", 8), ("Bob", 4), ("Ann", 7))
    ]
    with tenant_context(tenant.id):
        keep_past_work(past, [], tenant=tenant)
    assert latest(tenant) == {"Ann": ago(7), "Bob": ago(4), "Cyd": None}


def test_of_two_notes_at_once_the_later_one_is_kept_though_the_earlier_one_is_committed_last(
    tenant, people, in_threads
):
    """The second waits for the first at the status, and then sees both."""
    first_wrote = threading.Event()

    def keep(days):
        with tenant_context(tenant.id):
            if days == 5:
                assert first_wrote.wait(60)
            Note.objects.create(
                tenant_id=tenant.id, customer_id=people["Ann"].id, created_at=ago(days), created_by="tests"
            )
            if days == 1:
                first_wrote.set()
                wait_until_someone_waits()

    assert in_threads(2, lambda number: keep((1, 5)[number])) == [None, None]
    assert latest(tenant)["Ann"] == ago(1)


def test_who_is_erased_has_no_latest_note(tenant, people):
    write(tenant, people["Ann"], 2)
    write(tenant, people["Bob"], 3)
    with tenant_context(tenant.id):
        erase_customer(people["Ann"].external_id, tenant=tenant, actor=ACTOR, reason="Asked", now=utc_now())
        kept = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "noted_at"))
    assert kept == {people["Ann"].id: None, people["Bob"].id: ago(3), people["Cyd"].id: None}
    assert sums.find_wrong_sums(tenant) == {}


def test_the_migration_fills_it_for_notes_that_were_there_before_however_often_it_is_begun(
    tenant, other_tenant, people, monkeypatch
):
    monkeypatch.setitem(MIGRATION.operations[0].code.__globals__, "BATCH", 1)
    eve = CustomerFactory(tenant=other_tenant, name="Eve", stage="Trial")
    for of, customer, days in ((tenant, people["Ann"], 5), (tenant, people["Cyd"], 6), (other_tenant, eve, 7)):
        write(of, customer, days)
        with tenant_context(of.id):
            CustomerLifecycleStatus.objects.update(noted_at=None)
    for _run in range(2):
        with connections["owner"].schema_editor(atomic=MIGRATION.atomic) as editor:
            MIGRATION.apply(ProjectState(), editor)
        assert latest(tenant) == {"Ann": ago(5), "Bob": None, "Cyd": ago(6)}
        assert latest(other_tenant) == {"Eve": ago(7)}


def test_one_that_is_wrong_is_found_and_made_right(tenant, people):
    write(tenant, people["Ann"], 5)
    with tenant_context(tenant.id):
        CustomerLifecycleStatus.objects.filter(customer=people["Ann"].id).update(noted_at=ago(1))
        CustomerLifecycleStatus.objects.filter(customer=people["Bob"].id).update(noted_at=ago(1))
    out = StringIO()
    call_command("rebuild_facts", tenant=tenant.slug, stdout=StringIO())
    assert latest(tenant) == {"Ann": ago(5), "Bob": None, "Cyd": None}
    with tenant_context(tenant.id):
        CustomerLifecycleStatus.objects.filter(customer=people["Ann"].id).update(noted_at=None)
    with pytest.raises(CommandError, match="differs"):
        call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=out)
    assert "sums that differ: 1 latest notes" in out.getvalue()
    assert latest(tenant)["Ann"] is None, "a check writes nothing"
