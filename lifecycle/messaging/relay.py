"""The loop of ``relay_events``: what committed transactions promised goes to Kafka, at least once, in order.

One relay leads, by a lock that its database session holds; others stand by. Rows are produced in id order, many on
their way at a time, and only the unbroken prefix that the broker has acknowledged is marked. Whatever goes wrong, what
is not marked is sent again in the same order.
"""

import datetime as dt
import random
import time
from collections import deque
from collections.abc import Set
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from django import db
from django.conf import settings
from django.utils import timezone

from audit.services.recording import TOPIC as LIFECYCLE_TOPIC
from lifecycle.messaging import metrics
from lifecycle.messaging.announcements import announce
from lifecycle.messaging.clients import ensure_topics, make_producer, topic_name
from lifecycle.messaging.handling import is_transient
from lifecycle.messaging.process import HealthFile, Progress, Stop
from lifecycle.rules.envelopes import Headers
from lifecycle.services import outbox
from lifecycle.services.dead_letters import TOO_LARGE, only_error
from lifecycle.services.dead_letters import TOPIC as DEAD_LETTER_TOPIC

log = structlog.get_logger(__name__)

BATCH: Final = 500
# Rows on their way at once: enough to keep the broker busy while others are marked.
WINDOW: Final = 2000
# Without NOTIFY a commit waits at most so long.
LOOK_SECONDS: Final = 0.1
STAND_BY_SECONDS: Final = 0.1
DELIVERY_POLL_SECONDS: Final = 0.005
# Nothing acknowledged for so long: the broker is away, or has forgotten this producer. A new one finds out which.
PATIENCE_SECONDS: Final = 10.0
LAST_FLUSH_SECONDS: Final = 4.0
CHORE_SECONDS: Final = 5.0
LONGEST_DELAY: Final = 2.0


class _Flight:
    """A row that was given to the producer."""

    __slots__ = ("delivered", "pending", "row_id")

    def __init__(self, pending: outbox.Pending) -> None:
        self.pending = pending
        self.row_id = pending.id
        self.delivered = False


