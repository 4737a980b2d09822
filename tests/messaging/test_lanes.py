"""One topic's way to Kafka, with a producer that holds so much and no more."""

from types import SimpleNamespace
from typing import Any

import pytest

from lifecycle.messaging import lanes
from lifecycle.messaging.lanes import PATIENCE_SECONDS, Lane

ROOM = 3


class FullProducer:
    """Of a broker that takes nothing until ``answer``: there is room for some messages, and time passes in polls."""

    def __init__(self, room: int = ROOM) -> None:
        self.now, self.room = 0.0, room
        self.waiting: list[Any] = []

    def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
        if len(self.waiting) >= self.room:
            raise BufferError("Local: Queue full")
        self.waiting.append(on_delivery)

    def poll(self, seconds: float = 0.0) -> None:
        self.now += seconds
        assert self.now < 100 * PATIENCE_SECONDS, "everything else waits for ever"

    def answer(self) -> None:
        while self.waiting:
            self.waiting.pop(0)(None, None)

    def purge(self) -> None:
        self.waiting.clear()


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> FullProducer:
    producer = FullProducer()
    monkeypatch.setattr(lanes, "ensure_topics", lambda _: None)
    monkeypatch.setattr(lanes, "time", SimpleNamespace(monotonic=lambda: producer.now))
    return producer


def make_lane(producer: FullProducer) -> Lane:
    def make_producer(**_: Any) -> Any:
        return producer

    return Lane("audit.seal", name="audit.seal", make_producer=make_producer)


def rows(first: int, last: int) -> Any:
    return [(SimpleNamespace(id=number, key=b"k"), b"value", ()) for number in range(first, last)]


def test_a_producer_that_is_full_is_not_waited_for_and_takes_more_when_there_is_room(producer: FullProducer) -> None:
    """Large messages fill it before their number does; meant for a topic that takes none, they held up all others."""
    lane = make_lane(producer)
    lane.send(rows(0, 10))
    assert ([flight.row_id for flight in lane.flights], lane.takes()) == ([0, 1, 2], False)
    assert producer.now < 1
    producer.answer()
    delivered = lane.find_delivered()
    lane.leave(len(delivered))
    assert (len(delivered), lane.takes(), lane.is_stopped) == (ROOM, True, False)
    lane.send(rows(3, 10))
    assert [flight.row_id for flight in lane.flights] == [3, 4, 5]


def test_a_full_producer_that_is_not_answered_is_replaced_as_any_other(producer: FullProducer) -> None:
    lane = make_lane(producer)
    lane.send(rows(0, 10))
    producer.now += PATIENCE_SECONDS + 1
    lane.look_after()
    assert (lane.is_stopped, len(lane.flights), lane.takes()) == (True, 0, False)
    producer.now += 1
    assert lane.takes()


def test_what_is_larger_than_all_that_a_producer_may_hold_stops_its_topic(
    producer: FullProducer, caplog: pytest.LogCaptureFixture
) -> None:
    producer.room = 0
    lane = make_lane(producer)
    lane.send(rows(0, 1))
    lane.look_after()
    assert (lane.is_stopped, len(lane.flights)) == (True, 0)
    assert "raise queue.buffering.max.kbytes" in caplog.text
