"""What hangs is named with its place, and its process ends: one watch for all tests of a process.

pytest-timeout's own way starts a thread for each test, writes to standard output, which no one reads of a worker, and
needs the interpreter's lock, which a hung library may hold.
"""

import faulthandler
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

LOOK_SECONDS = 0.5
# A process whose interpreter is held by one thread ends so much later, and by the second at the latest: that is not set
# up again for each test.
LATER, LATEST = 5.0, 60.0


class Watch:
    """Ends this process when the test at hand takes too long, wherever it hangs, and shows where that is."""

    def __init__(self, screen: int) -> None:
        self._screen, self._lock = screen, threading.Lock()
        self._nodeid, self._limit, self._until = "", 0.0, 0.0
        # Until when the interpreter may be held by one thread. 0: not watched.
        self._held_until = 0.0
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def begin(self, nodeid: str, limit: float) -> None:
        """A test begins that may take ``limit`` seconds."""
        with self._lock:
            self._nodeid, self._limit, self._until = nodeid, limit, time.monotonic() + limit
            soonest = self._until + LATER
            latest = soonest + min(limit, LATEST)
            if not soonest <= self._held_until <= latest:
                self._held_until = latest
                faulthandler.dump_traceback_later(latest - time.monotonic(), exit=True, file=self._screen)

    def end(self) -> None:
        """The test is over."""
        with self._lock:
            self._nodeid = ""

    def rest(self) -> None:
        """Nothing is watched until the next test begins."""
        with self._lock:
            self._rest()

    def _rest(self) -> None:
        if self._held_until:
            self._nodeid, self._held_until = "", 0.0
            faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._nodeid:
                    self._rest()
                elif time.monotonic() > self._until:
                    self._stop()

    def _stop(self) -> None:
        os.write(self._screen, f"\n{self._nodeid} did not end within {self._limit:.0f} s. It stands here:\n".encode())
        faulthandler.dump_traceback(self._screen)
        os.write(self._screen, "".join(_stacks_of_greenlets()).encode())
        os._exit(1)


WATCH = pytest.StashKey[Watch]()


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """Instead of pytest-timeout's own."""
    stash = item.config.stash
    if WATCH not in stash:
        stash[WATCH] = Watch(stash[fault_handler_stderr_fd_key])
    watch = stash[WATCH]
    watch.begin(item.nodeid, settings.timeout)
    item.cancel_timeout = watch.end  # type: ignore[attr-defined]
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What comes after the last test is no test."""
    if watch := session.config.stash.get(WATCH, None):
        watch.rest()


def _stacks_of_greenlets() -> Iterator[str]:
    """Where the test itself stands while Playwright waits for the browser; the stacks of threads do not show it."""
    library = sys.modules.get("greenlet")
    for thing in gc.get_objects() if library else ():
        if isinstance(thing, library.greenlet) and thing.gr_frame is not None:
            yield f"\n{thing}:\n"
            yield from traceback.format_stack(thing.gr_frame)
