"""When the latest note about a customer was written is kept with the status, by whatever way notes come and go.

What notes and tasks have in common is in ``test_kept_with_status``.
"""

from lifecycle.models import Note
from lifecycle.services.demo.past_work import PastNote, keep_past_work
from lifecycle.services.insight import sums
from lifecycle.services.work.notes import delete_note, edit_note
from tenants.context import tenant_context
from tests.services.kept_with_status import NOTES, ago, by, people, write_a_note

__all__ = ["people"]


def test_the_latest_note_counts_in_whatever_order_they_are_written(tenant, people):
    assert NOTES.read(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    for name, days in (("Ann", 5), ("Ann", 2), ("Ann", 9), ("Bob", 30)):
        write_a_note(tenant, people[name], days)
    assert NOTES.read(tenant) == {"Ann": ago(2), "Bob": ago(30), "Cyd": None}
    assert sums.find_wrong_sums(tenant) == {}


def test_a_deleted_note_counts_no_more_and_an_edited_one_as_of_when_it_was_written(tenant, people):
    write_a_note(tenant, people["Ann"], 9)
    note = write_a_note(tenant, people["Ann"], 2)
    with tenant_context(tenant.id):
        edit_note(note, "Called twice.", customer_id=people["Ann"].id, by=by(tenant, 1))
    assert NOTES.read(tenant)["Ann"] == ago(2)
    for expected in (ago(9), None):
        with tenant_context(tenant.id):
            left = Note.objects.filter(deleted_at=None).latest("created_at")
            delete_note(left.id, customer_id=people["Ann"].id, by=by(tenant, 0))
        assert NOTES.read(tenant)["Ann"] == expected
    assert sums.find_wrong_sums(tenant) == {}


def test_the_notes_of_a_past_are_kept_by_one_statement_for_all_customers(tenant, people):
    past = [
        PastNote(people[name].id, "Called.", by(tenant, days)) for name, days in (("Ann", 8), ("Bob", 4), ("Ann", 7))
    ]
    with tenant_context(tenant.id):
        keep_past_work(past, [], tenant=tenant)
    assert NOTES.read(tenant) == {"Ann": ago(7), "Bob": ago(4), "Cyd": None}
