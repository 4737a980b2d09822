"""The budget of changed customers [SEC-5]: exact in bursts, over time, in bulk, and in what is rolled back."""

import random
import threading
import time
from math import ceil

import http_sf
import pytest
from django.db import OperationalError, connections, transaction
from redis.exceptions import ConnectionError as RedisGone
from uuid_utils.compat import uuid7

from audit.models import LifecycleHistory
from lifecycle.rules.transitions import Change
from lifecycle.sentences import say
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.update_budget import RateLimited, UpdateBudget
from storage.redis import get_client
from tenants.actors import Actor, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tests.factories import MINIMAL, CustomerFactory, utc_now


@pytest.fixture
def person():
    """A new actor with a budget of 10."""
    return make_actor(10)


def make_actor(limit):
    return Actor(kind="user", name=str(uuid7()), permissions=frozenset(PERMISSIONS), updates_per_hour=limit)


def take(tenant, actor, count=1, **options):
    with tenant_context(tenant.id):
        budget = UpdateBudget(actor, **options)
        budget.take(count)
    return budget


def move(tenant, actor, customer, stage, reason="x"):
    """One request that moves one customer, in a transaction of its own."""
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, actor, "API", utc_now()),
            [Change(customer_id=customer.id, stage=stage, reason_code=reason)],
            budget=UpdateBudget(actor),
        )
    return outcome


def moved_by(tenant, actor):
    with tenant_context(tenant.id):
        return LifecycleHistory.objects.filter(tenant_id=tenant.id, changed_by=actor.name).count()


def test_the_budget_is_let_through_and_not_one_more(tenant, person):
    before = time.time()
    for _ in range(10):
        take(tenant, person)
    with pytest.raises(RateLimited) as limited:
        take(tenant, person)
    assert (limited.value.limit, limited.value.remaining) == (10, 0)
    # From the first one on, in the minute of which a slow machine may not come to the last.
    assert 3600 - (time.time() - before) <= limited.value.retry_after <= 3660


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
    assert say(limited.value.message).startswith(
        "This would change 5 customers, and 4 of your 10 changes in any hour are left. Nothing was changed."
    )
    take(tenant, person, 4)


def test_a_call_larger_than_any_hour_says_so(tenant, person):
    with pytest.raises(RateLimited) as limited:
        take(tenant, person, 11)
    assert "send at most 10 at a time" in say(limited.value.message)
    assert take(tenant, person, 10).headers["RateLimit"].startswith('"updates";r=0;t=')


def test_what_is_rolled_back_costs_nothing(tenant, person):
    take(tenant, person, 4)
    with tenant_context(tenant.id):
        UpdateBudget(person).take(6)
        transaction.set_rollback(True)
    take(tenant, person, 6)
    with pytest.raises(RateLimited):
        take(tenant, person)


def test_a_process_that_dies_before_its_commit_has_taken_nothing(tenant, in_threads):
    actor = make_actor(10)

    def die(_):
        with tenant_context(tenant.id):
            UpdateBudget(actor).take(10)
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    (failure,) = in_threads(1, die)
    assert isinstance(failure, OperationalError)
    take(tenant, actor, 10)


def test_the_headers_tell_budget_and_rest(tenant, person):
    assert UpdateBudget(person).headers == {"RateLimit-Policy": '"updates";q=10;w=3600'}
    headers = take(tenant, person, 3).headers
    assert headers["RateLimit-Policy"] == '"updates";q=10;w=3600'
    rest, reset = headers["RateLimit"].removeprefix('"updates";').split(";")
    assert rest == "r=7"
    assert 3600 <= int(reset.removeprefix("t=")) <= 3660
    with pytest.raises(RateLimited) as limited:
        take(tenant, person, 8)
    assert limited.value.headers["Retry-After"] == str(limited.value.retry_after)
    assert limited.value.headers["RateLimit"].startswith('"updates";r=7;t=')


