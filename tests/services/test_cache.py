"""The cache never shows an older value over a newer one, whatever order things happen in [AR-4, AC-4]."""

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError

from lifecycle.services.cache import cache_keys, copies, outage
from lifecycle.services.cache.outage import Outage
from lifecycle.services.cache.scripts import get_scripts
from storage import redis_line
from storage.database.base import Connection
from storage.database.identity import POOLED_SECONDS, database_identity, read_identity

PARTS = (copies.STATUS, copies.FIGURES)


class Commands:
    """Counts what is sent to Redis, and can cut the line."""

    def __init__(self, monkeypatch):
        self.sent = 0
        self.is_cut = False
        connection_class = get_redis_connection("default").connection_pool.connection_class
        # What goes by a thread's own line, and what goes by the pool.
        for owner, name in ((redis_line._Line, "send"), (connection_class, "send_command")):
            monkeypatch.setattr(owner, name, self._count(getattr(owner, name)))

    def _count(self, send):
        def counted(*args, **kwargs):
            if self.is_cut:
                raise RedisConnectionError("the line is cut")
            self.sent += 1
            return send(*args, **kwargs)

        return counted

    @contextmanager
    def counting(self):
        before = self.sent
        counted = []
        yield counted
        counted.append(self.sent - before)


@pytest.fixture
def commands(monkeypatch):
    # Each script is loaded with its first call; that is not what is counted here.
    registered = get_scripts()
    client = get_redis_connection("default")
    for script in vars_of(registered):
        client.script_load(script.script)
    return Commands(monkeypatch)


def vars_of(scripts):
    return [getattr(scripts, name) for name in scripts.__slots__]


@pytest.fixture(autouse=True)
def fresh_outage(monkeypatch):
    monkeypatch.setattr(copies, "outage", Outage())


