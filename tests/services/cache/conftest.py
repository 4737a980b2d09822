"""A cache whose epoch is in force, what is sent to it, and the relay's look after the copies."""

from uuid import uuid4

import pytest

import storage.copies
from lifecycle.messaging.stale_copies import StaleCopies
from storage import redis
from storage.copies import Copy
from storage.redis import get_client
from tests.services.cache.cached import Commands


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
