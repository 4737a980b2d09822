"""Notes and tasks that were written elsewhere, long ago: many at once, each with its rows in the administration log."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from audit.services.administration import record_dated
from audit.services.keys import ensure_keys
from lifecycle.models import Note, Task
from lifecycle.services.work.encryption import Keys
from lifecycle.services.work.notes import By, describe_step, read_text
from lifecycle.services.work.tasks import read_title
from storage import cipher
from tenants.actors import TenantRef

_BATCH: Final = 1000
# What was done with which note or task, which version it made, and by whom.
_Step = tuple[str, str, Note | Task, int, By]


@dataclass(frozen=True, slots=True)
class PastNote:
    """What someone wrote about a customer."""

    customer_id: UUID
    text: str
    by: By


@dataclass(frozen=True, slots=True)
class PastTask:
    """What someone had to do about a customer, and who did it, when."""

    customer_id: UUID
    title: str
    by: By
    due_on: dt.date
    done: By


def keep_past_work(notes: Sequence[PastNote], tasks: Sequence[PastTask], *, tenant: TenantRef) -> None:
    """Keep them, encrypted, as of when they were written. What they mention notifies no one: it is over.

    Call in the transaction that makes the customers, so that no erasure comes between. Two statements for the keys, and
    one for each thousand rows of notes, tasks and log. Raises WorkRefused for a text that cannot be kept.
    """
    if not notes and not tasks:
        return
    keys = ensure_keys(tenant.id, {note.customer_id for note in notes} | {task.customer_id for task in tasks})
    steps: list[_Step] = []
    kept_notes, kept_tasks = [], []
    for note in notes:
        kept_notes.append(written := _make_note(note, keys, tenant))
        steps.append(("write_note", "note", written, 1, note.by))
    for task in tasks:
        kept_tasks.append(done := _make_task(task, keys, tenant))
        steps += [("create_task", "task", done, 1, task.by), ("complete_task", "task", done, 2, task.done)]
    Note.objects.bulk_create(kept_notes, batch_size=_BATCH)
    Task.objects.bulk_create(kept_tasks, batch_size=_BATCH)
    record_dated(map(_describe, steps), tenant_id=tenant.id)


def _make_note(note: PastNote, keys: Keys, tenant: TenantRef) -> Note:
    row = Note(
        id=note.by.new_id(),
        tenant_id=tenant.id,
        customer_id=note.customer_id,
        created_at=note.by.now,
        created_by=note.by.actor.name,
    )
    row.text = _encrypt(read_text(note.text), "lifecycle_note", "text", row, keys, tenant)
    return row


def _make_task(task: PastTask, keys: Keys, tenant: TenantRef) -> Task:
    row = Task(
        id=task.by.new_id(),
        tenant_id=tenant.id,
        customer_id=task.customer_id,
        due_on=task.due_on,
        due_key=task.due_on,
        created_at=task.by.now,
        created_by=task.by.actor.name,
        done_at=task.done.now,
        done_by=task.done.actor.name,
        version=2,
    )
    row.title = _encrypt(read_title(task.title), "lifecycle_task", "title", row, keys, tenant)
    return row


def _encrypt(text: str, table: str, column: str, row: Note | Task, keys: Keys, tenant: TenantRef) -> bytes:
    return cipher.encrypt(keys[row.customer_id], text, bound_to=cipher.binding(table, column, row.id, tenant.id))


def _describe(step: _Step) -> dict[str, Any]:
    action, kind, row, version, by = step
    return describe_step(action, row, {kind: str(row.id), "version": version}, by)
