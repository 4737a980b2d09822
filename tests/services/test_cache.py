"""The cache never shows an older value over a newer one, whatever order things happen in [AR-4, AC-4]."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
import redis as redis_py
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as RedisConnectionError

import storage.copies
from lifecycle.messaging.stale_copies import StaleCopies
from lifecycle.services.cache import cache_keys, copies, stale
from lifecycle.services.customers.summaries import read_profile, read_summary, read_tenant_summary
from lifecycle.services.events import outbox
from local.processes import find_free_port
from local.valkey import find_program
from storage import redis
from storage.copies import Copy, Watch
from storage.database.base import Connection
from storage.database.identity import POOLED_SECONDS, database_identity, read_identity
from storage.redis import get_client
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.acts import move, publish, report

PARTS = (copies.STATUS, copies.FIGURES)
CONFIGURATION = 3
PATIENCE = 60.0


class Commands:
    """Counts what is sent to Redis, and can cut the line."""

    def __init__(self, monkeypatch):
        self.sent = 0
        self.is_cut = False
        connection_class = get_client().connection_pool.connection_class
        send = connection_class.send_packed_command

        def counted(*args, **options):
            if self.is_cut:
                raise RedisConnectionError("the line is cut")
            self.sent += 1
            return send(*args, **options)

        monkeypatch.setattr(connection_class, "send_packed_command", counted)

    @contextmanager
    def counting(self):
        before = self.sent
        counted = []
        yield counted
        counted.append(self.sent - before)


@pytest.fixture
def commands(monkeypatch):
    # Each script is loaded with its first call, and a connection is greeted; that is not what is counted here.
    for script in (storage.copies._KEEP, storage.copies._FLUSH):
        get_client().script_load(script)
    return Commands(monkeypatch)


@pytest.fixture(autouse=True)
def fresh(db, monkeypatch):
    """An epoch is in force."""
    monkeypatch.setattr(redis, "RETRY_SECONDS", 0.05)
    storage.copies.keep([Copy("c360:tests:begin", 1, 1)])


@pytest.fixture
def ids():
    """A tenant and a customer that no one else uses."""
    return uuid4(), uuid4()


class Record(NamedTuple):
    """A status, as far as the cache looks at it."""

    customer_id: UUID
    version: int
    says: str = ""


def as_value(ids, version, says):
    """What a reader of the status puts there."""
    return orjson.dumps(Record(ids[1], version, says)._asdict())


def shown(ids, part=copies.STATUS):
    """What a reader would be shown now, of a status what it says."""
    value = copies.read(*ids, part).values[part]
    return value if value is None or part != copies.STATUS else orjson.loads(value)["says"]


def offer(reading, version, says, configuration=CONFIGURATION):
    """A reader has read the status from PostgreSQL."""
    ids = (reading.tenant_id, reading.customer_id)
    reading.offer(configuration, status=(version, as_value(ids, version, says)))


def fill(ids, version, says, configuration=CONFIGURATION):
    """A reader misses and puts a version there."""
    offer(copies.read(*ids, copies.STATUS), version, says, configuration)


def fill_old(ids):
    fill(ids, 1, "old")


def refresh(ids, version, says, others=0):
    """Within a transaction: the customer is written, with so many others."""
    records = [Record(ids[1], version, says), *(Record(uuid4(), 2) for _ in range(others))]
    copies.refresh_statuses(ids[0], records, configuration=CONFIGURATION)


def write(ids, version, says):
    with transaction.atomic():
        refresh(ids, version, says)


def key(ids, part=copies.STATUS):
    return cache_keys.part_key(*ids, part)


def test_what_was_offered_is_read_until_it_is_too_old(ids):
    copies.read(*ids, *PARTS).offer(CONFIGURATION, status=(1, b"s1"), figures=(1, b"f1"))
    reading = copies.read(*ids, *PARTS)
    assert dict(reading.values) == {copies.STATUS: b"s1", copies.FIGURES: b"f1"}
    assert reading.configuration == CONFIGURATION
    assert 295 <= get_client().ttl(key(ids)) <= 300
    copies.read(*ids, copies.PROFILE).offer(CONFIGURATION, profile=(1, b"p"))
    assert 86_390 <= get_client().ttl(key(ids, copies.PROFILE)) <= 86_400


def test_a_write_is_seen_by_the_next_reader(ids):
    fill_old(ids)
    write(ids, 2, "new")
    assert shown(ids) == "new"


def test_a_write_that_is_rolled_back_changes_nothing(ids, commands):
    fill_old(ids)
    with commands.counting() as counted, pytest.raises(ZeroDivisionError), transaction.atomic():
        refresh(ids, 2, "never")
        raise ZeroDivisionError
    assert counted == [0]
    assert shown(ids) == "old"
    write(ids, 2, "new")
    assert shown(ids) == "new"


def test_a_slow_reader_does_not_put_an_older_value_over_a_newer_one(ids):
    slow = copies.read(*ids, copies.STATUS)
    write(ids, 2, "new")
    offer(slow, 1, "old")
    assert shown(ids) == "new"


def test_what_a_reader_puts_there_during_a_write_is_gone_after_it(ids):
    with transaction.atomic():
        refresh(ids, 2, "new")
        fill_old(ids)
    assert shown(ids) == "new"


def test_a_reader_that_is_slower_than_a_marker_offers_nothing(ids, monkeypatch):
    slow = copies.read(*ids, copies.STATUS)
    monkeypatch.setattr(storage.copies, "OFFER_WITHIN_SECONDS", 0.0)
    offer(slow, 1, "old")
    assert shown(ids) is None


def test_a_writer_that_was_held_up_after_its_commit_puts_nothing_there(ids, monkeypatch):
    with transaction.atomic():
        refresh(ids, 2, "late")
        monkeypatch.setattr(storage.copies, "OFFER_WITHIN_SECONDS", 0.0)
    assert shown(ids) is None
    assert 0 < get_client().ttl(key(ids)) <= storage.copies.MARKER_SECONDS


class Paused:
    """A transaction in a thread of its own, stopped between its commit and the refresh that follows it."""

    def __init__(self, work, django_db_blocker):
        self.committed, self.go_on = threading.Event(), threading.Event()

        def run():
            from django.db import connections

            with django_db_blocker.unblock():
                with transaction.atomic():
                    transaction.on_commit(self.pause)
                    work()
                connections.close_all()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert self.committed.wait(PATIENCE)

    def pause(self):
        self.committed.set()
        assert self.go_on.wait(PATIENCE)

    def finish(self):
        self.go_on.set()
        self.thread.join(PATIENCE)


def test_writers_that_refresh_in_the_wrong_order_leave_the_newer_value(ids, django_db_blocker):
    fill_old(ids)
    first = Paused(lambda: refresh(ids, 2, "first"), django_db_blocker)
    write(ids, 3, "second")
    assert shown(ids) == "second"
    first.finish()
    assert shown(ids) == "second"


@pytest.mark.parametrize("seed", range(60))
def test_statuses_that_reach_redis_in_any_order_leave_the_newest(ids, seed):
    """Writers commit one after the other, and refresh in any order, or are killed before it; readers in between, and
    the relay, which comes to each change some time.
    """
    dice = random.Random(seed)
    committed, refreshed, waiting, dropping, readers = 1, 1, [], [], []
    for _ in range(40):
        step = dice.choice(["commit", "refresh", "kill", "drop", "read", "offer", "look"])
        if step == "commit" and committed < 8:
            committed += 1
            waiting.append(committed)
            dropping.append(committed)
        elif step == "refresh" and waiting:
            version = waiting.pop(dice.randrange(len(waiting)))
            write(ids, version, f"v{version}")
            refreshed = max(refreshed, version)
        elif step == "kill" and waiting:
            waiting.pop(dice.randrange(len(waiting)))
        elif step == "drop" and dropping:
            version = dropping.pop(dice.randrange(len(dropping)))
            copies.drop_older(stale.Change(ids[0], {str(ids[1]): (CONFIGURATION, version)}), using="default")
            refreshed = max(refreshed, version)
        elif step == "read":
            readers.append((copies.read(*ids, copies.STATUS), committed))
        elif step == "offer" and readers:
            reader, seen = readers.pop(dice.randrange(len(readers)))
            offer(reader, seen, f"v{seen}")
        if (says := shown(ids)) is not None:
            assert int(says[1:]) >= refreshed
    for version in dropping:
        copies.drop_older(stale.Change(ids[0], {str(ids[1]): (CONFIGURATION, version)}), using="default")
    assert shown(ids) in (None, f"v{committed}")


def test_a_status_of_another_configuration_than_the_live_one_is_read_again(ids):
    """A publication may rename the stage without moving anybody."""
    copies.read(*ids, *PARTS).offer(CONFIGURATION, status=(4, as_value(ids, 4, "Trial")), figures=(1, b"f"))
    copies.read(ids[0], uuid4(), copies.STATUS).offer(CONFIGURATION + 1)
    assert dict(copies.read(*ids, *PARTS).values) == {copies.STATUS: None, copies.FIGURES: b"f"}
    fill(ids, 4, "Test", configuration=CONFIGURATION + 1)
    assert shown(ids) == "Test"
    # Somebody who moved the customer before the publication is late.
    write(ids, 4, "Trial")
    assert shown(ids) == "Test"


def test_a_change_of_10_000_customers_is_announced_in_a_handful_of_round_trips(ids, commands):
    fill_old(ids)
    for size, trips in ((1, 1), (500, 1), (501, 1), (10_000, 4)):
        with commands.counting() as counted, transaction.atomic():
            refresh(ids, 1 + size, "new", others=size - 1)
        assert counted == [trips]
        assert shown(ids) == ("new" if size <= copies.BULK else None)


def test_another_tenants_id_finds_nothing(ids):
    fill_old(ids)
    assert shown((uuid4(), ids[1])) is None


def test_a_change_of_one_tenant_leaves_the_others_alone(ids):
    outsider = (uuid4(), uuid4())
    fill(outsider, 1, "theirs")
    write(ids, 2, "new")
    copies.read(*ids, copies.STATUS).offer(CONFIGURATION + 1)
    assert shown(outsider) == "theirs"


# --- somebody died between their commit and the refresh -------------------------------------------------------------


def die_after_commit():
    """The process is gone right after the commit: nothing that was to follow it happens."""
    transaction.get_connection().run_on_commit.clear()


def read(tenant, customer):
    return read_summary(customer.id, tenant=tenant, now=utc_now())


@pytest.fixture
def relay(db):
    """The relay's look after the copies, as one that has led for a while."""
    relay = StaleCopies()
    # It takes so many at a time, and other tests have left theirs.
    while relay.look():
        pass
    relay.look_back()
    relay._watch._next_at = relay._looked_back_at = 0.0
    return relay


