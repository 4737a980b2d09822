"""The worker of effects: claims for its free threads only, and lets endpoints that hang hold few of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID

import structlog
from django.db import connections
from django.utils import timezone

from lifecycle.delivery.senders import deliver
from lifecycle.delivery.webhooks import close_idle
from lifecycle.models import EffectRun
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
        self._finished = finished
        self._look_at = 0.0
        # Measured every few seconds.
        self.oldest_seconds = 0.0

    def work(self) -> bool:
        """One round: take back, release, claim and begin; False when there was nothing to begin."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_AFTER_SECONDS
            recover_lapsed()
            close_idle()
            self.oldest_seconds = measure_oldest()
        release_held()
        began = 0
        for lane in find_lanes():
            room = self._room(lane)
            if room <= 0:
                continue
            jobs = claim(lane, room, now=timezone.now())
            with self._ended:
                now = time.monotonic()
                self._in_flight |= {(job.id, job.token): (lane.id, now) for job in jobs}
            for job in jobs:
                self._pool.submit(self._run, job)
            began += len(jobs)
        return began > 0

    def wait(self, seconds: float) -> None:
        """Until a thread is free, or for so long."""
        with self._ended:
            self._ended.wait(seconds)

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False when something still is after so long."""
        until = time.monotonic() + seconds
        with self._ended:
            while self._in_flight and (left := until - time.monotonic()) > 0:
                self._ended.wait(left)
            return not self._in_flight

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

    def _run(self, job: Job) -> None:
        began_at = time.monotonic()
        try:
            result = self._deliver(job)
            self._note_answer(job, result)
            if finish(job, result) and self._finished:
                self._finished(job, result, time.monotonic() - began_at)
        except Exception as error:
            # Its lease ends, and it comes again.
            log.error("effect not finished", effect=str(job.id), tenant=job.tenant.slug, error=describe(error))
            connections.close_all()
        finally:
            with self._ended:
                del self._in_flight[job.id, job.token]
                self._ended.notify_all()

    def _note_answer(self, job: Job, result: Result) -> None:
        with self._ended:
            if result.state in (EffectRun.DUE, EffectRun.FAILED, EffectRun.UNKNOWN):
                self._proven.discard(job.lane_id)
            elif len(self._proven) < MOST_PROVEN:
                self._proven.add(job.lane_id)

    def _deliver(self, job: Job) -> Result:
        try:
            return deliver(job)
        except Exception as error:
            if is_transient(error):
                raise
            # It would fail again however often it is tried.
            log.error("effect failed", effect=str(job.id), tenant=job.tenant.slug, exc_info=error)
            return Result(EffectRun.FAILED, "error", attempt={"error": type(error).__name__})
