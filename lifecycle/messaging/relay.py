"""The loop of ``relay_events``: what committed transactions promised goes to Kafka, at least once, in order.

One relay leads, by a lock that its database session holds; others are on standby. The rows of each topic are produced
in id order, many on their way at a time, and only the unbroken prefix that the broker has acknowledged is marked. A
topic that may not be written holds up its own rows alone (``lanes``). It sees every commit, so it also drops what is
out of date in Redis (``stale_copies``).
"""

import datetime as dt
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaException
from django import db
from django.conf import settings
from django.utils import timezone

from audit.services.recording import TOPIC as LIFECYCLE_TOPIC
from lifecycle.messaging import metrics
from lifecycle.messaging.announcements import announce
from lifecycle.messaging.clients import ensure_topics, make_producer, topic_name
from lifecycle.messaging.lanes import Lane
from lifecycle.messaging.process import HealthFile, Progress, Stop
from lifecycle.messaging.stale_copies import StaleCopies
from lifecycle.services.events import outbox
from lifecycle.services.events.dead_letters import TOPIC as DEAD_LETTER_TOPIC
from storage.failures import is_transient

log = structlog.get_logger(__name__)

# Rows of a topic that are read together.
BATCH: Final = 500
# Without NOTIFY a commit waits at most so long.
LOOK_SECONDS: Final = 0.1
STAND_BY_SECONDS: Final = 0.1
DELIVERY_POLL_SECONDS: Final = 0.005
# With ``once``: so often a topic may fail in a row.
TRIES_ONCE: Final = 4
LAST_FLUSH_SECONDS: Final = 4.0
CHORE_SECONDS: Final = 5.0
LONGEST_DELAY: Final = 2.0


