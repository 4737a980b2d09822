"""Over HTTP, on granian as in production: the cached and the cold summary, and one PATCH after another."""

import itertools
import json
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.utils import timezone
from django_redis import get_redis_connection

from bench.measuring import percentile
from bench.peers.models import INTO_RISK, OUT_OF_RISK
from bench.peers.views import KEY
from bench.population import Populated
from bench.processes import await_that, started
from bench.report import Figure, at_least, below
from bench.single import REASON
from bench.world import CannotMeasure, read_size
from tenants.roles import Role
from tenants.services.accounts.people import create_user
from tenants.services.accounts.tokens import issue_access

CLIENTS = 4
LEAST_OF_BARE, MOST_MILLISECONDS = 0.6, 10.0
READY_WITHIN = 30.0
HOT = 50


def measure(populated: Populated) -> list[Figure]:
    """Rates of the bare view and of the cached summary in turns; then cold summaries, then changes."""
    tenant = populated.tenant
    user = create_user(
        username="http@bench.example", password=None, role=Role.ACCOUNT_MANAGER, tenant=tenant, now=timezone.now()
    )
    customers = populated.customers[OUT_OF_RISK]
    with serving() as port:
        client = Load(port, issue_access(user).token)
        hot = [f"/api/v1/customers/{customer_id}/lifecycle/summary" for customer_id in customers[:HOT]]
        _, _, body = client.once("GET", hot[0])
        get_redis_connection("default").set(KEY, body)
        cached, bare, times = [], [], []
        seconds = read_size("BENCH_SLICE_MS", 1500) / 1000
        for number in range(read_size("BENCH_ROUNDS", 9) + 1):
            rate_bare, _ = client.run("GET", itertools.repeat(("/api/bench/bare", None)), seconds)
            rate_cached, latencies = client.run("GET", zip(itertools.cycle(hot), itertools.repeat(None)), seconds)
            if number:
                bare.append(rate_bare)
                cached.append(rate_cached)
                times += latencies
        cold, cold_times = client.run("GET", ((_summary_of(c), None) for c in customers[HOT:]), seconds)
        changed, change_times = client.run("PATCH", _changes(customers), seconds * 2)
    ratios = sorted(a / b for a, b in zip(cached, bare, strict=True))
    middle = ratios[len(ratios) // 2]
    value = f"{percentile(cached, 0.5):,.0f}/s"
    return [
        Figure(
            "http",
            "cached summary",
            value,
            f"bare DRF view, JWT, one Redis GET {percentile(bare, 0.5):,.0f}/s",
            **at_least(middle, LEAST_OF_BARE, " x"),
        ),
        Figure(
            "http", "the same, 99th percentile", value, "", **below(percentile(times, 0.99), MOST_MILLISECONDS, " ms")
        ),
        Figure("http", "summary not cached yet", f"{cold:,.0f}/s", f"p99 {percentile(cold_times, 0.99):.1f} ms"),
        Figure("http", "PATCH", f"{changed:,.0f}/s", f"p99 {percentile(change_times, 0.99):.1f} ms"),
    ]


def _summary_of(customer_id: UUID) -> str:
    return f"/api/v1/customers/{customer_id}/lifecycle/summary"


def _changes(customers: list[UUID]) -> Iterator[tuple[str, bytes | None]]:
    for stage, reason in itertools.cycle([(INTO_RISK, REASON), (OUT_OF_RISK, None)]):
        body = json.dumps({"stage": stage} | ({"reason_code": reason} if reason else {})).encode()
        for customer_id in customers:
            yield f"/api/v1/customers/{customer_id}/lifecycle", body


@contextmanager
def serving() -> Iterator[int]:
    """The product on granian, one worker, two threads; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with started(
        sys.executable, "-m", "config.serve", "web", "--port", str(port), WEB_WORKERS="1", WEB_THREADS="2"
    ) as process:
        await_that(lambda: _answers(port), process, seconds=READY_WITHIN)
        yield port


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz/live", timeout=1).close()
    except OSError:
        return False
    return True


class Load:
    """A few clients with connections that are kept open; plain sockets, so that the client is not what is measured."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.headers = (
            f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nX-Forwarded-Proto: https\r\n"
            "Content-Type: application/json\r\n"
        )

    def once(self, method: str, path: str) -> tuple[int, float, bytes]:
        """Status, milliseconds and body of one request."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            return self._ask(connection, method, path, None)

    def run(
        self, method: str, requests: Iterator[tuple[str, bytes | None]], seconds: float
    ) -> tuple[float, list[float]]:
        """Answers a second, and the milliseconds of each, with CLIENTS clients at once."""
        lock, times, faults = threading.Lock(), [], []
        until = time.perf_counter() + seconds

        def take() -> tuple[str, bytes | None] | None:
            with lock:
                return next(requests, None)

        def work() -> None:
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while time.perf_counter() < until and (wanted := take()) is not None:
                    status, milliseconds, body = self._ask(connection, method, *wanted)
                    if status != 200:
                        faults.append((status, body[:300]))
                        return
                    times.append(milliseconds)

        begin = time.perf_counter()
        _all_at_once(work)
        spent = time.perf_counter() - begin
        if faults:
            raise CannotMeasure(f"The server answered {faults[0][0]}: {faults[0][1]!r}")
        return len(times) / spent, times

    def _ask(self, connection: socket.socket, method: str, path: str, body: bytes | None) -> tuple[int, float, bytes]:
        begin = time.perf_counter()
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        connection.sendall(f"{method} {path}{self.headers}{length}\r\n".encode() + (body or b""))
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, rest = received.partition(b"\r\n\r\n")
        wanted = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        while len(rest) < wanted:
            rest += connection.recv(65536)
        return int(head.split(b" ", 2)[1]), (time.perf_counter() - begin) * 1000, rest


def _all_at_once(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
