"""One topic's way to Kafka: its own producer, its own order, and its own failures, which hold up no other topic."""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from lifecycle.messaging import metrics
from lifecycle.messaging.clients import ensure_topics
from lifecycle.rules.envelopes import Headers
from lifecycle.services.events import outbox
from lifecycle.services.events.dead_letters import TOO_LARGE, only_error
from lifecycle.services.events.dead_letters import TOPIC as DEAD_LETTER_TOPIC

log = structlog.get_logger(__name__)

# Rows on their way at once: enough to keep the broker busy while others are marked.
WINDOW: Final = 2000
# Nothing acknowledged for so long: the broker is away, or has forgotten this producer. A new one finds out which.
PATIENCE_SECONDS: Final = 10.0
FIRST_DELAY, LONGEST_DELAY = 0.2, 30.0
# A topic that stays stopped says so once in this time.
COMPLAIN_SECONDS: Final = 60.0
NO_ANSWER: Final = "no acknowledgement"
QUEUE_FULL: Final = "_QUEUE_FULL"
BATCH_TOO_LARGE: Final = "batch too large"
WHAT_TO_DO: Final = {
    "TOPIC_AUTHORIZATION_FAILED": "allow the relay's principal to describe and write the topic",
    "CLUSTER_AUTHORIZATION_FAILED": "allow the relay's principal idempotent writes",
    "UNKNOWN_TOPIC_OR_PART": "make the topic, or allow the relay's principal to make it",
    "_UNKNOWN_TOPIC": "make the topic, or allow the relay's principal to make it",
    "_UNKNOWN_PARTITION": "look at the topic's partitions",
    "TOPIC_EXCEPTION": "the topic's name is not valid for this broker: look at KAFKA_TOPIC_PREFIX",
    "MSG_SIZE_TOO_LARGE": "raise the topic's max.message.bytes",
    QUEUE_FULL: "raise queue.buffering.max.kbytes in KAFKA_CONFIG: a message is larger",
    "NOT_ENOUGH_REPLICAS": "look at the topic's min.insync.replicas and at the brokers",
}
LOOK_AT_THE_BROKER: Final = "look at the topic on the broker: leader, min.insync.replicas, disk, permissions"


class Flight:
    """A row that was given to the producer."""

    __slots__ = ("delivered", "pending", "row_id")

    def __init__(self, pending: outbox.Pending) -> None:
        self.pending = pending
        self.row_id = pending.id
        self.delivered = False


