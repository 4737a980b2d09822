"""Signals as something to wait for: a handler only takes a note, so nothing is cut off half-way through a start."""

import os
import select
import signal
import time
from types import FrameType

from local.trouble import StopRequested

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_requested: list[int] = []
_wakeup_reader, _wakeup_writer = -1, -1


def install() -> None:
    """Take note of the stopping signals and of children that end. Call once, from the main thread."""
    global _wakeup_reader, _wakeup_writer
    _wakeup_reader, _wakeup_writer = os.pipe()
    os.set_blocking(_wakeup_reader, False)
    os.set_blocking(_wakeup_writer, False)
    signal.set_wakeup_fd(_wakeup_writer, warn_on_full_buffer=False)
    for signum in STOPPING:
        signal.signal(signum, _note)
    signal.signal(signal.SIGCHLD, _ignore)


def sleep(seconds: float) -> None:
    """Sleep until the time is up, a signal arrives or a child ends, whichever is first. Raises nothing.

    Where nothing is installed (in a test), until the time is up.
    """
    if _wakeup_reader < 0:
        time.sleep(max(seconds, 0))
        return
    readable, _, _ = select.select([_wakeup_reader], [], [], max(seconds, 0))
    if readable:
        try:
            while os.read(_wakeup_reader, 512):
                pass
        except BlockingIOError:
            pass


def check() -> None:
    """Raise StopRequested when a stopping signal has arrived since the last ``take``."""
    if _requested:
        raise StopRequested(_requested[0])


def take() -> list[int]:
    """The stopping signals noted so far; they count as answered."""
    taken = list(_requested)
    _requested.clear()
    return taken


def pause(seconds: float) -> None:
    """``sleep``, then ``check``."""
    check()
    sleep(seconds)
    check()


def _note(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
    _requested.append(signum)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Only there so that SIGCHLD wakes ``sleep``."""
