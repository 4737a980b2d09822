"""A worker that is killed is replaced while the other serves; a stop lets what runs finish."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.browser.servers import Server, environment_of, find_port
from tests.local.scene import find_descendants, is_alive, wait_until
from tests.serving.http import get


@pytest.fixture
def pair(django_db_setup: None, tmp_path: Path):
    """A server of its own, with two workers, which a test may harm."""
    server = Server("web", find_port(), {**environment_of(find_port()), "WEB_WORKERS": "2"}, tmp_path / "log")
    server.start("/healthz/live")
    yield server
    server.stop()


def workers_of(server: Server) -> list[int]:
    return sorted(find_descendants(server.process.pid))


def test_a_killed_worker_comes_back_and_the_other_serves_on(pair: Server) -> None:
    for _ in range(3):  # more than once in a while, too
        killed = workers_of(pair)[0]
        os.kill(killed, signal.SIGKILL)
        answered = 0
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                answered += get(pair.port, "/api/v1/customers").status == 401
            except (OSError, IndexError):
                continue  # a connection that the killed one had
            if answered >= 20 and len(workers_of(pair)) == 2 and not is_alive(killed):
                break
        assert answered >= 20
        assert len(workers_of(pair)) == 2
    assert pair.process.poll() is None


def test_a_stop_lets_the_running_requests_finish(pair: Server) -> None:
    replies = []
    askers = [
        threading.Thread(target=lambda: replies.append(get(pair.port, "/api/v1/customers").status)) for _ in range(8)
    ]
    for asker in askers:
        asker.start()
    time.sleep(0.2)
    workers = workers_of(pair)
    pair.process.terminate()
    assert pair.process.wait(20) == 0
    for asker in askers:
        asker.join()
    assert replies == [401] * 8
    wait_until(lambda: not any(map(is_alive, workers)), within=2, what="the end of the workers")