def test_a_parser_of_others_reads_in_the_headers_what_is_meant(tenant, person):
    """RFC 9651 by http-sf: each is a list of one string, whose parameters are whole numbers.

    draft-ietf-httpapi-ratelimit-headers: q quota and w seconds of the policy; r what remains, t seconds until all does.
    """

    def read(headers, name):
        ((policy, parameters),) = http_sf.parse(headers[name].encode(), tltype="list")
        assert (type(policy), {type(value) for value in parameters.values()}) == (str, {int})
        return policy, parameters

    budget = take(tenant, person, 3)
    assert read(budget.headers, "RateLimit-Policy") == ("updates", {"q": 10, "w": 3600})
    name, left = read(budget.headers, "RateLimit")
    assert (name, left["r"], left.keys()) == ("updates", 7, {"r", "t"})
    assert 3600 <= left["t"] <= 3660
    with pytest.raises(RateLimited) as limited:
        take(tenant, person, 8)
    refused = limited.value.headers
    assert read(refused, "RateLimit-Policy") == ("updates", {"q": 10, "w": 3600})
    assert read(refused, "RateLimit")[1]["r"] == 7
    # Retry-After is no structured field: a number of seconds (RFC 9110).
    assert 1 <= int(refused["Retry-After"]) <= 3660
    for headers, names in ((budget.headers, 2), (refused, 3)):
        assert len(headers) == names
        for field in ("RateLimit-Policy", "RateLimit"):
            # As it is written, no other spelling of the same.
            assert http_sf.ser(http_sf.parse(headers[field].encode(), tltype="list")) == headers[field]


@pytest.mark.parametrize("second", [0.0, 0.5, 30.0, 59.99])
def test_no_one_is_asked_to_wait_for_longer_than_the_window_that_is_named(tenant, second):
    """And who keeps to the budget in that window is never refused."""
    actor, clock = make_actor(10), 1_700_000_040.0 + second
    for again in range(3):
        headers = take(tenant, actor, 10, clock=clock + again * 3660).headers
        assert headers["RateLimit-Policy"] == '"updates";q=10;w=3600'
        assert int(headers["RateLimit"].rpartition("t=")[2]) <= 3660
    with pytest.raises(RateLimited) as limited:
        take(tenant, actor, 1, clock=clock + 2 * 3660)
    assert int(limited.value.headers["Retry-After"]) <= 3660


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
            take(tenant, actor, count, clock=clock)
        except RateLimited as limited:
            assert 1 <= limited.retry_after <= 3660
            if dice.random() < 0.5:
                # Those who wait as long as they were asked to are let through.
                clock += limited.retry_after
                take(tenant, actor, count, clock=clock)
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
        take(tenant, actor, 10, clock=clock)
        take(tenant, actor, 10, clock=clock + 3660)


