"""The database is away, in each of the ways in which it is: a moment's 503, never a 500, and all is well afterwards."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest

from config.serving.threads import Threads
from storage.database.base import Connection
from tests.browser.servers import Server, environment_of, find_port
from tests.conftest import People
from tests.serving.gate import CROWDED, ENDED, OPEN, REFUSED, SILENT, STARTING, Gate, lead_through
from tests.serving.http import Reply, ask, get, head

AWAY = "The database cannot be reached at the moment."
UNCHANGED = "Nothing was changed. Try again in a moment."
UNKNOWN = "Your change may not have been saved. Check before you try again."
NO_ANSWER = b"database: It has not answered within 2 seconds.\n"
SILENT_SECONDS = 3
PATIENCE = 60.0


class Site:
    """A server behind a gate, and a person who uses it."""

    def __init__(self, server: Server, gate: Gate, token: str, session: str) -> None:
        self.server, self.gate = server, gate
        self.bearer, self.cookie = f"Authorization: Bearer {token}", f"Cookie: sessionid={session}"

    def get(self, path: str, *headers: str):
        return get(self.server.port, path, *headers)

    def is_well(self) -> bool:
        return (
            self.get("/api/v1/customers", self.bearer).status == 200
            and self.get("/customers", self.cookie).status == 200
            and self.get("/healthz").body == b"ready\n"
        )

    def ask_readiness(self) -> Reply:
        """What it knows: on a busy machine that may take longer than those who ask are let wait."""
        deadline = time.monotonic() + PATIENCE
        while (answer := self.get("/healthz")).body == NO_ANSWER:
            assert time.monotonic() < deadline, self.server.log.read_text()[-3000:]
        return answer

    def await_well(self) -> None:
        """Until it is, which on a busy machine may be later than readiness waits for the database."""
        deadline = time.monotonic() + PATIENCE
        while not self.is_well():
            assert time.monotonic() < deadline, self.server.log.read_text()[-3000:]


@pytest.fixture
def site(users: People, page_client, tmp_path: Path) -> Iterator[Site]:
    from tenants.services.accounts.tokens import issue_access

    environment = {
        **environment_of(find_port()),
        "WEB_WORKERS": "1",
        "DATABASE_SILENT_SECONDS": str(SILENT_SECONDS),
    }
    address = urlsplit(environment["DATABASE_URL"])
    gate = Gate(address.hostname or "127.0.0.1", address.port or 5432)
    server = Server("web", find_port(), lead_through(gate, environment), tmp_path / "log")
    session = page_client("account_manager").session.session_key
    try:
        server.start("/healthz/live")
        yield Site(server, gate, issue_access(users.account_manager).token, session)
    finally:
        server.stop()
        gate.close()


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [(REFUSED, AWAY), (STARTING, AWAY), (CROWDED, AWAY), (ENDED, AWAY)],
    ids=["stopped", "starting", "full", "gone behind a pooler"],
)
def test_a_database_that_refuses_is_a_503_until_it_is_back(site: Site, mode: str, sentence: str) -> None:
    site.await_well()
    site.gate.be(mode)
    for _ in range(3):
        answer = site.get("/api/v1/customers", site.bearer)
        assert (answer.status, "retry-after: 1" in answer.head) == (503, True), answer.raw
        assert "content-type: application/problem+json" in answer.head
        problem = json.loads(answer.body)
        assert (problem["code"], problem["status"]) == ("unavailable", 503)
        assert problem["detail"] in (f"{sentence} {UNCHANGED}", f"{AWAY} {UNCHANGED}")  # the first hears the line end
    assert problem["detail"] == f"{sentence} {UNCHANGED}"

    body = b'{"username": "a@b.example", "password": "x"}'
    written = ask(
        site.server.port,
        head(
            "POST",
            "/api/v1/auth/token",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        + body,
    )
    assert (written.status, json.loads(written.body)["code"]) == (503, "unavailable")

    page = site.get("/customers", site.cookie)
    assert (page.status, "retry-after: 1" in page.head) == (503, True)
    assert "content-type: text/html" in page.head
    assert b"<h1>Temporarily unavailable</h1>" in page.body
    assert sentence.encode() in page.body

    ready = site.ask_readiness()
    assert (ready.status, ready.body.decode()) == (503, f"database: {sentence}\n")
    assert site.get("/healthz/live").status == 200
    site.gate.be(OPEN)
    site.await_well()
    assert "Traceback" not in site.server.log.read_text()


def test_a_database_that_falls_silent_holds_no_one_for_long(site: Site) -> None:
    site.await_well()
    site.gate.be(SILENT)
    began = time.monotonic()
    ready = site.get("/healthz")
    assert (ready.status, ready.body) == (503, NO_ANSWER)
    assert site.get("/healthz/live").status == 200
    answer = site.get("/api/v1/customers", site.bearer)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "unavailable")
    page = site.get("/customers", site.cookie)
    assert (page.status, "retry-after: 1" in page.head) == (503, True)
    # By default each of the three would have waited for a minute.
    assert time.monotonic() - began < 55
    site.gate.be(OPEN)
    site.await_well()


def test_a_database_that_may_be_at_it_for_longer_is_not_silent() -> None:
    threads = Threads(0, waiting=0, waiting_seconds=1)
    ours, servers = socket.socketpair()
    with ours, servers:
        line = SimpleNamespace(socket=ours.fileno())
        # As publishing a configuration is allowed: ten minutes.
        raw = SimpleNamespace(pgconn=line, waiting_since=time.monotonic() - 100, allowed_seconds=610.0)
        threads._connections.append(SimpleNamespace(connection=raw))
        servers.setblocking(False)
        threads.end_silent_connections(60)
        with pytest.raises(BlockingIOError):
            servers.recv(1)
        raw.allowed_seconds = 0.0
        threads.end_silent_connections(60)
        assert servers.recv(1) == b""


def test_readiness_says_nothing_of_a_restart_that_is_over(site: Site) -> None:
    site.await_well()
    # Every connection is lost, and the next one is taken.
    site.gate.be(OPEN)
    ready = site.ask_readiness()
    assert (ready.status, ready.body) == (200, b"ready\n")


def test_a_readiness_probe_keeps_its_connection(site: Site) -> None:
    site.await_well()
    for _ in range(5):
        assert site.ask_readiness().status == 200
    opened = len(site.gate._pairs)
    for _ in range(20):
        assert site.ask_readiness().status == 200
    assert len(site.gate._pairs) == opened


def test_a_connection_that_is_ended_with_two_last_words_is_lost_and_no_error_of_ours(db: None) -> None:
    address = urlsplit(environment_of(find_port())["DATABASE_URL"])
    gate = Gate(address.hostname or "127.0.0.1", address.port or 5432)
    through = address._replace(netloc=f"{address.netloc.rpartition('@')[0]}@127.0.0.1:{gate.port}")
    try:
        with Connection.connect(through.geturl(), autocommit=True) as connection:
            connection.execute("SELECT 1")
            connection.autocommit = False
            gate.be(ENDED)
            # Its BEGIN is answered twice: with the last word of the server, and with that of the pooler.
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
    finally:
        gate.close()
