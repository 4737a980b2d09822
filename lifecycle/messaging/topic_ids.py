"""Which log an offset belongs to. A topic that is deleted and made again has another id, and another log.

An offset of the old log means nothing in the new one, and the client library goes on at it (librdkafka 2.16: "an offset
reset must be triggered"): whatever the new log holds before it would never be read. So the topic's id is committed
beside each offset, and an offset that is beside another id than the topic has now counts for nothing.
"""

import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition

from lifecycle.messaging.clients import REQUEST_SECONDS, make_admin

log = structlog.get_logger(__name__)

# How soon a topic that was made again is noticed, and how long the first answer is waited for.
ASK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 2.0
# How long the group's offsets are waited for, and when they are asked for again.
OFFSETS_SECONDS, AGAIN_SECONDS = 2.0, 1.0
# Others may commit for the group (``kafka-consumer-groups --reset-offsets``); what they write beside it is no id.
LABEL: Final = "topic-id:"

Partition = tuple[str, int]


class TopicIds:
    """Of each partition that a consumer has: the id of the topic that its position belongs to.

    Brokers that know no ids (before 2.8) have none to compare, and nothing is ever remade. Not for several threads.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)
        self._admin: Any = None
        self._ids: dict[str, str] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._asked_at = 0.0
        self._positions: dict[Partition, str] = {}
        self._offsets_due = 0.0

    def learn(self) -> bool:
        """Ask for the ids, and wait for them a moment: without them one may consume. Whether there was an answer."""
        self._ask()
        _, late = wait(self._asked.values(), timeout=ANSWER_SECONDS)
        if late:
            log.info("the brokers have not said yet which topics these are")
        self._take_answers()
        return not late

    def label(self, partition: Partition) -> str | None:
        """What is committed beside an offset of the partition; None while nothing may be committed for it."""
        topic_id = self._positions.get(partition)
        if topic_id is None:
            return None
        return f"{LABEL}{topic_id}" if topic_id else ""

    def is_of_now(self, committed: TopicPartition) -> bool:
        """Whether an offset of the group belongs to the log that its topic has now, as far as one knows."""
        known, now = _read_label(committed), self._ids.get(committed.topic)
        return not known or not now or known == now

    def find_remade(self, consumer: Consumer, assigned: Collection[Partition]) -> list[Partition]:
        """Partitions whose position belongs to a log that is gone: they are to be read from their start.

        Does not wait, except for what the group has committed for partitions that are new here.
        """
        unknown = [partition for partition in assigned if partition not in self._positions]
        if unknown and time.monotonic() >= self._offsets_due:
            self._read_offsets(consumer, unknown)
        self._take_answers()
        if not self._asked and time.monotonic() - self._asked_at > ASK_SECONDS:
            self._ask()
        remade = []
        for partition in assigned:
            topic_id, now = self._positions.get(partition), self._ids.get(partition[0])
            if topic_id and now and topic_id != now:
                remade.append(partition)
            elif topic_id == "" and now:
                self._positions[partition] = now
        return remade

    def begin_again(self, partition: Partition) -> None:
        """The partition is read from the start of the log that it has now."""
        self._positions[partition] = self._ids.get(partition[0], "")

    def forget(self, partitions: Iterable[Partition]) -> None:
        """They are another consumer's now."""
        for partition in partitions:
            self._positions.pop(partition, None)

    def knows(self, partitions: Iterable[Partition]) -> bool:
        """Whether it is known of all of them to which log their position belongs."""
        return all(partition in self._positions for partition in partitions)

    def _ask(self) -> None:
        if self._admin is None:
            self._admin = make_admin(log_level=0)  # the consumer says what is wrong with the brokers
        self._asked_at = time.monotonic()
        collection = TopicCollection(self._topics)
        self._asked = self._admin.describe_topics(collection, request_timeout=REQUEST_SECONDS)

    def _take_answers(self) -> None:
        """What has been answered by now. A topic that is gone keeps its id until it is there again."""
        if not all(future.done() for future in self._asked.values()):
            return
        for topic, future in self._asked.items():
            with suppress(KafkaException):
                topic_id = future.result().topic_id
                if topic_id.get_most_significant_bits() or topic_id.get_least_significant_bits():
                    self._ids[topic] = str(topic_id)
        self._asked = {}

    def _read_offsets(self, consumer: Consumer, partitions: list[Partition]) -> None:
        self._offsets_due = time.monotonic() + AGAIN_SECONDS
        places = [TopicPartition(*partition) for partition in partitions]
        try:
            offsets = consumer.committed(places, timeout=OFFSETS_SECONDS)
        except KafkaException as error:
            log.warning("the group's offsets cannot be read yet, none is committed", reason=str(error))
            return
        read = [place for place in offsets if place.error is None]
        # What has no id beside it is where the topic was as it was known before.
        known = {(one.topic, one.partition): _read_label(one) or self._ids.get(one.topic, "") for one in read}
        differs = any(topic_id != self._ids.get(topic, topic_id) for (topic, _), topic_id in known.items())
        # Another consumer may have known better which topic it is by now.
        if not differs or self.learn():
            self._positions |= known
        if self.knows(partitions):
            self._offsets_due = 0.0


def _read_label(committed: TopicPartition) -> str:
    """The id that was committed beside an offset; empty when there is none."""
    if committed.offset < 0:
        return ""
    label = str(committed.metadata or "")
    return label.removeprefix(LABEL) if label.startswith(LABEL) else ""
