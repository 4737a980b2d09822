"""The cache never shows an older value over a newer one, whatever order things happen in [AR-4, AC-4]."""

import random
import threading
from uuid import uuid4

import orjson
import pytest
from django.db import connections, transaction

import storage.copies
from lifecycle.services.cache import copies, stale
from storage.redis import get_client
from tests.services.cache.cached import (
    CONFIGURATION,
    PARTS,
    PATIENCE,
    as_value,
    fill,
    fill_old,
    key,
    offer,
    refresh,
    shown,
    write,
)


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


def test_what_a_reader_puts_there_during_a_write_is_gone_after_it(ids, in_threads):
    with transaction.atomic():
        refresh(ids, 2, "new")
        assert in_threads(1, lambda _: (fill_old(ids), shown(ids))) == [(None, "old")]
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
