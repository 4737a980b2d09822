"""Brokers killed and restarted, leaders that move, partitions added, a topic deleted and made again."""

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from lifecycle.messaging import batch_processing
from lifecycle.services.events.processing import process_events
from tests.kafka.brokers import Brokers
from tests.messaging.kafka import Broker, await_that, consume_all, end_command, start_command, working
from tests.messaging.relay.relaying import DEAD_LETTERS, LIFECYCLE, pending, relaying
from tests.messaging.speaking import Speaker, outcomes
from tests.messaging.test_supervision import child_of, consuming

CREATED = "customer.created"
# What takes a few seconds takes longer beside the start of a JVM.
LONG = 150.0

pytestmark = pytest.mark.timeout(900)


def create(broker: Broker, acme: Speaker, *names: str) -> None:
    for name in names:
        broker.send(acme.document(CREATED, name, id=name, name=name))


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def first_seen(messages: list[Any]) -> dict[str, list[int]]:
    """The numbers of each customer's changes, as one reads them who passes over what they have read already."""
    seen: dict[str, dict[int, None]] = defaultdict(dict)
    for message in messages:
        document = orjson.loads(message.value())
        seen[document["subject"]][document["data"]["sequence"]] = None
    return {customer: list(sequences) for customer, sequences in seen.items()}


def used_partitions(broker: Broker, name: str) -> set[int]:
    """The partitions of a topic that hold a message."""
    consumer = Consumer({**broker.servers, "group.id": broker.prefix})
    numbers = consumer.list_topics(timeout=60).topics[broker.topic(name)].partitions
    ends = {number: consumer.get_watermark_offsets(TopicPartition(broker.topic(name), number))[1] for number in numbers}
    consumer.close()
    return {number for number, end in ends.items() if end}


def test_brokers_killed_one_after_the_other_lose_and_disorder_nothing(
    acme: Speaker, broker: Broker, brokers: Brokers
) -> None:
    broker.make_topics(partitions=3)
    names: list[str] = []

    def tell(phase: str, number: int) -> None:
        fresh = numbered(f"{phase}{number}-", 15)
        create(broker, acme, *fresh)
        names.extend(fresh)
        for name in fresh:
            broker.send(acme.document("contract.renewed", name, id=f"{name}-k", minutes=1, contract_id="K"))
        broker.producer.poll(0)

    with working(broker, batch_size=20), relaying(broker) as relay:
        for number in brokers.numbers:
            tell("before", number)
            brokers.stop(number)
            tell("without", number)
            # Longer than it takes to miss the broker: the two that are left go on without it.
            await_that(lambda: len(acme.inbox()) == 2 * len(names), seconds=LONG)
            brokers.start(number)
            tell("after", number)
            await_that(brokers.is_whole, seconds=LONG)
        broker.flush()
        await_that(lambda: len(acme.inbox()) == 2 * len(names), seconds=LONG)
        await_that(lambda: pending() == 0, seconds=LONG)
        assert relay.published >= 2 * len(names)
    assert {acme.stage(name) for name in names} == {"Active"}
    sequences = first_seen(broker.read(LIFECYCLE, 2 * len(names)))
    assert len(sequences) == len(names) == 135
    assert all(numbers == [1, 2] for numbers in sequences.values())


