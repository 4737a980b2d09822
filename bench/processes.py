"""The product's own processes beside the one that measures."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.world import CannotMeasure


@contextmanager
def running(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of ``manage.py`` in the background, ended with SIGTERM."""
    with started(sys.executable, "manage.py", *command) as process:
        yield process


@contextmanager
def started(*command: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in this environment and what is added to it, ended with SIGTERM."""
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def await_that(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", *, seconds: float) -> None:
    """Look until it holds. Raises CannotMeasure when the process ends before, or the time is over."""
    until = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise CannotMeasure(f"{process.args!r} ended with status {process.returncode}.")
        if time.monotonic() > until:
            raise CannotMeasure(f"{process.args!r} did not get there within {seconds:.0f} s.")
        time.sleep(0.1)
