"""Deliveries to this machine: names that the tests answer for, servers that the tests play."""

import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from lifecycle.delivery import bounds, lookups
from lifecycle.delivery.webhooks import forget_connections
from tests.delivery.endpoints import Authority, Server, answering
from tests.delivery.handing_over import HandOver
from tests.messaging.waiting import await_that

NAME = "hooks.example.com"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


@pytest.fixture(autouse=True)
def this_machine_alone(settings: Any) -> Iterator[None]:
    """Webhooks may go to 127.0.0.1, and no connection or name is known from another test."""
    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)
    forget_connections()
    # What another test has looked up ends in a thread of its own, after it, and counts until then.
    await_that(lambda: not lookups._running)
    yield
    forget_connections()


class Names:
    """The name server. ``answers[name]`` is a list of addresses, or what gives one each time it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {NAME: ["127.0.0.1"]}
        self.asked: list[str] = []

    def getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked.append(host)
        found = self.answers.get(host)
        addresses = found() if callable(found) else found
        if addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in addresses
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What names resolve to; ``hooks.example.com`` to 127.0.0.1."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


class Clock:
    """The time of deliveries, which no busy machine lets pass: it stands still until it is moved, or goes on by a step
    at each look.
    """

    def __init__(self) -> None:
        self._now, self._step = 0.0, 0.0
        self._once = threading.Event()

    def steps(self, seconds: float, *, once: threading.Event) -> None:
        """Go on by so many seconds at each look, once something has happened."""
        self._step, self._once = seconds, once

    def move(self, seconds: float) -> None:
        """Let so much pass."""
        self._now += seconds

    def monotonic(self) -> float:
        """As ``time.monotonic``."""
        if self._once.is_set():
            self._now += self._step
        return self._now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that says how much of its time a delivery has left. A single wait still takes real time."""
    made = Clock()
    monkeypatch.setattr(bounds, "time", made)
    return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no one trusts but ``trusted``."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The authority, trusted by this installation."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    forget_connections()
    return authority


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """``serve(talk, tls=None)``: a server; all end with the test."""
    servers: list[Server] = []

    def start(talk: Any, **options: Any) -> Server:
        servers.append(Server(talk, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def endpoint(names, trusted, serve):
    """``endpoint(answer, ...)``: a TLS server for hooks.example.com."""
    context = trusted.context(NAME)
    return lambda *answers: serve(answering(*answers), tls=context)


@pytest.fixture
def hand_over():
    return HandOver()
