"""A sandbox is reset while something of it is worked off: locks are taken in one order, and no one is ended for it."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import connections

from lifecycle.models import Customer, StageMigration
from lifecycle.queries.listing import ListQuery
from lifecycle.rules.envelopes import receive
from lifecycle.rules.transitions import Change
from lifecycle.services.bulk import working as bulk
from lifecycle.services.bulk.selecting import select_customers
from lifecycle.services.bulk.working import begin_owner
from lifecycle.services.compliance import erasure
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.demo import sandboxes
from lifecycle.services.events import dead_letter_actions, tenant_batches
from lifecycle.services.events.awaited import CustomerData, Written, write_customers
from lifecycle.services.events.dead_letter_actions import replay_dead_letters
from lifecycle.services.transitions import undo
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.undo import begin_undo
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.actors import USER, Actor, TenantRef
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tenants.services.configuration.policies import live_policy
from tests.conftest import People
from tests.factories import utc_now
from tests.messaging.speaking import Speaker, as_message
from tests.services.sandboxes.resetting import external_ids, reset
from tests.services.threads import run_together

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"


Work = Callable[[], int]


def begin_bulk_change(sandbox: TenantRef, manager: Actor) -> Work:
    with tenant_context(sandbox.id):
        policy = live_policy(sandbox.id)
        given = {"tenant": sandbox, "actor": manager, "now": utc_now()}
        change = select_customers(ListQuery({}), kind="owner", policy=policy, **given)
        begin_owner(change.id, owner="", **given)
    return lambda: len(list(bulk.work_off_changes(sandbox, now=utc_now())))


def begin_undo_of_a_move(sandbox: TenantRef, manager: Actor) -> Work:
    with tenant_context(sandbox.id):
        customer = Customer.objects.exclude(status__stage="Churned").order_by("external_id").first()
        assert customer is not None
        request_id = uuid4()
        call = Call(sandbox, manager, "UI", utc_now(), request_id)
        (moved,) = apply(call, [Change(customer.id, "Churned", "Price")])
        assert moved.moved
        begin_undo(request_id, tenant=sandbox, actor=manager, now=utc_now())
    return lambda: len(list(undo.work_off_undos(sandbox, now=utc_now())))


def say(speaker: Speaker, event_type: str, external_id: str) -> Any:
    document = speaker.document(event_type, external_id, name="Of today") | {"time": utc_now().isoformat()}
    return receive(as_message(document, topic=event_type))


def begin_replay(sandbox: TenantRef, manager: Actor) -> Work:
    speaker = Speaker(sandbox)
    an_hour_ago = utc_now() - dt.timedelta(hours=1)
    (result,) = speaker.hear(say(speaker, "customer.updated", "SB-000003"), now=an_hour_ago)
    assert result.refusal is not None and result.refusal.code == "time_in_future"
    dead = speaker.dead_letters()
    return lambda: [one.outcome for one in replay_dead_letters(dead, actor=manager, now=utc_now())].count("applied")


def begin_waiting(sandbox: TenantRef, manager: Actor) -> Work:
    """An event waits for a customer that is created together with a change of one that there is."""
    speaker = Speaker(sandbox)
    speaker.hear(say(speaker, "customer.updated", "new"))
    assert len(speaker.parked()) == 1
    batch = [say(speaker, "customer.created", "new"), say(speaker, "customer.updated", "SB-000003")]
    return lambda: len({result.outcome for result in speaker.hear(*batch)} & {"applied"})


def begin_stage_migration(sandbox: TenantRef, manager: Actor) -> Work:
    """Who works it off holds the configuration before its row, as a publisher does: so the reset has to."""
    with tenant_context(sandbox.id):
        customer = Customer.objects.exclude(status__stage="Churned").select_related("status").first()
        assert customer is not None
        StageMigration.objects.create(
            tenant_id=sandbox.id,
            configuration_version=live_policy(sandbox.id).version,
            from_stage=customer.status.stage,
            to_stage="Churned",
            reason_code="Price",
            request_id=uuid4(),
            actor=manager.name,
            actor_kind=USER,
            total=1,
            created_at=utc_now(),
        )
    return lambda: min(1, len(list(stage_migrations.move_customers(sandbox, now=utc_now()))))


def await_one_waiting(superuser: Any) -> None:
    """Until someone waits for a lock of this database."""
    name = connections["default"].settings_dict["NAME"]
    deadline = time.monotonic() + 60
    while not superuser.execute(WAITING, [name]).fetchone()[0]:
        assert time.monotonic() < deadline, "no one waits"
        superuser.rollback()
        time.sleep(0.02)


def begin_erasure(sandbox: TenantRef, manager: Actor) -> Work:
    """Its stays are made again at the end, in turns with everyone who makes them."""

    def erase() -> int:
        with tenant_context(sandbox.id):
            given = {"tenant": sandbox, "actor": manager, "reason": "Asked", "now": utc_now()}
            return int(erase_customer("SB-000003", **given).customer_id is not None)

    return erase


@pytest.mark.parametrize(
    ("begin", "place", "waits_after"),
    [
        (begin_bulk_change, (bulk, "assign_owner"), False),
        (begin_undo_of_a_move, (undo, "apply"), False),
        (begin_replay, (dead_letter_actions, "process_events"), False),
        (begin_waiting, (tenant_batches, "record_customers"), False),
        (begin_erasure, (erasure, "renew_stays"), False),
        (begin_stage_migration, (stage_migrations, "hold_live_policy"), True),
    ],
)
def test_a_reset_and_what_is_worked_off_take_turns(
    begin: Any, place: Any, waits_after: bool, sandbox: TenantRef, people: People, superuser: Any
) -> None:
    """The worker has the first of its locks and not yet the next one: neither is ended for the other."""
    reset(sandbox)
    work = begin(sandbox, Actor(USER, str(people.account_manager.id), frozenset(PERMISSIONS)))
    holds, go_on = threading.Event(), threading.Event()
    act = getattr(*place)

    def wait_there(*arguments: Any, **options: Any) -> Any:
        done = act(*arguments, **options) if waits_after else None
        holds.set()
        assert go_on.wait(60)
        return done if waits_after else act(*arguments, **options)

    def empty() -> Any:
        assert holds.wait(60)
        return reset(sandbox).customers

    def watch() -> None:
        assert holds.wait(60)
        await_one_waiting(superuser)
        go_on.set()

    with patch.object(*place, wait_there):
        assert run_together([work, empty, watch]) == [1, 12, None]
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]


def test_events_in_work_end_with_the_story_that_they_were_sent_to(
    sandbox: TenantRef, people: People, superuser: Any
) -> None:
    """A batch has read who there is and has locked no one yet: none of it is left for the new story's customers."""
    reset(sandbox)
    speaker = Speaker(replace(sandbox, is_sandbox=True))
    batch = [
        say(speaker, "customer.updated", "SB-000003"),
        say(speaker, "customer.created", "mine"),
        say(speaker, "customer.updated", "not there"),
    ]
    holds, go_on = threading.Event(), threading.Event()
    record = tenant_batches.record_customers

    def wait_there(*arguments: Any, **options: Any) -> Any:
        holds.set()
        assert go_on.wait(60)
        return record(*arguments, **options)

    def empty() -> Any:
        assert holds.wait(60)
        return reset(sandbox).customers

    def watch() -> None:
        assert holds.wait(60)
        await_one_waiting(superuser)
        go_on.set()

    with patch.object(tenant_batches, "record_customers", wait_there):
        outcomes, customers, _ = run_together([lambda: [one.outcome for one in speaker.hear(*batch)], empty, watch])
    assert (outcomes, customers) == (["applied", "applied", "parked"], 12)
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    assert speaker.parked() == []
    assert speaker.customer("SB-000003").name != "Of today"


