"""Tasks about customers: what is to be done, by when, by whom; done, and reopened.

Anyone who may work with customers may change a task. Titles lie under the customer's data key and go when the customer
is erased. Each step is in the administration log, without the title.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from lifecycle.models import Customer, InsightState, Notification, Task
from lifecycle.services.effects.notices import Notice, notify_people
from lifecycle.services.work.colleagues import find_assignee
from lifecycle.services.work.encryption import Keys, decrypt_texts, encrypt_text
from lifecycle.services.work.notes import By, record_step
from lifecycle.services.work.refusals import WorkRefused, check_version, lock_customer, refuse_value
from tenants.actors import TenantRef
from tenants.rules.values import InvalidValue, check_day, read_line

LONGEST_TITLE: Final = 200
OPEN, DONE = "open", "done"
STATES: Final = (OPEN, DONE)
# Where tasks without a due date come.
_LAST_DAY: Final = dt.date.max
_TABLE: Final = "lifecycle_task"
NO_TASK: Final = gettext_noop("There is no such task of this customer: check the id.")

Row = dict[str, Any]


class Keep(Enum):
    """Of a field that is not given: it stays as it is. No text, which could be someone's name."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class TaskPosition:
    """Behind which task a list goes on: its key (a day, or a moment for those that are done) and its id."""

    key: str
    id: UUID


def create_task(
    customer_id: UUID, title: str, *, by: By, due_on: dt.date | None = None, assignee: str | None = None
) -> Row:
    """Keep a task and notify whom it is given to. ``assignee`` is a name as ``find_members`` takes it.

    Call in the tenant's context. Raises WorkRefused.
    """
    title = read_title(title)
    _check_due(due_on)
    lock_customer(customer_id, by.tenant)
    task = Task(
        id=by.new_id(),
        tenant_id=by.tenant.id,
        customer_id=customer_id,
        due_on=due_on,
        due_key=due_on or _LAST_DAY,
        assignee_id=find_assignee(assignee, tenant=by.tenant) if assignee else None,
        created_at=by.now,
        created_by=by.actor.name,
    )
    task.title = encrypt_text(title, _TABLE, "title", task.id, customer_id=customer_id, tenant=by.tenant)
    task.save(force_insert=True)
    record_step("create_task", "task", task, by)
    _notify(task, by)
    return _describe(task, title, today=timezone.localdate(by.now))


def change_task(
    task_id: UUID,
    *,
    customer_id: UUID,
    by: By,
    title: str | None = None,
    due_on: dt.date | Keep | None = KEEP,
    assignee: str | Keep | None = KEEP,
    done: bool | None = None,
    expected_version: int | None = None,
) -> Row:
    """Change what is given and keep the rest. What is as it was already changes nothing.

    ``done`` true: it is done now; false: it is open again. A new assignee is notified. Raises WorkRefused.
    """
    lock_customer(customer_id, by.tenant)
    rows = Task.objects.filter(tenant_id=by.tenant.id, customer_id=customer_id, id=task_id).select_for_update()
    task: Task | None = rows.first()
    if task is None:
        raise WorkRefused("not_found", _(NO_TASK))
    check_version(task.version, expected_version)
    before = (task.title, task.due_on, task.assignee_id)
    text = _open([task], by.tenant)[task.id]
    if title is not None and (title := read_title(title)) != text:
        text = title
        task.title = encrypt_text(title, _TABLE, "title", task.id, customer_id=customer_id, tenant=by.tenant)
    if due_on is not KEEP:
        _check_due(due_on)
        task.due_on, task.due_key = due_on, due_on or _LAST_DAY
    # Whom it is for keeps it, also who may not be given one any more: a form sends all that it was filled with.
    if assignee is not KEEP and (assignee is None or assignee != str(task.assignee_id or "")):
        task.assignee_id = find_assignee(assignee, tenant=by.tenant) if assignee else None
    actions = ["change_task"] if before != (task.title, task.due_on, task.assignee_id) else []
    if done is not None and done != (task.done_at is not None):
        task.done_at, task.done_by = (by.now, by.actor.name) if done else (None, "")
        actions.append("complete_task" if done else "reopen_task")
        if not done:
            # What is kept of it about customers at risk is made again.
            InsightState.objects.filter(tenant_id=by.tenant.id, customer_id=customer_id).update(risk="")
    if actions:
        task.version += 1
        task.save(force_update=True)
    for action in actions:
        record_step(action, "task", task, by)
    if task.assignee_id != before[2]:
        _notify(task, by)
    return _describe(task, text, today=timezone.localdate(by.now))


def list_tasks(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    today: dt.date,
    state: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
    sees_texts: bool = True,
) -> list[Row] | None:
    """The customer's tasks, the latest first; None if there is no such customer. Three statements at most."""
    found = _of_customer(customer_id, tenant, state)
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found.order_by("-id")[:limit])
    if not rows and not Customer.objects.filter(tenant_id=tenant.id, id=customer_id).exists():
        return None
    return describe_tasks(rows, tenant=tenant, today=today, sees_texts=sees_texts)


def count_tasks(customer_id: UUID, *, tenant: TenantRef, state: str | None = None) -> int:
    """How many tasks the customer has. One statement."""
    return _of_customer(customer_id, tenant, state).count()


def list_open_tasks(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    today: dt.date,
    limit: int = 50,
    sees_texts: bool = True,
    keys: Keys | None = None,
) -> list[Row]:
    """What is to be done about the customer, the most urgent first. Two statements at most."""
    rows = Task.objects.filter(tenant_id=tenant.id, customer_id=customer_id, done_at=None).order_by("due_key", "id")
    return describe_tasks(list(rows[:limit]), tenant=tenant, today=today, sees_texts=sees_texts, keys=keys)