@pytest.fixture
def ids():
    """A tenant and a customer that nobody else uses."""
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
    """What a reader would be shown now, of a status what it says; unlike a reader, this leaves no token behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "get_scripts", lambda: Unused())
        value = copies.read(*ids, part).values[part]
    return value if value is None or part != copies.STATUS else orjson.loads(value)["says"]


class Unused:
    """Redis without scripts: nothing is leased."""

    def lease(self, **_):
        return None


def fill_old(ids):
    """A reader puts version 1 there."""
    copies.read(*ids, copies.STATUS).fill({copies.STATUS: as_value(ids, 1, "old")})


def refresh(ids, version, says, others=0):
    """Within a transaction: the customer is written, with so many others."""
    records = [Record(ids[1], version, says), *(Record(uuid4(), 2) for _ in range(others))]
    copies.refresh_statuses(ids[0], records)


def write(ids, version, says):
    with transaction.atomic():
        refresh(ids, version, says)


def key(ids, part=copies.STATUS):
    return cache_keys.part_key(*ids, part)


def test_what_was_filled_is_read_until_it_is_too_old(db, ids):
    copies.read(*ids, *PARTS).fill({copies.STATUS: b"s1", copies.FIGURES: b"f1"})
    assert dict(copies.read(*ids, *PARTS).values) == {copies.STATUS: b"s1", copies.FIGURES: b"f1"}
    client = get_redis_connection("default")
    assert 295 <= client.ttl(key(ids)) <= 300
    copies.read(*ids, copies.PROFILE).fill({copies.PROFILE: b"p"})
    assert 86_390 <= client.ttl(key(ids, copies.PROFILE)) <= 86_400


def test_a_write_is_seen_by_the_next_reader(db, ids):
    fill_old(ids)
    write(ids, 2, "new")
    assert shown(ids) == "new"


def test_a_write_that_is_rolled_back_leaves_nothing_behind_but_a_token(db, ids):
    fill_old(ids)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        refresh(ids, 2, "never")
        raise ZeroDivisionError
    assert shown(ids) is None
    assert 0 < get_redis_connection("default").ttl(key(ids)) <= copies.WRITER_TOKEN_SECONDS


def test_a_slow_reader_does_not_put_an_older_value_over_a_newer_one(db, ids):
    slow = copies.read(*ids, copies.STATUS)
    write(ids, 2, "new")
    slow.fill({copies.STATUS: as_value(ids, 1, "old")})
    assert shown(ids) == "new"


def test_a_reader_that_began_during_a_write_does_not_fill(db, ids):
    with transaction.atomic():
        refresh(ids, 2, "new")
        during = copies.read(*ids, copies.STATUS)
        during.fill({copies.STATUS: as_value(ids, 1, "old")})
        assert shown(ids) is None
    during.fill({copies.STATUS: as_value(ids, 1, "old")})
    assert shown(ids) == "new"


def test_a_slow_reader_does_not_bring_back_what_was_forgotten(db, ids):
    copies.read(*ids, copies.FIGURES).fill({copies.FIGURES: b"old"})
    get_redis_connection("default").delete(key(ids, copies.FIGURES))
    slow = copies.read(*ids, copies.FIGURES)
    with transaction.atomic():
        copies.forget(ids[0], [ids[1]], copies.FIGURES, copies.PROFILE)
    slow.fill({copies.FIGURES: b"old"})
    assert shown(ids, copies.FIGURES) is None


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
        assert self.committed.wait(10)

    def pause(self):
        self.committed.set()
        assert self.go_on.wait(10)

    def finish(self):
        self.go_on.set()
        self.thread.join(10)


def test_writers_that_refresh_in_the_wrong_order_leave_the_newer_value(db, ids, django_db_blocker):
    first = Paused(lambda: refresh(ids, 2, "first"), django_db_blocker)
    write(ids, 3, "second")
    assert shown(ids) == "second"
    first.finish()
    # The late one finds that its place was taken: either the newer value stays, or nothing does.
    assert shown(ids) in ("second", None)


def test_a_late_refresh_does_not_take_the_token_of_a_writer_that_is_still_at_work(db, ids, django_db_blocker):
    first = Paused(lambda: refresh(ids, 2, "first"), django_db_blocker)
    with transaction.atomic():
        refresh(ids, 3, "second")
        first.finish()
        reader = copies.read(*ids, copies.STATUS)
        reader.fill({copies.STATUS: as_value(ids, 2, "first")})
        assert shown(ids) is None
    assert shown(ids) == "second"


@pytest.mark.parametrize("seed", range(60))
def test_statuses_that_reach_redis_in_any_order_leave_the_newest(db, ids, seed):
    """Each writer's token and status arrive in their own order and in none with those of others; readers in between."""
    dice = random.Random(seed)
    stamps, place = cache_keys.stamp_keys(ids[0]), key(ids)
    scripts = get_scripts()
    generation = scripts.look(keys=stamps[:2], args=[])

    def hold(version):
        keys = [stamps[-1], cache_keys.writing_key(ids[0]), place]
        scripts.hold_statuses(keys=keys, args=[b"w%d" % version, 10, generation, version])

    def put(version):
        arguments = [b"w%d" % version, generation, "c360:test", b"", 300]
        scripts.put_statuses(keys=[*stamps, place], args=[*arguments, version, as_value(ids, version, f"v{version}")])

    # The row is locked by one after the other. The token is sent before the commit, and may arrive after it.
    steps = {version: dice.choice([["hold", "commit", "put"], ["commit", "hold", "put"]]) for version in range(2, 7)}
    committed, put_done, readers = 1, set(), []
    while steps:
        version = dice.choice([version for version in steps if version <= committed + 1])
        step = steps[version].pop(0)
        if step == "hold":
            hold(version)
        elif step == "commit":
            committed = version
        else:
            put(version)
            put_done.add(version)
            del steps[version]
        if dice.random() < 0.5:
            readers.append((committed, copies.read(*ids, copies.STATUS)))
        if readers and dice.random() < 0.5:
            seen, reader = readers.pop(dice.randrange(len(readers)))
            reader.fill({copies.STATUS: as_value(ids, seen, f"v{seen}")})
        if (says := shown(ids)) is not None:
            assert int(says[1:]) >= max(put_done, default=1)
    assert shown(ids) in (None, "v6")