def test_a_move_whose_maker_was_killed_shows_after_the_relays_look(tenant, customer, relay):
    read(tenant, customer), read_tenant_summary(tenant=tenant)
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    assert read(tenant, customer)["stage"] == "Prospect"
    relay.look_back()
    assert read(tenant, customer)["stage"] == "Onboarded"
    assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [0, 1]


def test_what_a_slow_reader_offers_after_the_relays_look_is_not_kept(tenant, customer, relay):
    slow = copies.read(tenant.id, customer.id, copies.STATUS)
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    relay.look_back()
    offer(slow, 1, "Prospect", configuration=1)
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_figures_and_profile_whose_writer_was_killed_show_after_the_relays_look(tenant, customer, relay):
    def profile():
        return read_profile(customer.id, tenant=tenant, now=utc_now())

    read(tenant, customer), profile()
    with tenant_context(tenant.id):
        report(tenant, customer, support={"open_issues": 7}, company={"name": "New name"})
        die_after_commit()
    assert (read(tenant, customer)["support"]["open_issues"], profile()["support"]["open_issues"]) != (7, 7)
    assert relay.look()
    assert read(tenant, customer)["support"]["open_issues"] == 7
    assert (profile()["support"]["open_issues"], profile()["company"]["name"]) == (7, "New name")
    assert read_tenant_summary(tenant=tenant)["total"]["customers"] == 1
    assert not relay.look(), "each is announced once"


