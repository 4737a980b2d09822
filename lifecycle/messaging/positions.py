"""How far a consumer has come in each of its partitions: read, to be committed, committed. It speaks to no broker."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from lifecycle.messaging import metrics
from lifecycle.messaging.topic_ids import Partition, TopicIds


class Positions:
    """Of the partitions that are ``assigned``. Not for several threads."""

    def __init__(self, topic_ids: TopicIds) -> None:
        self._topic_ids = topic_ids
        self.assigned: set[Partition] = set()
        self.to_commit: dict[Partition, int] = {}
        # Where a log ended when it was read to its end: beyond its last message, if marks of transactions follow it.
        self.ends: dict[Partition, int] = {}
        self.committed: dict[Partition, int] = {}
        self._passed: dict[Partition, int] = {}
        self._rewound: set[Partition] = set()
        # Since when the library does not fetch it, and when it last said what it does. By its own clock: what it says
        # is heard after the work at hand.
        self._unread: dict[Partition, float] = {}
        self._said_at = 0.0
        # Which it has said to fetch since they are ours.
        self._fetched: set[Partition] = set()
        # Since when, by the library's clock, it is no member of a group that has come together.
        self._apart_since: float | None = None

    def rewind_once(self, partitions: Sequence[TopicPartition]) -> None:
        """Make those start at their log's beginning that this consumer has not had before."""
        for partition in partitions:
            if (partition.topic, partition.partition) not in self._rewound:
                partition.offset = OFFSET_BEGINNING
        self._rewound |= _names(partitions)

    def assign(self, partitions: Sequence[TopicPartition], *, added: bool) -> set[Partition]:
        """These are ours from now on, ``added`` to those that are or in their place; their names."""
        names = _names(partitions)
        self.assigned = self.assigned | names if added else names
        self.forget_ends(names)
        self._fetched -= names
        return names

    def let_go(self, partitions: Collection[Partition]) -> None:
        """They are another consumer's now, and so is what is to be committed for them."""
        self.assigned -= set(partitions)
        self.forget_ends(partitions)
        self._topic_ids.forget(partitions)
        for partition in partitions:
            self._unread.pop(partition, None)
            self._fetched.discard(partition)
            self.committed.pop(partition, None)
            self.to_commit.pop(partition, None)
            with suppress(KeyError):
                metrics.lag.remove(partition[0], str(partition[1]))

    def begin_again(self, partition: Partition) -> None:
        """It is read from the start of the log that its topic has now; nothing that is known of the old one counts."""
        self.forget_ends([partition])
        self.to_commit.pop(partition, None)
        self.committed.pop(partition, None)
        self._topic_ids.begin_again(partition)

    def take_offsets(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        """What may be committed now of those that are ours; it is not given a second time."""
        labels = {partition: self._topic_ids.label(partition) for partition in partitions}
        offsets = [
            TopicPartition(*partition, offset, label)
            for partition, label in labels.items()
            if partition in self.assigned
            and label is not None
            and (offset := self.to_commit.get(partition)) is not None
        ]
        for partition, label in labels.items():
            if label is not None:
                self.to_commit.pop(partition, None)
        return offsets

    def note_committed(self, error: KafkaError | None, partitions: Iterable[TopicPartition]) -> None:
        """What was not committed is committed with the next batch, or in an idle moment; but never less than is."""
        for place in partitions:
            partition = (place.topic, place.partition)
            # Nor anything about a log that is gone.
            if partition not in self.assigned or (place.metadata or "") != self._topic_ids.label(partition):
                continue
            if not (error or place.error):
                self.committed[partition] = place.offset
            elif place.offset > self.committed.get(partition, -1):
                self.to_commit.setdefault(partition, place.offset)

    def pass_marks(self) -> None:
        """Nothing is in hand: commit as far as was read, or a group would lag by the marks of transactions for ever."""
        for partition, end in self.ends.items():
            # Once: what was not committed comes back from the callback.
            if end > max(self.committed.get(partition, 0), self._passed.get(partition, 0)):
                self._passed[partition] = self.to_commit[partition] = end

    def note_end(self, partition: Partition, end: int) -> None:
        """Its log was read to there. Of one that was let go in the same poll it says nothing: others read on, and
        what came before the end was left to them.
        """
        if partition in self.assigned:
            self.ends[partition] = end

    def forget_ends(self, partitions: Iterable[Partition]) -> None:
        """They may have more messages than when they were read to their end."""
        for partition in partitions:
            self.ends.pop(partition, None)
            self._passed.pop(partition, None)

    def is_at_ends(self) -> bool:
        """Whether all that are ours were read to their end."""
        return bool(self.assigned) and self.assigned <= self.ends.keys()

    def is_fetching(self) -> bool:
        """Whether there are any, and the library says that it fetches all of them."""
        return bool(self.assigned) and self.assigned <= self._fetched

    def take_unread(self, seconds: float) -> list[Partition]:
        """Those that the library has not fetched for so long. If there are any, the counting begins again."""
        unread = sorted(partition for partition, began in self._unread.items() if self._said_at - began > seconds)
        if unread:
            self._unread.clear()
        return unread

    @property
    def seconds_apart(self) -> float:
        """For how long the library has said that the group has not come together, or cannot be reached; 0 if it has."""
        return 0.0 if self._apart_since is None else self._said_at - self._apart_since

    def note_statistics(self, statistics: Mapping[str, Any]) -> None:
        """What librdkafka says of the group, and of each partition: how far behind it is, and whether it is fetched."""
        unread = {}
        self._said_at = statistics["ts"] / 1e6
        group = statistics.get("cgrp", {})
        if (group.get("state"), group.get("join_state")) == ("up", "steady"):
            self._apart_since = None
        elif group and self._apart_since is None:
            self._apart_since = self._said_at
        for topic, facts in statistics.get("topics", {}).items():
            for number, partition in facts.get("partitions", {}).items():
                place = (topic, int(number))
                if place not in self.assigned:
                    continue
                if partition["fetch_state"] == "active":
                    self._fetched.add(place)
                else:
                    self._fetched.discard(place)
                    unread[place] = self._unread.get(place, self._said_at)
                if partition["consumer_lag"] >= 0:
                    metrics.lag.labels(topic, number).set(partition["consumer_lag"])
        self._unread = unread


def _names(partitions: Iterable[TopicPartition]) -> set[Partition]:
    return {(partition.topic, partition.partition) for partition in partitions}