def test_a_leader_that_moves_in_mid_batch_costs_nothing(
    acme: Speaker, broker: Broker, brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit of the database and that of the offsets: once as its broker goes, once as it comes back."""
    topic = broker.topic(CREATED)
    brokers.make_topic(topic, placed=[[1, 2, 3]])
    moves: list[Callable[[], None]] = [lambda: brokers.stop(1, signum=signal.SIGTERM)]

    def moving(batch: Any, **options: Any) -> Any:
        results = process_events(batch, **options)
        if moves:
            moves.pop()()
        return results

    monkeypatch.setattr(batch_processing, "process_events", moving)
    with working(broker, topics=[topic], batch_size=10) as worker:
        create(broker, acme, *numbered("a", 30))
        await_that(lambda: len(acme.inbox()) == 30, seconds=LONG)
        broker.flush()
        assert brokers.leader(topic) != 1
        assert moves == []
        brokers.make_whole()
        moves.append(lambda: brokers.elect_preferred(topic))
        create(broker, acme, *numbered("b", 30))
        await_that(lambda: len(acme.inbox()) == 60, seconds=LONG)
        broker.flush()
        assert (brokers.leader(topic), moves) == (1, [])
        await_that(lambda: broker.committed() == {(topic, 0): 60})
    applied = [one.received.event.id for one in worker.results if one.outcome == "applied"]
    assert sorted(applied) == sorted([*numbered("a", 30), *numbered("b", 30)])


def test_partitions_that_are_added_are_read_and_written(
    acme: Speaker, broker: Broker, brokers: Brokers, settings: Any
) -> None:
    settings.KAFKA_CONFIG = {"topic.metadata.refresh.interval.ms": 500}
    broker.make_topics(names=[CREATED, LIFECYCLE, DEAD_LETTERS])
    broker.producer.list_topics(timeout=60)
    with working(broker, topics=[broker.topic(CREATED)]) as worker, relaying(broker):
        create(broker, acme, *numbered("a", 20))
        await_that(lambda: len(acme.inbox()) == 20)
        for name in (CREATED, LIFECYCLE):
            brokers.add_partitions(broker.topic(name), 4)
        await_that(lambda: len(worker.consumer.positions.assigned) == 4)
        again = Broker()
        again.prefix = broker.prefix
        sent = 20

        def every_partition_is_used() -> bool:
            """One more round: a client may not know yet of the new ones, and uses the old one as well."""
            nonlocal sent
            create(again, acme, *numbered(f"b{sent}-", 20))
            sent += 20
            await_that(lambda: len(acme.inbox()) == sent)
            await_that(lambda: pending() == 0)
            return all(used_partitions(broker, name) == {0, 1, 2, 3} for name in (CREATED, LIFECYCLE))

        await_that(every_partition_is_used, seconds=LONG)
        await_that(lambda: sum(broker.committed().values()) == sent)
    assert len(broker.committed()) == 4
    assert len(first_seen(broker.read(LIFECYCLE, sent))) == sent


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "asleep"])
def test_a_topic_that_is_deleted_and_made_again_is_read_from_its_start(
    acme: Speaker, broker: Broker, brokers: Brokers, asleep: bool, protocol: str
) -> None:
    """Also when the new log is longer than the old one was, so that no position lies beyond its end.

    Asleep, the consumer knows nothing of it until the new log is there, and would go on in its middle.
    """
    broker.make_topics()
    topic = broker.topic(CREATED)
    config = json.dumps({"group.protocol": protocol})
    with consuming(broker, KAFKA_SESSION_TIMEOUT_MS="45000", KAFKA_CONFIG=config) as process:
        create(broker, acme, *numbered("a", 5))
        broker.flush()
        await_that(lambda: len(acme.inbox()) == 5)
        await_that(lambda: broker.committed() == {(topic, 0): 5})
        child = child_of(process)
        if asleep:
            os.kill(child, signal.SIGSTOP)
        remake(brokers, topic)
        again = Broker()
        again.prefix = broker.prefix
        create(again, acme, *numbered("b", 40))
        again.flush()
        if asleep:
            os.kill(child, signal.SIGCONT)
        await_that(lambda: len(acme.inbox()) == 45, seconds=LONG)
        await_that(lambda: sum(broker.committed().values()) == 40, seconds=LONG)
        status, output, _ = end_command(process)
    assert status == 0, output


def test_an_offset_of_the_old_log_that_was_committed_to_the_new_one_counts_for_nothing(
    acme: Speaker, broker: Broker, brokers: Brokers
) -> None:
    """A consumer that goes as the topic is made again commits where it stood."""
    broker.make_topics(names=[CREATED])
    topic = broker.topic(CREATED)
    create(broker, acme, *numbered("a", 5))
    broker.flush()
    assert len(consume_all(broker, topics=[topic])) == 5
    group = Consumer({**broker.servers, "group.id": broker.group})
    (old,) = group.committed([TopicPartition(topic, 0)], timeout=60)
    remake(brokers, topic)
    group.commit(offsets=[old], asynchronous=False)
    again = Broker()
    again.prefix = broker.prefix
    create(again, acme, *numbered("b", 40))
    again.flush()
    assert len(consume_all(broker, topics=[topic], dry_run=True)) == 40
    assert sorted(one.received.event.id for one in consume_all(broker, topics=[topic])) == sorted(numbered("b", 40))
    (new,) = group.committed([TopicPartition(topic, 0)], timeout=60)
    assert (old.offset, new.offset) == (5, 40)
    assert old.metadata != new.metadata
    assert consume_all(broker, topics=[topic]) == []
    # Where operators have put the group, without an id, it goes on.
    group.commit(offsets=[TopicPartition(topic, 0, 38)], asynchronous=False)
    group.close()
    assert outcomes(consume_all(broker, topics=[topic])) == ["duplicate"] * 2


def test_a_topic_that_is_deleted_and_made_again_is_written_again(
    acme: Speaker, broker: Broker, brokers: Brokers
) -> None:
    broker.make_topics(names=[LIFECYCLE, DEAD_LETTERS])
    relay = start_command("relay_events", KAFKA_TOPIC_PREFIX=broker.prefix)
    acme.hear(*[acme.created(name) for name in numbered("a", 10)])
    await_that(lambda: pending() == 0, seconds=LONG)
    remake(brokers, broker.topic(LIFECYCLE))
    acme.hear(*[acme.created(name) for name in numbered("b", 10)])
    await_that(lambda: pending() == 0, seconds=LONG)
    status, output, _ = end_command(relay)
    assert status == 0, output
    again = Broker()
    again.prefix = broker.prefix
    expected = {str(acme.customer(name).id) for name in numbered("b", 10)}
    assert expected <= set(first_seen(again.read(LIFECYCLE, 10)))


def remake(brokers: Brokers, topic: str) -> None:
    """Delete a topic and make it at once, before or after a client that wants it has done so."""
    brokers.delete_topic(topic)
    for _ in range(100):
        try:
            brokers.make_topic(topic)
        except KafkaException as error:
            # It is being deleted still, or a client was first.
            if error.args[0].name() == "TOPIC_ALREADY_EXISTS" and topic in brokers.admin.list_topics(timeout=60).topics:
                return
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{topic} cannot be made again")