@pytest.mark.parametrize("part", ["company", "billing", "support", "contacts"])
def test_each_kind_of_figure_that_is_written_is_of_a_later_version(tenant, customer, part):
    from lifecycle.services.customers.recording import ContactFacts

    written = {
        "company": {"industry": "Steel"},
        "billing": {"currency": "EUR", "arr": "5"},
        "support": {"open_issues": 1},
        "contacts": [ContactFacts(name="Ann Example")],
    }
    with tenant_context(tenant.id):
        for _ in range(3):
            before = stale.note_profiles(tenant.id, [customer.id])[str(customer.id)]
            report(tenant, customer, **{part: written[part]})
            assert stale.note_profiles(tenant.id, [customer.id])[str(customer.id)] > before


def test_a_publication_whose_publisher_was_killed_shows_after_the_relays_look(tenant, customer, relay):
    assert read(tenant, customer)["category"] == "acquisition"
    with tenant_context(tenant.id):
        publish(tenant, {**MINIMAL, "categories": {"Prospect": "renewal"}})
        die_after_commit()
    assert read(tenant, customer)["category"] == "acquisition"
    relay.look()
    assert read(tenant, customer)["category"] == "renewal"


def fetch_rows(tenant):
    """What the relay is about to publish of the tenant."""
    return [row for row in outbox.fetch_pending(10_000, skip=[]) if row.tenant_id == tenant.id]


