"""Keeping the figures of every tenant up to their history, a little at a time beside other work."""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import structlog
from django.utils import timezone

from audit.services.feed import SOON, floor_of
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.sums import repair_sums
from lifecycle.services.insight.turns import TurnTaken
from storage.failures import concerns_every_tenant, describe
from tenants.actors import TenantRef

# How long a tenant is left alone once its figures are what its history says, and how long others wait for this work.
PAUSE_SECONDS: Final = 15.0
SECONDS_AT_ONCE: Final = 1.0
# How often everyone is looked at, and not only those of whom something was recorded lately.
SELDOM: Final = dt.timedelta(hours=1)

log = structlog.get_logger(__name__)


class FactKeeper:
    """``keep_facts`` for a process that looks again and again: where nothing was recorded that costs two looks into
    indexes. At first, and every hour, everyone is looked at, for what a very long transaction brought, and so are the
    sums, which a process of a former release may have left short; else those of whom something was recorded since the
    last look that came to its end, or not long before it.
    """

    def __init__(self, clock: Callable[[], dt.datetime] = timezone.now) -> None:
        self._clock = clock
        # When the last look began that came to its end: any, and one at everyone.
        self._looked: dict[UUID, dt.datetime] = {}
        self._searched: dict[UUID, dt.datetime] = {}

    def keep_facts(self, tenant: TenantRef, *, enough: Callable[[], bool] = lambda: False) -> int:
        """How many customers were behind. Call outside of any transaction.

        A look that is cut short, or fails, is none: the next one asks for all that this one was to find.
        """
        is_cut_short = False

        def asks_for_an_end() -> bool:
            nonlocal is_cut_short
            is_cut_short = enough()
            return is_cut_short

        now = self._clock()
        searched_at = self._searched.get(tenant.id)
        is_thorough = searched_at is None or not now - SELDOM < searched_at <= now
        since = None if is_thorough else floor_of(min(self._looked[tenant.id], now) - SOON)
        caught_up = keep_facts(tenant, enough=asks_for_an_end, since=since, waits=False)
        if not is_cut_short:
            if is_thorough and (wrong := repair_sums(tenant)):
                log.warning("sums made again", tenant=tenant.slug, wrong=wrong)
            self._looked[tenant.id] = now
            if is_thorough:
                self._searched[tenant.id] = now
        return caught_up


class FactWorker:
    """Goes from tenant to tenant; the place is kept from call to call. ``keep``: what to do there instead."""

    def __init__(self, tenants: Callable[[], Sequence[TenantRef]], keep: Callable[..., int] | None = None) -> None:
        self._tenants = tenants
        self._keep_up = keep or FactKeeper().keep_facts
        self._waiting: list[TenantRef] = []
        # How often all tenants have had their turn.
        self.rounds = 0
        self._rests_until = time.monotonic() + PAUSE_SECONDS

    def work(self, enough: Callable[[], bool]) -> bool:
        """Work for a second at most; whether there is more to do now. What fails is tried again after the others."""
        if not self._waiting:
            if time.monotonic() < self._rests_until:
                return False
            self._waiting = list(self._tenants())
        until = time.monotonic() + SECONDS_AT_ONCE

        def is_late() -> bool:
            return enough() or time.monotonic() > until

        while self._waiting and not is_late():
            caught_up = self._keep(self._waiting[0], is_late)
            if is_late() and caught_up:
                break
            del self._waiting[0]
        if not self._waiting:
            self.rounds += 1
            self._rests_until = time.monotonic() + PAUSE_SECONDS
        return bool(self._waiting)

    def _keep(self, tenant: TenantRef, enough: Callable[[], bool]) -> int:
        try:
            return self._keep_up(tenant, enough=enough)
        except TurnTaken:
            # An erasure of a large tenant may take minutes, and all others wait for this thread.
            return 0
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            log.error(
                "not brought up to date",
                what=self._keep_up.__name__,
                tenant=tenant.slug,
                error=describe(error),
            )
            return 0


class CountedEffects:
    """Whether what effects did is in the episodes that are kept, so that rows whose time is over may go.

    After a start all stays are brought up to date once, and then all episodes: what came while no one worked, or with a
    load of the past, is counted before it is forgotten.
    """

    def __init__(self, stays: FactWorker, episodes: FactWorker) -> None:
        self._stays, self._episodes = stays, episodes
        self._enough: int | None = None

    def are_counted(self) -> bool:
        """Whether they are. Once they are, they stay so."""
        if self._enough is None and self._stays.rounds:
            # The round under way may have been at a tenant before its stays were there.
            self._enough = self._episodes.rounds + 2
        return self._enough is not None and self._episodes.rounds >= self._enough
