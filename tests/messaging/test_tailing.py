"""A topic that is read to its end, by who takes their time over it."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError
from django.core.management import CommandError, call_command

from lifecycle.management.commands import tail_topic
from lifecycle.management.stopping import StopRequest
from lifecycle.messaging import tailing
from lifecycle.messaging.tailing import SILENCE_SECONDS, TopicSilent, read_topic

TOPIC = "audit.lifecycle.updated"


class SlowBroker:
    """A consumer of one partition, by a clock of its own: each message is fetched in the second poll for it."""

    def __init__(self, *values: bytes, ends: bool = True) -> None:
        self.now, self.ends = 0.0, ends
        self.coming = [one for value in values for one in (None, value)]

    def list_topics(self, topic: str, **_: Any) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None})})

    def assign(self, _: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def poll(self, seconds: float) -> Any:
        self.now += seconds
        if self.coming:
            value = self.coming.pop(0)
            return value and SimpleNamespace(error=lambda: None, value=lambda: value, partition=lambda: 0)
        if self.ends:
            return SimpleNamespace(error=lambda: KafkaError(KafkaError._PARTITION_EOF), partition=lambda: 0)
        return None


@pytest.fixture
def tail(monkeypatch: pytest.MonkeyPatch) -> Any:
    def on(broker: SlowBroker) -> SlowBroker:
        monkeypatch.setattr(tailing, "make_consumer", lambda _: broker)
        monkeypatch.setattr(tailing, "time", SimpleNamespace(monotonic=lambda: broker.now))
        return broker

    return on


def test_who_takes_long_over_a_message_does_not_make_the_broker_silent(tail: Any) -> None:
    """As in front of a pager: the next message is not there at once, and the broker was not asked all the while."""
    broker = tail(SlowBroker(b"1", b"2", b"3"))
    read = []
    for message in read_topic(TOPIC, stop=lambda: False):
        read.append(message.value())
        broker.now += 2 * SILENCE_SECONDS
    assert read == [b"1", b"2", b"3"]


def test_a_broker_that_says_nothing_is_not_waited_for_without_end(tail: Any) -> None:
    broker = tail(SlowBroker(b"1", ends=False))
    read = read_topic(TOPIC, stop=lambda: False)
    assert next(read).value() == b"1"
    broker.now += 2 * SILENCE_SECONDS
    began = broker.now
    with pytest.raises(TopicSilent):
        next(read)
    assert broker.now - began == pytest.approx(SILENCE_SECONDS, abs=1)


def test_a_copy_that_is_stopped_before_the_end_of_the_topic_is_not_taken_for_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--all --values > seals.ndjson`, as the restore has it: what is missing would be missed later."""
    request = StopRequest()

    def read(_topic: str, *, stop: Callable[[], bool]) -> Iterator[Any]:
        for value in (b"1", b"2"):
            if stop():
                return
            yield SimpleNamespace(key=lambda: None, value=lambda value=value: value)

    monkeypatch.setattr(tail_topic, "read_topic", read)
    monkeypatch.setattr(tail_topic, "stop_on_signals", lambda: nullcontext(request))
    whole, part = StringIO(), StringIO()
    call_command("tail_topic", TOPIC, "--all", "--values", stdout=whole)
    assert whole.getvalue().split() == ["1", "2"]
    request.set()
    with pytest.raises(CommandError, match=r"^Stopped before the end of the topic: "):
        call_command("tail_topic", TOPIC, "--all", "--values", stdout=part)
    assert part.getvalue() == ""
