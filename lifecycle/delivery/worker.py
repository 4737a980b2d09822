"""The worker of effects: claims for its free threads only, and lets slow endpoints hold few of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from django.db import connections
from django.utils import timezone

from lifecycle.delivery.senders import deliver
from lifecycle.delivery.webhooks import close_idle
from lifecycle.models import EffectRun
from lifecycle.services.effects.queue import (
    Job,
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
# At most so many effects of a lane are claimed at a time: the next lane has its turn.
MOST_OF_A_LANE: Final = 8
PAUSE_SECONDS: Final = 0.25
LOOK_AFTER_SECONDS: Final = 5.0

Finished = Callable[[Job, Result, float], object]


class EffectWorker:
    """Runs effects in threads of its own until asked to stop. Several may run, in as many processes."""

    def __init__(self, *, threads: int = THREADS, finished: Finished | None = None) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="effect")
        self._in_flight = 0
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
            room = min(self._free(), MOST_OF_A_LANE)
            if room <= 0:
                break
            jobs = claim(lane, room, now=timezone.now())
            with self._ended:
                self._in_flight += len(jobs)
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

    def _free(self) -> int:
        with self._ended:
            return self._threads - self._in_flight

    def _run(self, job: Job) -> None:
        began_at = time.monotonic()
        try:
            result = self._deliver(job)
            if finish(job, result) and self._finished:
                self._finished(job, result, time.monotonic() - began_at)
        except Exception as error:
            # Its lease ends, and it comes again.
            log.error("effect not finished", effect=str(job.id), tenant=job.tenant.slug, error=describe(error))
            connections.close_all()
        finally:
            with self._ended:
                self._in_flight -= 1
                self._ended.notify_all()

    def _deliver(self, job: Job) -> Result:
        try:
            return deliver(job)
        except Exception as error:
            if is_transient(error):
                raise
            # It would fail again however often it is tried.
            log.error("effect failed", effect=str(job.id), tenant=job.tenant.slug, exc_info=error)
            return Result(EffectRun.FAILED, "error", attempt={"error": type(error).__name__})
