"""What a consumer does between batches: events that waited long enough, ids that can be forgotten, what to measure."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

import structlog
from django import db
from django.conf import settings
from django.utils import timezone

from lifecycle.messaging import metrics
from lifecycle.messaging.handling import is_transient
from lifecycle.services.events import Result, count_waiting, forget_events, sweep_parked
from lifecycle.services.letters import forget_letters, reseal_letters
from tenants.actors import Actor

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 60.0


class Housekeeping:
    """Runs each chore when it is due; what fails for a moment is left for the next time."""

    def __init__(
        self,
        *,
        actor: Actor,
        count: Callable[[Result], None],
        clock: Callable[[], dt.datetime] = timezone.now,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self.actor = actor
        self.count = count
        self.clock = clock
        self._due: dict[Callable[[], None], tuple[float, float]] = {
            self._sweep: (0.0, sweep_seconds),
            self._forget: (0.0, FORGET_SECONDS),
        }

    def run_when_due(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for chore, (due_at, period) in self._due.items():
            if now >= due_at:
                self._due[chore] = (now + period, period)
                try:
                    chore()
                except db.Error as error:
                    if not is_transient(error):
                        raise
                    log.warning("housekeeping put off", error=type(error).__name__)
                    db.connections.close_all()

    def _sweep(self) -> None:
        for result in sweep_parked(actor=self.actor, now=self.clock()):
            self.count(result)
        parked, open_letters = count_waiting()
        metrics.parked.set(parked)
        metrics.open_letters.set(open_letters)

    def _forget(self) -> None:
        before = self.clock() - dt.timedelta(days=settings.EVENTS_REMEMBERED_DAYS)
        forget_events(before=before)
        forget_letters(before=before)
        reseal_letters()
