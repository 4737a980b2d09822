"""One batch of messages through the service: halved when it fails, down to the one message that causes it."""

import datetime as dt
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Final

import structlog
from django import db
from django.utils import timezone

from lifecycle.messaging import metrics
from lifecycle.rules.envelopes import Message, Received, receive
from lifecycle.rules.ordering import merge_logs
from lifecycle.services.events.dead_letters import refuse
from lifecycle.services.events.processing import DEAD, DUPLICATE, PARKED, Result, process_events, store_dead_letter
from storage.failures import QUERY_CANCELED, describe, is_transient, sql_state
from storage.servers import MAIN, current_server, has_servers, on_server
from tenants.actors import Actor, TenantRef
from tenants.homes import find_home
from tenants.rules import messages
from tenants.services.directory import find_tenants

log = structlog.get_logger(__name__)

TRIES: Final = 3
# So many unexplained failures in a row are not caused by the messages: the consumer stops, the data wait.
BREAKER: Final = 20
TENANT_SECONDS: Final = 5.0


class TooManyFailures(Exception):
    """Message after message fails for no reason that is known: something is wrong with the consumer itself."""


class Batch:
    """Messages that are being dealt with: parts still to do, and those that are done, both in the log's order."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self.parts: deque[Sequence[Received]] = deque([messages] if messages else [])
        self.done: list[Message] = []
        self.tries = 0
        self._dropped: set[tuple[str, int]] = set()

    def offsets(self) -> dict[tuple[str, int], int]:
        """Where each partition that was not dropped goes on after what is done."""
        done: dict[tuple[str, int], int] = {}
        for message in self.done:
            place = (message.topic, message.partition)
            if place not in self._dropped:
                # Of several servers the one that was done last need not have had the last message.
                done[place] = max(done.get(place, 0), message.offset + 1)
        if self.parts:
            # Of several servers one may be done with later messages of a partition than another.
            for received in chain.from_iterable(self.parts):
                message = received.message
                if (place := (message.topic, message.partition)) in done:
                    done[place] = min(done[place], message.offset)
        return done

    def drop(self, partitions: Collection[tuple[str, int]]) -> None:
        """Leave alone what belongs to another consumer now."""
        self._dropped |= set(partitions)
        sizes = [len(part) for part in self.parts]
        kept = [
            [received for received in part if (received.message.topic, received.message.partition) not in partitions]
            for part in self.parts
        ]
        if sizes[:1] != [len(part) for part in kept[:1]]:
            # The tries were of what is dropped.
            self.tries = 0
        self.parts = deque(part for part in kept if part)

    def spread(self, parts: Sequence[Sequence[Received]]) -> None:
        """Replace the first part by these, which are its messages."""
        self.parts.popleft()
        self.parts.extendleft(reversed(parts))

    def split(self) -> None:
        """Replace the first part by its halves."""
        part = self.parts.popleft()
        middle = len(part) // 2
        self.parts.extendleft([part[middle:], part[:middle]])
        self.tries = 0

    def finish(self) -> None:
        """The first part is done."""
        self.done += [received.message for received in self.parts.popleft()]
        self.tries = 0


class KnownTenants:
    """Slug -> tenant, asked of the directory and believed for a few seconds: a suspension acts soon.

    That there is none of a slug is asked each time: the first events of one just made would be dead letters.

    Of the server that the thread is on: a tenant that is moved is another server's from one moment to the next.
    """

    def __init__(self) -> None:
        self._known = defaultdict[str, dict[str, tuple[float, TenantRef]]](dict)

    def find(self, slugs: Collection[str]) -> dict[str, TenantRef]:
        """Those of the slugs that name an active tenant. No statement, or one."""
        now, known = time.monotonic(), self._known[current_server()]
        unsure = {slug for slug in slugs if slug not in known or known[slug][0] < now}
        if unsure:
            found = find_tenants(unsure)
            for slug in unsure:
                known.pop(slug, None)
            known |= {slug: (now + TENANT_SECONDS, tenant) for slug, tenant in found.items()}
        return {slug: known[slug][1] for slug in slugs if slug in known}


class BatchProcessor:
    """Takes batches through ``process_events`` and counts what came of them."""

    def __init__(
        self,
        *,
        actor: Actor,
        dry_run: bool = False,
        clock: Callable[[], dt.datetime] = timezone.now,
        report: Callable[[Result], object] = id,
    ) -> None:
        self.actor = actor
        self.dry_run = dry_run
        self.clock = clock
        self.report = report
        self.tenants = KnownTenants()
        self.failures = 0

    def read(self, messages: Sequence[Message]) -> Batch:
        """Parse and validate; what is invalid is kept with its error. Between logs the earlier event comes first."""
        return Batch(merge_logs(map(receive, messages)))

    def step(self, batch: Batch) -> None:
        """Deal with the first part of the batch, or halve it. Raises transient errors; the part then stays first.

        A part with messages for tenants of several servers becomes one part for each of them.
        """
        if not has_servers():
            self._step(batch)
            return
        by_server = defaultdict[str, list[Received]](list)
        for received in batch.parts[0]:
            by_server[_server_of(received)].append(received)
        if len(by_server) > 1:
            batch.spread(list(by_server.values()))
        with on_server(next(iter(by_server))):
            self._step(batch)

    def _step(self, batch: Batch) -> None:
        part = batch.parts[0]
        started = time.perf_counter()
        try:
            tenants = self.tenants.find({received.event.tenant for received in part if received.event.tenant})
            results = process_events(
                part,
                tenants=tenants,
                actor=self.actor,
                now=self.clock(),
                dry_run=self.dry_run,
                # What fails may be an event that waits for this one's customer. The sweep finds out which.
                releases_parked=batch.tries == 0,
            )
        except Exception as error:
            if len(part) > 1 and (not is_transient(error) or sql_state(error) == QUERY_CANCELED):
                log.warning("batch failed, halving it", messages=len(part), error=describe(error))
                metrics.splits.inc()
                batch.split()
                return
            if is_transient(error):
                raise
            self._retry_or_give_up(batch, part[0], error)
            return
        metrics.batch_seconds.observe(time.perf_counter() - started)
        self.failures = 0
        batch.finish()
        for result in results:
            self.count(result)

    def count(self, result: Result) -> None:
        """Count one result, log what an operator wants to see, and report it. A dry run is only reported."""
        self.report(result)
        if self.dry_run:
            return
        event = result.received.event
        refusal = result.refusal
        metrics.dealt_with.labels(event.type, result.outcome, refusal.code if refusal else "").inc()
        if result.moved:
            metrics.moved.labels(event.type).inc()
        if result.outcome == DEAD:
            metrics.dead.inc()
        if result.rejected:
            metrics.fields_rejected.labels(event.type).inc(len(result.rejected))
            log.warning(
                "event applied without some of its fields",
                event_id=event.id,
                tenant=event.tenant,
                correlation_id=event.trace_id,
                type=event.type,
                reason="; ".join(result.rejected),
            )
        if result.outcome in (DEAD, PARKED):
            message = result.received.message
            log.log(
                30 if result.outcome == DEAD else 20,
                "event is dead" if result.outcome == DEAD else "event waits for its customer",
                event_id=event.id,
                tenant=event.tenant,
                correlation_id=event.trace_id,
                type=event.type,
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                error_code=refusal.code if refusal else "",
                reason=refusal.sentence if refusal else "",
            )

    def _retry_or_give_up(self, batch: Batch, received: Received, error: Exception) -> None:
        batch.tries += 1
        log.warning(
            "message failed",
            # A database error quotes the row; any other shows where the code is wrong.
            exc_info=None if isinstance(error, db.Error) else error,
            error=describe(error),
            event_id=received.event.id,
            tenant=received.event.tenant,
            attempt=batch.tries,
        )
        if batch.tries < TRIES:
            return
        self.failures += 1
        if self.failures > BREAKER:
            raise TooManyFailures(f"{BREAKER} messages in a row failed: {describe(error)}") from error
        refusal = refuse("internal_error", messages.Message("event_failed", {"error_class": type(error).__name__}))
        tenants = self.tenants.find({received.event.tenant} if received.event.tenant else ())
        result = store_dead_letter(
            received,
            refusal,
            tenant=tenants.get(received.event.tenant),
            attempts=batch.tries,
            now=self.clock(),
            dry_run=self.dry_run,
        )
        batch.finish()
        self.count(result)


def _server_of(received: Received) -> str:
    """Where the event's tenant lives; main, which knows what is to become of it, when there is no such tenant."""
    home = find_home(received.event.tenant) if received.event.tenant else None
    return home.server if home else MAIN


__all__ = ["DUPLICATE", "Batch", "BatchProcessor", "KnownTenants", "TooManyFailures", "is_transient", "sql_state"]