def test_a_version_that_was_rolled_back_is_written_by_the_next(db, ids):
    fill_old(ids)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        refresh(ids, 2, "never")
        raise ZeroDivisionError
    write(ids, 2, "new")
    assert shown(ids) == "new"


def cut_line():
    """Redis closes the line of this thread."""
    client = get_redis_connection("default")
    ours = redis_line._line_of(client).connection._sock.getsockname()
    client.client_kill(f"{ours[0]}:{ours[1]}")
    threading.Event().wait(0.05)


@pytest.mark.parametrize("when", ["before the token", "before the status", "before its answer"])
def test_a_line_that_redis_cuts_never_leaves_an_old_status(db, ids, monkeypatch, when):
    monkeypatch.setattr(outage, "RETRY_SECONDS", 0.05)
    write(ids, 1, "old")
    if when == "before the token":
        cut_line()
    with transaction.atomic():
        refresh(ids, 2, "new")
        if when == "before the status":
            cut_line()
    if when == "before its answer":
        cut_line()
    assert shown(ids) in (None, "new")
    await_end_of_outage()
    assert shown(ids) in (None, "new")
    write(ids, 3, "newer")
    assert shown(ids) == "newer"


KILLED = """
import os, signal
import django
django.setup()
from typing import NamedTuple
from uuid import UUID
from django.db import transaction
from lifecycle.services.cache import copies
import sys

class Record(NamedTuple):
    customer_id: UUID
    version: int

tenant, customer = map(UUID, sys.argv[1:])
# The first time the script is called and waited for; the second time it is left to the kernel.
for version in (1, 2):
    with transaction.atomic():
        copies.refresh_statuses(tenant, [Record(customer, version)])
        if version == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_token_of_a_process_that_is_killed_right_before_its_commit_arrives(db, ids):
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, ids)], cwd=settings.BASE_DIR, check=False)
    assert killed.returncode == -signal.SIGKILL
    client = get_redis_connection("default")
    for _ in range(100):
        if client.get(key(ids)).startswith(b"!v2:"):
            break
        threading.Event().wait(0.02)
    assert client.get(key(ids)).startswith(b"!v2:")


def test_a_bulk_change_that_this_process_has_not_heard_of_keeps_a_late_status_out(db, ids):
    fill_old(ids)
    tenant_key = cache_keys.generation_key(ids[0])
    with transaction.atomic():
        refresh(ids, 2, "new")
        # Somebody else's bulk change, right after our commit: it would have waited for our lock.
        get_scripts().bump(keys=[tenant_key], args=[])
    assert shown(ids) is None
    write(ids, 4, "newest")
    assert shown(ids) == "newest"


def await_end_of_outage():
    for _ in range(200):
        if copies.outage.is_over():
            return
        threading.Event().wait(0.02)
    pytest.fail("the outage does not end")


def test_a_crash_between_commit_and_refresh_costs_seconds_and_never_shows_the_old_value(db, ids, monkeypatch):
    monkeypatch.setattr(copies, "WRITER_TOKEN_SECONDS", 1)
    fill_old(ids)
    with transaction.atomic():
        refresh(ids, 2, "new")
        # The process dies right after the commit: nothing that was to follow it happens.
        transaction.get_connection().run_on_commit.clear()
    reading = copies.read(*ids, copies.STATUS)
    assert reading.values[copies.STATUS] is None
    threading.Event().wait(1.1)
    copies.read(*ids, copies.STATUS).fill({copies.STATUS: as_value(ids, 2, "new")})
    assert shown(ids) == "new"


def lose_token(ids):
    """The token's time is over, or Redis has thrown it out."""
    assert redis_line.call(get_redis_connection("default"), "DEL", key(ids)) == 1


def test_a_transaction_longer_than_its_token_still_throws_out_what_readers_put_there(db, ids):
    with transaction.atomic():
        refresh(ids, 2, "new")
        lose_token(ids)
        fill_old(ids)
        assert shown(ids) == "old"
    assert shown(ids) is None