def list_own_tasks(
    user_id: UUID,
    *,
    tenant: TenantRef,
    today: dt.date,
    state: str = OPEN,
    after: TaskPosition | None = None,
    limit: int = 50,
    sees_texts: bool = True,
) -> list[Row]:
    """What a person has to do, the most urgent first, or what of theirs is done, the latest first.

    Of all customers. Two statements at most.
    """
    mine = _of_person(user_id, tenant, state)
    found = _open_after(mine, after) if state == OPEN else _done_after(mine, after)
    return describe_tasks(list(found[:limit]), tenant=tenant, today=today, sees_texts=sees_texts)


def count_own_tasks(user_id: UUID, *, tenant: TenantRef, state: str = OPEN) -> int:
    """How many tasks a person has, of all customers. One statement."""
    return _of_person(user_id, tenant, state).count()


def position_of(task: Row) -> TaskPosition:
    """Where a list of a person's tasks goes on behind this one."""
    key = task["done_at"] if task["done_at"] is not None else task["due_on"] or _LAST_DAY
    return TaskPosition(key.isoformat(), task["id"])


def read_task(
    task_id: UUID, *, customer_id: UUID, tenant: TenantRef, today: dt.date, sees_texts: bool = True
) -> Row | None:
    """One task; None if the customer has no such task."""
    rows = list(Task.objects.filter(tenant_id=tenant.id, customer_id=customer_id, id=task_id))
    return next(iter(describe_tasks(rows, tenant=tenant, today=today, sees_texts=sees_texts)), None)


def find_customer_of_task(task_id: UUID, *, tenant: TenantRef) -> UUID | None:
    """Which customer a task is about; None if the tenant has no such task. One statement."""
    return Task.objects.filter(tenant_id=tenant.id, id=task_id).values_list("customer_id", flat=True).first()


def describe_tasks(
    tasks: Sequence[Task], *, tenant: TenantRef, today: dt.date, sees_texts: bool = True, keys: Keys | None = None
) -> list[Row]:
    """Tasks as plain dicts. ``title`` is None when it was erased, and for those who may not see texts."""
    titles = _open(tasks, tenant, keys) if sees_texts else {}
    return [_describe(task, titles.get(task.id), today=today, is_masked=not sees_texts) for task in tasks]


def _of_customer(customer_id: UUID, tenant: TenantRef, state: str | None) -> QuerySet[Task]:
    found = Task.objects.filter(tenant_id=tenant.id, customer_id=customer_id)
    return found if state is None else found.filter(done_at__isnull=state == OPEN)


def _of_person(user_id: UUID, tenant: TenantRef, state: str) -> QuerySet[Task]:
    return Task.objects.filter(tenant_id=tenant.id, assignee_id=user_id, done_at__isnull=state == OPEN)


def _open_after(mine: QuerySet[Task], after: TaskPosition | None) -> QuerySet[Task]:
    if after is not None:
        day = dt.date.fromisoformat(after.key)
        # The first part is the one that the index answers.
        mine = mine.filter(due_key__gte=day).filter(Q(due_key__gt=day) | Q(id__gt=after.id))
    return mine.order_by("due_key", "id")


def _done_after(mine: QuerySet[Task], after: TaskPosition | None) -> QuerySet[Task]:
    if after is not None:
        timestamp = dt.datetime.fromisoformat(after.key)
        mine = mine.filter(done_at__lte=timestamp).filter(Q(done_at__lt=timestamp) | Q(id__lt=after.id))
    return mine.order_by("-done_at", "-id")


def read_title(title: str) -> str:
    """What is kept of what someone typed. Raises WorkRefused."""
    try:
        return read_line(title, LONGEST_TITLE, required=True)
    except InvalidValue as error:
        raise refuse_value("title", _("The title %(error)s. Nothing was saved."), error) from error


def _check_due(day: dt.date | Keep | None) -> None:
    try:
        if isinstance(day, dt.date):
            check_day(day)
    except InvalidValue as error:
        raise refuse_value("due_on", _("The due date %(error)s. Nothing was saved."), error) from error


def _open(tasks: Sequence[Task], tenant: TenantRef, keys: Keys | None = None) -> dict[UUID, str | None]:
    kept = [(_TABLE, "title", one.id, one.customer_id, one.title) for one in tasks]
    return dict(decrypt_texts(kept, tenant=tenant, keys=keys))


def _notify(task: Task, by: By) -> None:
    if task.assignee_id is None or str(task.assignee_id) == by.actor.name:
        return
    notice = Notice(Notification.TASK, task.id, task.customer_id, by.actor.name, occasion=task.version)
    notify_people(notice, [task.assignee_id], tenant=by.tenant, now=by.now)


def _describe(task: Task, title: str | None, *, today: dt.date, is_masked: bool = False) -> Row:
    return {
        "id": task.id,
        "customer_id": task.customer_id,
        "title": title,
        "title_erased": title is None and not is_masked,
        "is_masked": is_masked,
        "due_on": task.due_on,
        "is_overdue": task.done_at is None and task.due_on is not None and task.due_on < today,
        "assignee_id": task.assignee_id,
        "created_at": task.created_at,
        "created_by": task.created_by,
        "done_at": task.done_at,
        "done_by": task.done_by or None,
        "version": task.version,
    }
