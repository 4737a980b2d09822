"""The threads that run Django: a fixed number, a bounded queue before them."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import psycopg
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, reset_queries

from config.serving.sockets import shut_down
from storage.servers import close_others, own_connections

_own = threading.local()


def watch_own_connections() -> None:
    """Look at a thread's connections by a list of them, at the beginning and the end of a request as Django does.

    Django looks for them by name each time, all that there could be: an eighth of what a small answer costs.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
        signal.connect(_close_unusable_connections)
    # The caches' connections to Redis are kept: there is nothing that django-redis would do here.
    request_finished.disconnect(close_caches)
    if not settings.DEBUG:
        # Outside of development nothing is kept of queries.
        request_started.disconnect(reset_queries)


def _close_unusable_connections(**_: Any) -> None:
    """Of this thread: lost ones, and those past their lifetime."""
    own: list[Any] | None = getattr(_own, "connections", None)
    if own is None:
        own = _own.connections = [*(connections[alias] for alias in connections), *own_connections()]
    for wrapper in own:
        if wrapper.connection is not None:
            wrapper.close_if_unusable_or_obsolete()


class Overloaded(Exception):
    """No thread was free, or becomes free soon enough."""


class Job:
    """Something to run in a thread. It is claimed once: by the thread that runs it, or by who no longer waits."""

    def __init__(self, work: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.work, self.loop = work, loop
        self.outcome: asyncio.Future[None] = loop.create_future()
        self._unclaimed = [True]

    def claim(self) -> bool:
        """Whether the caller is the first."""
        try:
            return self._unclaimed.pop()  # one operation of the interpreter, so only one of two gets it
        except IndexError:
            return False

    def run(self) -> None:
        """Do it, and tell the loop."""
        try:
            self.work()
        except BaseException as error:  # a thread must outlive whatever a view raises
            self.loop.call_soon_threadsafe(self._end, error)
        else:
            self.loop.call_soon_threadsafe(self._end, None)

    def give_up(self) -> None:
        """Called on the loop when it has waited long enough."""
        if self.claim():
            self._end(Overloaded())

    def _end(self, error: BaseException | None) -> None:
        if self.outcome.done():
            return
        if error is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))


class Threads:
    """``count`` threads and at most ``waiting`` jobs before them. Used from one event loop."""

    def __init__(self, count: int, *, waiting: int, waiting_seconds: float) -> None:
        self.count, self.waiting, self.waiting_seconds = count, waiting, waiting_seconds
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"request-{n + 1}", daemon=True) for n in range(count)
        ]
        # Unfinished ones, in the order in which they came, and until when each waits for a thread.
        self._jobs: dict[Job, float] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._connections: list[Any] = []
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], None]) -> None:
        """Run it in a thread and wait. Raises Overloaded, and what the work raises."""
        if len(self._jobs) >= self.count + self.waiting:
            raise Overloaded
        loop = asyncio.get_running_loop()
        job = Job(work, loop)
        self._jobs[job] = loop.time() + self.waiting_seconds
        if self._patience is None:
            self._patience = loop.call_later(self.waiting_seconds, self._give_up, loop)
        try:
            self._queue.put(job)
            await job.outcome
        finally:
            del self._jobs[job]

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the wait of those who have waited long enough. One timer for all: each job waits as long as any other."""
        self._patience = None
        now = loop.time()
        for job, until in self._jobs.items():
            if until > now:
                self._patience = loop.call_at(until, self._give_up, loop)
                return
            job.give_up()

    def stop(self, seconds: float) -> None:
        """Let the threads end after what they run."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def end_silent_connections(self, seconds: float) -> None:
        """Close the database's line of a thread that has waited for an answer for so long: it goes on with an error.

        Not before its transaction's own time is over, as for publishing a configuration (``storage.timeouts``).
        """
        now = time.monotonic()
        for wrapper in self._connections:
            raw = wrapper.connection
            since = getattr(raw, "waiting_since", None)
            if since is not None and now - since > max(seconds, raw.allowed_seconds):
                with suppress(OSError, psycopg.Error):
                    shut_down(raw.pgconn.socket)

    def _work(self) -> None:
        # Of this thread; they are opened when something asks.
        self._connections += [*(connections[alias] for alias in connections), *own_connections()]
        while (job := self._queue.get()) is not None:
            if job.claim():
                job.run()
            del job
        connections.close_all()
        close_others()
