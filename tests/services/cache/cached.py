"""Statuses and other copies as readers and writers of the cache have them; a Valkey of a test's own."""

from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

import orjson
from django.db import transaction
from redis.exceptions import ConnectionError as RedisConnectionError

from lifecycle.services.cache import cache_keys, copies
from lifecycle.services.customers.summaries import read_summary
from storage.redis import get_client
from tests.factories import utc_now

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


# --- somebody died between their commit and the refresh -------------------------------------------------------------


def die_after_commit():
    """The process is gone right after the commit: nothing that was to follow it happens."""
    transaction.get_connection().run_on_commit.clear()


def read(tenant, customer):
    return read_summary(customer.id, tenant=tenant, now=utc_now())


# --- the totals over a tenant ---------------------------------------------------------------------------------------


def totals(ids):
    return copies.read_totals(ids[0]).value
