"""What is asked of the logs behind the partitions: where a group would go on in them, and which were lost."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_NOT_AVAILABLE, Consumer, TopicPartition

from lifecycle.messaging.tailing import NoSuchTopic
from lifecycle.messaging.topic_ids import Partition, TopicIds
from lifecycle.rules.envelopes import Message

log = structlog.get_logger(__name__)


def find_positions(
    consumer: Consumer, topics: Sequence[str], topic_ids: TopicIds, *, from_beginning: bool
) -> list[TopicPartition]:
    """Where the consumer's group would go on, without joining it and without moving it.

    Raises NoSuchTopic when there is none of the topics, KafkaException.
    """
    known = consumer.list_topics(timeout=10).topics
    absent = [topic for topic in topics if topic not in known]
    if len(absent) == len(topics):
        raise NoSuchTopic(
            f"There is no topic {', '.join(absent)}: nothing has been sent to it yet, or the name is wrong."
        )
    for topic in absent:
        log.warning("there is no such topic, a dry run does not make it", topic=topic)
    partitions = [
        TopicPartition(topic, number) for topic in topics if topic in known for number in known[topic].partitions
    ]
    if not from_beginning:
        partitions = consumer.committed(partitions, timeout=10)
    for partition in partitions:
        if from_beginning or partition.offset < 0 or not topic_ids.is_of_now(partition):
            partition.offset = OFFSET_BEGINNING
    return partitions


def find_lost_logs(consumer: Consumer, partitions: Collection[Partition]) -> Iterator[Partition]:
    """Those whose log ends before the consumer's position: what it had read is gone. Raises KafkaException."""
    for position in consumer.position([TopicPartition(*partition) for partition in sorted(partitions)]):
        if position.offset < 0:
            continue
        _, end = consumer.get_watermark_offsets(
            TopicPartition(position.topic, position.partition), timeout=2, cached=False
        )
        if end < position.offset:
            log.warning(
                "the log was lost, reading it again",
                topic=position.topic,
                partition=position.partition,
                position=position.offset,
                end=end,
            )
            yield position.topic, position.partition


def as_message(raw: Any) -> Message:
    """A message of the client library as the rules know it."""
    sent_at = _read_time(*raw.timestamp())
    place = (raw.topic(), raw.partition(), raw.offset(), raw.key(), raw.value())
    try:
        given = raw.headers() or ()
    except (SystemError, UnicodeDecodeError):
        # The library fails on a name that is not UTF-8, and has no other way to the headers.
        return Message(*place, has_unreadable_headers=True, sent_at=sent_at)
    headers = tuple((name, value.encode() if isinstance(value, str) else value) for name, value in given)
    return Message(*place, headers, sent_at=sent_at)


def _read_time(kind: int, milliseconds: int) -> dt.datetime | None:
    """When a message was sent, None where that is not known. Senders write what they like, microseconds for example: a
    year that there is not must not end who reads it, and each consumer after that.
    """
    if kind == TIMESTAMP_NOT_AVAILABLE:
        return None
    try:
        return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
