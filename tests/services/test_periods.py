"""What is filed by period goes with its partition, at once; an event is taken once, also across periods."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.sql import SQL, Identifier

from audit.models import OutboxMessage, RefusedAttempt
from audit.services.refusals import forget_refusals
from lifecycle.models import InboxEvent
from lifecycle.services.events import inbox, outbox
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.aging import administrator, begin_period, grow_older, periods_of
from tests.factories import utc_now
from tests.services.periods import DAY, HOUR, INBOX, MONTH, OUTBOX, REFUSED, claim, drop_all_but_newest

WAIT_SECONDS = 60


def settle(tenant: TenantRef, event_id: str, outcome: str) -> None:
    with tenant_context(tenant.id):
        inbox.settle(tenant.id, {("/crm", event_id): outcome})


def period_of(tenant: TenantRef, event_id: str) -> dt.datetime:
    with tenant_context(tenant.id):
        return InboxEvent.objects.get(event_id=event_id).period


def test_an_event_is_a_duplicate_in_every_later_period(tenant: TenantRef) -> None:
    assert claim(tenant, "a", "b") == {"a", "b"}
    begin_period(INBOX)
    assert claim(tenant, "a", "c") == {"c"}
    begin_period(INBOX)
    assert claim(tenant, "a", "b", "c", "d") == {"d"}
    with tenant_context(tenant.id):
        assert InboxEvent.objects.count() == 4
        assert len(set(InboxEvent.objects.values_list("period", flat=True))) == 3


def test_another_tenant_may_have_an_event_of_the_same_name(tenant: TenantRef, other_tenant: TenantRef) -> None:
    assert claim(tenant, "a") == {"a"}
    begin_period(INBOX)
    assert claim(other_tenant, "a") == {"a"}


def test_what_became_of_an_event_is_noted_where_it_was_filed(tenant: TenantRef) -> None:
    claim(tenant, "a")
    filed = period_of(tenant, "a")
    begin_period(INBOX)
    settle(tenant, "a", "stale")
    with tenant_context(tenant.id):
        assert list(InboxEvent.objects.values_list("outcome", "period")) == [("stale", filed)]


def test_a_dead_event_that_is_taken_again_is_remembered_from_now_on(tenant: TenantRef) -> None:
    claim(tenant, "a", "b")
    settle(tenant, "a", "dead")
    first = period_of(tenant, "a")
    begin_period(INBOX)
    assert claim(tenant, "a", "b", "c", replaying=True) == {"a", "c"}
    assert period_of(tenant, "a") == period_of(tenant, "c") > first == period_of(tenant, "b")
    assert claim(tenant, "a", replaying=True) == set(), "what was applied is not taken again"
    settle(tenant, "c", "dead")
    assert claim(tenant, "c") == set(), "but for a replay"
    assert claim(tenant, "c", replaying=True) == {"c"}


def test_two_who_take_an_event_while_a_period_begins_do_not_both_get_it(
    tenant: TenantRef, superuser: psycopg.Connection[Any]
) -> None:
    """The first has it and has not committed; the period begins behind them; the second comes in between."""
    taken: dict[str, Any] = {}
    first_has, first_may_end = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic(), tenant_context(tenant.id):
            taken["first"] = claim(tenant, "a")
            first_has.set()
            first_may_end.wait(WAIT_SECONDS)

    def begin() -> None:
        # It waits for the first until the second has come, which may take longer than the owner's five seconds.
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{2 * WAIT_SECONDS}s"])
        taken["period"] = begin_period(INBOX)

    def second() -> None:
        taken["second"] = claim(tenant, "a", "b")

    with running(first):
        assert first_has.wait(WAIT_SECONDS)
        with running(begin):
            await_waiting(superuser, 1)
            with running(second):
                await_waiting(superuser, 2)
                first_may_end.set()
    assert taken["first"] == {"a"}
    assert taken["second"] == {"b"}
    assert taken["period"] == periods_of(INBOX)[-1]
    assert period_of(tenant, "a") < period_of(tenant, "b")


class running:  # noqa: N801  reads as a statement
    """A thread that is joined at the end; its connections are closed, its error is raised here."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work, self.error = work, None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.thread.join(WAIT_SECONDS)
        assert self.error is None, self.error


