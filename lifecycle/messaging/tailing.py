"""Reading along on a topic, as ``tail -f`` does on a file; no group, nothing committed."""

import uuid
from collections.abc import Callable, Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Message, TopicPartition

from lifecycle.messaging.clients import REQUEST_SECONDS, consumer_config, make_consumer

POLL_SECONDS = 0.2


class NoSuchTopic(Exception):
    """The broker has no topic of that name."""


def tail_topic(topic: str, *, from_beginning: bool, stop: Callable[[], bool]) -> Iterator[Message]:
    """Messages of a topic as they come, until ``stop()``. Raises NoSuchTopic, KafkaException without a broker."""
    consumer = make_consumer(consumer_config(f"tail-{uuid.uuid4()}"))
    try:
        metadata = consumer.list_topics(topic, timeout=REQUEST_SECONDS).topics.get(topic)
        if metadata is None or metadata.error is not None or not metadata.partitions:
            raise NoSuchTopic(f"There is no topic {topic}: nothing has been sent to it yet, or the name is another.")
        begin = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, partition, begin) for partition in metadata.partitions])
        while not stop():
            message = consumer.poll(POLL_SECONDS)
            if message is not None and message.error() is None:
                yield message
    finally:
        consumer.close()
