"""Producers that write in transactions: what they take back was never sent, and what they hold back holds up no end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from confluent_kafka import Producer

from lifecycle.messaging.metrics import CONSUMER
from lifecycle.messaging.tailing import read_topic
from tests.messaging.kafka import Broker, await_that, consume_all, working
from tests.messaging.speaking import Speaker, outcomes
from tests.moving import counting

TOPIC = "customer.created"


@contextmanager
def transaction(broker: Broker, acme: Speaker, *names: str) -> Iterator[Producer]:
    """A producer that has sent the creation of these customers and has not decided yet."""
    producer = Producer({**broker.servers, "transactional.id": f"{broker.prefix}{names[0]}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for name in names:
        value = orjson.dumps(acme.document(TOPIC, name, id=name, name=name))
        producer.produce(broker.topic(TOPIC), value, name.encode())
    assert producer.flush(20) == 0
    yield producer


def test_what_was_taken_back_is_not_seen(acme: Speaker, broker: Broker) -> None:
    broker.make_topics(names=[TOPIC])
    with transaction(broker, acme, "no1", "no2") as aborted:
        aborted.abort_transaction(20)
    with transaction(broker, acme, "yes") as committed:
        committed.commit_transaction(20)
    with transaction(broker, acme, "no3") as aborted:
        aborted.abort_transaction(20)
    topics = [broker.topic(TOPIC)]
    assert [orjson.loads(one.value())["data"]["name"] for one in read_topic(topics[0], stop=lambda: False)] == ["yes"]
    assert outcomes(consume_all(broker, dry_run=True, topics=topics)) == ["applied"]
    assert outcomes(consume_all(broker, topics=topics)) == ["applied"]
    assert outcomes(consume_all(broker, topics=topics)) == []
    assert set(acme.inbox()) == {"yes"}


def test_what_is_not_decided_holds_back_what_is_behind_it_and_no_end(acme: Speaker, broker: Broker) -> None:
    broker.make_topics(names=[TOPIC])
    topics = [broker.topic(TOPIC)]
    with transaction(broker, acme, "open") as undecided:
        broker.send(acme.document(TOPIC, "behind", name="behind"))
        broker.flush()
        assert consume_all(broker, topics=topics) == []
        with working(broker, topics=topics):
            await_that(lambda: acme.inbox() == {})
            undecided.commit_transaction(20)
            await_that(lambda: len(acme.inbox()) == 2)


def test_a_group_that_has_read_everything_lags_by_nothing(acme: Speaker, broker: Broker, settings: Any) -> None:
    """The marks of transactions have offsets of their own, and are no messages."""
    settings.KAFKA_CONFIG = {"statistics.interval.ms": 200}
    broker.make_topics(names=[TOPIC])
    topic = broker.topic(TOPIC)

    def lag() -> float | None:
        return CONSUMER.get_sample_value("customer360_consumer_lag", {"topic": topic, "partition": "0"})

    with working(broker, topics=[topic]):
        with transaction(broker, acme, "yes") as committed:
            committed.commit_transaction(20)
        with transaction(broker, acme, "no") as aborted:
            aborted.abort_transaction(20)
        await_that(lambda: len(acme.inbox()) == 1)
        await_that(lambda: lag() == 0)


def test_what_the_drills_count_is_what_was_sent_and_not_taken_back(
    acme: Speaker, broker: Broker, settings: Any
) -> None:
    """Where a log ends with the mark of a transaction, no message has the last offset."""
    broker.make_topics(partitions=3, names=[TOPIC])
    sent = [f"c{number}" for number in range(60)]
    for name in sent:
        broker.send(acme.document(TOPIC, name, id=name, name=name))
    broker.flush()
    with transaction(broker, acme, "yes") as committed:
        committed.commit_transaction(20)
    with transaction(broker, acme, "no") as aborted:
        aborted.abort_transaction(20)
    found = counting.read_topic(settings.KAFKA_BOOTSTRAP_SERVERS, broker.topic(TOPIC))
    assert sorted(message["data"]["name"] for message in found) == sorted([*sent, "yes"])
