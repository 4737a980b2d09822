"""What open pages hear of a change, and the totals over a tenant."""

from contextlib import contextmanager
from uuid import uuid4

import orjson
import pytest
from django.db import transaction

from lifecycle.services.cache import cache_keys, copies, stale
from storage.redis import get_client
from tenants.context import tenant_context
from tests.factories import CustomerFactory
from tests.services.acts import move
from tests.services.cache.cached import CONFIGURATION, Record, die_after_commit, refresh, totals, write


def reported(pubsub):
    """The messages that were sent up to here: they come before one that is sent now."""
    (channel,), end, found = pubsub.channels, uuid4().hex.encode(), []
    get_client().publish(channel, end)
    while (message := pubsub.get_message(timeout=60)) is None or message["data"] != end:
        assert message is not None, "Redis says nothing"
        if message["type"] == "message":
            found.append(orjson.loads(message["data"]))
    return found


@contextmanager
def listen(tenant_id):
    pubsub = get_client().pubsub()
    pubsub.subscribe(cache_keys.live_channel(tenant_id))
    yield pubsub
    pubsub.close()


@pytest.fixture
def listening(ids):
    with listen(ids[0]) as pubsub:
        yield pubsub


@pytest.mark.parametrize("size", [1, 501])
def test_open_pages_hear_once_after_the_commit(ids, listening, size):
    records = [Record(ids[1], 7), *(Record(uuid4(), 2) for _ in range(size - 1))]
    with transaction.atomic():
        copies.refresh_statuses(ids[0], records, configuration=CONFIGURATION)
        assert reported(listening) == []
    (message,) = reported(listening)
    assert message["changed"][str(ids[1])] == 7
    assert len(message["changed"]) == size


@pytest.mark.parametrize("size", [1, 12])
def test_open_pages_learn_of_new_figures_after_the_commit(tenant, size):
    customers = [CustomerFactory(tenant=tenant).id for _ in range(size)]
    with listen(tenant.id) as pubsub:
        with tenant_context(tenant.id):
            copies.forget_profiles(tenant.id, customers)
            assert reported(pubsub) == []
        (message,) = reported(pubsub)
    assert message["changed"] == {}
    assert set(message["figures"]) == set(map(str, customers))


def test_open_pages_do_not_hear_of_what_was_rolled_back(ids, listening):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        copies.refresh_statuses(ids[0], [Record(ids[1], 7)], configuration=CONFIGURATION)
        raise ZeroDivisionError
    assert reported(listening) == []


def test_the_relay_tells_open_pages_of_a_change_whose_maker_was_killed_and_of_no_other(tenant, customer, relay):
    with listen(tenant.id) as pubsub:
        with tenant_context(tenant.id):
            move(tenant, customer, "Onboarded")
            die_after_commit()
        relay.look_back()
        assert reported(pubsub) == [{"changed": {str(customer.id): 2}, "figures": []}]
        with tenant_context(tenant.id):
            move(tenant, customer, "Active")
        assert [message["changed"] for message in reported(pubsub)] == [{str(customer.id): 3}]
        relay._looked_back_at = 0.0
        relay.look_back()
        assert reported(pubsub) == []


def test_totals_are_kept_until_the_next_change_of_any_customer(ids):
    copies.read_totals(ids[0]).offer(b"1")
    assert totals(ids) == b"1"
    write(ids, 2, "x")
    assert totals(ids) is None
    copies.read_totals(ids[0]).offer(b"2")
    assert totals(ids) == b"2"
    copies.drop_older(stale.Change(ids[0], profiles={str(ids[1]): 5}), using="default")
    assert totals(ids) is None


def test_totals_that_were_made_before_a_change_are_not_shown_after_it(ids, in_threads):
    slow = copies.read_totals(ids[0])
    write(ids, 2, "x")
    slow.offer(b"before")
    assert totals(ids) is None
    with transaction.atomic():
        refresh(ids, 3, "x")
        in_threads(1, lambda _: copies.read_totals(ids[0]).offer(b"before"))
        assert totals(ids) == b"before"
    assert totals(ids) is None


def test_a_lost_count_of_changes_does_not_bring_back_old_totals(ids):
    copies.read_totals(ids[0]).offer(b"before")
    write(ids, 2, "x")
    get_client().delete(cache_keys.count_key(ids[0]))
    assert totals(ids) is None
    copies.read_totals(ids[0]).offer(b"after")
    assert totals(ids) == b"after"
