"""Forgetting beside a consumer that writes 10,000 events a second: the product's own entry point, and what it holds up.

BENCH_FORGET_ROWS events (5,000,000) lie in two periods that are over. BENCH_FORGET_RATE events a second (10,000) are
claimed as the consumer claims them, in batches of 500, first alone and then while the periods are dropped.
"""

import datetime as dt
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from django.db import connections
from django.utils import timezone

from bench.measuring import percentile
from bench.population import Populated, connect_as_administrator
from bench.report import Figure, at_least, below
from bench.world import read_size
from lifecycle.services.events import inbox
from tenants.actors import TenantRef
from tenants.context import tenant_context

TABLE: Final = "lifecycle_inboxevent"
BATCH: Final = 500
ALONE_SECONDS: Final = 8.0
PATIENCE_SECONDS: Final = 60.0
# When the periods began that there are; of these the first two are over when a day is remembered.
BEGUN_DAYS_AGO: Final = (4.0, 3.0, 2.5, 2.0)
OVER: Final = 2
LONGEST_PAUSE: Final = 1.0
_LEAVES: Final = "SELECT leaf FROM periods_of(%s)"
_OLD: Final = """
INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at, period)
SELECT %s, '/bench', gen_random_uuid(), 'customer.updated', 'applied', %s, %s FROM generate_series(1, %s)
"""


@dataclass
class Producer:
    """Claims events at a rate until stopped; when each batch began, and how long it took."""

    tenant: TenantRef
    rate: int
    taken: list[tuple[float, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """In a thread of its own."""
        try:
            due = time.perf_counter()
            while not self.stop.wait(max(0.0, due - time.perf_counter())):
                due += BATCH / self.rate
                events = {("/bench", uuid4().hex): "customer.updated" for _ in range(BATCH)}
                began = time.perf_counter()
                with tenant_context(self.tenant.id):
                    if len(inbox.claim(self.tenant.id, events, now=timezone.now())) != BATCH:
                        raise ValueError("an event was taken for one that is known")
                self.taken.append((began, time.perf_counter() - began))
        finally:
            connections.close_all()

    def between(self, since: float, until: float) -> tuple[float, float, float]:
        """Events a second, and the longest batch and the 99th percentile in seconds, of batches that ended then."""
        taken = [seconds for began, seconds in self.taken if since <= began + seconds < until]
        return len(taken) * BATCH / (until - since), max(taken, default=0.0), percentile(taken, 0.99)


def measure(populated: Populated) -> list[Figure]:
    """Periods that are over, then a producer alone, then forgetting beside it."""
    rows, rate = read_size("BENCH_FORGET_ROWS", 5_000_000), read_size("BENCH_FORGET_RATE", 10_000)
    tenant = populated.tenant
    _make_periods(tenant, rows)
    producer = Producer(tenant, rate)
    thread = threading.Thread(target=producer.run)
    began = time.perf_counter()
    thread.start()
    time.sleep(ALONE_SECONDS)
    forgetting = time.perf_counter()
    dropped, calls, longest_call = 0, 0, 0.0
    while dropped < OVER and time.perf_counter() - forgetting < PATIENCE_SECONDS and thread.is_alive():
        call = time.perf_counter()
        dropped += inbox.forget(remembered=dt.timedelta(days=1))
        longest_call = max(longest_call, time.perf_counter() - call)
        calls += 1
        if dropped < OVER:
            time.sleep(0.5)
    done = time.perf_counter()
    time.sleep(2)
    producer.stop.set()
    thread.join()
    alone = producer.between(began, forgetting)
    # The batch that waited for the longest may end after the last statement of the forgetting.
    beside = producer.between(forgetting, done + 1)
    return [
        _figure(
            f"{rate:,} events a second, claimed alone",
            f"{alone[0]:,.0f}/s",
            f"a batch of {BATCH}: p99 {alone[2] * 1000:.0f} ms, longest {alone[1] * 1000:.0f} ms",
            **at_least(alone[0], rate * 0.95, "/s"),
        ),
        _figure(
            f"{dropped} periods with {rows:,} events forgotten beside them",
            f"{done - forgetting:.2f} s in {calls} calls",
            f"{beside[0]:,.0f}/s, p99 {beside[2] * 1000:.0f} ms; the longest call {longest_call * 1000:.0f} ms",
            **below(beside[1], LONGEST_PAUSE, " s"),
        ),
    ]


def _make_periods(tenant: TenantRef, rows: int) -> None:
    """In place of the one that the migration began: those of the last days, and events in what is over."""
    now = timezone.now()
    with connections["owner"].cursor() as cursor:
        cursor.execute(_LEAVES, [TABLE])
        for (leaf,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {leaf}")
        begun = [now - dt.timedelta(days=days) for days in BEGUN_DAYS_AGO]
        for at in begun:
            cursor.execute("SELECT begin_period(%s, %s)", [TABLE, at])
    with connect_as_administrator() as administrator:
        for at in begun[:OVER]:
            administrator.execute(_OLD, [tenant.id, at, at, rows // OVER])
        administrator.execute("CHECKPOINT")


def _figure(what: str, value: str, beside: str, **judged: Any) -> Figure:
    return Figure("forgetting", what, value, beside, **judged)