def await_waiting(superuser: psycopg.Connection[Any], count: int) -> None:
    """Until so many sessions wait for the inbox. In the databases of other workers it has the same number."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE NOT granted AND relation = %s::regclass AND datname = current_database()"
    )
    until = time.monotonic() + WAIT_SECONDS
    while superuser.execute(query, [INBOX]).fetchone() != (count,):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_event_is_remembered_for_a_month_and_for_a_third_longer_at_most(tenant: TenantRef) -> None:
    inbox.forget(remembered=MONTH)
    begin_period(INBOX)
    claim(tenant, "a")
    kept = []
    for _ in range(16):
        kept.append(claim(tenant, "a") == set())
        grow_older(INBOX, 3 * DAY)
        inbox.forget(remembered=MONTH)
        if not kept[-1]:
            break
    # Periods of 12 days, for it is only looked every three. It ended after 12 and is over after 42.
    assert kept == [True] * 14 + [False]


@pytest.mark.parametrize("count", [10, 200_000])
def test_forgetting_takes_as_many_statements_whatever_is_forgotten_and_deletes_no_row(
    tenant: TenantRef, count: int
) -> None:
    drop_all_but_newest(INBOX)
    filed = begin_period(INBOX)
    with administrator() as admin:
        admin.execute(
            "INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)"
            " SELECT %s, '/crm', 'old-' || n, 'customer.updated', 'applied', now() FROM generate_series(1, %s) n",
            [tenant.id, count],
        )
        assert admin.execute(SQL("SELECT count(*) FROM {}").format(Identifier(filed))).fetchone() == (count,)
    for _ in range(3):
        begin_period(INBOX)
    grow_older(INBOX, MONTH + DAY)
    begin_period(INBOX)
    # The one before, then the one with the events: of the others it is not long enough ago that the next one began.
    assert writes_little()
    assert len(periods_of(INBOX)) == 5
    assert writes_little()
    assert len(periods_of(INBOX)) == 4
    with tenant_context(tenant.id):
        assert not InboxEvent.objects.exists()
    with CaptureQueriesContext(connection) as statements:
        assert inbox.forget(remembered=MONTH) == 1
    assert len(statements) == 2


def writes_little() -> bool:
    """Whether the next step writes less than 300 kB: 200,000 deleted rows write 15 MB."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, WAL, FORMAT JSON) SELECT turn_lifecycle_inboxevent('10 days', '30 days')")
        ((plan,),) = cursor.fetchone()
    return plan["Plan"]["WAL Bytes"] < 300_000


def announce(tenant: TenantRef, *, published_at: dt.datetime | None) -> int:
    with tenant_context(tenant.id):
        row = OutboxMessage.objects.create(
            tenant_id=tenant.id, topic="t", payload=b"1", created_at=utc_now(), published_at=published_at
        )
    return row.pk


def ids_in_outbox(tenant: TenantRef) -> set[int]:
    with tenant_context(tenant.id):
        return set(OutboxMessage.objects.values_list("id", flat=True))


def test_a_published_message_stays_for_a_day_and_for_a_quarter_of_one_longer_at_most(tenant: TenantRef) -> None:
    begin_period(OUTBOX)
    published = announce(tenant, published_at=utc_now())
    hours = 0
    while ids_in_outbox(tenant) == {published} and hours < 48:
        # The hour in which it was published passes with it.
        with tenant_context(tenant.id), connections["relay"].cursor() as cursor:
            cursor.execute(
                "UPDATE audit_outbox SET published_at = published_at - interval '1 hour' WHERE id = %s", [published]
            )
        grow_older(OUTBOX, HOUR)
        outbox.forget_published(kept=DAY)
        hours += 1
    assert hours == 30


def test_a_period_waits_for_what_is_not_published_or_was_published_late(tenant: TenantRef) -> None:
    drop_all_but_newest(OUTBOX)
    begin_period(OUTBOX)
    waiting, late = announce(tenant, published_at=None), announce(tenant, published_at=utc_now())
    for _ in range(7):
        begin_period(OUTBOX)
    grow_older(OUTBOX, 2 * DAY)
    begin_period(OUTBOX)
    outbox.forget_published(kept=DAY)
    assert ids_in_outbox(tenant) == {waiting, late}
    publish(waiting, at=utc_now() - DAY - HOUR)
    outbox.forget_published(kept=DAY)
    assert ids_in_outbox(tenant) == {waiting, late}, "the other one was published just now"
    publish(late, at=utc_now() - DAY - HOUR)
    assert outbox.forget_published(kept=DAY) >= 1
    assert ids_in_outbox(tenant) == set()


def publish(row_id: int, *, at: dt.datetime) -> None:
    with connections["relay"].cursor() as cursor:
        cursor.execute("UPDATE audit_outbox SET published_at = %s WHERE id = %s", [at, row_id])


def test_numbers_of_messages_go_on_from_period_to_period(tenant: TenantRef) -> None:
    first = announce(tenant, published_at=utc_now())
    begin_period(OUTBOX)
    assert announce(tenant, published_at=utc_now()) > first


def test_refused_attempts_stay_for_ninety_days_and_for_fifteen_longer_at_most(tenant: TenantRef) -> None:
    begin_period(REFUSED)
    with tenant_context(tenant.id):
        RefusedAttempt.objects.create(
            tenant_id=tenant.id, attempted_at=utc_now(), actor="a", actor_kind="user", source="UI", code="x"
        )
    days = 0
    while days < 200:
        with tenant_context(tenant.id):
            if not RefusedAttempt.objects.exists():
                break
        grow_older(REFUSED, 5 * DAY)
        forget_refusals()
        days += 5
    assert days == 105
