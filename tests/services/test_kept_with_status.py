"""The latest note and the open tasks of a customer are kept with its status by the database, however they come."""

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.state import ProjectState

from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.insight import sums
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.services.kept_with_status import ACTOR, NOTES, TASKS, people, wait_until_someone_waits

__all__ = ["people"]

pytestmark = pytest.mark.parametrize("kept", [NOTES, TASKS], ids=["notes", "tasks"])


def test_other_words_write_no_status(tenant, people, kept):
    one = kept.write(tenant, people["Ann"], 3)

    def place_of_row():
        with tenant_context(tenant.id), connection.cursor() as cursor:
            cursor.execute(
                "SELECT ctid::text FROM customer_lifecycle_status WHERE customer_id = %s", [people["Ann"].id]
            )
            return cursor.fetchone()

    before = place_of_row()
    with tenant_context(tenant.id):
        kept.reword(tenant, people["Ann"], one)
    assert place_of_row() == before
    kept.write(tenant, people["Ann"], 1)
    assert place_of_row() != before


def test_of_two_at_once_both_are_seen_whichever_is_committed_first(tenant, people, in_threads, kept):
    """The second waits for the first at the status, and then sees both."""
    first_wrote = threading.Event()

    def write(days):
        with tenant_context(tenant.id):
            if days == 5:
                assert first_wrote.wait(60)
            kept.row(tenant, people["Ann"], days).save(force_insert=True)
            if days == 1:
                first_wrote.set()
                wait_until_someone_waits()

    assert in_threads(2, lambda number: write((1, 5)[number])) == [None, None]
    assert kept.read(tenant)["Ann"] == kept.of(1, 5)


def test_nothing_is_kept_of_who_is_erased(tenant, people, kept):
    kept.write(tenant, people["Ann"], 2)
    kept.write(tenant, people["Bob"], 3)
    with tenant_context(tenant.id):
        erase_customer(people["Ann"].external_id, tenant=tenant, actor=ACTOR, reason="Asked", now=utc_now())
    left = kept.read(tenant)
    assert [left.pop(name) for name in ("Bob", "Cyd")] == [kept.of(3), None]
    assert list(left.values()) == [None], "whatever the one who is erased is called"
    assert sums.find_wrong_sums(tenant) == {}


def test_the_migration_fills_it_for_what_was_there_before_however_often_it_is_begun(
    tenant, other_tenant, people, monkeypatch, kept
):
    monkeypatch.setitem(kept.migration.operations[0].code.__globals__, "BATCH", 1)
    eve = CustomerFactory(tenant=other_tenant, name="Eve", stage="Trial")
    for of, customer, days in ((tenant, people["Ann"], 5), (tenant, people["Cyd"], 6), (other_tenant, eve, 7)):
        kept.write(of, customer, days)
        kept.spoil(of, None)
    for _run in range(2):
        with connections["owner"].schema_editor(atomic=kept.migration.atomic) as editor:
            kept.migration.apply(ProjectState(), editor)
        assert kept.read(tenant) == {"Ann": kept.of(5), "Bob": None, "Cyd": kept.of(6)}
        assert kept.read(other_tenant) == {"Eve": kept.of(7)}


def test_one_that_is_wrong_is_found_and_made_right(tenant, people, kept):
    kept.write(tenant, people["Ann"], 5)
    for name in ("Ann", "Bob"):
        kept.spoil(tenant, kept.of(1), customer=people[name].id)
    call_command("rebuild_facts", tenant=tenant.slug, stdout=StringIO())
    assert kept.read(tenant) == {"Ann": kept.of(5), "Bob": None, "Cyd": None}
    kept.spoil(tenant, None, customer=people["Ann"].id)
    out = StringIO()
    with pytest.raises(CommandError, match="differs"):
        call_command("rebuild_facts", tenant=tenant.slug, check=True, stdout=out)
    assert kept.differs in out.getvalue()
    assert kept.read(tenant)["Ann"] is None, "a check writes nothing"
