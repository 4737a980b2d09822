"""Caps hold what is above them and let it go in order; the breaker stops what is far more than usual."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from audit.models import AdministrationEntry
from lifecycle.models import Customer, EffectLane, EffectPause, EffectRun, EffectTally, Notification
from lifecycle.rules.transitions import Change
from lifecycle.services.effects import brakes, queue
from lifecycle.services.effects.breaker import close_breaker, count_open
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.digests import file_alert
from lifecycle.services.effects.queue import Job, Result
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import CustomerFactory, TenantFactory, utc_now

RISK = {"on": "enter", "stages": ["At-Risk"]}
MAIL = {"name": "Write", "kind": "email", "to": ["managers"], **RISK}
FORECAST = {"name": "Forecast", "kind": "forecast", **RISK}


def make_tenant(*effects: dict[str, Any]) -> TenantRef:
    document = {"stages": ["Prospect", "At-Risk", "Churned"], "categories": {"At-Risk": "risk", "Churned": "lost"}}
    return TenantFactory(configuration={**document, "effects": list(effects)})


def move(tenant: TenantRef, *customers: Customer) -> UUID:
    """Move them to At-Risk in one request; its id."""
    request_id = uuid4()
    call = Call(tenant, system_actor("test"), "API", utc_now(), request_id, starts_effects=True)
    with tenant_context(tenant.id):
        apply(call, [Change(customer.id, "At-Risk") for customer in customers])
    return request_id


def customers_of(tenant: TenantRef, count: int) -> list[Customer]:
    return [CustomerFactory(tenant=tenant) for _ in range(count)]


def widen(tenant: TenantRef) -> None:
    """Let the lanes have any number in flight: nothing here is finished."""
    with tenant_context(tenant.id):
        EffectLane.objects.filter(tenant_id=tenant.id).update(max_in_flight=30_000)


def claim_round(tenant: TenantRef, room: int = 8, *, now: dt.datetime | None = None) -> list[Job]:
    lanes = [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
    return [job for lane in lanes for job in claim(lane.tenant, {lane.id: room}, now=now or utc_now())]


def drain(tenant: TenantRef, *, now: dt.datetime | None = None) -> list[Job]:
    """Claim until there is nothing to claim."""
    jobs: list[Job] = []
    while found := claim_round(tenant, now=now):
        jobs += found
    return jobs


def states(tenant: TenantRef) -> Counter[tuple[str, str]]:
    with tenant_context(tenant.id):
        return Counter(EffectRun.objects.filter(tenant_id=tenant.id).values_list("state", "reason"))


def set_usual(tenant: TenantRef, count: int, *, hours_ago: int = 48) -> None:
    hour = utc_now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=hours_ago)
    with tenant_context(tenant.id):
        EffectTally.objects.create(tenant_id=tenant.id, what="runs", since=hour, count=count)


def let_the_hour_pass(tenant: TenantRef) -> None:
    """What waits for the next hour has waited."""
    with tenant_context(tenant.id):
        held = EffectRun.objects.filter(tenant_id=tenant.id, state="held")
        assert set(held.values_list("due_at__minute", flat=True)) <= {0}
        held.update(due_at=utc_now() - dt.timedelta(seconds=1))
    queue.release_held()


def test_what_is_above_a_cap_is_held_at_once_and_let_go_in_order_with_the_next_hour(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brakes, "EMAILS_AN_HOUR", 20)
    tenant = make_tenant(MAIL)
    make_people(tenant)
    customers = customers_of(tenant, 50)
    move(tenant, *customers)
    widen(tenant)
    # Of one hour, which may end while a busy machine is at it.
    now = utc_now()
    sent = [job.id for _ in range(3) for job in claim_round(tenant, now=now)]
    assert len(sent) == 20
    assert states(tenant) == {("sending", ""): 20, ("held", "cap"): 30}
    with tenant_context(tenant.id):
        held = EffectRun.objects.filter(tenant_id=tenant.id, state="held").order_by("id")
        in_order, times = list(held.values_list("id", flat=True)), set(held.values_list("due_at", flat=True))
    later = now + dt.timedelta(hours=1)
    assert times == {later.replace(minute=0, second=0, microsecond=0)}

    let_the_hour_pass(tenant)
    assert [job.id for job in drain(tenant, now=later)] == in_order[:20]
    assert states(tenant) == {("sending", ""): 40, ("held", "cap"): 10}
    let_the_hour_pass(tenant)
    assert [job.id for job in drain(tenant, now=later + dt.timedelta(hours=1))] == in_order[20:]
    assert states(tenant) == {("sending", ""): 50}


@pytest.mark.parametrize(
    ("effect", "moved"), [(MAIL | {"cap_per_hour": 3}, 3), (MAIL | {"to": ["boss@acme.example"], "hold_minutes": 0}, 5)]
)
def test_what_is_tried_again_is_not_held_by_having_been_tried(db: None, effect: dict[str, Any], moved: int) -> None:
    """The mail server puts the last that the cap allows off for some seconds: nothing more is sent by trying again."""
    tenant = make_tenant(effect)
    make_people(tenant)
    move(tenant, *customers_of(tenant, moved))
    widen(tenant)
    # Of one hour, which may end while a busy machine is at it.
    now = utc_now()
    tried = drain(tenant, now=now)
    assert len(tried) == moved
    move(tenant, *customers_of(tenant, 1))
    queue.finish([(job, Result("due", "retry", utc_now())) for job in tried])
    assert claim_round(tenant, 1, now=now) == [], "the new one is due before them, and is above the cap"
    assert {job.id for job in drain(tenant, now=now)} == {job.id for job in tried}
    assert states(tenant) == {("sending", ""): moved, ("held", "recipient_cap" if moved == 5 else "cap"): 1}


def test_a_person_s_own_change_does_not_wait_for_a_bulk_change(db: None) -> None:
    """The same effect, in the same lane: one of the next claims has it."""
    tenant = make_tenant(FORECAST)
    customers = customers_of(tenant, 41)
    bulk = move(tenant, *customers[:40])
    widen(tenant)
    first = claim_round(tenant)
    move(tenant, customers[40])
    second = claim_round(tenant)
    assert customers[40].id in {job.customer_id for job in second}
    assert len(first) == len(second) == 8
    with tenant_context(tenant.id):
        rows = EffectRun.objects.filter(tenant_id=tenant.id, request_id=bulk).order_by("id")
        oldest = list(rows.values_list("id", flat=True)[:15])
    assert [job.id for job in (*first, *second[:-1])] == oldest, "and the others keep their order"


@pytest.mark.parametrize(
    ("usual", "hours_ago", "started", "run"),
    [
        (None, 48, 60, 60),
        (1, 48, 20, 20),
        (1, 48, 21, 20),
        (4, 48, 60, 20),
        (10, 48, 50, 50),
        (10, 48, 60, 50),
        (10, 29 * 24, 60, 60),
        # Of the last hours there is none to compare with.
        (10, 0, 60, 60),
    ],
)
def test_the_breaker_opens_above_five_times_the_usual_busiest_hour_and_twenty(
    db: None, usual: int | None, hours_ago: int, started: int, run: int
) -> None:
    tenant = make_tenant(FORECAST)
    if usual is not None:
        set_usual(tenant, usual, hours_ago=hours_ago)
    move(tenant, *customers_of(tenant, started))
    widen(tenant)
    assert len(drain(tenant)) == run
    with tenant_context(tenant.id):
        assert EffectPause.objects.filter(tenant_id=tenant.id).exists() == (run < started)


def test_an_open_breaker_holds_what_follows_and_an_admin_closes_it(
    db: None, api_client: Callable[..., APIClient]
) -> None:
    tenant, other = make_tenant(FORECAST), make_tenant(FORECAST)
    people, _ = make_people(tenant), make_people(other)
    set_usual(tenant, 10)
    before = count_open()
    customers = customers_of(tenant, 60)
    move(tenant, *customers[:55])
    widen(tenant)
    assert len(drain(tenant)) == 50
    move(tenant, *customers[55:])
    move(other, *customers_of(other, 3))
    assert drain(tenant) == [] and len(drain(other)) == 3
    assert states(tenant) == {("sending", ""): 50, ("due", ""): 10}
    assert count_open() == before + 1

    sentence = (
        "More automations than usual: 50 started in the last hour, and the busiest hour of the last 28 days had 10."
        " They are paused until an admin resumes them."
    )
    with tenant_context(tenant.id):
        (note,) = Notification.objects.filter(tenant_id=tenant.id)
        (entry,) = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="open_effects_breaker")
    assert (note.user_id, note.effect) == (people.tenant_admin.id, sentence)
    assert (entry.actor, entry.reason) == ("system:effects_breaker", sentence)

    admin = api_client(people.tenant_admin)
    listed = admin.get("/api/v1/effects?state=due").json()["results"]
    assert {row["reason"] for row in listed} == {"breaker"}
    refused = api_client(people.account_manager).put("/api/v1/effects/pause", {"paused": False, "reason": "x"})
    assert refused.status_code == 403
    answer = admin.put("/api/v1/effects/pause", {"paused": False, "reason": "Meant so"}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"pauses": []})
    assert count_open() == before
    assert len(drain(tenant)) == 10, "an admin has looked: it does not open again at once"


def test_the_morning_s_digests_open_no_breaker(db: None) -> None:
    """Of a team they come together, a day's alerts of which had come one by one."""
    tenant = make_tenant(FORECAST)
    set_usual(tenant, 1)
    move(tenant, *customers_of(tenant, 1))
    widen(tenant)
    (job,) = drain(tenant)
    with tenant_context(tenant.id):
        for _ in range(25):
            file_alert(job, user_id=uuid4(), time_zone="UTC", now=utc_now())
        EffectRun.objects.filter(tenant_id=tenant.id, kind="digest").update(due_at=utc_now())
    assert len(drain(tenant)) == 25
    with tenant_context(tenant.id):
        assert not EffectPause.objects.filter(tenant_id=tenant.id).exists()
        runs = EffectTally.objects.filter(tenant_id=tenant.id, what="runs:part").values_list("count", flat=True)
        assert sum(runs) == 1, "nor do they make an hour look busy"


def test_what_waits_for_the_breaker_does_not_use_up_its_cap(db: None) -> None:
    """It is counted when it runs, and not a first time as the breaker opens."""
    tenant = make_tenant(FORECAST | {"cap_per_hour": 55})
    make_people(tenant)
    set_usual(tenant, 10)
    move(tenant, *customers_of(tenant, 55))
    widen(tenant)
    # Of one hour, which may end while a busy machine is at it.
    now = utc_now()
    assert len(drain(tenant, now=now)) == 50
    with tenant_context(tenant.id):
        (pause,) = EffectPause.objects.filter(tenant_id=tenant.id)
        close_breaker(pause, now=now)
        pause.delete()
    assert len(drain(tenant, now=now)) == 5
    assert states(tenant) == {("sending", ""): 55}
