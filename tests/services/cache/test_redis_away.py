"""What a hit costs, and Redis away: slower, never wrong."""

import time
from uuid import uuid4

import redis as redis_py
from django.conf import settings

import storage.copies
from lifecycle.messaging.stale_copies import StaleCopies
from lifecycle.services.cache import copies
from storage import redis
from storage.copies import Copy
from storage.redis import get_client
from storage.servers import current_server, on_server
from tenants.context import tenant_context
from tests.services.acts import move, report
from tests.services.cache.cached import (
    CONFIGURATION,
    PARTS,
    PATIENCE,
    die_after_commit,
    fill,
    fill_old,
    read,
    shown,
    totals,
    write,
)


def test_a_hit_is_one_round_trip_and_a_miss_one_more(ids, commands):
    with commands.counting() as counted:
        reading = copies.read(*ids, *PARTS)
    assert counted == [1]
    with commands.counting() as counted:
        reading.offer(CONFIGURATION, status=(1, b"s"), figures=(1, b"f"))
    assert counted == [1]
    with commands.counting() as counted:
        assert copies.read(*ids, *PARTS).values[copies.FIGURES] == b"f"
    assert counted == [1]


def test_a_connection_that_redis_has_closed_is_made_again_and_is_no_outage(ids):
    fill_old(ids)
    address = settings.CACHES["default"]["LOCATION"]
    redis_py.Redis.from_url(address).client_kill_filter(_id=get_client().client_id())
    assert shown(ids) == "old"
    redis_py.Redis.from_url(address).client_kill_filter(_id=get_client().client_id())
    write(ids, 2, "new")
    assert (shown(ids), redis._away_until) == ("new", 0.0)


def test_each_thread_has_a_connection_of_its_own_and_keeps_it(in_threads):
    numbers = in_threads(4, lambda _: (get_client().client_id(), get_client().client_id()))
    assert all(first == second for first, second in numbers)
    assert len(set(numbers)) == 4


def await_redis():
    """Until this process asks again and has flushed."""
    deadline = time.monotonic() + PATIENCE
    while storage.copies.read(["c360:tests:none"]).epoch is None:
        assert time.monotonic() < deadline, "the outage does not end"
        time.sleep(0.02)


def test_while_redis_is_away_reads_miss_and_writes_go_on(tenant, customer, commands):
    ids = tenant.id, customer.id
    fill_old(ids)
    commands.is_cut = True
    assert shown(ids) is None
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        report(tenant, customer, support={"open_issues": 7})
    summary = read(tenant, customer)
    assert (summary["stage"], summary["support"]["open_issues"]) == ("Onboarded", 7)
    assert totals(ids) is None


def test_a_process_that_has_just_failed_asks_no_one_for_a_moment(ids, commands, monkeypatch):
    monkeypatch.setattr(redis, "RETRY_SECONDS", 60)
    commands.is_cut = True
    shown(ids)
    commands.is_cut = False
    with commands.counting() as counted:
        assert shown(ids) is None
        write(ids, 2, "new")
    assert counted == [0]


def test_a_change_that_could_not_be_announced_is_never_hidden_by_an_old_value(ids, commands):
    fill_old(ids)
    copies.read_totals(ids[0]).offer(b"old")
    commands.is_cut = True
    write(ids, 2, "new")
    commands.is_cut = False
    for _ in range(20):
        assert (shown(ids), totals(ids)) == (None, None)
        time.sleep(0.01)
    await_redis()
    assert (shown(ids), totals(ids)) == (None, None)
    fill(ids, 2, "new")
    assert shown(ids) == "new"


def test_threads_that_make_up_for_one_change_at_once_do_not_hide_the_next(ids, commands, monkeypatch):
    flush, flushed = storage.copies.flush, []

    def flush_beside_another():
        flushed.append(flush())
        if len(flushed) == 1:
            # Another thread has found the same change missed, and is done before this one.
            fill(ids, 2, "second")

    monkeypatch.setattr(storage.copies, "flush", flush_beside_another)
    commands.is_cut = True
    write(ids, 2, "second")
    commands.is_cut, redis._away_until = False, 0.0
    shown(ids)
    assert len(flushed) == 2
    commands.is_cut = True
    write(ids, 3, "third")
    commands.is_cut, redis._away_until = False, 0.0
    assert (shown(ids), len(flushed)) == (None, 3)


def test_a_change_of_one_server_is_not_made_good_by_a_flush_for_another(second_server, ids, commands, monkeypatch):
    monkeypatch.setattr(storage.copies, "database_identity", lambda **_: f"tests-{ids[0]}-{current_server()}")
    with on_server("b"):
        storage.copies.keep([Copy("c360:tests:begin", 1, 1)])
        fill_old(ids)
        assert shown(ids) == "old"
        commands.is_cut = True
        write(ids, 2, "new")
    commands.is_cut, redis._away_until = False, 0.0
    # The next who reads works on another server.
    assert shown((uuid4(), uuid4())) is None
    with on_server("b"):
        assert shown(ids) is None, "what was true before the change"
        fill(ids, 2, "new")
        assert shown(ids) == "new"


def test_a_change_that_its_maker_could_not_announce_is_announced_by_the_relay(tenant, customer, relay, commands):
    """Redis is away for one process alone, which ends before it is back."""
    read(tenant, customer)
    commands.is_cut = True
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    commands.is_cut = False
    storage.copies._missed.clear()
    redis._away_until = 0.0
    assert read(tenant, customer)["stage"] == "Prospect"
    relay.look_back()
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_a_relay_that_could_not_tell_a_change_flushes_when_redis_is_back(tenant, customer, relay, commands):
    read(tenant, customer)
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    commands.is_cut = True
    relay.look_back()
    commands.is_cut = False
    redis._away_until = 0.0
    assert read(tenant, customer)["stage"] == "Prospect"
    relay._watch._next_at = 0.0
    relay.look()
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_a_relay_that_begins_to_lead_believes_nothing_of_before(ids):
    fill_old(ids)
    StaleCopies().look()
    assert shown(ids) is None
