"""Ending a long command cleanly: SIGTERM and Ctrl-C set a flag, and the command stops at its next safe point."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether someone asked the command to end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Ask the command to end."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the request; True when it has come."""
        return self._event.wait(seconds)


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