def test_a_transaction_longer_than_its_token_stops_a_reader_that_is_still_reading(db, ids):
    with transaction.atomic():
        refresh(ids, 2, "new")
        lose_token(ids)
        reader = copies.read(*ids, copies.STATUS)
    reader.fill({copies.STATUS: as_value(ids, 1, "old")})
    assert shown(ids) is None


def test_a_change_of_10_000_customers_costs_as_many_round_trips_as_one_of_501(db, ids, commands):
    fill_old(ids)
    counts = []
    for size in (501, 10_000):
        with commands.counting() as counted, transaction.atomic():
            refresh(ids, 2, "new", others=size - 1)
        counts += counted
    assert counts == [3, 3], "before the commit, after it, and the announcement"
    assert shown(ids) is None


def test_a_change_of_500_customers_is_told_in_one_round_trip_before_and_one_after(db, ids, commands):
    copies.read(*ids, copies.STATUS)
    with commands.counting() as counted, transaction.atomic():
        refresh(ids, 2, "new", others=499)
    assert counted == [2]
    assert shown(ids) == "new"


def test_while_a_bulk_change_runs_nobody_fills_and_other_tenants_notice_nothing(db, ids):
    stranger = (uuid4(), uuid4())
    copies.read(*stranger, copies.STATUS).fill({copies.STATUS: as_value(stranger, 1, "theirs")})
    with transaction.atomic():
        refresh(ids, 2, "new", others=copies.BULK)
        during = copies.read(*ids, copies.STATUS)
        during.fill({copies.STATUS: as_value(ids, 1, "old")})
        assert shown(ids) is None
    during.fill({copies.STATUS: as_value(ids, 1, "old")})
    assert shown(ids) is None
    copies.read(*ids, copies.STATUS).fill({copies.STATUS: as_value(ids, 2, "new")})
    assert shown(ids) == "new"
    assert shown(stranger) == "theirs"


def test_a_bulk_change_that_ends_does_not_open_the_door_for_one_that_still_runs(db, ids, django_db_blocker):
    with transaction.atomic():
        refresh(ids, 2, "new", others=copies.BULK)
        other = Paused(lambda: refresh(ids, 2, "new", others=copies.BULK), django_db_blocker)
        other.finish()
        fill_old(ids)
        assert shown(ids) is None


def test_a_configuration_change_makes_everything_of_the_tenant_a_miss(db, ids):
    copies.read(*ids, *PARTS).fill({copies.STATUS: b"s", copies.FIGURES: b"f"})
    copies.read_sum(ids[0]).fill(b"sum")
    with transaction.atomic():
        copies.forget_tenant(ids[0])
    assert set(copies.read(*ids, *PARTS).values.values()) == {None}
    assert copies.read_sum(ids[0]).value is None


def test_a_lost_generation_does_not_bring_back_old_values(db, ids):
    copies.read(*ids, copies.PROFILE).fill({copies.PROFILE: b"before"})
    with transaction.atomic():
        copies.forget_tenant(ids[0])
    get_redis_connection("default").delete(cache_keys.generation_key(ids[0]))
    assert shown(ids, copies.PROFILE) is None
    copies.read(*ids, copies.PROFILE).fill({copies.PROFILE: b"after"})
    assert shown(ids, copies.PROFILE) == b"after"


# What open pages are told.


def told(pubsub):
    """The messages that have arrived."""
    found = []
    while (message := pubsub.get_message(timeout=0.3)) is not None:
        if message["type"] == "message":
            found.append(orjson.loads(message["data"]))
    return found


@pytest.fixture
def listening(ids):
    pubsub = get_redis_connection("default").pubsub()
    pubsub.subscribe(cache_keys.live_channel(ids[0]))
    yield pubsub
    pubsub.close()


@pytest.mark.parametrize("size", [1, 501])
def test_open_pages_are_told_once_after_the_commit(db, ids, listening, size):
    records = [Record(ids[1], 7), *(Record(uuid4(), 2) for _ in range(size - 1))]
    with transaction.atomic():
        copies.refresh_statuses(ids[0], records)
        assert told(listening) == []
    (message,) = told(listening)
    assert message["changed"][str(ids[1])] == 7
    assert len(message["changed"]) == size


