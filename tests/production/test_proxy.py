"""The shipped Caddyfile before upstreams that say what reached them."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.conf import settings

from tests.production.caddy import Proxy

BODY_SECONDS = 2
# What the Caddyfile gives to requests that are being answered. There is none here.
GRACE_SECONDS = 5


class Upstream(ThreadingHTTPServer):
    """Answers with the headers it got and the length of the body, and remembers how often it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), UpstreamHandler)
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class UpstreamHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        seen = {name.lower(): value for name, value in self.headers.items()}
        padding = "x" * 3000 if self.path == "/long" else ""
        said = json.dumps({"headers": seen, "body": len(body), "padding": padding}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Server", "secret/1.0")
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server
        server.shutdown()


@contextlib.contextmanager
def run_proxy(web: Upstream, folder: Path, **settings_of_it: str) -> Iterator[Proxy]:
    # It is had and not listened at, so that it is no one else's either.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        upstreams = {"WEB_UPSTREAM": web.address, "STREAM_UPSTREAM": f"127.0.0.1:{unused.getsockname()[1]}"}
        with Proxy(folder, SITE_ADDRESS="localhost", **upstreams, **settings_of_it) as running:
            yield running


@pytest.fixture(scope="module")
def proxy(web: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A body has more time than in production: on a busy machine one of some megabytes takes that."""
    with run_proxy(web, tmp_path_factory.mktemp("proxy"), BODY_TIMEOUT="10m") as running:
        yield running


@pytest.fixture
def impatient(web: Upstream, tmp_path: Path) -> Iterator[Proxy]:
    """It waits for a body no longer than the test that lets it wait does."""
    with run_proxy(web, tmp_path, BODY_TIMEOUT=f"{BODY_SECONDS}s") as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=120) as client:
        yield client


def test_what_a_client_says_of_its_address_and_its_scheme_does_not_reach_the_application(client: httpx.Client) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.66, 203.0.113.67",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=203.0.113.66;proto=http",
    }
    seen = client.get("/", headers=forged).json()["headers"]
    assert seen["x-forwarded-for"] in ("127.0.0.1", "::1")
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"].startswith("localhost")
    assert "203.0.113" not in json.dumps({name: value for name, value in seen.items() if name.startswith("x-")})


def test_each_request_gets_an_id_of_the_proxys_own_whatever_the_client_calls_it(client: httpx.Client) -> None:
    forged = [("X-Request-ID", "somebody-elses-0815"), ("x-request-id", "and-another-0816")]
    first, second = (client.get("/", headers=forged).json()["headers"]["x-request-id"] for _ in range(2))
    assert UUID(first).version == UUID(second).version == 4
    assert first != second


def test_another_host_name_is_not_served(client: httpx.Client, proxy: Proxy, web: Upstream) -> None:
    before = list(web.asked)
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.content == b""
    assert web.asked == before


def test_a_client_that_stalls_in_its_body_never_reaches_the_application(impatient: Proxy, web: Upstream) -> None:
    before = list(web.asked)
    sockets = []
    for number in range(20):
        plain = socket.create_connection(("localhost", impatient.port), timeout=120)
        secure = impatient.trust.wrap_socket(plain, server_hostname="localhost")
        secure.sendall(b"POST /slow/%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\na" % number)
        sockets.append(secure)
    with httpx.Client(base_url=impatient.url, verify=impatient.trust, timeout=120) as other:
        assert other.get("/beside").status_code == 200
    time.sleep(3 * BODY_SECONDS)
    # Its time is over, of which it hears nothing: what it sends now comes to nothing.
    for secure in sockets:
        with contextlib.suppress(OSError):
            secure.sendall(b"b" * 499_999)
        secure.close()
    time.sleep(0.5)
    assert [path for path in web.asked if path not in before] == ["/beside"]


def test_a_body_larger_than_anybody_needs_is_refused_with_a_sentence(client: httpx.Client) -> None:
    answer = client.post("/large", content=b"x" * 5_000_001)
    assert answer.status_code == 413
    assert answer.text == "The request is too large. Nothing was saved. Send less at a time."
    german = client.post("/large", content=b"x" * 5_000_001, headers={"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"})
    assert (german.status_code, german.text.partition(".")[0]) == (413, "Die Anfrage ist zu groß")


def test_a_file_of_the_size_that_the_application_takes_reaches_it_from_who_has_a_session(client: httpx.Client) -> None:
    size, address = settings.MAX_UPLOAD_BYTES, "/admin/lifecycle/importupload/add/"
    session = {"Cookie": "csrftoken=x; __Host-session=y"}
    answer = client.post(address, content=b"x" * size, headers=session)
    assert (answer.status_code, answer.json()["body"]) == (200, size)
    assert client.post(address, content=b"x" * 34_000_001, headers=session).status_code == 413
    assert client.post(address, content=b"x" * size).status_code == 413


def test_a_form_as_large_as_the_application_takes_reaches_it(client: httpx.Client) -> None:
    size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    answer = client.post("/customers", content=b"x" * size)
    assert (answer.status_code, answer.json()["body"]) == (200, size)


def test_answers_are_compressed_and_say_nothing_of_the_server(client: httpx.Client) -> None:
    answer = client.get("/long", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "server" not in answer.headers


def test_while_nothing_answers_people_learn_to_come_back(client: httpx.Client) -> None:
    """Nothing listens where the event stream would be."""
    answer = client.get("/live/tenant")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.text == "Customer 360 cannot be reached right now. Try again in a few seconds."
    german = client.get("/live/tenant", headers={"Accept-Language": "de"})
    assert german.text.startswith("Customer 360 ist gerade nicht erreichbar.")


def test_caddy_ends_at_once_though_a_client_is_still_connected(web: Upstream, tmp_path: Path) -> None:
    with (
        Proxy(tmp_path, SITE_ADDRESS="localhost", WEB_UPSTREAM=web.address) as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=120) as client,
    ):
        assert client.get("/").status_code == 200
        status, seconds = proxy.stop()
        assert (status, seconds < GRACE_SECONDS) == (0, True), seconds
