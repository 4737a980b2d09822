"""Notes and tasks in the export of a customer's data, and their end with its erasure."""

import datetime as dt
from collections import defaultdict
from typing import Any
from uuid import UUID

from lifecycle.models import Note, NoteVersion, Task
from lifecycle.services.work.notes import describe_notes, open_versions
from lifecycle.services.work.tasks import describe_tasks
from tenants.actors import TenantRef

Json = dict[str, Any]


def export_work(customer_id: UUID, *, tenant: TenantRef, today: dt.date) -> Json:
    """``notes`` with what they said before, and ``tasks``, all in clear, the earliest first."""
    of_customer = {"tenant_id": tenant.id, "customer_id": customer_id}
    notes = list(Note.objects.filter(**of_customer).order_by("id"))
    versions = list(
        NoteVersion.objects.filter(tenant_id=tenant.id, note_id__in=[note.id for note in notes]).order_by("number")
    )
    texts = open_versions(versions, customer_id, tenant)
    by_note: dict[UUID, list[Json]] = defaultdict(list)
    for one in versions:
        by_note[one.note_id].append({"number": one.number, "text": texts[one.id], "written_at": one.written_at})
    tasks = list(Task.objects.filter(**of_customer).order_by("id"))
    return {
        "notes": [{**note, "versions": by_note[note["id"]]} for note in describe_notes(notes, tenant=tenant)],
        "tasks": describe_tasks(tasks, tenant=tenant, today=today),
    }


def erase_work(tenant_id: UUID, customer_id: UUID) -> int:
    """Delete every note and task about the customer; how many. The administration log keeps that they were there."""
    of_customer = {"tenant_id": tenant_id, "customer_id": customer_id}
    ids = list(Note.objects.filter(**of_customer).values_list("id", flat=True))
    NoteVersion.objects.filter(tenant_id=tenant_id, note_id__in=ids).delete()
    notes, _ = Note.objects.filter(**of_customer).delete()
    tasks, _ = Task.objects.filter(**of_customer).delete()
    return notes + tasks