@pytest.mark.parametrize("size", [1, 501])
def test_open_pages_are_told_of_new_figures_after_the_commit(db, ids, listening, size):
    with transaction.atomic():
        copies.forget(ids[0], [ids[1], *(uuid4() for _ in range(size - 1))], copies.FIGURES, copies.PROFILE)
        assert told(listening) == []
    (message,) = told(listening)
    assert message["figures"][0] == str(ids[1])
    assert (message["changed"], len(message["figures"])) == ({}, size)


def test_open_pages_are_not_told_of_what_was_rolled_back(db, ids, listening):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        copies.refresh_statuses(ids[0], [Record(ids[1], 7)])
        raise ZeroDivisionError
    assert told(listening) == []


# The sum over a tenant.


def test_the_sum_is_kept_until_the_next_change_of_any_customer(db, ids):
    copies.read_sum(ids[0]).fill(b"1")
    assert copies.read_sum(ids[0]).value == b"1"
    write(ids, 2, "x")
    assert copies.read_sum(ids[0]).value is None
    copies.read_sum(ids[0]).fill(b"2")
    with transaction.atomic():
        copies.forget(ids[0], [ids[1]], copies.FIGURES)
    assert copies.read_sum(ids[0]).value is None


def test_a_sum_that_was_made_before_a_change_is_not_kept_after_it(db, ids):
    slow = copies.read_sum(ids[0])
    write(ids, 2, "x")
    slow.fill(b"before")
    assert copies.read_sum(ids[0]).value is None


def test_a_sum_made_during_a_change_lives_for_seconds_and_not_past_its_end(db, ids):
    with transaction.atomic():
        refresh(ids, 2, "x")
        copies.read_sum(ids[0]).fill(b"before")
        assert 0 < get_redis_connection("default").ttl(cache_keys.sum_key(ids[0])) <= copies.READER_TOKEN_SECONDS
    assert copies.read_sum(ids[0]).value is None


def test_a_lost_count_of_changes_does_not_bring_back_an_old_sum(db, ids):
    copies.read_sum(ids[0]).fill(b"before")
    write(ids, 2, "x")
    get_redis_connection("default").delete(*cache_keys.stamp_keys(ids[0])[1:])
    assert copies.read_sum(ids[0]).value is None


# What a hit costs, and Redis away.


def test_a_hit_is_one_round_trip_and_a_miss_two_and_one_to_fill(db, ids, commands):
    with commands.counting() as counted:
        reading = copies.read(*ids, *PARTS)
    assert counted == [2]
    with commands.counting() as counted:
        reading.fill({copies.STATUS: b"s", copies.FIGURES: b"f"})
    assert counted == [1]
    with commands.counting() as counted:
        copies.read(*ids, *PARTS)
    assert counted == [1]


def test_while_redis_is_away_reads_miss_and_writes_go_on(db, ids, commands):
    fill_old(ids)
    commands.is_cut = True
    assert shown(ids) is None
    write(ids, 2, "new")
    with transaction.atomic():
        copies.forget(ids[0], [ids[1]], copies.FIGURES)
        copies.forget_tenant(ids[0])
    assert copies.read_sum(ids[0]).value is None


def test_a_change_that_could_not_be_told_is_never_hidden_by_an_old_value(db, ids, commands, monkeypatch):
    monkeypatch.setattr(outage, "RETRY_SECONDS", 0.05)
    fill_old(ids)
    copies.read_sum(ids[0]).fill(b"old")
    commands.is_cut = True
    write(ids, 2, "new")
    commands.is_cut = False
    for _ in range(200):
        assert shown(ids) is None
        assert copies.read_sum(ids[0]).value is None
        if copies.outage.is_over():
            break
        threading.Event().wait(0.02)
    assert copies.outage.is_over()
    assert shown(ids) is None


