"""What is old goes away as fast as it comes in, whatever tenant it belongs to, and nothing else does."""

import datetime as dt
import time
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DataError, connection, connections

from lifecycle.models import NO_TENANT, DeadLetter, IdempotentRequest, InboxEvent
from lifecycle.services.compliance import retention
from lifecycle.services.compliance.retention import forget_answers, forget_dead_letters, forget_ended, forget_events
from lifecycle.services.events import inbox
from lifecycle.services.transitions.idempotency import LIFETIME
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import OpenSession, QueuedMail, RefreshToken
from tenants.services.accounts.tokens import issue_pair, rotate
from tests.factories import utc_now
from tests.plans import count_rows_read

NOW = dt.datetime(2020, 1, 31, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def remember(tenant_id: Any, count: int, *, at: dt.datetime) -> None:
    with tenant_context(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)"
            " SELECT %s, '/crm', gen_random_uuid(), 'customer.updated', 'applied', %s FROM generate_series(1, %s)",
            [tenant_id, at, count],
        )


def left(tenant_id: Any) -> int:
    with tenant_context(tenant_id):
        return InboxEvent.objects.filter(received_at__lt=NOW + DAY).count()


def test_all_that_is_old_is_forgotten_in_one_pass_and_nothing_younger(
    tenant: TenantRef, other_tenant: TenantRef
) -> None:
    """The former cap was 5,000 rows of each tenant in a minute."""
    remember(tenant.id, 12_000, at=NOW - DAY)
    remember(tenant.id, 3, at=NOW)
    remember(other_tenant.id, 7, at=NOW - DAY)
    remember(NO_TENANT, 2, at=NOW - DAY)
    assert forget_events(before=NOW) >= 12_009
    assert (left(tenant.id), left(other_tenant.id), left(NO_TENANT)) == (3, 0, 0)
    assert forget_events(since=NOW - 2 * DAY, before=NOW) == 0


def test_no_transaction_deletes_more_than_a_batch(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    forget = inbox.forget

    def count(*args: Any, **options: Any) -> int:
        sizes.append(forget(*args, **options))
        return sizes[-1]

    monkeypatch.setattr(inbox, "forget", count)
    monkeypatch.setattr(retention, "BATCH", 40)
    remember(tenant.id, 100, at=NOW - DAY)
    forget_events(before=NOW)
    assert sizes == [40, 40, 20]
    remember(tenant.id, 100, at=NOW - DAY)
    sizes.clear()
    forget_events(before=NOW, stop=lambda: len(sizes) == 2)
    assert sizes == [40, 40], "asked to end, it ends after the batch"


def test_a_tenant_whose_rows_cannot_be_deleted_leaves_the_others_alone(
    tenant: TenantRef, other_tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted((tenant.id, other_tenant.id))
    forget = inbox.forget

    def fail(tenant_id: Any, **options: Any) -> int:
        if tenant_id == first:
            raise DataError("poison")
        return forget(tenant_id, **options)

    monkeypatch.setattr(inbox, "forget", fail)
    remember(first, 2, at=NOW - DAY)
    remember(second, 2, at=NOW - DAY)
    with pytest.raises(DataError):
        forget_events(before=NOW)
    assert (left(first), left(second)) == (2, 0)


def test_the_index_by_age_finds_what_is_old(superuser: psycopg.Connection[Any]) -> None:
    """Nothing of the 2,000 younger events is read, whatever the planner's statistics say."""
    tenant_id = uuid4()
    with superuser.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)"
            " SELECT %s, '/crm', gen_random_uuid(), 'customer.updated', 'applied',"
            "        %s::timestamptz - CASE WHEN n <= 3 THEN interval '2 days' ELSE interval '0' END"
            "   FROM generate_series(1, 2003) n",
            [tenant_id, NOW],
        )
        values = {"tenant_id": tenant_id, "since": NOW - 3 * DAY, "before": NOW, "limit": 5000}
        for analyzed in (False, True):
            if analyzed:
                cursor.execute("ANALYZE lifecycle_inboxevent")
            cursor.execute("SAVEPOINT before")
            assert count_rows_read(cursor, inbox.FORGET, values, of="lifecycle_inboxevent") == 6, "found, then deleted"
            cursor.execute("ROLLBACK TO before")