class Lane:
    """The rows of one topic, in id order. Whatever goes wrong, what is not marked is sent again in the same order."""

    def __init__(self, topic: str, *, name: str, make_producer: Callable[..., Producer]) -> None:
        self.topic = topic
        self.name = name
        self.flights: deque[Flight] = deque()
        self.failures = 0
        self._make_producer = make_producer
        self._producer: Producer | None = None
        self._broken: str | None = None
        # A topic's limit holds for a batch, and a broker refuses it whole. Once it has, each message is sent by itself.
        self._one_by_one = False
        # What the producer holds is as much as it may (queue.buffering.max.kbytes): large messages, before their number
        # is reached. It is not waited for: other topics go on.
        self._is_full = False
        self._moved_at = 0.0
        self._resume_at = 0.0
        self._complained_at = -COMPLAIN_SECONDS

    @property
    def is_stopped(self) -> bool:
        """Whether it failed, and nothing was acknowledged since."""
        return self.failures > 0

    def takes(self) -> bool:
        """Whether it takes more rows now."""
        has_room = len(self.flights) < WINDOW and not self._is_full
        return has_room and self._broken is None and time.monotonic() >= self._resume_at

    def send(self, rows: Sequence[tuple[outbox.Pending, bytes | None, Headers]]) -> None:
        """Give the producer rows with their values and headers. Raises KafkaException when no broker answers."""
        if self._producer is None:
            ensure_topics([self.name])
            alone = {"batch.num.messages": 1} if self._one_by_one else {}
            self._producer = self._make_producer(error_cb=self._on_error, **alone)
        if not self.flights:
            self._moved_at = time.monotonic()
        for pending, value, headers in rows:
            if self._broken is not None:
                # What follows a failure waits behind it.
                return
            flight = Flight(pending)
            self.flights.append(flight)
            if not self.produce(flight, pending.key, value, headers):
                self.flights.pop()
                self._is_full = True
                if not self.flights:
                    # It never fits.
                    self._broken = QUEUE_FULL
                return

    def produce(
        self, flight: Flight, key: bytes | None, value: bytes | None, headers: Headers, *, waits: bool = False
    ) -> bool:
        """Hand one message over; False where the producer's queue is full, also after it ``waits`` for a while."""

        producer = self._producer
        # A dead letter that never fits goes out without its bytes, which its table keeps. Nothing else is ever cut
        # short.
        is_dead_letter = self.topic == DEAD_LETTER_TOPIC

        def instead(key: bytes | None, headers: Headers) -> None:
            if not self.produce(flight, key, None, headers, waits=True):
                self._broken = self._broken or QUEUE_FULL

        def delivered(error: KafkaError | None, _: Any, *, by_broker: bool = True) -> None:
            if producer is not self._producer:
                return
            is_too_large = error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE
            if error is None:
                flight.delivered = True
            elif is_too_large and by_broker and not self._one_by_one:
                self._broken = self._broken or BATCH_TOO_LARGE
            elif is_dead_letter and is_too_large and value is not None:
                instead(key, (*headers, TOO_LARGE))
            elif is_dead_letter and is_too_large and (key, headers) != (None, only_error(headers)):
                # It is the key or the headers: nothing goes out but the error, or everything behind it would wait.
                instead(None, only_error(headers))
            elif error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
                self._broken = self._broken or error.name()

        if producer is None:
            return True
        seconds = PATIENCE_SECONDS if waits else 0.0
        try:
            return _offer(producer, seconds, self.name, value, key, headers=list(headers), on_delivery=delivered)
        except KafkaException as error:
            delivered(error.args[0], None, by_broker=False)
            return True

    def poll(self, seconds: float = 0.0) -> None:
        """Let what the broker has answered arrive."""
        if self._producer is not None:
            self._producer.poll(seconds)

    def flush(self, seconds: float) -> None:
        """Wait for what is on its way, no longer than this."""
        if self._producer is not None and self.flights:
            self._producer.flush(seconds)

    def find_delivered(self) -> list[Flight]:
        """The unbroken prefix that was delivered: what follows a gap is sent again after it."""
        done: list[Flight] = []
        for flight in self.flights:
            if not flight.delivered:
                break
            done.append(flight)
        return done

    def leave(self, count: int) -> None:
        """The first so many are marked."""
        for _ in range(count):
            self.flights.popleft()
        self._is_full = False
        self._moved_at = time.monotonic()
        if self.is_stopped:
            log.warning("topic is published again", topic=self.name)
            metrics.topic_stopped.labels(self.topic).set(0)
            self.failures = 0

    def look_after(self) -> bool:
        """Replace a producer that failed, or that has had no acknowledgement for long; later each time.

        True when it begins again at once: what it had on its way is to be sent.
        """
        if self._broken is None and self.flights and time.monotonic() - self._moved_at > PATIENCE_SECONDS:
            self._broken = NO_ANSWER
        if self._broken == BATCH_TOO_LARGE:
            log.info("a batch is too large for the topic, sending its messages one by one", topic=self.name)
            self._one_by_one = True
            self.drop_producer(reason=BATCH_TOO_LARGE)
            return True
        if self._broken is not None:
            self.fail(self._broken)
        return False

    def fail(self, reason: str) -> None:
        """Stop for a while. What was not delivered is pending still, and is sent again in the same order."""
        now = time.monotonic()
        delay = min(FIRST_DELAY * 2**self.failures, LONGEST_DELAY)
        self.failures = min(self.failures + 1, 20)
        self._resume_at = now + delay * random.uniform(0.8, 1.0)  # noqa: S311  spreads retries
        metrics.topic_stopped.labels(self.topic).set(1)
        if now - self._complained_at >= COMPLAIN_SECONDS:
            self._complained_at = now
            log.error(
                "topic is stopped, its messages wait in the outbox, the others go on",
                topic=self.name,
                reason=reason,
                on_their_way=len(self.flights),
                advice=WHAT_TO_DO.get(reason, LOOK_AT_THE_BROKER),
            )
        self.drop_producer(reason=reason)

    def drop_producer(self, *, reason: str) -> None:
        """Forget the producer and what it had; nothing of it goes out any more."""
        producer, self._producer = self._producer, None
        self.flights.clear()
        self._broken = None
        self._is_full = False
        if producer is not None:
            metrics.rebuilds.labels(reason).inc()
            producer.purge()
            producer.poll(0)

    def _on_error(self, error: KafkaError) -> None:
        log.warning("kafka reports", topic=self.name, error=error.name(), reason=error.str())
        if error.fatal():
            self._broken = error.name()


def _offer(producer: Producer, seconds: float, *message: Any, **options: Any) -> bool:
    """Whether the producer takes it, within so many seconds where its queue is full. Raises KafkaException."""
    until = time.monotonic() + seconds
    while True:
        try:
            producer.produce(*message, **options)
        except BufferError:
            if time.monotonic() >= until:
                return False
            producer.poll(0.05)
        else:
            return True