def test_events_that_come_while_a_sandbox_is_emptied_are_not_about_the_new_story(
    sandbox: TenantRef, people: People, superuser: Any
) -> None:
    reset(sandbox)
    speaker = Speaker(replace(sandbox, is_sandbox=True))
    sent = [
        replace(one, message=replace(one.message, sent_at=utc_now()))
        for one in (
            say(speaker, "customer.updated", "SB-000003"),
            say(speaker, "customer.created", "mine"),
            say(speaker, "customer.updated", "not there"),
        )
    ]
    holds, go_on = threading.Event(), threading.Event()
    tell_again = sandboxes._tell_again

    def wait_there(*arguments: Any, **options: Any) -> Any:
        holds.set()
        assert go_on.wait(60)
        return tell_again(*arguments, **options)

    def hear() -> list[str]:
        assert holds.wait(60)
        return [one.outcome for one in speaker.hear(*sent)]

    def watch() -> None:
        assert holds.wait(60)
        await_one_waiting(superuser)
        go_on.set()

    with patch.object(sandboxes, "_tell_again", wait_there):
        customers, outcomes, _ = run_together([lambda: reset(sandbox).customers, hear, watch])
    assert (customers, outcomes) == (12, ["stale", "stale", "stale"])
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    assert speaker.parked() == []


def test_what_a_program_writes_while_a_sandbox_is_emptied_is_about_the_new_story(
    sandbox: TenantRef, people: People, superuser: Any
) -> None:
    """Of a customer that only the story before has known: it is made, and is no error of ours."""
    reset(sandbox)
    call = Call(replace(sandbox, is_sandbox=True), Actor(USER, str(people.account_manager.id)), "API", utc_now())

    def write(name: str) -> Written:
        item = CustomerData("mine", "/crm", utc_now(), {"name": name})
        with tenant_context(sandbox.id):
            (written,) = write_customers([item], call=call, budget=UpdateBudget(call.actor))
        return written

    assert write("Of yesterday").created
    holds, go_on = threading.Event(), threading.Event()
    tell_again = sandboxes._tell_again

    def wait_there(*arguments: Any, **options: Any) -> Any:
        holds.set()
        assert go_on.wait(60)
        return tell_again(*arguments, **options)

    def write_then() -> bool:
        assert holds.wait(60)
        return write("Of today").created

    def watch() -> None:
        assert holds.wait(60)
        await_one_waiting(superuser)
        go_on.set()

    with patch.object(sandboxes, "_tell_again", wait_there):
        customers, created, _ = run_together([lambda: reset(sandbox).customers, write_then, watch])
    assert (customers, created) == (12, True)
    assert external_ids(sandbox) == [*(f"SB-{number:06d}" for number in range(1, 13)), "mine"]
