"""Servers as they are started in production: the product's own, and one with a small application in Django's place."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import with_parent
from tests.browser.servers import READY_SECONDS, Server, environment_of, find_port
from tests.forking import ROOT
from tests.serving.http import get

PATIENCE = 60.0


@pytest.fixture(scope="package")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``python -m config.serve web`` with two workers on the test database; a body must be there in three seconds."""
    environment = {**environment_of(find_port()), "WEB_WORKERS": "2", "REQUEST_BODY_SECONDS": "3"}
    server = Server("web", find_port(), environment, tmp_path_factory.mktemp("web") / "log")
    server.start("/healthz/live")
    yield server
    server.stop()


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one worker with ``tests.serving.application``."""
    port, log = find_port(), tmp_path_factory.mktemp("small") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--port", str(port)),
                *("--http1-header-read-timeout", "2000", "--workers-kill-timeout", "1"),
                "tests.serving.application:served",
            ],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=with_parent(),
        )
    try:
        await_alive(port, log)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def await_alive(port: int, log: Path) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if get(port, "/healthz/live").status == 200:
                return
        except (OSError, IndexError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