@pytest.mark.parametrize("seen", ["before it is published", "while Kafka is away"])
def test_totals_are_never_old_though_a_reader_of_the_customer_came_before_the_relay(tenant, customer, relay, seen):
    """The status is not in Redis, its maker is killed, and the next reader of the customer puts the new one there."""
    assert read_tenant_summary(tenant=tenant)["stages"][0]["customers"] == 1
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    assert read(tenant, customer)["stage"] == "Onboarded"
    if seen == "while Kafka is away":
        relay.look_back()
    else:
        relay.follow(fetch_rows(tenant))
    assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [0, 1]


def test_totals_are_never_old_though_a_reader_of_the_figures_came_before_the_relay(tenant, customer, relay):
    assert read_tenant_summary(tenant=tenant)["total"]["money"] == []
    with tenant_context(tenant.id):
        report(tenant, customer, billing={"currency": "EUR", "arr": "5"})
        die_after_commit()
    assert read(tenant, customer)["billing"]["arr"] == "5.00"
    assert read_profile(customer.id, tenant=tenant, now=utc_now())["billing"]["arr"] == "5.00"
    relay.look()
    assert read_tenant_summary(tenant=tenant)["total"]["money"] == [{"currency": "EUR", "arr": "5.00"}]


def test_what_was_looked_back_at_before_makes_no_totals_be_read_again(tenant, customer, relay):
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    relay.look_back()
    copies.read_totals(tenant.id).offer(b"kept")
    for _ in range(2):
        relay._looked_back_at = 0.0
        relay.look_back()
        assert copies.read_totals(tenant.id).value == b"kept"


def test_a_writer_whom_a_reader_of_the_new_version_has_overtaken_has_totals_read_again(ids):
    copies.read_totals(ids[0]).offer(b"before")
    copies.read(*ids, copies.FIGURES).offer(CONFIGURATION, figures=(5, b"new"), profile=(5, b"new"))
    copies._keep(copies._profile_markers(ids[0], {str(ids[1]): 5}), copies._news(ids[0], {}))
    assert (totals(ids), shown(ids, copies.FIGURES)) == (None, b"new")


def test_what_the_relay_says_of_a_change_is_one_round_trip_the_first_time_and_later(ids, commands):
    for is_first in (True, False):
        change = stale.Change(ids[0], {str(ids[1]): (CONFIGURATION, 5)}, {str(ids[1]): 5}, is_first=is_first)
        with commands.counting() as counted:
            copies.drop_older(change, using="default")
        assert counted == [1]


KILLED = """
import os, signal
import django
django.setup()
import sys
from uuid import UUID
from django.db import transaction
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.services.acts import move

tenant, customer = TenantRef(UUID(sys.argv[1]), "x"), UUID(sys.argv[2])
with tenant_context(tenant.id):
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    move(tenant, Customer(id=customer), "Onboarded")
"""


def test_a_process_that_is_killed_between_commit_and_refresh_is_made_good(tenant, customer, relay):
    assert read(tenant, customer)["stage"] == "Prospect"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tenant.id), str(customer.id)],
        cwd=settings.BASE_DIR,
        check=False,
        env={**os.environ, "DATABASE_URL": database_url()},
    )
    assert killed.returncode == -signal.SIGKILL
    assert read(tenant, customer)["stage"] == "Prospect", "it did not get to the refresh"
    relay.look_back()
    assert read(tenant, customer)["stage"] == "Onboarded"


def database_url():
    """The address of the tests' own database, for a process of its own."""
    parts = urlsplit(settings.DATABASE_URL)
    return parts._replace(path=f"/{connections['default'].settings_dict['NAME']}").geturl()


