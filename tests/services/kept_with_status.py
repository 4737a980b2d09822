"""What is kept with a customer's status of its notes and of its open tasks: both by triggers, in the same way."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.migrations import Migration

from lifecycle.models import CustomerLifecycleStatus, Note, Task
from lifecycle.services.work.notes import By, edit_note, write_note
from lifecycle.services.work.tasks import change_task, create_task
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now

ACTOR = system_actor("tests")


@pytest.fixture
def people(tenant):
    return {name: CustomerFactory(tenant=tenant, name=name) for name in ("Ann", "Bob", "Cyd")}


def ago(days):
    return utc_now().replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=days)


def day(days):
    return utc_now().date() + timedelta(days=days)


def by(tenant, days):
    """Someone who does it so many days ago."""
    return By(tenant, ACTOR, ago(days), is_backdated=True)


def now_by(tenant):
    return By(tenant, ACTOR, utc_now())


@dataclass(frozen=True)
class Kept:
    """One figure of the status. ``write`` keeps one more about a customer, ``row`` is one as no service writes it, both
    of a number of days; ``of`` what is kept of all that there are; ``reword`` changes the text of one.
    """

    column: str
    write: Callable[..., Any]
    row: Callable[..., Note | Task]
    reword: Callable[..., Any]
    of: Callable[..., Any]
    migration: Migration
    differs: str

    def read(self, tenant) -> Mapping[str, Any]:
        """Name -> what is kept."""
        with tenant_context(tenant.id):
            return dict(CustomerLifecycleStatus.objects.values_list("customer__name", self.column))

    def spoil(self, tenant, value, **customers) -> None:
        with tenant_context(tenant.id):
            CustomerLifecycleStatus.objects.filter(**customers).update(**{self.column: value})


def write_a_note(tenant, customer, days):
    with tenant_context(tenant.id):
        return write_note(customer.id, "Called.", by=by(tenant, days)).note["id"]


def add_a_task(tenant, customer, days):
    with tenant_context(tenant.id):
        due = None if days is None else day(days)
        return create_task(customer.id, "Call", by=now_by(tenant), due_on=due)["id"]


def _note(tenant, customer, days):
    return Note(tenant_id=tenant.id, customer_id=customer.id, created_at=ago(days), created_by="tests")


def task_row(tenant, customer, days):
    dated = {"due_on": day(days), "due_key": day(days), "created_at": utc_now()}
    return Task(tenant_id=tenant.id, customer_id=customer.id, title=b"x", created_by="tests", **dated)


def _migration(name: str) -> Migration:
    return import_module(f"lifecycle.migrations.{name}").Migration(name, "lifecycle")


NOTES = Kept(
    column="noted_at",
    write=write_a_note,
    row=_note,
    reword=lambda tenant, customer, id_: edit_note(id_, "Called twice.", customer_id=customer.id, by=by(tenant, 1)),
    of=lambda *days: ago(min(days)),
    migration=_migration("0041_latest_notes"),
    differs="sums that differ: 1 latest notes",
)
TASKS = Kept(
    column="open_due",
    write=add_a_task,
    row=task_row,
    reword=lambda tenant, customer, id_: change_task(
        id_, customer_id=customer.id, by=now_by(tenant), title="Call twice"
    ),
    of=lambda *days: [day(one) for one in sorted(days)],
    migration=_migration("0053_open_tasks_before"),
    differs="sums that differ: 1 open tasks",
)


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
