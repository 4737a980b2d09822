"""Events through one consumer, from the topics into PostgreSQL, beside the bare SQL that writes the same batches.

The bare side runs the very statements by which the service writes a batch, with parameters made beforehand: it reads no
Kafka, checks no schema, locks and judges nothing. Both sides take turns, each on customers of its own. Afterwards
a consumer process reads for minutes, and its memory is watched.
"""

import itertools
import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import psycopg
from django.db import transaction
from django.utils import timezone

from bench.measuring import percentile
from bench.population import Populated, connect_as_administrator
from bench.processes import await_that, running
from bench.report import Figure, at_least, up_to
from bench.single import bare_connection
from bench.world import read_size
from lifecycle.messaging.batch_processing import BatchProcessor
from lifecycle.messaging.clients import ensure_topics, topic_name
from lifecycle.messaging.consumer import EventConsumer, Options
from lifecycle.messaging.process import HealthFile
from lifecycle.messaging.sending import EventSender, encode
from lifecycle.rules.envelopes import Message
from lifecycle.rules.schemas import TYPES
from lifecycle.services.events.processing import CONSUMER
from lifecycle.services.events.samples import Subject, envelope, sample_data
from storage import cursors
from tenants.actors import TenantRef
from tenants.context import tenant_context

LEAST_OF_BARE = 0.35
BATCH = 500
TURNS = 4
# What modules send of customers that exist: mostly support, and the figures of a renewal now and then.
WEIGHTS = {"support.issue.closed": 6, "customer.updated": 3, "contract.renewed": 1}
# The statements of a batch that write; the others look, or lock.
WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE|WITH)\b")
# How much a consumer's memory may grow between the first tenth of a long run and its end.
MOST_GROWTH = 1.1
WAVES = 20
MOST_SECONDS = 300.0

Sample = tuple[str, dict[str, Any]]