# --- what open pages hear ---------------------------------------------------------------------------------------


def reported(pubsub):
    """The messages that were sent up to here: they come before one that is sent now."""
    (channel,), end, found = pubsub.channels, uuid4().hex.encode(), []
    get_client().publish(channel, end)
    while (message := pubsub.get_message(timeout=20)) is None or message["data"] != end:
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


# --- the totals over a tenant ---------------------------------------------------------------------------------------


def totals(ids):
    return copies.read_totals(ids[0]).value


def test_totals_are_kept_until_the_next_change_of_any_customer(ids):
    copies.read_totals(ids[0]).offer(b"1")
    assert totals(ids) == b"1"
    write(ids, 2, "x")
    assert totals(ids) is None
    copies.read_totals(ids[0]).offer(b"2")
    assert totals(ids) == b"2"
    copies.drop_older(stale.Change(ids[0], profiles={str(ids[1]): 5}), using="default")
    assert totals(ids) is None


def test_totals_that_were_made_before_a_change_are_not_shown_after_it(ids):
    slow = copies.read_totals(ids[0])
    write(ids, 2, "x")
    slow.offer(b"before")
    assert totals(ids) is None
    with transaction.atomic():
        refresh(ids, 3, "x")
        copies.read_totals(ids[0]).offer(b"before")
    assert totals(ids) is None


def test_a_lost_count_of_changes_does_not_bring_back_old_totals(ids):
    copies.read_totals(ids[0]).offer(b"before")
    write(ids, 2, "x")
    get_client().delete(cache_keys.count_key(ids[0]))
    assert totals(ids) is None
    copies.read_totals(ids[0]).offer(b"after")
    assert totals(ids) == b"after"


# --- what a hit costs, and Redis away -------------------------------------------------------------------------------


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


def test_a_change_that_its_maker_could_not_announce_is_announced_by_the_relay(tenant, customer, relay, commands):
    """Redis is away for one process alone, which ends before it is back."""
    read(tenant, customer)
    commands.is_cut = True
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    commands.is_cut = False
    storage.copies._missed, redis._away_until = 0, 0.0
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


def test_readers_and_writers_at_once_never_see_a_version_go_back(ids, django_db_blocker):
    """A counter in PostgreSQL's place: writers raise it under a lock, readers read through the cache."""
    truth, reported, lock, errors = [0], [0], threading.Lock(), []

    def write_often():
        for _ in range(60):
            with lock, transaction.atomic():
                truth[0] += 1
                version = truth[0]
                refresh(ids, version, "")
            reported[0] = max(reported[0], version)

    def read_often():
        for _ in range(300):
            before = reported[0]
            reading = copies.read(*ids, copies.STATUS)
            value = reading.values[copies.STATUS]
            if value is None:
                seen = truth[0]
                value = as_value(ids, seen, "")
                reading.offer(CONFIGURATION, status=(seen, value))
            # What had come to Redis before the reading began must be in it.
            if orjson.loads(value)["version"] < before:
                errors.append((value, before))

    def in_thread(work):
        def run():
            from django.db import connections

            with django_db_blocker.unblock():
                work()
                connections.close_all()

        return threading.Thread(target=run)

    threads = [in_thread(write_often), in_thread(write_often), *(in_thread(read_often) for _ in range(4))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    last = copies.read(*ids, copies.STATUS).values[copies.STATUS]
    assert last is None or orjson.loads(last)["version"] == 120


# --- Redis begins again, or another one takes its place --------------------------------------------------------------


class Server:
    """A Valkey of this test's own."""

    def __init__(self, folder, *arguments):
        self.port = find_free_port()
        self._command = [find_program(), "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self._command += arguments
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(part) for part in self._command], stdout=subprocess.DEVNULL)
        self.client = redis_py.Redis(port=self.port)
        await_that(self.client.ping)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def await_that(condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except redis_py.RedisError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path):
    """The cache is in a Valkey of this test's own, which may die."""
    server = Server(tmp_path)
    location = {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{server.port}/0"}
    with override_settings(CACHES={**settings.CACHES, "default": location}):
        forget_client()
        storage.copies.keep([Copy("c360:tests:begin", 1, 1)])
        yield server
        server.kill()
    forget_client()


def forget_client():
    redis._local.__dict__.clear()


def test_redis_that_was_restarted_empty_takes_no_value_of_before(server, ids):
    """The reader had read before the change, the writer was held up after it, and nothing remembers the newer one."""
    slow = copies.read(*ids, copies.STATUS)
    fill_old(ids)
    with transaction.atomic():
        refresh(ids, 2, "second")
        write_in_thread(ids, 3, "third")
        assert shown(ids) == "third"
        server.kill()
        server.start()
    offer(slow, 1, "first")
    assert shown(ids) is None
    fill(ids, 3, "third")
    assert shown(ids) == "third"


def write_in_thread(ids, version, says):
    def run():
        with transaction.atomic():
            refresh(ids, version, says)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)


