"""What a consumer does beside its messages: events that waited long enough, what can be forgotten, what to measure.

Nothing here ends the consumer: what fails is logged and tried again when it is due.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from django import db
from django.conf import settings
from django.utils import timezone

from lifecycle.messaging import metrics
from lifecycle.services.compliance.retention import forget_dead_letters
from lifecycle.services.events import inbox
from lifecycle.services.events.dead_letter_actions import rewrap_dead_letters
from lifecycle.services.events.processing import Result, count_waiting, sweep_parked
from storage.failures import describe, is_transient
from storage.servers import close_others, on_server, server_names
from tenants.actors import Actor

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 60.0
DEAD_LETTERS_SECONDS: Final = 60.0
# A chore that goes on failing says so once in this time.
COMPLAIN_SECONDS: Final = 60.0


class Housekeeping:
    """Sweeping between the messages, and forgetting in a thread with a database session of its own."""

    def __init__(
        self,
        *,
        actor: Actor,
        count: Callable[[Result], None],
        clock: Callable[[], dt.datetime] = timezone.now,
        sweep_seconds: float = SWEEP_SECONDS,
        forget_seconds: float = FORGET_SECONDS,
    ) -> None:
        self.actor = actor
        self.count = count
        self.clock = clock
        self.sweep_seconds = sweep_seconds
        self.forget_seconds = forget_seconds
        self._sweep_at = 0.0
        self._dead_letters_at = 0.0
        self._complained_at: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_when_due(self) -> None:
        """Sweep when it is due; the first call starts the forgetting."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._forget_on, name="forgetting", daemon=True)
            self._thread.start()
        now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + self.sweep_seconds
            self._do("sweep", self.sweep)

    def close(self) -> None:
        """End the forgetting; a batch that is being deleted is finished, or rolled back by the database."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def sweep(self) -> None:
        """Release or give up what waited long enough, and measure what waits."""
        waiting: list[tuple[int, int]] = []

        def sweep_one() -> None:
            for result in sweep_parked(actor=self.actor, now=self.clock()):
                self.count(result)
            waiting.append(count_waiting())

        _on_every_server(sweep_one)
        metrics.parked.set(sum(parked for parked, _ in waiting))
        metrics.open_dead_letters.set(sum(dead_letters for _, dead_letters in waiting))

    def forget(self) -> None:
        """Drop the ids of events that are old."""
        remembered = dt.timedelta(days=settings.EVENTS_REMEMBERED_DAYS)
        _on_every_server(lambda: metrics.forgotten.inc(inbox.forget(remembered=remembered)))

    def tidy_dead_letters(self) -> None:
        """Delete dead letters that are resolved and old; bring the others under the newest master key."""
        before = self.clock() - dt.timedelta(days=settings.EVENTS_REMEMBERED_DAYS)

        def tidy_one() -> None:
            forget_dead_letters(before=before, stop=self._stop.is_set)
            rewrap_dead_letters()

        _on_every_server(tidy_one)

    def _forget_on(self) -> None:
        try:
            while not self._stop.is_set():
                self._do("forget", self.forget)
                if time.monotonic() >= self._dead_letters_at:
                    self._dead_letters_at = time.monotonic() + DEAD_LETTERS_SECONDS
                    self._do("dead_letters", self.tidy_dead_letters)
                self._stop.wait(self.forget_seconds)
        finally:
            db.connections.close_all()
            close_others()

    def _do(self, name: str, chore: Callable[[], object]) -> None:
        try:
            chore()
        except Exception as error:
            now = time.monotonic()
            if now - self._complained_at.get(name, -COMPLAIN_SECONDS) >= COMPLAIN_SECONDS:
                self._complained_at[name] = now
                # A database error quotes the row; any other shows where the code is wrong.
                trace = None if isinstance(error, db.Error) else error
                log.log(
                    30 if is_transient(error) else 40,
                    "chore put off",
                    chore=name,
                    error=describe(error),
                    exc_info=trace,
                )
            if isinstance(error, db.Error):
                db.connections.close_all()
                close_others()


def _on_every_server(work: Callable[[], object]) -> None:
    """Do it on each server. One that is away holds up none of the others: what it raised is raised at the end."""
    failure: Exception | None = None
    for name in server_names():
        try:
            with on_server(name):
                work()
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
