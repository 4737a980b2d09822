"""The product's own processes beside the one that measures."""

import http.client
import os
import socket
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


READY_WITHIN = 30.0


@contextmanager
def serving(*, workers: int = 1, threads: int = 2) -> Iterator[int]:
    """The product as it is served in production, with its log at its default level; its port."""
    port = free_port()
    sizes = {"WEB_WORKERS": str(workers), "WEB_THREADS": str(threads), "LOG_LEVEL": "INFO"}
    with started(sys.executable, "-m", "config.serve", "web", "--port", str(port), **sizes) as process:
        await_that(lambda: bool(fetch(port, "/healthz/live")), process, seconds=READY_WITHIN)
        yield port


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str, token: str = "") -> bytes:
    """The body that a path answers with; empty when nothing listens yet. Raises CannotMeasure for a refusal."""
    headers = {"X-Forwarded-Proto": "https"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except OSError:
        return b""
    finally:
        connection.close()
    if response.status != 200:
        raise CannotMeasure(f"{path} answered {response.status}: {body[:300]!r}")
    return body