def measure(populated: Populated) -> list[Figure]:
    """Events a second of both sides, and the memory of a consumer over BENCH_LONG_RUN events."""
    tenant = populated.tenant
    total = read_size("BENCH_EVENTS", 100_000)
    customers = sum(map(len, populated.customers.values()))
    ours, theirs = range(1, customers // 2), range(customers // 2, customers)
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    with bare_connection(tenant) as connection:
        for turn in range(TURNS):
            rates["ours"].append(consume(tenant, ours, total // TURNS, seed=turn))
            rates["bare"].append(_write_bare(connection, tenant, theirs, total // TURNS, seed=turn))
    consumed, bare = (percentile(rates[name], 0.5) for name in ("ours", "bare"))
    share = percentile([one / other for one, other in zip(rates["ours"], rates["bare"], strict=True)], 0.5)
    first, last, events = _watch_memory(tenant, range(1, customers), read_size("BENCH_LONG_RUN", 300_000))
    return [
        Figure(
            "events",
            f"events through one consumer, {BATCH} a batch",
            f"{consumed:,.0f}/s",
            f"bare SQL of the same batches {bare:,.0f}/s",
            **at_least(share, LEAST_OF_BARE, " x"),
        ),
        Figure(
            "events",
            f"memory of a consumer over {events:,} events",
            f"{last:.0f} MB",
            f"after a tenth {first:.0f} MB",
            **up_to(last / first, MOST_GROWTH, " x"),
        ),
    ]


# --- the consumer -----------------------------------------------------------------------------------------------------


def consume(tenant: TenantRef, numbers: Sequence[int], total: int, *, seed: int) -> float:
    """Events a second of a consumer that finds all of them waiting; its start is not counted."""
    return watch_consumer(tenant, numbers, total, seed=seed).rate()


def watch_consumer(tenant: TenantRef, numbers: Sequence[int], total: int, *, seed: int) -> "Watch":
    """The same, with the time of every batch."""
    send(_samples(tenant, numbers, total, seed=seed))
    watch = Watch(total)
    consumer = EventConsumer(
        Options(topics=[topic_name(name) for name in TYPES], group="bench", batch_size=BATCH),
        processor=BatchProcessor(actor=CONSUMER),
        stop=watch,
        health=HealthFile(None),
        progress=watch,  # type: ignore[arg-type]
    )
    consumer.run()
    return watch


class Watch:
    """Takes the time of every batch, and ends the consumer after the last; a Progress and a Stop at once."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done: list[tuple[float, int]] = []

    def advance(self, count: int) -> None:
        """A batch is in the database."""
        self._done.append((time.perf_counter(), count))

    def __bool__(self) -> bool:
        return sum(count for _, count in self._done) >= self._total

    def wait(self, seconds: float) -> bool:
        """Sleep; no one ends it from outside."""
        time.sleep(seconds)
        return bool(self)

    def rate(self) -> float:
        """From the end of the first batch to the end of the last."""
        (begin, _), *rest = self._done
        return sum(count for _, count in rest) / (rest[-1][0] - begin)

    def longest(self) -> float:
        """Seconds of the slowest batch but the first."""
        times = [at for at, _ in self._done]
        return max(after - before for before, after in pairwise(times))


def send(samples: Iterator[Sample]) -> None:
    """Put events into their topics, and wait until the broker has them."""
    ensure_topics(topic_name(name) for name in TYPES)
    sender = EventSender()
    for _, document in samples:
        sender.send(document)
    sender.flush()


def _samples(tenant: TenantRef, numbers: Sequence[int], total: int, *, seed: int) -> Iterator[Sample]:
    random = Random(seed)
    now = timezone.now()
    types = random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=total)
    for event_type in types:
        data = sample_data(event_type, Subject(f"CUST-{random.choice(numbers):07}"), random=random, now=now)
        yield event_type, envelope(event_type, data, tenant=tenant.slug, now=timezone.now())


# --- the bare statements ----------------------------------------------------------------------------------------------


def _write_bare(
    connection: "psycopg.Connection[Any]", tenant: TenantRef, numbers: Sequence[int], total: int, *, seed: int
) -> float:
    """Events a second of the writing statements alone, a transaction a batch."""
    processor = BatchProcessor(actor=CONSUMER)
    messages = (
        Message(topic_name(event_type), 0, offset, *_key_value_headers(document))
        for offset, (event_type, document) in enumerate(_samples(tenant, numbers, total, seed=1000 + seed))
    )
    seconds = 0.0
    cursor = connection.cursor()
    while batch := list(itertools.islice(messages, BATCH)):
        statements = _record(processor, tenant, batch)
        begin = time.perf_counter()
        with connection.transaction():
            for text, parameters in statements:
                cursor.execute(text, parameters)
        seconds += time.perf_counter() - begin
    return total / seconds


def _key_value_headers(document: dict[str, Any]) -> tuple[Any, Any, Any]:
    message = encode(document)
    return message.key, message.value, message.headers


def _record(processor: BatchProcessor, tenant: TenantRef, batch: list[Message]) -> list[tuple[Any, Any]]:
    """The writing statements of a batch, with their parameters; the batch itself is rolled back."""
    recorded: list[tuple[Any, Any]] = []
    execute = cursors._PreparedCursor.execute

    def note(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if WRITES.match(query):
            recorded.append((query, params))
        return execute(self, query, params, **options)

    with patch.object(cursors._PreparedCursor, "execute", note), transaction.atomic(), tenant_context(tenant.id):
        processor.step(processor.read(batch))
        transaction.set_rollback(True)
    return recorded


# --- the long run -----------------------------------------------------------------------------------------------------


def _watch_memory(tenant: TenantRef, numbers: Sequence[int], total: int) -> tuple[float, float, int]:
    """Megabytes of a consumer process after a tenth of so many events, and at the end; the number of events."""
    wave = max(total // WAVES, 1)
    sizes = []
    arguments = ("--group", "bench", "--batch-size", str(BATCH))
    with running("consume_events", *arguments) as process, connect_as_administrator() as administrator:

        def has(wanted: int) -> bool:
            return count() >= wanted

        def count() -> int:
            (number,) = administrator.execute("SELECT count(*) FROM lifecycle_inboxevent").fetchone() or (0,)
            return int(str(number))

        before = count()
        for number in range(1, WAVES + 1):
            send(_samples(tenant, numbers, wave, seed=2000 + number))
            await_that(partial(has, before + number * wave), process, seconds=MOST_SECONDS)
            sizes.append(_resident_megabytes(process.pid))
    return sizes[WAVES // 10 - 1], max(sizes[-2:]), wave * WAVES


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
