"""A worker that is killed is replaced while the other serves; a stop lets what runs finish."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.browser.servers import Server, environment_of, find_port
from tests.forking import Started
from tests.local.scene import find_descendants, is_alive, wait_until
from tests.serving.http import connected, get, head, receive

EXPECT = "Expect: 100-continue"
PATIENCE = 60.0


@pytest.fixture
def pair(django_db_setup: None, tmp_path: Path):
    """A server of its own, with two workers, which a test may harm."""
    server = make_pair(tmp_path)
    server.start("/healthz/live")
    yield server
    server.stop()


def make_pair(folder: Path, **options) -> Server:
    environment = {**environment_of(find_port()), "WEB_WORKERS": "2"}
    return Server("web", find_port(), environment, folder / "log", **options)


def workers_of(server: Server) -> list[int]:
    return sorted(find_descendants(server.process.pid))


def test_a_killed_worker_comes_back_and_the_other_serves_on(pair: Server) -> None:
    for _ in range(3):  # more than once in a while, too
        killed = workers_of(pair)[0]
        os.kill(killed, signal.SIGKILL)
        answered = 0
        deadline = time.monotonic() + PATIENCE
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


def test_a_stop_does_not_wait_for_a_worker_that_is_only_being_loaded(django_db_setup: None, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, process=Started)
    pair.start("/healthz/live")
    before = set(workers_of(pair))
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: set(workers_of(pair)) - before, within=PATIENCE, what="another worker")
    pair.process.terminate()
    assert pair.process.wait(PATIENCE) == 0
    assert "refused to gracefully stop" not in pair.log.read_text()


def test_a_stop_lets_the_running_requests_finish(pair: Server) -> None:
    """Bodies that are on their way when it is asked to stop: the rest of them comes after that."""
    workers = workers_of(pair)
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(connected(pair.port)) for _ in range(8)]
        for sender in senders:
            sender.sendall(
                head("POST", "/api/v1/auth/token", "Content-Type: application/json", "Content-Length: 2", EXPECT)
            )
            # It has begun to be read.
            assert receive(sender, until=b"\r\n\r\n").status == 100
        pair.process.terminate()
        for sender in senders:
            sender.sendall(b"{}")
        assert [receive(sender).status for sender in senders] == [400] * 8
    assert pair.process.wait(PATIENCE) == 0
    wait_until(lambda: not any(map(is_alive, workers)), within=PATIENCE, what="the end of the workers")