class Relay:
    """One relay. ``run`` returns the number of messages that the broker has acknowledged."""

    def __init__(
        self, *, stop: Stop, health: HealthFile, progress: Progress, once: bool = False, prefix: str | None = None
    ) -> None:
        self.stop = stop
        self.health = health
        self.progress = progress
        self.once = once
        self._prefix = prefix
        self.published = 0
        self._producer: Producer | None = None
        self._topics: set[str] = set()
        self._flights: deque[_Flight] = deque()
        self._broken: KafkaError | None = None
        self._moved_at = 0.0
        self._leads = False
        self._chores_at = 0.0
        self._slugs = outbox.Slugs()

    def run(self) -> int:
        """Publish until asked to stop, or with ``once`` until nothing is pending."""
        delay = 0.05
        try:
            while not self.stop:
                try:
                    if self._serve():
                        break
                except db.Error as error:
                    if not is_transient(error):
                        raise
                    log.warning("database unavailable", error=type(error).__name__)
                    self._lose_lead()
                except KafkaException as error:
                    log.warning("kafka unavailable", reason=str(error))
                    self._drop_producer(reason="kafka")
                self.health.touch()
                self.stop.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311  spreads retries
                delay = min(delay * 2, LONGEST_DELAY)
        finally:
            self._end()
        return self.published

    # --- leading ----------------------------------------------------------------------------------------------

    def _serve(self) -> bool:
        """Lead, or wait for one's turn; True when ``once`` has found the outbox empty."""
        outbox.listen()
        while not self.stop:
            self.health.touch()
            if not self._leads:
                self._leads = outbox.lead()
                metrics.leading.set(int(self._leads))
                if not self._leads:
                    if self.once and outbox.measure()[0] == 0:
                        return True
                    self.stop.wait(STAND_BY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311
                    continue
                log.info("leading")
            if self._turn():
                return True
        return False

    def _turn(self) -> bool:
        """Send, mark, and wait for whatever comes first; True when ``once`` is done."""
        # First of all: while Kafka is away this is how anybody knows.
        self._chores()
        producer = self._producer or self._make_producer()
        sent = self._send(producer)
        producer.poll(0)
        marked = self._mark()
        if self._broken is not None or self._is_stuck():
            self._rebuild()
        elif self._flights:
            if not sent:
                producer.poll(DELIVERY_POLL_SECONDS)
        elif not sent and not marked:
            if self.once:
                return True
            outbox.wait_for_commit(LOOK_SECONDS)
        return False

    def _send(self, producer: Producer) -> int:
        """Give the producer what is pending and not on its way, as far as the window allows."""
        room = min(BATCH, WINDOW - len(self._flights))
        if room <= 0:
            return 0
        rows = outbox.fetch_pending(room, skip=[flight.row_id for flight in self._flights])
        self._ensure({pending.topic for pending in rows})
        for pending in rows:
            value, headers = announce(pending, tenant=self._slugs.of(pending.tenant_id))
            if not self._flights:
                self._moved_at = time.monotonic()
            flight = _Flight(pending)
            self._flights.append(flight)
            self._produce(producer, flight, pending.key, value, headers)
        return len(rows)

    def _produce(
        self, producer: Producer, flight: _Flight, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        def delivered(error: KafkaError | None, _: Any) -> None:
            if error is None:
                flight.delivered = True
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE and value is not None:
                # Never again will it fit: the error goes out without the bytes, which the table keeps.
                self._produce(producer, flight, key, None, (*headers, TOO_LARGE))
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE and (key, headers) != (None, only_error(headers)):
                # It is the key or the headers: nothing goes out but the error, or everything behind it would wait.
                self._produce(producer, flight, None, None, only_error(headers))
            elif error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
                self._broken = error

        while True:
            try:
                producer.produce(
                    self._topic(flight.pending.topic),
                    value,
                    key,
                    headers=list(headers),
                    on_delivery=delivered,
                )
            except BufferError:
                producer.poll(0.05)
            except KafkaException as error:
                delivered(error.args[0], None)
                return
            else:
                return

    def _mark(self) -> int:
        """Mark the unbroken prefix that was delivered: what follows a gap is sent again after it."""
        done: list[_Flight] = []
        for flight in self._flights:
            if not flight.delivered:
                break
            done.append(flight)
        if done:
            outbox.mark_published([flight.row_id for flight in done])
            now = timezone.now()
            for flight in done:
                self._flights.popleft()
                metrics.published.labels(flight.pending.topic).inc()
                metrics.publish_seconds.observe((now - flight.pending.created_at).total_seconds())
            self.published += len(done)
            self.progress.advance(len(done))
            self._moved_at = time.monotonic()
        return len(done)

    # --- what goes wrong --------------------------------------------------------------------------------------

    def _is_stuck(self) -> bool:
        return bool(self._flights) and time.monotonic() - self._moved_at > PATIENCE_SECONDS

    def _rebuild(self) -> None:
        """Replace the producer; what it had not delivered is pending still, and is sent again in the same order."""
        reason = self._broken.name() if self._broken is not None else "no acknowledgement"
        log.warning("replacing the producer", reason=reason, on_their_way=len(self._flights))
        self._drop_producer(reason=reason)
        self.stop.wait(0.2)

    def _make_producer(self) -> Producer:
        self._topics.clear()
        self._ensure({LIFECYCLE_TOPIC, DEAD_LETTER_TOPIC})
        self._broken = None
        self._producer = make_producer(error_cb=self._on_error)
        return self._producer

    def _ensure(self, names: Set[str]) -> None:
        """Make topics that are not there yet."""
        unknown = names - self._topics
        if unknown:
            ensure_topics(map(self._topic, sorted(unknown)))
            self._topics |= unknown

    def _drop_producer(self, *, reason: str) -> None:
        producer, self._producer = self._producer, None
        self._flights.clear()
        self._broken = None
        if producer is not None:
            metrics.rebuilds.labels(reason).inc()
            producer.purge()
            producer.poll(0)

    def _lose_lead(self) -> None:
        """Without the session there is no lock: another may lead by now, so nothing of ours may go out any more."""
        self._leads = False
        metrics.leading.set(0)
        self._drop_producer(reason="database")
        db.connections.close_all()

    def _on_error(self, error: KafkaError) -> None:
        log.warning("kafka reports", error=error.name(), reason=error.str())
        if error.fatal():
            self._broken = error

    def _end(self) -> None:
        """Wait a moment for what is on its way, mark it, and let the next one lead."""
        try:
            if self._producer is not None and self._flights:
                self._producer.flush(LAST_FLUSH_SECONDS)
                self._mark()
            if self._leads:
                outbox.abdicate()
        except db.Error as error:
            log.warning("database unavailable at the end", error=type(error).__name__)
        self._drop_producer(reason="end")
        metrics.leading.set(0)
        self.health.remove()

    def _chores(self) -> None:
        """Measure the outbox, and delete what was published long enough ago."""
        now = time.monotonic()
        if now < self._chores_at:
            return
        count, age = outbox.measure()
        metrics.outbox_pending.set(count)
        metrics.outbox_age.set(age)
        gone = outbox.clear_published(before=timezone.now() - dt.timedelta(hours=settings.OUTBOX_KEPT_HOURS))
        metrics.deleted.inc(gone)
        # As long as there is more to delete, go on with it between the messages.
        self._chores_at = now + (0.2 if gone else CHORE_SECONDS)

    def _topic(self, name: str) -> str:
        return topic_name(name) if self._prefix is None else f"{self._prefix}{name}"
