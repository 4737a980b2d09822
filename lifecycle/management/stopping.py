"""Ending a long command cleanly: SIGTERM and Ctrl-C set a flag, and the command stops at its next safe point."""

import os
import select
import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether someone asked the command to end.

    Set by a signal, in the middle of whatever the main thread does. So it takes no lock: a ``threading.Event`` that is
    set while the same thread begins to wait for it holds the process up for ever.
    """

    def __init__(self) -> None:
        self._is_set = False
        # What is written is never read, so all that wait see it.
        self._heard, self._ask = os.pipe()
        weakref.finalize(self, _close, self._heard, self._ask)

    def __bool__(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Ask the command to end."""
        if not self._is_set:
            self._is_set = True
            os.write(self._ask, b"!")

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the request; True when it has come."""
        if not self._is_set and seconds > 0:
            poll = select.poll()
            poll.register(self._heard, select.POLLIN)
            poll.poll(seconds * 1000)
        return self._is_set


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a StopRequest for the duration; a second Ctrl-C interrupts as usual."""
    request = StopRequest()

    def ask(number: int, _: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
