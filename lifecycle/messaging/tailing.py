"""Reading along on a topic, as ``tail -f`` does on a file; no group, nothing committed."""

import time
import uuid
from collections.abc import Callable, Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, Message, TopicPartition

from lifecycle.messaging.clients import REQUEST_SECONDS, consumer_config, make_consumer

POLL_SECONDS = 0.2
# Without a message for so long the broker is taken for gone.
SILENCE_SECONDS = 30.0


class NoSuchTopic(Exception):
    """The broker has no topic of that name."""


class TopicSilent(Exception):
    """The broker stopped answering before the end of the topic was reached."""


def tail_topic(topic: str, *, from_beginning: bool, stop: Callable[[], bool]) -> Iterator[Message]:
    """Messages of a topic as they come, until ``stop()``. Raises NoSuchTopic, KafkaException without a broker."""
    consumer = make_consumer(consumer_config(f"tail-{uuid.uuid4()}"))
    try:
        metadata = consumer.list_topics(topic, timeout=REQUEST_SECONDS).topics.get(topic)
        if metadata is None or metadata.error is not None or not metadata.partitions:
            raise NoSuchTopic(f"There is no topic {topic}: nothing has been sent to it yet, or the name is wrong.")
        begin = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, partition, begin) for partition in metadata.partitions])
        while not stop():
            message = consumer.poll(POLL_SECONDS)
            if message is not None and message.error() is None:
                yield message
    finally:
        consumer.close()


def read_topic(topic: str, *, stop: Callable[[], bool]) -> Iterator[Message]:
    """Every message that the topic holds now, and then an end. Stops early on ``stop()``.

    Raises NoSuchTopic, TopicSilent, and KafkaException without a broker.
    """
    consumer = make_consumer(consumer_config(f"read-{uuid.uuid4()}"))
    try:
        metadata = consumer.list_topics(topic, timeout=REQUEST_SECONDS).topics.get(topic)
        if metadata is None or metadata.error is not None or not metadata.partitions:
            raise NoSuchTopic(f"There is no topic {topic}: nothing has been sent to it yet, or the name is wrong.")
        unread = set(metadata.partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
        heard_at = time.monotonic()
        while unread and not stop():
            message = consumer.poll(POLL_SECONDS)
            if message is None:
                if time.monotonic() - heard_at > SILENCE_SECONDS:
                    raise TopicSilent(f"The broker has not answered for {SILENCE_SECONDS:.0f} s: {topic} was not read.")
                continue
            error = message.error()
            if error is None:
                yield message
                # Who reads along may take long over it, and that is no silence of the broker.
                heard_at = time.monotonic()
            elif error.code() == KafkaError._PARTITION_EOF:
                heard_at = time.monotonic()
                unread.discard(message.partition())
    finally:
        consumer.close()
