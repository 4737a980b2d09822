"""The broker, for tests: topics of one's own, producing, reading everything, and a consumer or relay at work."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic
from django.conf import settings
from django.db import connections

from lifecycle.messaging.batch_processing import BatchProcessor
from lifecycle.messaging.consumer import EventConsumer, Options
from lifecycle.messaging.housekeeping import Housekeeping
from lifecycle.messaging.process import HealthFile, Progress
from lifecycle.models import ParkedEvent
from lifecycle.rules.schemas import TYPES
from lifecycle.services.events.processing import CONSUMER, Result
from tenants.context import tenant_context
from tests.endings import Ending
from tests.forking import Forked
from tests.messaging.waiting import PATIENCE, await_that

__all__ = ["PATIENCE", "await_that"]

# A command ends within ten seconds of being asked to, of which those that it waits for a processor are none.
ENDS_WITHIN = 10.0


class Flag:
    """A stop that a test sets."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __bool__(self) -> bool:
        return self.event.is_set()

    def set(self) -> None:
        self.event.set()

    def wait(self, seconds: float) -> bool:
        return self.event.wait(seconds)


class Quiet:
    """An output that no one reads."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        pass


class Broker:
    """The broker of the test run, seen through topics that only one test knows."""

    def __init__(self) -> None:
        self.prefix = f"t{uuid4().hex[:10]}."
        self.servers = {"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}
        self.producer = Producer({**self.servers, "message.max.bytes": 4_000_000})
        self.group = f"{self.prefix}group"

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient(self.servers)

    def topic(self, name: str) -> str:
        return self.prefix + name

    @property
    def topics(self) -> list[str]:
        return [self.topic(name) for name in TYPES]

    def make_topics(self, *, partitions: int = 1, names: Sequence[str] = ()) -> None:
        wanted = [self.topic(name) for name in names] or self.topics
        for future in self.admin.create_topics([NewTopic(name, partitions, -1) for name in wanted]).values():
            future.result()

    def send(self, document: Any, *, topic: str | None = None, key: bytes | None = None, **options: Any) -> None:
        value = document if isinstance(document, bytes) or document is None else orjson.dumps(document)
        if isinstance(document, dict):
            topic = topic or document["type"]
            key = key or document["data"]["external_id"].encode()
        assert topic is not None
        while True:
            try:
                self.producer.produce(self.topic(topic), value, key, **options)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(PATIENCE) == 0

    def read(self, name: str, count: int) -> list[Message]:
        """Every message of a topic from its start, once there are at least ``count``."""
        consumer = Consumer(
            {**self.servers, "group.id": uuid4().hex, "enable.auto.commit": False, "fetch.wait.max.ms": 50}
        )
        messages: list[Message] = []
        deadline = time.monotonic() + PATIENCE
        try:
            while (partitions := consumer.list_topics(timeout=PATIENCE).topics.get(self.topic(name))) is None:
                assert time.monotonic() < deadline, f"there is no topic {name}"
                time.sleep(0.05)
            places = [TopicPartition(self.topic(name), number, OFFSET_BEGINNING) for number in partitions.partitions]
            consumer.assign(places)
            ends: dict[int, int] = {}
            while time.monotonic() < deadline and not (ends and _have_come(messages, ends)):
                messages += [one for one in consumer.consume(500, 0.1) if one.error() is None]
                if not ends and len(messages) >= count:
                    asked = self.admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()))
                    ends = {place.partition: found.result(PATIENCE).offset for place, found in asked.items()}
            return messages
        finally:
            consumer.close()

    def committed(self) -> dict[tuple[str, int], int]:
        """The group's offsets that were committed."""
        consumer = Consumer({**self.servers, "group.id": self.group})
        known = consumer.list_topics(timeout=PATIENCE).topics
        names = [name for name in self.topics if name in known]
        partitions = [TopicPartition(name, number) for name in names for number in known[name].partitions]
        offsets = consumer.committed(partitions, timeout=PATIENCE)
        consumer.close()
        return {(one.topic, one.partition): one.offset for one in offsets if one.offset >= 0}