class TopicsStopped(Exception):
    """Some topics take nothing; what is meant for them waits in the outbox."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"Nothing could be published to {', '.join(names)}; its messages wait in the outbox. The log says why and"
            " what to do; then run this again."
        )


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
        self._lanes: dict[str, Lane] = {}
        self._leads = False
        self._chores_at = 0.0
        self._slugs = outbox.Slugs()
        self._copies = StaleCopies()

    def run(self) -> int:
        """Publish until asked to stop, or with ``once`` until nothing is pending (or raise TopicsStopped)."""
        delay = 0.05
        metrics.last_look.set_to_current_time()
        try:
            while not self.stop:
                try:
                    if self._serve():
                        break
                except db.Error as error:
                    if not is_transient(error):
                        raise
                    log.warning("database unavailable", error=type(error).__name__)
                    self._lose_leadership()
                self.health.touch()
                self.stop.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311  spreads retries
                delay = min(delay * 2, LONGEST_DELAY)
        finally:
            self._end()
        return self.published

    # --- leading ----------------------------------------------------------------------------------------------

    def _serve(self) -> bool:
        """Acquire leadership, or wait for it; True when ``once`` has found the outbox empty."""
        outbox.listen()
        while not self.stop:
            self.health.touch()
            self._chores()
            if not self._leads:
                self._leads = outbox.acquire_leadership()
                metrics.leading.set(int(self._leads))
                if not self._leads:
                    if self.once and outbox.measure()[0] == 0:
                        return True
                    self.stop.wait(STAND_BY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311
                    continue
                log.info("leading")
                self._copies.begin()
                self._make_topics()
            if self._turn():
                return True
        return False

    def _make_topics(self) -> None:
        """So that they can be read before there is anything to read."""
        try:
            ensure_topics([self._topic(LIFECYCLE_TOPIC), self._topic(DEAD_LETTER_TOPIC)])
        except KafkaException as error:
            log.warning("kafka does not answer", reason=str(error))

    def _turn(self) -> bool:
        """Send, mark, and wait for whatever comes first; True when ``once`` is done."""
        sent = self._send() + self._copies.look()
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.poll()
        marked = self._mark()
        begun_again = [lane for lane in lanes if lane.look_after()]
        busy = next((lane for lane in lanes if lane.flights), None)
        if busy is not None:
            if not sent:
                busy.poll(DELIVERY_POLL_SECONDS)
        elif not sent and not marked and not begun_again:
            if self.once:
                stopped = [lane for lane in lanes if lane.is_stopped]
                if any(lane.failures >= TRIES_ONCE for lane in stopped):
                    raise TopicsStopped([lane.name for lane in stopped])
                if not stopped:
                    return True
            outbox.wait_for_commit(LOOK_SECONDS)
        return False

    def _send(self) -> int:
        """Give each topic's producer what is pending and not on its way, as far as its window allows."""
        held = [topic for topic, lane in self._lanes.items() if not lane.takes()]
        skip = [flight.row_id for lane in self._lanes.values() for flight in lane.flights]
        by_topic: dict[str, list[outbox.Pending]] = defaultdict(list)
        fetched = outbox.fetch_pending(BATCH, skip=skip, held=held)
        self._copies.follow(fetched)
        if LIFECYCLE_TOPIC in held:
            self._copies.look_back()
        for pending in fetched:
            by_topic[pending.topic].append(pending)
        for topic, rows in by_topic.items():
            if self.stop:
                break
            lane = self._lane(topic)
            try:
                lane.send([(pending, *announce(pending, tenant=self._slugs.of(pending.tenant_id))) for pending in rows])
            except KafkaException as error:
                lane.fail(error.args[0].name())
        return sum(map(len, by_topic.values()))

    def _mark(self) -> int:
        """Mark what was delivered of each topic, up to its first gap. One statement."""
        done = {topic: lane.find_delivered() for topic, lane in self._lanes.items()}
        flights = [flight for delivered in done.values() for flight in delivered]
        if flights:
            outbox.mark_published([flight.pending for flight in flights])
            now = timezone.now()
            for topic, delivered in done.items():
                if delivered:
                    self._lanes[topic].leave(len(delivered))
                    metrics.published.labels(topic).inc(len(delivered))
            for flight in flights:
                metrics.publish_seconds.observe((now - flight.pending.created_at).total_seconds())
            self.published += len(flights)
            self.progress.advance(len(flights))
        return len(flights)

    def _lane(self, topic: str) -> Lane:
        if topic not in self._lanes:
            self._lanes[topic] = Lane(topic, name=self._topic(topic), make_producer=make_producer)
        return self._lanes[topic]

    # --- what goes wrong --------------------------------------------------------------------------------------

    def _lose_leadership(self) -> None:
        """Without the session there is no lock: another may lead by now, so nothing of ours may go out any more."""
        self._leads = False
        metrics.leading.set(0)
        self._drop_producers(reason="database")
        db.connections.close_all()

    def _drop_producers(self, *, reason: str) -> None:
        for lane in self._lanes.values():
            lane.drop_producer(reason=reason)

    def _end(self) -> None:
        """Wait a moment for what is on its way, mark it, and release leadership."""
        try:
            until = time.monotonic() + LAST_FLUSH_SECONDS
            for lane in self._lanes.values():
                lane.flush(max(until - time.monotonic(), 0.1))
            self._mark()
            if self._leads:
                outbox.release_leadership()
        except db.Error as error:
            log.warning("database unavailable at the end", error=type(error).__name__)
        self._drop_producers(reason="end")
        metrics.leading.set(0)
        self.health.remove()

    def _chores(self) -> None:
        """Measure the outbox, and as its leader drop what was published long enough ago.

        Before anything else, and on standby as well: while Kafka is away, or no relay leads, this is how it shows.
        What one that has lost leadership measured last would be its figure for ever.
        """
        now = time.monotonic()
        if now < self._chores_at:
            return
        count, age = outbox.measure()
        metrics.outbox_pending.set(count)
        metrics.outbox_age.set(age)
        metrics.last_look.set_to_current_time()
        self._chores_at = now + CHORE_SECONDS
        if not self._leads:
            return
        metrics.dropped.inc(outbox.forget_published(kept=dt.timedelta(hours=settings.OUTBOX_KEPT_HOURS)))

    def _topic(self, name: str) -> str:
        return topic_name(name) if self._prefix is None else f"{self._prefix}{name}"