def test_a_replica_that_lacks_acknowledged_writes_shows_nothing_old_for_longer_than_a_look(
    server, tmp_path, tenant, customer
):
    """Status, figures, profile and totals; the day for which a profile is kept makes no difference."""
    (tmp_path / "replica").mkdir()
    replica = Server(tmp_path / "replica", "--replicaof", "127.0.0.1", server.port)
    watch = Watch(using="relay")
    watch.look()
    profile = {"tenant": tenant, "now": utc_now()}
    for _ in range(2):
        read(tenant, customer), read_profile(customer.id, **profile), read_tenant_summary(tenant=tenant)
    await_that(lambda: replica.client.exists(key((tenant.id, customer.id), copies.PROFILE)))
    await_that(lambda: replica.client.exists(cache_keys.totals_key(tenant.id)))
    # The connection between the two is lost, and these writes are acknowledged by one alone.
    replica.client.replicaof("no", "one")
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    with tenant_context(tenant.id):
        report(tenant, customer, support={"open_issues": 7})
    assert read(tenant, customer)["stage"] == "Onboarded"
    server.kill()
    replica.client.config_set("port", server.port)
    try:
        await_that(lambda: redis_py.Redis(port=server.port).ping())
        redis._away_until = 0.0
        assert read(tenant, customer)["stage"] == "Prospect", "the replica does not know better"
        watch._next_at = 0.0
        watch.look()
        assert read(tenant, customer)["stage"] == "Onboarded"
        assert read(tenant, customer)["support"]["open_issues"] == 7
        assert read_profile(customer.id, **profile)["support"]["open_issues"] == 7
        assert read_tenant_summary(tenant=tenant)["stages"][1]["customers"] == 1
    finally:
        replica.kill()
    assert storage.copies.WATCH_SECONDS <= 1.0


def test_redis_that_falls_silent_costs_one_wait_a_moment_and_shows_nothing_old_when_it_speaks_again(
    server, tenant, customer, monkeypatch
):
    monkeypatch.setattr(redis, "RETRY_SECONDS", 60)
    monkeypatch.setitem(settings.CACHES["default"]["OPTIONS"], "SOCKET_TIMEOUT", 0.2)
    forget_client()
    for _ in range(2):
        read(tenant, customer)
    server.process.send_signal(signal.SIGSTOP)
    asked, get_client = [], redis.get_client
    monkeypatch.setattr(redis, "get_client", lambda: asked.append(1) or get_client())
    try:
        for _ in range(5):
            assert read(tenant, customer)["stage"] == "Prospect"
        with tenant_context(tenant.id):
            move(tenant, customer, "Onboarded")
        assert read(tenant, customer)["stage"] == "Onboarded"
        assert len(asked) == 1
    finally:
        server.process.send_signal(signal.SIGCONT)
    await_that(server.client.ping)
    assert server.client.get(key((tenant.id, customer.id))) is not None, "the old one is still there"
    redis._away_until = 0.0
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_a_server_that_has_not_changed_keeps_its_copies(server, ids):
    watch = Watch(using="relay")
    watch.look()
    fill_old(ids)
    for _ in range(3):
        watch._next_at = 0.0
        watch.look()
    assert shown(ids) == "old"


def test_a_server_that_does_not_say_who_it_is_is_watched_all_the_same(server, ids):
    server.client.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-info"], keys=["*"])
    watch = Watch(using="relay")
    watch.look()
    fill_old(ids)
    watch._next_at = 0.0
    watch.look()
    assert shown(ids) == "old"
    server.kill()
    watch._next_at = 0.0
    watch.look()
    server.start()
    redis._away_until = watch._next_at = 0.0
    watch.look()
    assert shown(ids) is None


