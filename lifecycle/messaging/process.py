"""What both long-running commands share: ending on a signal, a health file, a metrics port, progress."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import structlog
from prometheus_client import start_http_server
from tqdm import tqdm

log = structlog.get_logger(__name__)

# A container is killed ten seconds after it was asked to stop.
DEADLINE_SECONDS = 9.0
PROGRESS_SECONDS = 10.0


class Stop:
    """Asked to end: by SIGTERM, SIGINT, or from within."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Ask to end."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait, but not longer than until somebody asks to end; whether somebody has."""
        return self._event.wait(seconds)


@contextmanager
def stop_on_signal(*, deadline: float = DEADLINE_SECONDS) -> Iterator[Stop]:
    """A Stop that SIGTERM and SIGINT set. Past the deadline the process ends anyway, with exit status 1.

    What is unfinished then is rolled back by the database and delivered again by the broker.
    """
    stop = Stop()

    def ask(*_: int | FrameType | None) -> None:
        if not stop:
            threading.Thread(target=_end_hard, args=(deadline,), daemon=True, name="deadline").start()
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_hard(deadline: float) -> None:
    time.sleep(deadline)
    log.error("did not end in time", seconds=deadline)
    os._exit(1)


class HealthFile:
    """A file whose age tells a container probe that the loop turns. Touched once a second at most."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._touched_at = 0.0

    def touch(self) -> None:
        """The loop has come round."""
        now = time.monotonic()
        if self._path is not None and now - self._touched_at >= 1:
            self._touched_at = now
            self._path.touch()

    def remove(self) -> None:
        """The loop has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Progress:
    """A bar on a terminal, plain lines elsewhere."""

    def __init__(self, unit: str, *, output: TextIO, describe: Callable[[], str], total: int | None = None) -> None:
        self._describe = describe
        self._output = output
        self._unit = unit
        self._count = self._told = 0
        self._told_at = time.monotonic()
        self._bar: Any = tqdm(unit=unit, total=total, file=sys.stderr) if output.isatty() else None

    def advance(self, count: int) -> None:
        """``count`` more are done."""
        self._count += count
        if self._bar is not None:
            self._bar.update(count)
            self._bar.set_postfix_str(self._describe(), refresh=False)
        elif time.monotonic() - self._told_at >= PROGRESS_SECONDS and self._count != self._told:
            self.tell()

    def tell(self) -> None:
        """One plain line: how many, how fast since the last line, and what the owner adds."""
        now = time.monotonic()
        rate = (self._count - self._told) / max(now - self._told_at, 0.001)
        self._told, self._told_at = self._count, now
        self._output.write(f"{self._count:,} {self._unit} ({rate:,.0f}/s) {self._describe()}\n")
        self._output.flush()

    def close(self) -> None:
        """The last word."""
        if self._bar is not None:
            self._bar.close()
        self.tell()


def serve_metrics(port: int | None) -> None:
    """Answer Prometheus on a port of its own, if one is given."""
    if port:
        start_http_server(port)