def test_the_time_is_that_of_the_taking_and_not_that_of_the_transaction(tenant, person):
    """The transaction has waited, here for two seconds, since it began."""
    with tenant_context(tenant.id), connections["default"].cursor() as cursor:
        cursor.execute("SELECT now()")
        time.sleep(2)
        budget = UpdateBudget(person)
        before = time.time()
        budget.take(1)
        after = time.time()
    reset = int(budget.headers["RateLimit"].rpartition("t=")[2])
    # Every second that began in between, since a minute may end there, and a busy machine take more than one.
    moments = (before, *range(ceil(before), ceil(after)), after)
    assert reset in {ceil((at // 60 + 61) * 60 - at) for at in moments}


def test_a_super_admin_has_one_budget_in_all_tenants(tenant, other_tenant):
    actor = make_actor(3)
    for customer in CustomerFactory.create_batch(2, tenant=tenant):
        assert move(tenant, actor, customer, "Active").moved
    elsewhere = CustomerFactory.create_batch(2, tenant=other_tenant, stage="Trial")
    assert move(other_tenant, actor, elsewhere[0], "Rollout").moved
    with pytest.raises(RateLimited):
        move(other_tenant, actor, elsewhere[1], "Rollout")
    assert (moved_by(tenant, actor), moved_by(other_tenant, actor)) == (2, 1)


def test_one_s_own_changes_queue_and_those_of_others_never_wait(tenant, in_threads):
    actor, other = make_actor(10), make_actor(10)

    def take_at_once(who):
        with tenant_context(tenant.id), connections["default"].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
            UpdateBudget(who).take(1)
        return "taken"

    with tenant_context(tenant.id):
        UpdateBudget(actor).take(1)
        waited, taken = in_threads(2, lambda number: take_at_once((actor, other)[number]))
    assert isinstance(waited, OperationalError)
    assert "lock timeout" in str(waited)
    assert taken == "taken"
    # The one that gave up has taken nothing.
    assert take(tenant, actor, 9).headers["RateLimit"].startswith('"updates";r=0;')


def test_64_first_changes_at_once_make_one_count(tenant, in_threads):
    actor = make_actor(20)
    customers = CustomerFactory.create_batch(64, tenant=tenant)
    results = in_threads(64, lambda number: move(tenant, actor, customers[number], "Active"))
    assert {type(result) for result in results if isinstance(result, Exception)} == {RateLimited}
    assert sum(not isinstance(result, Exception) for result in results) == 20
    assert moved_by(tenant, actor) == 20


@pytest.mark.parametrize(("opens_to", "is_moved"), [("Active", True), ("Churned", False)])
def test_what_waited_for_a_publication_is_judged_once_by_it_and_costs_what_becomes_of_it(
    tenant, person, monkeypatch, in_threads, opens_to, is_moved
):
    """The configuration was being published when the change began."""
    (customer,) = CustomerFactory.create_batch(1, tenant=tenant)
    document = {**MINIMAL, "transitions": {stage: [opens_to] for stage in MINIMAL["stages"] if stage != opens_to}}
    is_published, taken = threading.Event(), []

    class Budget(UpdateBudget):
        def ask(self, count):
            taken.append(count)
            return super().ask(count)

    monkeypatch.setattr(f"{__name__}.UpdateBudget", Budget)

    def publish():
        with tenant_context(tenant.id):
            publish_configuration(document, tenant=tenant, actor=system_actor("tests"), now=utc_now())
            is_published.set()
            time.sleep(0.3)

    def move_in_between():
        assert is_published.wait(60)
        return move(tenant, person, customer, "Active")

    _, outcome = in_threads(2, lambda number: (publish, move_in_between)[number]())
    assert (outcome.moved, taken) == (is_moved, [1] * is_moved)
    assert take(tenant, person, 10 - is_moved).headers["RateLimit"].startswith('"updates";r=0;')


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
        apply(Call(tenant, person, "API", utc_now()), changes, budget=UpdateBudget(person))
    assert moved_by(tenant, person) == 0
    take(tenant, person, 10)


def test_what_a_publication_moves_costs_its_admin_nothing(tenant):
    actor = make_actor(1)
    for customer in CustomerFactory.create_batch(3, tenant=tenant):
        with tenant_context(tenant.id):
            (outcome,) = apply(
                Call(tenant, actor, "Configuration", utc_now()), [Change(customer_id=customer.id, stage="Active")]
            )
        assert outcome.moved
    take(tenant, actor, 1)


def test_a_row_does_not_grow_with_the_changes_it_has_counted(tenant):
    """Something in every minute, and only an hour is kept."""
    actor = make_actor(61)
    for minute in range(130):
        take(tenant, actor, clock=1_700_000_000.0 + minute * 60)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT cardinality(minutes), cardinality(changes) FROM lifecycle_update_budget WHERE actor = %s",
            [actor.name],
        )
        assert cursor.fetchone() == (61, 61)


def test_a_clock_that_goes_back_gives_no_one_more(tenant, person):
    """A standby whose clock is behind takes over."""
    take(tenant, person, 6, clock=1_700_000_100.0)
    take(tenant, person, 4, clock=1_700_000_000.0)
    with pytest.raises(RateLimited):
        take(tenant, person, 1, clock=1_700_000_000.0 + 3659)
    take(tenant, person, 10, clock=1_700_000_100.0 + 3660)


def test_redis_plays_no_part(tenant, in_threads, monkeypatch):
    def cut(*args, **options):
        raise RedisGone("the line is cut")

    monkeypatch.setattr(get_client().connection_pool.connection_class, "send_packed_command", cut)
    actor = make_actor(12)
    assert sum(in_threads(16, lambda _: attempt(tenant, actor))) == 12
