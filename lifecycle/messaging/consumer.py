"""The loop of ``consume_events``: poll a batch, deal with it in PostgreSQL, then commit the offsets.

At least once from Kafka, once in effect by the inbox. Whatever is away, the consumer stays in its group: it pauses the
partitions, goes on polling, and tries the same batch again.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from django.db import connections

from lifecycle.messaging import metrics
from lifecycle.messaging.batch_processing import Batch, BatchProcessor, is_transient, sql_state
from lifecycle.messaging.clients import consumer_config, ensure_topics, is_cooperative, make_consumer
from lifecycle.messaging.housekeeping import Housekeeping
from lifecycle.messaging.logs import as_message, find_lost_logs, find_positions
from lifecycle.messaging.positions import Positions
from lifecycle.messaging.process import HealthFile, Progress, Stop
from lifecycle.messaging.topic_ids import Partition, TopicIds
from lifecycle.rules.envelopes import Message
from storage.servers import close_others

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.2
# A batch that takes longer than this is interrupted to poll.
POLL_AGAIN_SECONDS: Final = 5.0
# How long a batch that has begun waits for more messages.
FILL_SECONDS: Final = 0.01
FIRST_DELAY, LONGEST_DELAY = 0.05, 2.0
# A log that came to its end without telling: brokers that keep everything in memory do not always say so. So long one
# has listened then; what took time in between says nothing of the log.
QUIET_SECONDS: Final = 5.0
LOST_LOG_SECONDS: Final = 5.0
# A partition that is ours and that the client library does not fetch for so long is never fetched.
UNREAD_SECONDS: Final = 10.0
# How long a group that does not come together is waited for until that is said, and how often it is.
APART_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator asks for."""

    topics: Sequence[str]
    group: str
    batch_size: int = 500
    once: bool = False
    max_events: int | None = None
    from_beginning: bool = False
    dry_run: bool = False