def test_answers_of_a_tenant_that_asks_no_more_are_forgotten(tenant: TenantRef) -> None:
    now = utc_now()
    with tenant_context(tenant.id):
        for key, age in (("old", LIFETIME + DAY), ("new", DAY / 2)):
            IdempotentRequest.objects.create(
                tenant_id=tenant.id, principal="p", key=key, fingerprint=b"f", created_at=now - age
            )
    assert forget_answers(now=now) >= 1
    with tenant_context(tenant.id):
        assert [row.key for row in IdempotentRequest.objects.all()] == ["new"]


def test_budgets_of_which_nothing_counts_are_forgotten_and_those_in_use_are_passed_over(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    idle = [budget_of(tenant, age=7300) for _ in range(5)]
    recent, in_use = budget_of(tenant, age=7000), budget_of(tenant, age=7300)
    with tenant_context(tenant.id, using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT FROM lifecycle_update_budget WHERE actor = %s FOR UPDATE", [in_use])
        assert forget_ended("update budgets", now=utc_now()) >= 5
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT actor FROM lifecycle_update_budget WHERE actor = ANY(%s)", [[*idle, recent, in_use]])
        assert {actor for (actor,) in cursor.fetchall()} == {recent, in_use}


def budget_of(tenant: TenantRef, *, age: float) -> str:
    """Somebody who made a change so many seconds ago."""
    actor = Actor(kind="user", name=str(uuid4()), updates_per_hour=1)
    with tenant_context(tenant.id):
        UpdateBudget(actor, clock=time.time() - age).take(1)
    return actor.name


def test_resolved_dead_letters_are_forgotten_however_many(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    with tenant_context(tenant.id):
        for resolved_at in (*[NOW - DAY] * 7, NOW, None):
            DeadLetter.objects.create(
                tenant_id=tenant.id,
                type="unknown",
                topic="t",
                partition=0,
                offset=1,
                code="unreadable",
                sentence="s",
                failed_at=NOW - 2 * DAY,
                resolved_at=resolved_at,
            )
    assert forget_dead_letters(before=NOW) >= 7
    with tenant_context(tenant.id):
        assert DeadLetter.objects.count() == 2


def count_ended(now: dt.datetime) -> dict[str, int]:
    return {what: retention.forget_ended(what, now=now) for what in retention.FORGET_ENDED}


def test_sessions_and_tokens_that_have_ended_are_forgotten_and_no_others(
    users: Any, page_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    count_ended(now)
    here = page_client("viewer")
    assert here.get("/").status_code == 200
    for number in range(5):
        Session.objects.create(session_key=f"old-{number}-{users.viewer.id.hex}", expire_date=now - DAY / 24)
    live = issue_pair(users.viewer, now=now)
    for _ in range(4):
        issue_pair(users.account_manager, now=now)
    RefreshToken.objects.filter(user_id=users.account_manager.id).update(expires_at=now - DAY / 24)
    for age in (8 * DAY, 8 * DAY, 6 * DAY):
        QueuedMail.objects.create(kind="invitation", user_id=users.viewer.id, created_at=now - age, due_at=now + DAY)
    monkeypatch.setattr(retention, "BATCH", 2)
    OpenSession.objects.filter(user_id=users.account_manager.id).update(expires_at=now - DAY / 24)
    ended = {"sessions": 5, "open sessions": 4, "refresh tokens": 4, "update budgets": 0, "mails": 2}
    assert count_ended(now) == ended
    assert count_ended(now) == dict.fromkeys(ended, 0)
    assert OpenSession.objects.filter(user_id=users.viewer.id).count() == 1
    assert here.get("/").status_code == 200
    assert rotate(live.refresh, now=now).access
    assert QueuedMail.objects.filter(user_id=users.viewer.id).delete()[0] == 1


def test_the_mover_does_it_while_it_has_nothing_to_move(users: Any, capsys: pytest.CaptureFixture[str]) -> None:
    key = f"old-{users.viewer.id.hex}"
    Session.objects.create(session_key=key, expire_date=utc_now() - DAY)
    call_command("move_customers", "--once")
    assert "sessions" in capsys.readouterr().out
    assert not Session.objects.filter(session_key=key).exists()
