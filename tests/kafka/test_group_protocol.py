"""``group.protocol=consumer`` (KIP-848): the brokers assign, and anyone who keeps a partition never stops for it."""

import time
from typing import Any

import pytest

from lifecycle.messaging.tailing import NoSuchTopic, read_topic
from tests.kafka.brokers import Brokers
from tests.messaging.kafka import Broker, Worker, await_that, consume_all, working
from tests.messaging.speaking import Speaker, outcomes

PARTITIONS = 6
TOPIC = "customer.created"


@pytest.fixture(autouse=True)
def new_protocol(settings: Any) -> None:
    settings.KAFKA_CONFIG = {"group.protocol": "consumer"}


def send(broker: Broker, acme: Speaker, *names: str) -> None:
    for name in names:
        broker.send(acme.document(TOPIC, name, name=name))
    broker.flush()


def watch_revocations(worker: Worker) -> list[int]:
    """How many partitions the consumer still held, each time that it gave some away."""
    held: list[int] = []
    let_go = worker.consumer._let_go

    def note(names: Any) -> None:
        let_go(names)
        if not worker.stop:
            held.append(len(worker.consumer.positions.assigned))

    worker.consumer._let_go = note  # type: ignore[method-assign]
    return held


def test_a_second_consumer_takes_its_half_and_the_first_keeps_working_on_the_other(
    acme: Speaker, broker: Broker, settings: Any
) -> None:
    # On a machine with much to do one of them would be taken for dead, and the other given all.
    settings.KAFKA_SESSION_TIMEOUT_MS = 120_000
    broker.make_topics(partitions=PARTITIONS, names=[TOPIC])
    options = {"topics": [broker.topic(TOPIC)], "batch_size": 5}
    with working(broker, **options) as first:
        held = watch_revocations(first)
        await_that(lambda: len(first.consumer.positions.assigned) == PARTITIONS)
        send(broker, acme, *[f"a{number}" for number in range(30)])
        with working(broker, **options) as second:
            sent = 0
            while len(second.consumer.positions.assigned) < PARTITIONS // 2:
                send(broker, acme, f"b{sent}")
                sent += 1
                assert sent < 2000, "the second consumer was given nothing"
                time.sleep(0.02)
            await_that(lambda: len(first.consumer.positions.assigned) == PARTITIONS // 2)
            assert first.consumer.positions.assigned.isdisjoint(second.consumer.positions.assigned)
            send(broker, acme, *[f"c{number}" for number in range(30)])
            await_that(lambda: len(acme.inbox()) == 60 + sent)
            assert second.results != []
        assert held, "the first was never asked to give any away"
        assert min(held) >= PARTITIONS // 2, "it gave away what it kept"
        await_that(lambda: len(first.consumer.positions.assigned) == PARTITIONS)
        send(broker, acme, "last")
        await_that(lambda: len(acme.inbox()) == 61 + sent)
    applied = [one.received.event.id for one in [*first.results, *second.results] if one.outcome != "duplicate"]
    assert len(applied) == len(set(applied)) == 61 + sent
    assert sum(broker.committed().values()) == 61 + sent


def test_a_group_goes_over_to_the_new_protocol_and_back_with_its_offsets(
    acme: Speaker, broker: Broker, settings: Any
) -> None:
    broker.make_topics(names=[TOPIC])
    for number, protocol in enumerate(("classic", "consumer", "classic")):
        settings.KAFKA_CONFIG = {"group.protocol": protocol}
        send(broker, acme, f"c{number}")
        assert outcomes(consume_all(broker, topics=[broker.topic(TOPIC)])) == ["applied"]
    assert len(acme.inbox()) == 3


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_that_has_come_together_is_known_to_have(broker: Broker, settings: Any, protocol: str) -> None:
    settings.KAFKA_CONFIG = {"group.protocol": protocol, "statistics.interval.ms": 100}
    broker.make_topics(names=[TOPIC])
    with working(broker, topics=[broker.topic(TOPIC)]) as worker:
        positions = worker.consumer.positions
        await_that(lambda: positions.assigned)
        await_that(lambda: positions.is_fetching() and not positions.seconds_apart)
        with working(broker, topics=[broker.topic(TOPIC)]) as idle:
            # More consumers than partitions: one of the two has none, and is a member all the same.
            heard = idle.consumer.positions
            await_that(lambda: heard._said_at and not heard.seconds_apart)
            assert sorted([len(heard.assigned), len(positions.assigned)]) == [0, 1]


def test_what_reads_without_a_group_reads_as_before(acme: Speaker, broker: Broker) -> None:
    """A dry run, and a topic read along: they assign themselves, which the broker has no part in."""
    broker.make_topics(partitions=2, names=[TOPIC])
    send(broker, acme, "c1", "c2", "c3")
    topics = [broker.topic(TOPIC)]
    assert outcomes(consume_all(broker, dry_run=True, topics=topics)) == ["applied"] * 3
    assert acme.inbox() == {}
    assert len(list(read_topic(broker.topic(TOPIC), stop=lambda: False))) == 3
    with pytest.raises(NoSuchTopic):
        list(read_topic(broker.topic("misspelt"), stop=lambda: False))
    assert outcomes(consume_all(broker, topics=topics)) == ["applied"] * 3


def test_partitions_that_are_added_are_read(acme: Speaker, broker: Broker, brokers: Brokers) -> None:
    """The old protocol looks for them every ten seconds; here it is the brokers that tell."""
    broker.make_topics(names=[TOPIC])
    later = broker.topic("customer.updated")
    with working(broker, topics=[broker.topic(TOPIC), later]) as worker:
        await_that(lambda: (later, 0) in worker.consumer.positions.assigned)
        total = len(brokers.admin.list_topics(later, timeout=60).topics[later].partitions) + 1
        brokers.add_partitions(later, total)
        await_that(lambda: sum(topic == later for topic, _ in worker.consumer.positions.assigned) == total)
        send(broker, acme, "c1")
        await_that(lambda: len(acme.inbox()) == 1)
