"""The worker of effects: claims for its free threads only, and lets endpoints that hang hold few of them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
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
from lifecycle.services.effects.queue import (
    Job,
    Lane,
    Result,
    claim,
    find_lanes,
    finish,
    measure_oldest,
    recover_lapsed,
    release_held,
)
from lifecycle.services.events.failures import describe, is_transient

log = structlog.get_logger(__name__)

THREADS: Final = 24
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
# What ends within this time is written together.
SETTLE_SECONDS: Final = 0.01
LOOK_AFTER_SECONDS: Final = 5.0

Finished = Callable[[Job, Result, float], object]


class EffectWorker:
    """Runs effects in threads of its own until asked to stop. Several may run, in as many processes."""

    def __init__(self, *, finished: Finished | None = None) -> None:
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="effect")
        # What is being delivered: its lane, and since when.
        self._in_flight: dict[tuple[UUID, UUID], tuple[UUID, float]] = {}
        self._proven: set[UUID] = set()
        self._ended = threading.Condition()
        self._results: list[tuple[Job, Result | None, float]] = []
        self._finished = finished
        self._look_at = 0.0
        # Measured every few seconds.
        self.oldest_seconds = 0.0
        self.open_breakers = 0

    def work(self) -> bool:
        """One round: take back, release, claim, begin, and write what has ended; False when nothing is left to do."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_AFTER_SECONDS
            recover_lapsed()
            close_idle()
            self.oldest_seconds = measure_oldest()
            self.open_breakers = count_open()
        release_held()
        began = 0
        for lane in find_lanes():
            self._settle()
            room = self._room(lane)
            if room <= 0:
                continue
            jobs = claim(lane, room, now=timezone.now())
            looked = self._look_up(jobs)
            with self._ended:
                now = time.monotonic()
                self._in_flight |= {(job.id, job.token): (lane.id, now) for job in jobs}
            for job in jobs:
                self._pool.submit(self._run, job, looked.get(job.id))
            began += len(jobs)
        self._settle()
        with self._ended:
            return began > 0 or bool(self._in_flight)

    def wait(self, seconds: float) -> None:
        """Until something has ended, and a moment for what ends with it; or for so long."""
        with self._ended:
            self._ended.wait_for(lambda: self._results, seconds)
            self._ended.wait_for(lambda: len(self._results) >= MOST_OF_A_LANE, min(seconds, SETTLE_SECONDS))

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False when something still is after so long."""
        until = time.monotonic() + seconds
        while True:
            self._settle()
            with self._ended:
                left = until - time.monotonic()
                if not self._in_flight or left <= 0:
                    return not self._in_flight
                self._ended.wait_for(lambda: self._results, left)

    def close(self, seconds: float) -> None:
        """Let what is in flight end, for so long; what does not comes back when its lease is over."""
        self.drain(seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _room(self, lane: Lane) -> int:
        """How many effects of the lane may be begun now.

        What hangs would take every thread in turn, so a lane has to show that it answers before it is given more than
        one, and gives way while one of its deliveries is late.
        """
        stalled_before = time.monotonic() - STALLED_SECONDS
        with self._ended:
            in_flight = list(self._in_flight.values())
            stalled = {lane_id for lane_id, began_at in in_flight if began_at < stalled_before}
            late = sum(began_at < stalled_before for _, began_at in in_flight)
            free = min(THREADS - (len(in_flight) - late), MOST_THREADS - len(in_flight))
            if lane.id in self._proven and lane.id not in stalled:
                return min(free, MOST_OF_A_LANE)
            unproven = [lane_id for lane_id, _ in in_flight if lane_id not in self._proven or lane_id in stalled]
        if lane.id in unproven or len(unproven) >= THREADS or len(unproven) - late >= MOST_UNPROVEN:
            return 0
        return min(free, 1)

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
        """Write what has become of those that ended, a statement a tenant. What cannot be written comes again."""
        with self._ended:
            results, self._results = self._results, []
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
                # Their leases end, and they come again or are unknown.
                log.error("effects not finished", tenant=ended[0][0].tenant.slug, error=describe(error))
                connections.close_all()
                continue
            for job, result, seconds in ended:
                if job.id in written and self._finished:
                    self._finished(job, result, seconds)
        with self._ended:
            for job, _, _ in results:
                del self._in_flight[job.id, job.token]

    def _write(self, ended: list[tuple[Job, Result]]) -> set[UUID]:
        try:
            return finish(ended)
        except Exception as error:
            if is_transient(error):
                raise
            # Whatever an answer had in it that cannot be kept: what became of them counts.
            log.error("answers not kept", tenant=ended[0][0].tenant.slug, error=describe(error))
            return finish([(job, replace(result, attempt=None)) for job, result in ended])

    def _look_up(self, jobs: list[Job]) -> Mapping[UUID, Looked]:
        try:
            return look_up(jobs)
        except Exception as error:
            if is_transient(error):
                raise
            # Each will fail by itself, and says so.
            log.error("effects not looked up", tenant=jobs[0].tenant.slug, error=describe(error))
            return {}

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