@pytest.mark.parametrize("size", [1, 501])
def test_redis_that_goes_away_between_the_two_steps_is_made_good(db, ids, commands, monkeypatch, size):
    monkeypatch.setattr(outage, "RETRY_SECONDS", 0.05)
    fill_old(ids)
    with transaction.atomic():
        refresh(ids, 2, "new", others=size - 1)
        commands.is_cut = True
    assert not copies.outage.is_over()
    commands.is_cut = False
    await_end_of_outage()
    assert shown(ids) is None


def test_readers_and_writers_at_once_never_see_a_version_go_back(db, ids, django_db_blocker):
    """A counter in PostgreSQL's place: writers raise it under a lock, readers read through the cache."""
    truth, told, lock, errors = [0], [0], threading.Lock(), []

    def write_often():
        for _ in range(60):
            with lock, transaction.atomic():
                truth[0] += 1
                version = truth[0]
                refresh(ids, version, "")
            # No writer waits for Redis, but with the answer to this it has all that this one sent before.
            redis_line.call(get_redis_connection("default"), "PING")
            told[0] = max(told[0], version)

    def read_often():
        for _ in range(300):
            before = told[0]
            reading = copies.read(*ids, copies.STATUS)
            value = reading.values[copies.STATUS]
            if value is None:
                value = as_value(ids, truth[0], "")
                reading.fill({copies.STATUS: value})
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


# --- the database was restored from a backup ------------------------------------------------------------------------


@pytest.fixture
def restored(monkeypatch):
    """From now on the connections lead to another database than before."""
    return lambda identity="restored": monkeypatch.setattr(cache_keys, "database_identity", lambda: identity)


def fill(ids, version, says, part=copies.STATUS):
    copies.read(*ids, part).fill({part: as_value(ids, version, says)})


def test_nothing_that_was_cached_before_a_restore_is_shown_after_it(db, ids, restored):
    fill(ids, 9, "lost")
    fill(ids, 9, "lost", copies.PROFILE)
    copies.read_sum(ids[0]).fill(b"lost")
    assert (shown(ids), copies.read_sum(ids[0]).value) == ("lost", b"lost")
    restored()
    assert shown(ids) is None
    assert shown(ids, copies.PROFILE) is None
    assert copies.read_sum(ids[0]).value is None
    fill(ids, 7, "restored")
    assert shown(ids) == "restored"


def test_a_version_that_is_given_again_after_a_restore_is_shown_after_its_commit(db, ids, restored):
    fill(ids, 9, "lost")
    restored()
    with transaction.atomic():
        refresh(ids, 8, "given again")
        during = copies.read(*ids, copies.STATUS)
        during.fill({copies.STATUS: as_value(ids, 7, "restored")})
        assert shown(ids) is None
    assert shown(ids) == "given again"


def test_a_writer_killed_before_its_refresh_leaves_no_status_of_the_lost_database(db, ids, restored):
    fill(ids, 9, "lost")
    restored()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        refresh(ids, 8, "given again")
        raise ZeroDivisionError
    # Its token keeps the place until whatever it has committed is old enough to be read.
    copies.read(*ids, copies.STATUS).fill({copies.STATUS: as_value(ids, 7, "restored")})
    assert shown(ids) is None


def test_who_still_has_the_lost_database_does_not_show_what_the_restored_one_holds(db, ids, restored, monkeypatch):
    restored("lost")
    fill(ids, 9, "lost")
    restored("restored")
    fill(ids, 7, "restored")
    restored("lost")
    assert shown(ids) is None


def test_what_redis_is_owed_is_paid_under_every_database_that_was_used(db, ids, restored):
    restored("lost")
    fill(ids, 9, "lost")
    restored("restored")
    fill(ids, 7, "restored")
    copies.outage.owe()
    deadline = time.monotonic() + 10
    while not copies.outage.is_over():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert shown(ids) is None
    restored("lost")
    assert shown(ids) is None


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
                psycopg.connect(settings.DATABASE_URL, dbname=name, autocommit=True) as session,
            ):
                session.__class__ = Connection
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
            with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as session:
                session.__class__ = Connection
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
