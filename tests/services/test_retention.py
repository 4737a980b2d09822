"""What is old goes away as fast as it comes in, whatever tenant it belongs to, and nothing else does."""

import datetime as dt
import time
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DataError, connections

from lifecycle.models import DeadLetter, EffectRun, IdempotentRequest, Notification
from lifecycle.services.compliance import retention
from lifecycle.services.compliance.retention import (
    forget_answers,
    forget_dead_letters,
    forget_ended,
    forget_old_effects,
)
from lifecycle.services.transitions import idempotency
from lifecycle.services.transitions.idempotency import LIFETIME
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import OpenSession, QueuedMail, RefreshToken
from tenants.services.accounts.tokens import issue_pair, rotate
from tests.conftest import People
from tests.effects.test_engine import ALERT, make_tenant, move
from tests.factories import CustomerFactory, utc_now

NOW = dt.datetime(2020, 1, 31, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


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


def test_a_tenant_whose_rows_cannot_be_deleted_leaves_the_others_alone(
    tenant: TenantRef, other_tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted((tenant.id, other_tenant.id))
    sweep, now = idempotency.sweep_answers, utc_now()

    def fail(tenant_id: Any, **options: Any) -> int:
        if tenant_id == first:
            raise DataError("poison")
        return sweep(tenant_id, **options)

    monkeypatch.setattr(idempotency, "sweep_answers", fail)
    for tenant_id in (first, second):
        keep_answers(tenant_id, 2, at=now - LIFETIME - DAY)
    with pytest.raises(DataError):
        forget_answers(now=now)
    assert (count_answers(first), count_answers(second)) == (2, 0)


def test_no_transaction_deletes_more_than_a_batch(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, now = [], utc_now()
    sweep = idempotency.sweep_answers

    def count(tenant_id: Any, **options: Any) -> int:
        deleted = sweep(tenant_id, **options)
        if tenant_id == tenant.id:
            sizes.append(deleted)
        return deleted

    monkeypatch.setattr(idempotency, "sweep_answers", count)
    monkeypatch.setattr(retention, "BATCH", 40)
    keep_answers(tenant.id, 100, at=now - LIFETIME - DAY)
    forget_answers(now=now)
    assert sizes == [40, 40, 20]
    keep_answers(tenant.id, 100, at=now - LIFETIME - DAY)
    sizes.clear()
    forget_answers(now=now, stop=lambda: len(sizes) == 2)
    assert sizes == [40, 40], "asked to end, it ends after the batch"


def keep_answers(tenant_id: Any, count: int, *, at: dt.datetime) -> None:
    with tenant_context(tenant_id):
        IdempotentRequest.objects.bulk_create(
            IdempotentRequest(tenant_id=tenant_id, principal="p", key=uuid4().hex, fingerprint=b"f", created_at=at)
            for _ in range(count)
        )


def count_answers(tenant_id: Any) -> int:
    with tenant_context(tenant_id):
        return IdempotentRequest.objects.count()


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


def test_notifications_of_a_tenant_that_starts_nothing_are_forgotten(tenant: TenantRef, users: People) -> None:
    """They are of mentions and tasks; only tenants of which some effect had ended long ago were looked at."""
    now, customer = utc_now(), CustomerFactory(tenant=tenant)
    with tenant_context(tenant.id):
        for days in (91, 89):
            Notification.objects.create(
                tenant_id=tenant.id,
                user_id=users.viewer.id,
                effect_id=uuid4(),
                customer_id=customer.id,
                effect="You were mentioned in a note",
                kind=Notification.MENTION,
                created_at=now - days * DAY,
            )
    assert forget_old_effects(now=now) >= 1
    with tenant_context(tenant.id):
        (kept,) = Notification.objects.filter(tenant_id=tenant.id)
    assert now - kept.created_at == 89 * DAY


def test_what_reached_no_one_from_the_beginning_is_forgotten_too(db: None) -> None:
    """It never ran, so it never ended: each change of a customer without an owner had left a row for good."""
    tenant, now = make_tenant(ALERT), utc_now()
    move(tenant, CustomerFactory(tenant=tenant))
    with tenant_context(tenant.id):
        started = EffectRun.objects.filter(tenant_id=tenant.id, state="suppressed", finished_at=None)
        for recipient, days in (("owner", 91), ("managers", 89)):
            assert started.filter(recipient=recipient).update(created_at=now - days * DAY) == 1
    assert forget_old_effects(now=now) >= 1
    with tenant_context(tenant.id):
        assert list(EffectRun.objects.filter(tenant_id=tenant.id).values_list("recipient", flat=True)) == ["managers"]


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