class EventConsumer:
    """One member of the consumer group. ``run`` returns the number of messages that were dealt with."""

    def __init__(
        self,
        options: Options,
        *,
        processor: BatchProcessor,
        stop: Stop,
        health: HealthFile,
        progress: Progress,
        housekeeping: Housekeeping | None = None,
    ) -> None:
        self.options = options
        self.processor = processor
        self.stop = stop
        self.health = health
        self.progress = progress
        self.housekeeping = housekeeping
        self.consumed = 0
        self._topic_ids = TopicIds(options.topics)
        self.positions = Positions(self._topic_ids)
        config = consumer_config(
            options.group,
            stats_cb=lambda text: self.positions.note_statistics(orjson.loads(text)),
            error_cb=self._on_error,
            on_commit=self.positions.note_committed,
        )
        self._cooperative = is_cooperative(config)
        self._consumer: Consumer = make_consumer(config)
        self._backlog: list[Message] = []
        self._batch: Batch | None = None
        self._paused = False
        self._changed = False
        # For how long it has listened since it last heard a message, or was given partitions.
        self._quiet_seconds = 0.0
        self._broker_lost = False
        self._looked_at = float("-inf")
        self._apart_due = APART_SECONDS
        self._polled_at = time.monotonic()

    def run(self) -> int:
        """Consume until asked to stop, or until there is nothing left with ``once``.

        Raises NoSuchTopic when a dry run finds none of its topics, TooManyFailures, KafkaException.
        """
        # As if a round had just gone well: what never begins to work is noticed after the same time.
        metrics.last_batch.set_to_current_time()
        self._prepare()
        try:
            while not self.stop and not self._is_done():
                self.health.touch()
                messages = self._poll_batch()
                if messages:
                    self._work(messages)
                else:
                    self._idle()
                self._look_after_broker()
                self._look_after_partitions()
                self._look_after_group()
                if self.housekeeping is not None and not self.options.dry_run:
                    self.housekeeping.run_when_due()
            if not self.stop and not self._backlog:
                self.positions.pass_marks()
        finally:
            self._commit(list(self.positions.to_commit), asynchronous=False)
            self._consumer.close()
            if self.housekeeping is not None:
                self.housekeeping.close()
            self.health.remove()
        return self.consumed

    # --- polling ----------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make missing topics and join the group, or for a dry run look at the group's position from outside."""
        delay = FIRST_DELAY
        while not self.stop:
            try:
                self._ensure_topics()
                self._topic_ids.learn()
                if self.options.dry_run:
                    self._assign_from_outside()
                else:
                    self._subscribe()
            except KafkaException as error:
                log.warning("kafka does not answer, trying again", reason=str(error))
                self.health.touch()
                self.stop.wait(delay)
                delay = min(delay * 2, LONGEST_DELAY)
            else:
                return

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            list(self.options.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _ensure_topics(self) -> None:
        """Make missing topics; a dry run makes nothing."""
        if not self.options.dry_run:
            ensure_topics(self.options.topics)

    def _assign_from_outside(self) -> None:
        """Read where the group would go on, without joining it and without moving it."""
        partitions = find_positions(
            self._consumer, self.options.topics, self._topic_ids, from_beginning=self.options.from_beginning
        )
        self._consumer.assign(partitions)
        self.positions.assign(partitions, added=False)

    def _poll_batch(self) -> list[Message]:
        """Up to a batch of messages: wait for the first, take what has arrived with it."""
        size = self.options.batch_size
        if self.options.max_events is not None:
            size = min(size, self.options.max_events - self.consumed)
        messages, self._backlog = self._backlog[:size], self._backlog[size:]
        if not messages:
            messages = self._read(1, POLL_SECONDS)
        if messages and len(messages) < size:
            messages += self._read(size - len(messages), FILL_SECONDS)
        if self._changed:
            self._follow_assignment()
        current = self.positions.assigned - self._begin_remade_logs()
        return [message for message in messages if (message.topic, message.partition) in current]

    def _read(self, count: int, timeout: float) -> list[Message]:
        messages = []
        self._polled_at = time.monotonic()
        read = self._consumer.consume(count, timeout)
        for raw in read:
            error = raw.error()
            if error is None:
                message = as_message(raw)
                messages.append(message)
                self.positions.ends.pop((message.topic, message.partition), None)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.positions.note_end((str(raw.topic()), int(raw.partition() or 0)), int(raw.offset() or 0))
            else:
                self._meet_error(error)
        for message in messages:
            metrics.consumed.labels(message.topic).inc()
        if messages:
            self._quiet_seconds = 0.0
        elif not read and not self._paused:
            self._quiet_seconds += min(time.monotonic() - self._polled_at, timeout)
        return messages

    def _meet_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        log.warning("kafka reports", error=error.name(), reason=error.str())
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            try:
                self._ensure_topics()
            except KafkaException as failure:
                log.warning("kafka does not answer", reason=str(failure))

    # --- working ----------------------------------------------------------------------------------------------

    def _work(self, messages: list[Message]) -> None:
        """Deal with the messages, however long what they need is away, and commit what was done."""
        batch = self._batch = self.processor.read(messages)
        delay = FIRST_DELAY
        try:
            while batch.parts:
                try:
                    self.processor.step(batch)
                    delay = FIRST_DELAY
                    if batch.parts and time.monotonic() - self._polled_at > POLL_AGAIN_SECONDS:
                        # A batch that is halved again and again must not cost the membership.
                        self._wait_polling(POLL_SECONDS)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    if self.stop:
                        break
                    metrics.retries.labels(sql_state(error) or "connection").inc()
                    log.warning(
                        "database unavailable, holding the batch",
                        error=type(error).__name__,
                        code=sql_state(error),
                        messages=sum(map(len, batch.parts)),
                    )
                    connections.close_all()
                    close_others()
                    self._wait_polling(delay * random.uniform(0.5, 1.0))  # noqa: S311  spreads retries, keeps no secret
                    delay = min(delay * 2, LONGEST_DELAY)
        finally:
            self._batch = None
            self._note_done(batch)
        metrics.last_batch.set_to_current_time()

    def _note_done(self, batch: Batch) -> None:
        """What was let go was committed then; by now another consumer may have come further, and it be ours again."""
        self.positions.to_commit |= batch.offsets()
        self.consumed += len(batch.done)
        self._commit(list(self.positions.to_commit), asynchronous=True)
        self.progress.advance(len(batch.done))

    def _wait_polling(self, seconds: float) -> None:
        """Wait in the group: paused partitions give nothing, and polling shows the broker that we live."""
        until = time.monotonic() + seconds
        self._paused = self._changed = True
        while not self.stop and (left := until - time.monotonic()) > 0:
            if self._changed:
                self._follow_assignment()
            self.health.touch()
            # What was fetched before the pause is not lost: it comes right after the batch that is held.
            arrived = self._read(self.options.batch_size, min(left, 0.1))
            # Not in one statement: reading may have shortened the backlog.
            self._backlog += arrived
        self._paused = False
        self._follow_assignment()

    def _follow_assignment(self) -> None:
        """Pause or resume whatever is ours now: a pause survives a rebalance, and would freeze the partition."""
        self._changed = False
        partitions = self._consumer.assignment()
        if partitions:
            (self._consumer.pause if self._paused else self._consumer.resume)(partitions)

    def _commit(self, partitions: Sequence[Partition], *, asynchronous: bool) -> None:
        """Commit what is done of our own partitions. A failure costs only redelivery, which the inbox absorbs."""
        offsets = self.positions.take_offsets(partitions)
        if not offsets or self.options.dry_run:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("offsets not committed", reason=str(error))

    # --- ends and idle moments --------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        if self.options.max_events is not None and self.consumed >= self.options.max_events:
            return True
        if not (self.options.once or self.options.dry_run) or self._backlog:
            return False
        if not self.options.dry_run and not self._topic_ids.knows(self.positions.assigned):
            return False
        if self.positions.is_at_ends():
            return True
        return self.positions.is_fetching() and self._quiet_seconds > QUIET_SECONDS

    def _idle(self) -> None:
        # Who is in no group hears nothing, however much there is.
        if self.options.dry_run or not self.positions.seconds_apart:
            metrics.last_batch.set_to_current_time()
        if not self._backlog:
            self.positions.pass_marks()
        if self.positions.to_commit:
            self._commit(list(self.positions.to_commit), asynchronous=True)

    def _look_after_broker(self) -> None:
        """After the broker was away: has it come back without its topics, or without what lay in them?"""
        now = time.monotonic()
        if self._broker_lost and now - self._looked_at > LOST_LOG_SECONDS:
            self._looked_at = now
            try:
                self._ensure_topics()
                for partition in find_lost_logs(self._consumer, self.positions.assigned):
                    self._read_from_start(partition)
                self._broker_lost = False
            except KafkaException as error:
                log.warning("kafka does not answer", reason=str(error))

    def _begin_remade_logs(self) -> set[Partition]:
        """Read from its start what was deleted and made again; those partitions, of which nothing in hand counts."""
        if self.options.dry_run:
            return set()
        remade = self._topic_ids.find_remade(self._consumer, self.positions.assigned)
        for topic, partition in sorted(remade):
            try:
                self._read_from_start((topic, partition))
            except KafkaException as error:
                # The library has not begun with it: in the next round.
                log.info("not read from its start yet", topic=topic, partition=partition, reason=str(error))
            else:
                log.warning("the topic was made again, reading it from its start", topic=topic, partition=partition)
        return set(remade)

    def _read_from_start(self, partition: Partition) -> None:
        """Go back, and forget what is in hand. Raises KafkaException."""
        self._consumer.seek(TopicPartition(*partition, OFFSET_BEGINNING))
        self.positions.begin_again(partition)
        self._backlog = [one for one in self._backlog if (one.topic, one.partition) != partition]

    def _look_after_partitions(self) -> None:
        """Join the group again when a partition of ours is never fetched.

        librdkafka 2.16 does that when the coordinator has just moved, or does not know us, as it is asked for the
        offsets (confluentinc/librdkafka#5586): the partition stays ours, and no one reads it.
        """
        if self.options.dry_run:
            return
        if unread := self.positions.take_unread(UNREAD_SECONDS):
            log.warning("partitions are ours and are not read, joining the group again", partitions=unread)
            self._consumer.unsubscribe()
            self._subscribe()

    def _look_after_group(self) -> None:
        """Say so when the group does not come together: what no member has is read by no one for as long."""
        seconds = self.positions.seconds_apart
        if seconds >= self._apart_due and not self.options.dry_run:
            log.warning("the group does not come together", seconds=round(seconds), owned=len(self.positions.assigned))
        self._apart_due = APART_SECONDS * (1 + seconds // APART_SECONDS)

    # --- callbacks, from within polling -----------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        metrics.rebalances.inc()
        if self.options.from_beginning:
            self.positions.rewind_once(partitions)
        (consumer.incremental_assign if self._cooperative else consumer.assign)(partitions)
        names = self.positions.assign(partitions, added=self._cooperative)
        self._changed = True
        self._quiet_seconds = 0.0
        log.info("partitions assigned", partitions=sorted(names), owned=len(self.positions.assigned))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [(partition.topic, partition.partition) for partition in partitions]
        if self._batch is not None:
            self.positions.to_commit |= self._batch.offsets()
        self._commit(names, asynchronous=False)
        self._let_go(names)
        log.info("partitions revoked", partitions=sorted(names), owned=len(self.positions.assigned))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [(partition.topic, partition.partition) for partition in partitions]
        self._let_go(names)
        log.warning("partitions lost", partitions=sorted(names), owned=len(self.positions.assigned))

    def _let_go(self, names: Sequence[Partition]) -> None:
        gone = set(names)
        self.positions.let_go(gone)
        self._backlog = [message for message in self._backlog if (message.topic, message.partition) not in gone]
        if self._batch is not None:
            self._batch.drop(gone)
        self._changed = True

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            self._broker_lost = True
        log.warning("kafka reports", error=error.name(), reason=error.str())
