"""A long-running command as two processes: a parent that holds nothing, and a child that may die and is started again.

The Kafka client is a C library, and some of what a broker does ends the process that holds it (a topic that is deleted
while it is consumed: SIGSEGV). The parent takes the signals and passes them on; the child ends when the parent is gone,
because a pipe between them ends. An exit status of the child is the parent's own; only a death by a signal is followed
by a new child. The child is forked from a parent that has loaded everything and opened nothing, no thread, no
connection: another one costs no second of importing.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.core.management.base import CommandError

from lifecycle.management.stopping import StopRequest, stop_on_signals

log = structlog.get_logger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.5, 8.0
# So many deaths in a row, each so soon after the start, and nothing is gained by another.
QUICK_SECONDS: Final = 60.0
QUICK_DEATHS: Final = 5
# A little more than the child gives itself (messaging.process.DEADLINE_SECONDS).
GRACE_SECONDS: Final = 9.5
LOOK_SECONDS: Final = 0.1
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


class _Child:
    """What a child knows of its parent; ``pipe`` is None in a process that has none."""

    pipe: int | None = None
    restarts = 0


def is_supervised() -> bool:
    """Whether this process is the child."""
    return _Child.pipe is not None


def count_restarts() -> int:
    """How often this child's parent has started it again."""
    return _Child.restarts


def supervise(work: Callable[[], object], *, what: str) -> int:
    """Do ``work`` in a child until it ends by itself or the parent is asked to stop; the exit status.

    Raises CommandError when it dies again and again.
    """
    restarts = deaths = 0
    with stop_on_signals() as stop:
        while True:
            started_at = time.monotonic()
            child, pipe = _start(work, restarts)
            try:
                status = _attend(child, stop)
            finally:
                os.close(pipe)
            if stop and status == -signal.SIGTERM:
                # It had not come as far as to listen to the request, and has done nothing.
                return 0
            if status >= 0 or stop:
                return status if status >= 0 else 128 - status
            death = signal.Signals(-status).name
            deaths = deaths + 1 if time.monotonic() - started_at < QUICK_SECONDS else 1
            if deaths >= QUICK_DEATHS:
                raise CommandError(
                    f"{what} died {deaths} times in a row, each within {QUICK_SECONDS:.0f} s of its start, the last"
                    f" time of {death}. Nothing is lost: what it has not done waits. Look at the log above and at the"
                    " broker, then start it again."
                )
            restarts += 1
            delay = min(FIRST_DELAY * 2 ** (deaths - 1), LONGEST_DELAY)
            log.error("process died, starting it again", process=what, signal=death, restarts=restarts, delay=delay)
            if stop.wait(delay):
                return 0


def die_with_parent(stop: Callable[[], object]) -> None:
    """Ask this child to stop when its parent is gone: the pipe ends then."""
    pipe = _Child.pipe
    assert pipe is not None  # noqa: S101  only a child asks

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        log.warning("the parent process is gone")
        stop()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _start(work: Callable[[], object], restarts: int) -> tuple[int, int]:
    """Fork a child: its process id, and the end of the pipe that the parent holds."""
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # What the parent passes on may come before the child has had a processor: it would be taken for its parent's own,
    # noted where no one looks, and lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(read_end)
        return child, write_end
    os.close(write_end)
    _Child.pipe, _Child.restarts = read_end, restarts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        # Into the log, where logs are collected.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _attend(child: int, stop: StopRequest) -> int:
    """Wait for the child's end, and pass on the request to stop; the exit status, negative for a signal."""
    asked_at: float | None = None
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if asked_at is None and stop.wait(LOOK_SECONDS):
            asked_at = time.monotonic()
            os.kill(child, signal.SIGTERM)
        elif asked_at is not None:
            if time.monotonic() - asked_at > GRACE_SECONDS:
                os.kill(child, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