def _have_come(messages: list[Message], ends: dict[int, int]) -> bool:
    """Whether the last message before each partition's end is among them."""
    read = dict.fromkeys(ends, 0)
    for message in messages:
        read[message.partition()] = max(read[message.partition()], message.offset() + 1)
    return all(read[number] >= end for number, end in ends.items())


class Worker:
    """An EventConsumer in a thread of its own."""

    def __init__(self, broker: Broker, **options: Any) -> None:
        self.broker = broker
        self.results: list[Result] = []
        self.stop = Flag()
        self.failure: BaseException | None = None
        processor = BatchProcessor(actor=CONSUMER, dry_run=options.get("dry_run", False), report=self._note)
        self.housekeeping = Housekeeping(actor=CONSUMER, count=processor.count, sweep_seconds=0.2)
        self.consumer = EventConsumer(
            Options(**{"topics": broker.topics, "group": broker.group, **options}),
            processor=processor,
            stop=self.stop,
            health=HealthFile(None),
            progress=Progress("events", output=Quiet(), describe=str),
            housekeeping=self.housekeeping,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _note(self, result: Result) -> None:
        """Only what was read from the test's own topics: a sweep also finds what other tests have left to wait."""
        if result.received.message.topic.startswith(self.broker.prefix):
            self.results.append(result)

    def _run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:
            self.failure = error
        finally:
            connections.close_all()

    def await_end(self) -> list[Result]:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the consumer did not end"
        # A command would not wait for it for long. Here it would go on in the next test, with that one's settings.
        if (forgetting := self.housekeeping._thread) is not None:
            forgetting.join(PATIENCE)
            assert not forgetting.is_alive(), "the forgetting did not end"
        if self.failure is not None:
            raise self.failure
        return self.results


@contextmanager
def working(broker: Broker, **options: Any) -> Iterator[Worker]:
    """A consumer at work; at the end it is asked to stop, and must."""
    worker = Worker(broker, **options)
    worker.thread.start()
    try:
        yield worker
    finally:
        worker.stop.set()
        worker.await_end()


def leave_nothing_waiting() -> None:
    """No event waits that other tests have left: a command would count, and publish, what becomes of it."""
    for tenant_id in ParkedEvent.objects.using("platform").values_list("tenant_id", flat=True).distinct():
        with tenant_context(tenant_id):
            ParkedEvent.objects.filter(tenant_id=tenant_id).delete()


def consume_all(broker: Broker, **options: Any) -> list[Result]:
    """One consumer with ``once``: what became of everything there was."""
    worker = Worker(broker, once=True, **options)
    worker.thread.start()
    return worker.await_end()


def command_env(**env: str) -> dict[str, str]:
    """The environment in which a command works on the test database."""
    variables = dict(os.environ)
    for alias, variable in (
        ("default", "DATABASE_URL"),
        ("platform", "DATABASE_PLATFORM_URL"),
        ("relay", "DATABASE_RELAY_URL"),
        ("owner", "DATABASE_OWNER_URL"),
    ):
        parts = urlsplit(variables[variable])
        variables[variable] = urlunsplit(parts._replace(path=f"/{connections[alias].settings_dict['NAME']}"))
    return {**variables, "PYTHONUNBUFFERED": "1", **env}


def start_command(*arguments: str, **env: str) -> "subprocess.Popen[str]":
    """``manage.py`` with these arguments."""
    return Forked(
        ["manage.py", *arguments],
        env=command_env(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end_command(process: "subprocess.Popen[str]", *, signum: int = signal.SIGTERM) -> tuple[int, str, float]:
    """Ask a command to end: its exit status, what it said, how long it took (``tests.endings``)."""
    with Ending(process.pid) as ending:
        process.send_signal(signum)
        output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output, ending.seconds
