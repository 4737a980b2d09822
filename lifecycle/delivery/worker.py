"""The worker of effects: claims for its free threads only, and lets endpoints that hang hold few of them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from django.db import connections
from django.utils import timezone

from lifecycle.delivery.senders import Looked, deliver, look_up
from lifecycle.delivery.webhooks import close_idle
from lifecycle.models import EffectRun
from lifecycle.services.effects.breaker import count_open
from lifecycle.services.effects.claims import claim as take_due
from lifecycle.services.effects.claims import find_lanes
from lifecycle.services.effects.queue import (
    LEASE,
    Job,
    Lane,
    Result,
    finish,
    measure_oldest,
    recover_lapsed,
    release_held,
)
from storage.failures import describe, is_transient
from tenants.actors import TenantRef
from tenants.context import tenant_context

log = structlog.get_logger(__name__)

THREADS: Final = 32
# A delivery that takes longer than this no longer counts as one of THREADS: others go on, as far as MOST_THREADS.
STALLED_SECONDS: Final = 2.0
MOST_THREADS: Final = 2 * THREADS
# At most so many effects of a lane are claimed at a time: the next lane has its turn.
MOST_OF_A_LANE: Final = 8
# Lanes whose last delivery here has not succeeded, or which have not been tried yet: one at a time, and so many in all.
MOST_UNPROVEN: Final = THREADS // 4
# So that memory stays bounded; the lanes above it are served one at a time.
MOST_PROVEN: Final = 100_000
PAUSE_SECONDS: Final = 0.25
# What ends within this time is written together, and so is a number that makes room for a large claim.
SETTLE_SECONDS: Final = 0.01
SETTLED_AT_ONCE: Final = 2 * THREADS // 3
LOOK_AFTER_SECONDS: Final = 5.0
# What could not be written is tried again after this time.
WRITE_AGAIN_SECONDS: Final = 1.0

Finished = Callable[[Job, Result, float], object]


def claim(tenant: TenantRef, rooms: Mapping[UUID, int]) -> tuple[list[Job], Mapping[UUID, Looked]]:
    """Take what is due in lanes of a tenant, with what its webhooks say and where they go. One transaction."""
    try:
        with tenant_context(tenant.id):
            jobs = take_due(tenant, rooms, now=timezone.now())
            return jobs, look_up(jobs)
    except Exception as error:
        if is_transient(error):
            raise
        # Each will fail by itself, and says so.
        log.error("effects not looked up", tenant=tenant.slug, error=describe(error))
        return take_due(tenant, rooms, now=timezone.now()), {}


class EffectWorker:
    """Runs effects in threads of its own until asked to stop. Several may run, in as many processes."""

    def __init__(self, *, finished: Finished | None = None) -> None:
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="effect")
        # What is being delivered: its lane, and since when.
        self._in_flight: dict[tuple[UUID, UUID], tuple[UUID, float]] = {}
        self._proven: set[UUID] = set()
        self._ended = threading.Condition()
        self._results: list[tuple[Job, Result | None, float]] = []
        # What has ended and could not be written yet, and when that is tried again.
        self._unwritten: list[tuple[Job, Result | None, float]] = []
        self._write_again_at = 0.0
        self._finished = finished
        self._look_at = self._release_at = 0.0
        # Measured every few seconds.
        self.oldest_seconds = 0.0
        self.open_breakers = 0

    def work(self) -> bool:
        """One round: take back, release, claim, begin, and write what has ended; False when nothing is left to do."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_AFTER_SECONDS
            recover_lapsed()
            close_idle()
            self.oldest_seconds = measure_oldest()
            self.open_breakers = count_open()
        if now >= self._release_at or not self._in_flight:
            self._release_at = now + PAUSE_SECONDS
            release_held()
        began = 0
        waiting: Sequence[Lane] = find_lanes()
        while waiting:
            self._settle()
            rooms, waiting = self._plan(waiting)
            taken = sum(self._begin(tenant, of_tenant) for tenant, of_tenant in rooms.items())
            began += taken
            if taken == sum(sum(of_tenant.values()) for of_tenant in rooms.values()):
                # The lanes behind them come first in the next round: few large claims cost less than many small ones.
                break
        self._settle()
        with self._ended:
            return began > 0 or bool(self._in_flight)

    def _begin(self, tenant: TenantRef, rooms: Mapping[UUID, int]) -> int:
        """Claim so many of the lanes of a tenant, and hand them to the threads; how many."""
        jobs, looked = claim(tenant, rooms)
        with self._ended:
            now = time.monotonic()
            self._in_flight |= {(job.id, job.token): (job.lane_id, now) for job in jobs}
        for job in jobs:
            self._pool.submit(self._run, job, looked.get(job.id))
        return len(jobs)

    def wait(self, seconds: float) -> None:
        """Until something has ended, and a moment for what ends with it; or for so long."""
        with self._ended:
            self._ended.wait_for(lambda: self._results, seconds)
            self._ended.wait_for(lambda: len(self._results) >= SETTLED_AT_ONCE, min(seconds, SETTLE_SECONDS))

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False when something still is after so long."""
        until = time.monotonic() + seconds
        while True:
            self._settle()
            with self._ended:
                left = until - time.monotonic()
                if not self._in_flight or left <= 0:
                    return not self._in_flight
                self._ended.wait_for(lambda: self._results, min(left, WRITE_AGAIN_SECONDS) if self._unwritten else left)

    def close(self, seconds: float) -> None:
        """Let what is in flight end, for so long; what does not comes back when its lease is over."""
        self.drain(seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _plan(self, lanes: Sequence[Lane]) -> tuple[dict[TenantRef, dict[UUID, int]], Sequence[Lane]]:
        """How many effects of each lane may be begun now, in their order, by tenant; and the lanes behind those that
        would take every free thread, which have their turn when these had less to do.

        What hangs would take every thread in turn, so a lane has to show that it answers before it is given more than
        one, and gives way while one of its deliveries is late.
        """
        stalled_before = time.monotonic() - STALLED_SECONDS
        with self._ended:
            in_flight = list(self._in_flight.values())
            stalled = {lane_id for lane_id, began_at in in_flight if began_at < stalled_before}
            late = sum(began_at < stalled_before for _, began_at in in_flight)
            free = min(THREADS - (len(in_flight) - late), MOST_THREADS - len(in_flight))
            proven = {lane.id for lane in lanes if lane.id in self._proven} - stalled
            unproven = [lane_id for lane_id, _ in in_flight if lane_id not in self._proven or lane_id in stalled]
        rooms = defaultdict[TenantRef, dict[UUID, int]](dict)
        for place, lane in enumerate(lanes):
            if free <= 0:
                return rooms, lanes[place:] if rooms else ()
            if lane.id in proven:
                room = min(free, MOST_OF_A_LANE)
            elif lane.id in unproven or len(unproven) >= THREADS or len(unproven) - late >= MOST_UNPROVEN:
                continue
            else:
                room = 1
                unproven.append(lane.id)
            rooms[lane.tenant][lane.id] = room
            free -= room
        return rooms, ()

    def _run(self, job: Job, looked: Looked | None) -> None:
        """Deliver one, in a thread; None for its result when that could not even be tried."""
        began_at, result = time.monotonic(), None
        try:
            result = self._deliver(job, looked)
        except Exception as error:
            # Its lease ends, and it comes again.
            log.error("effect not delivered", effect=str(job.id), tenant=job.tenant.slug, error=describe(error))
            connections.close_all()
        finally:
            with self._ended:
                self._results.append((job, result, time.monotonic() - began_at))
                self._ended.notify_all()

    def _settle(self) -> None:
        """Write what has become of those that ended, a statement a tenant.

        What cannot be written now is tried again for as long as its lease may hold: let go at once, a webhook would
        come twice, and mail that the server has taken be unknown, because the database was away for a second.
        """
        with self._ended:
            results, self._results = self._results, []
        if self._unwritten and time.monotonic() >= self._write_again_at:
            results, self._unwritten = self._unwritten + results, []
        if not results:
            return
        by_tenant = defaultdict[UUID, list[tuple[Job, Result, float]]](list)
        for job, result, seconds in results:
            if result is not None:
                self._note_answer(job, result)
                by_tenant[job.tenant.id].append((job, result, seconds))
        for ended in by_tenant.values():
            try:
                written = self._write([(job, result) for job, result, _ in ended])
            except Exception as error:
                # Once their leases end, they come again or are unknown.
                log.error("effects not finished", tenant=ended[0][0].tenant.slug, error=describe(error))
                connections.close_all()
                if is_transient(error):
                    self._write_later(ended)
                continue
            for job, result, seconds in ended:
                if job.id in written and self._finished:
                    self._finished(job, result, seconds)
        later = {(job.id, job.token) for job, _, _ in self._unwritten}
        with self._ended:
            for job, _, _ in results:
                if (job.id, job.token) not in later:
                    del self._in_flight[job.id, job.token]

    def _write_later(self, ended: Sequence[tuple[Job, Result, float]]) -> None:
        now = time.monotonic()
        self._write_again_at = now + WRITE_AGAIN_SECONDS
        with self._ended:
            since = {key: began_at for key, (_, began_at) in self._in_flight.items()}
        held = LEASE.total_seconds()
        self._unwritten += [one for one in ended if now - since[one[0].id, one[0].token] < held]

    def _write(self, ended: list[tuple[Job, Result]]) -> set[UUID]:
        try:
            return finish(ended)
        except Exception as error:
            if is_transient(error):
                raise
            # Whatever an answer had in it that cannot be kept: what became of them counts.
            log.error("answers not kept", tenant=ended[0][0].tenant.slug, error=describe(error))
            return finish([(job, replace(result, attempt=None)) for job, result in ended])

    def _note_answer(self, job: Job, result: Result) -> None:
        with self._ended:
            if result.state in (EffectRun.DUE, EffectRun.FAILED, EffectRun.UNKNOWN):
                self._proven.discard(job.lane_id)
            elif len(self._proven) < MOST_PROVEN:
                self._proven.add(job.lane_id)

    def _deliver(self, job: Job, looked: Looked | None) -> Result:
        try:
            return deliver(job, looked)
        except Exception as error:
            if is_transient(error):
                raise
            # It would fail again however often it is tried.
            log.error("effect failed", effect=str(job.id), tenant=job.tenant.slug, exc_info=error)
            return Result(EffectRun.FAILED, "error", attempt={"error": type(error).__name__})
