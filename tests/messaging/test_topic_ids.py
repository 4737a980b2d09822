"""An offset counts for the log that it was committed for, and for no other that has the topic's name."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition, Uuid

from lifecycle.messaging import topic_ids
from lifecycle.messaging.topic_ids import TopicIds

OLD, NEW, NONE = Uuid(1, 1), Uuid(2, 2), Uuid(0, 0)
PLACE = ("t", 0)


class Brokers:
    """A topic with an id, and a group with an offset in it; or an error in the place of either."""

    def __init__(self) -> None:
        self.topic_id: Uuid | int = OLD
        self.committed_with: str | int | None = None
        self.waits = False
        self.asked: list[Future[Any]] = []

    def describe_topics(self, _: Any, *, request_timeout: float) -> dict[str, "Future[Any]"]:
        future: Future[Any] = Future()
        if isinstance(self.topic_id, int):
            future.set_exception(KafkaException(KafkaError(self.topic_id)))
        elif not self.waits:
            future.set_result(SimpleNamespace(topic_id=self.topic_id))
        self.asked.append(future)
        return {"t": future}

    def committed(self, places: list[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        if isinstance(self.committed_with, int):
            raise KafkaException(KafkaError(self.committed_with))
        label = self.committed_with
        return [TopicPartition(one.topic, one.partition, -1001 if label is None else 5, label or "") for one in places]


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    brokers = Brokers()
    monkeypatch.setattr(topic_ids, "make_admin", lambda **_: brokers)
    monkeypatch.setattr(topic_ids, "ASK_SECONDS", -1.0)
    monkeypatch.setattr(topic_ids, "AGAIN_SECONDS", 0.0)
    return brokers


def label_of(topic_id: Uuid) -> str:
    return f"topic-id:{topic_id}"


def look(ids: TopicIds, brokers: Brokers) -> list[Any]:
    """Look twice: what is asked the first time has been answered by the second."""
    return ids.find_remade(brokers, [PLACE]) or ids.find_remade(brokers, [PLACE])  # type: ignore[arg-type]


def test_a_topic_that_stays_is_never_begun_again(brokers: Brokers) -> None:
    ids = TopicIds(["t"])
    ids.learn()
    assert (ids.label(PLACE), ids.knows([PLACE])) == (None, False)
    assert look(ids, brokers) == []
    assert (ids.label(PLACE), ids.knows([PLACE])) == (label_of(OLD), True)
    assert look(ids, brokers) == []


def test_a_topic_that_is_made_again_is_begun_again_once(brokers: Brokers) -> None:
    ids = TopicIds(["t"])
    ids.learn()
    assert look(ids, brokers) == []
    brokers.topic_id = KafkaError.UNKNOWN_TOPIC_OR_PART
    assert look(ids, brokers) == []
    brokers.topic_id = NEW
    assert look(ids, brokers) == [PLACE]
    # Until it was done; what is committed before belongs to the old log.
    assert look(ids, brokers) == [PLACE]
    assert ids.label(PLACE) == label_of(OLD)
    ids.begin_again(PLACE)
    assert ids.label(PLACE) == label_of(NEW)
    assert look(ids, brokers) == []


@pytest.mark.parametrize(
    ("committed_with", "begun_again"),
    [(None, []), ("", []), ("of somebody else", []), (label_of(NEW), []), (label_of(OLD), [PLACE])],
)
def test_what_the_group_left_counts_by_the_id_beside_it(
    brokers: Brokers, committed_with: str | None, begun_again: list[Any]
) -> None:
    brokers.topic_id, brokers.committed_with = NEW, committed_with
    ids = TopicIds(["t"])
    ids.learn()
    offset = TopicPartition("t", 0, -1001 if committed_with is None else 5, committed_with or "")
    assert ids.is_of_now(offset) == (begun_again == [])
    assert look(ids, brokers) == begun_again


def test_a_topic_made_again_before_anything_was_committed_is_begun_again(brokers: Brokers) -> None:
    ids = TopicIds(["t"])
    ids.learn()
    brokers.topic_id = NEW
    assert look(ids, brokers) == [PLACE]


def test_nothing_may_be_committed_while_the_offsets_of_the_group_cannot_be_read(brokers: Brokers) -> None:
    brokers.topic_id, brokers.committed_with = NEW, KafkaError._TIMED_OUT
    ids = TopicIds(["t"])
    ids.learn()
    assert look(ids, brokers) == []
    assert (ids.label(PLACE), ids.knows([PLACE])) == (None, False)
    brokers.committed_with = label_of(OLD)
    assert look(ids, brokers) == [PLACE]


def test_a_partition_that_was_another_consumers_is_asked_for_again(brokers: Brokers) -> None:
    ids = TopicIds(["t"])
    ids.learn()
    assert look(ids, brokers) == []
    ids.forget([PLACE])
    # The other one was the first to see that the topic was made again.
    brokers.topic_id, brokers.committed_with = NEW, label_of(NEW)
    assert look(ids, brokers) == []
    assert ids.label(PLACE) == label_of(NEW)


def test_brokers_that_know_no_ids_are_taken_as_they_are(brokers: Brokers) -> None:
    brokers.topic_id = NONE
    ids = TopicIds(["t"])
    ids.learn()
    assert look(ids, brokers) == []
    assert (ids.label(PLACE), ids.knows([PLACE])) == ("", True)


def test_an_answer_that_does_not_come_is_not_waited_for(brokers: Brokers) -> None:
    ids = TopicIds(["t"])
    ids.learn()
    brokers.waits = True
    assert look(ids, brokers) == []
    assert ids.label(PLACE) == label_of(OLD)


@pytest.mark.parametrize("silent", [False, True], ids=["with an error", "not at all"])
def test_brokers_that_do_not_answer_hold_up_nothing_and_are_asked_again(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr(topic_ids, "ANSWER_SECONDS", 0.0)
    brokers.waits, brokers.topic_id = silent, OLD if silent else KafkaError._TIMED_OUT
    ids = TopicIds(["t"])
    ids.learn()
    assert look(ids, brokers) == []
    assert (ids.label(PLACE), ids.knows([PLACE])) == ("", True)
    if silent:
        brokers.asked[-1].set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    brokers.waits, brokers.topic_id = False, NEW
    assert look(ids, brokers) == []
    assert ids.label(PLACE) == label_of(NEW)
