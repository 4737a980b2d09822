"""When a period begins: who may, who waits, and what is left of one who was killed."""

import datetime as dt
import time
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from psycopg.sql import SQL, Identifier

from lifecycle.services.events import inbox
from storage.periods import turn_periods
from tenants.actors import TenantRef
from tests.aging import administrator, begin_period, grow_older, periods_of
from tests.factories import utc_now
from tests.services.periods import DAY, INBOX, MONTH, OUTBOX, REFUSED, claim, drop_all_but_newest


@pytest.mark.parametrize("table", [INBOX, OUTBOX, REFUSED])
def test_a_period_begins_by_itself_when_its_time_has_come_and_not_before(db: None, table: str) -> None:
    using = "relay" if table == OUTBOX else "default"
    turn_periods(table, every=2 * DAY, kept=9 * DAY, using=using)
    before = periods_of(table)
    turn_periods(table, every=2 * DAY, kept=900 * DAY, using=using)
    assert periods_of(table) == before
    grow_older(table, 2 * DAY)
    turn_periods(table, every=2 * DAY, kept=900 * DAY, using=using)
    assert len(periods_of(table)) == len(before) + 1


def test_a_clock_that_is_wrong_for_a_moment_forgets_nothing_before_its_time(tenant: TenantRef) -> None:
    """So many periods must have begun as make up the time: one begins at a time, however late it seems to be."""
    begin_period(INBOX)
    claim(tenant, "a")
    for _ in range(2):
        grow_older(INBOX, 400 * DAY)
        inbox.forget(remembered=MONTH)
        assert claim(tenant, "a") == set()


def test_no_one_is_asked_to_forget_sooner_than_the_table_allows(tenant: TenantRef) -> None:
    drop_all_but_newest(INBOX)
    claim(tenant, "a")
    for _ in range(4):
        begin_period(INBOX)
    number = len(periods_of(INBOX))
    grow_older(INBOX, dt.timedelta(minutes=50))
    assert turn_periods(INBOX, every=dt.timedelta(0), kept=dt.timedelta(0), using="default") == 0
    assert len(periods_of(INBOX)) == number
    assert claim(tenant, "a") == set()


@pytest.mark.parametrize(("table", "least"), [(INBOX, DAY), (OUTBOX, dt.timedelta(hours=1)), (REFUSED, 90 * DAY)])
def test_a_period_outlives_those_who_ask_for_less_than_the_least_that_may_be_set(
    db: None, table: str, least: dt.timedelta
) -> None:
    """By any statement of the application's role: a shorter memory of the inbox would apply an event a second time."""
    using = "relay" if table == OUTBOX else "default"
    drop_all_but_newest(table)
    begin_period(table)
    (oldest, _) = before = periods_of(table)
    grow_older(table, least - dt.timedelta(minutes=5))
    assert turn_periods(table, every=900 * DAY, kept=dt.timedelta(0), using=using) == 0
    assert len(periods_of(table)) == len(before)
    grow_older(table, dt.timedelta(minutes=10))
    assert turn_periods(table, every=900 * DAY, kept=dt.timedelta(0), using=using) == 1
    assert oldest not in periods_of(table)
    assert len(periods_of(table)) == 1