# --- the database was restored from a backup ------------------------------------------------------------------------


@pytest.fixture
def restored(monkeypatch):
    """From now on the connections lead to another database than before."""

    def lead_to(identity="restored"):
        monkeypatch.setattr(storage.copies, "database_identity", lambda **_: identity)
        storage.copies.keep([Copy("c360:tests:begin", 1, 1)])

    return lead_to


def test_nothing_that_was_cached_before_a_restore_is_shown_after_it(ids, restored):
    copies.read(*ids, copies.PROFILE, *PARTS).offer(
        CONFIGURATION, status=(9, as_value(ids, 9, "lost")), figures=(9, b"lost"), profile=(9, b"lost")
    )
    copies.read_totals(ids[0]).offer(b"lost")
    assert (shown(ids), totals(ids)) == ("lost", b"lost")
    restored()
    assert (shown(ids), shown(ids, copies.FIGURES), shown(ids, copies.PROFILE), totals(ids)) == (None,) * 4
    fill(ids, 7, "restored")
    assert shown(ids) == "restored"


def test_a_version_that_is_given_again_after_a_restore_is_shown_after_its_commit(ids, restored):
    fill(ids, 9, "lost")
    restored()
    fill(ids, 7, "restored")
    with transaction.atomic():
        refresh(ids, 8, "given again")
        assert shown(ids) == "restored"
    assert shown(ids) == "given again"


def test_who_still_has_the_lost_database_does_not_show_what_the_restored_one_holds(ids, restored):
    restored("lost")
    fill(ids, 9, "lost")
    restored("restored")
    fill(ids, 7, "restored")
    restored("lost")
    assert shown(ids) is None


def test_the_relay_has_the_same_database_as_those_whom_it_follows(ids):
    assert database_identity(using="relay") == database_identity()


def test_the_identity_is_asked_once_a_connection_and_in_time_behind_a_pooler(db):
    connections["default"].close()
    identity = database_identity()
    raw = connections["default"].connection
    assert identity == raw.identity and len(identity) == 16
    asked = raw.identified_at
    with CaptureQueriesContext(connections["default"]) as queries:
        assert (database_identity(), connections["default"].is_usable()) == (identity, True)
    assert (len(queries), raw.identified_at) == (0, asked)
    # A pooler may have connected to another server in the meantime.
    with override_settings(DATABASE_POOLER=True):
        raw.identity, raw.identified_at = "lost", asked - POOLED_SECONDS - 1
        assert connections["default"].is_usable()
    assert raw.identity == identity


@pytest.mark.direct
@pytest.mark.parametrize(
    "forbidden",
    [
        ["pg_control_system()"],
        ["pg_current_wal_lsn()", "pg_walfile_name(pg_lsn)"],
        ["pg_control_system()", "pg_current_wal_lsn()", "pg_postmaster_start_time()"],
    ],
)
def test_a_server_that_forbids_a_part_of_its_identity_is_known_by_the_others(db, forbidden):
    name = f"c360_identity_{uuid4().hex[:8]}"
    seen = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with (
                psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as owner,
                Connection.connect(settings.DATABASE_URL, dbname=name, autocommit=True) as session,
            ):
                for statement in (
                    "SELECT",
                    *(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC" for function in forbidden),
                    "SELECT",
                    "CREATE TABLE customer_lifecycle_status ()",
                ):
                    owner.execute(statement)
                    read_identity(session)
                    seen.append(session.identity)
        finally:
            admin.execute(f"DROP DATABASE {name}")
    whole, *partial, again, restored = seen
    assert (partial[-1], len({whole, again, restored})) == (again, 3)


def test_the_identity_is_of_the_database_and_of_the_file_that_holds_the_statuses(db):
    name = f"c360_identity_{uuid4().hex[:8]}"
    seen = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with Connection.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as session:
                for statement in (
                    "SELECT",
                    "CREATE TABLE customer_lifecycle_status ()",
                    "TRUNCATE customer_lifecycle_status",
                    "DROP TABLE customer_lifecycle_status; CREATE TABLE customer_lifecycle_status ()",
                ):
                    session.execute(statement)
                    read_identity(session)
                    seen.append(session.identity)
        finally:
            admin.execute(f"DROP DATABASE {name}")
    assert len({*seen, database_identity()}) == 5