@pytest.mark.parametrize(
    ("alias", "statement"),
    [
        ("default", "SELECT begin_period('lifecycle_inboxevent', now())"),
        ("default", "SELECT drop_period('lifecycle_inboxevent', now(), 0, '{}')"),
        ("default", "SELECT turn_audit_outbox('1 day', '1 day')"),
        ("default", "DELETE FROM lifecycle_inboxevent"),
        ("default", "DELETE FROM audit_refused_attempt"),
        ("default", "SELECT FROM lifecycle_inboxevent_rest"),
        ("default", "INSERT INTO lifecycle_inboxevent_rest SELECT * FROM lifecycle_inboxevent"),
        ("relay", "SELECT turn_lifecycle_inboxevent('1 day', '1 day')"),
        ("relay", "SELECT turn_audit_refused_attempt('1 day', '1 day')"),
        ("relay", "DELETE FROM audit_outbox"),
        ("platform", "SELECT turn_lifecycle_inboxevent('1 day', '1 day')"),
    ],
)
def test_each_role_turns_its_own_tables_and_reaches_no_partition(db: None, alias: str, statement: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), connections[alias].cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("mode", ["ACCESS SHARE", "ROW EXCLUSIVE"])
def test_one_who_holds_the_table_is_not_waited_for(tenant: TenantRef, mode: str) -> None:
    """A backup holds it for an hour: the period begins afterwards, and no one has waited behind it for long."""
    grow_older(INBOX, 40 * DAY)
    before = periods_of(INBOX)
    with administrator() as backup, backup.transaction():
        backup.execute(f"LOCK TABLE lifecycle_inboxevent IN {mode} MODE")
        begin = time.monotonic()
        assert inbox.forget(remembered=MONTH) == 0
        # It is a third of a second on a machine that is not busy; the two minutes of the role (tests/workers.py), if
        # it were not for the function's own limit.
        assert time.monotonic() - begin < 60
        assert periods_of(INBOX) == before
        assert claim(tenant, "a") == {"a"}
    inbox.forget(remembered=MONTH)
    assert len(periods_of(INBOX)) > 1
    assert periods_of(INBOX)[-1] != before[-1]


def test_while_one_turns_the_periods_the_others_leave_it_to_them(tenant: TenantRef) -> None:
    grow_older(INBOX, 40 * DAY)
    before = periods_of(INBOX)
    with connections["owner"].cursor() as leader, transaction.atomic(using="owner"):
        leader.execute("SELECT pg_advisory_xact_lock(hashtextextended('periods of lifecycle_inboxevent', 0))")
        assert inbox.forget(remembered=MONTH) == 0
        assert periods_of(INBOX) == before
    inbox.forget(remembered=MONTH)
    assert periods_of(INBOX)[-1] != before[-1]


@pytest.mark.parametrize(
    "step",
    [
        "begin_period('lifecycle_inboxevent', clock_timestamp())",
        "drop_period('lifecycle_inboxevent', clock_timestamp(), 1, '{}')",
    ],
)
def test_who_is_killed_while_doing_it_has_done_nothing(tenant: TenantRef, step: str, superuser: Any) -> None:
    begin_period(INBOX)
    claim(tenant, "a")
    begin_period(INBOX)
    before = periods_of(INBOX)
    with pytest.raises(OperationalError), connections["owner"].cursor() as cursor, transaction.atomic(using="owner"):
        cursor.execute(f"SELECT pg_backend_pid(), {step}")
        pid, changed = cursor.fetchone()
        assert changed
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        cursor.execute("SELECT 1")
    connections["owner"].close()
    assert periods_of(INBOX) == before
    assert claim(tenant, "a", "b") == {"b"}


def test_events_of_a_tenant_that_comes_from_a_server_ahead_of_this_one_are_known_here(tenant: TenantRef) -> None:
    """Replication brings their rows under the period of the other server; the next one here takes them in."""
    begin_period(INBOX)
    drop_all_but_newest(INBOX)
    ahead = utc_now() + dt.timedelta(seconds=1)
    with administrator() as admin:
        for event_id, period in (("old", ahead - 300 * DAY), ("new", ahead)):
            admin.execute(
                "INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at, period)"
                " VALUES (%s, '/crm', %s, 'customer.updated', 'applied', now(), %s)",
                [tenant.id, event_id, period],
            )
        assert rows_of("lifecycle_inboxevent_rest", admin) == 2
        assert claim(tenant, "old", "new", "other") == {"other"}
        time.sleep(1.1)
        leaf = begin_period(INBOX)
        assert (rows_of("lifecycle_inboxevent_rest", admin), rows_of(leaf, admin)) == (0, 2)
    assert claim(tenant, "old", "new", "other") == set()


def rows_of(partition: str, admin: psycopg.Connection[Any]) -> int:
    (count,) = admin.execute(SQL("SELECT count(*) FROM {}").format(Identifier(partition))).fetchone() or (0,)
    return int(count)


def test_it_is_not_done_inside_a_transaction(db: None) -> None:
    with pytest.raises(RuntimeError, match="outside of any"), transaction.atomic():
        inbox.forget(remembered=MONTH)
