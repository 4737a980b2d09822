"""The load of the benchmarks: what a generator sends, and that a refusal is no answer to be counted."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.load import CONNECTIONS, Request, Slice, find_generator
from bench.world import CannotMeasure

BODY = json.dumps({"stage": "At-Risk", "reason_code": "Low Engagement"})


class Handler(BaseHTTPRequestHandler):
    """Answers 200, to the path /broken 500, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"
    seen: Counter[tuple[str, str, str, str, str]]
    # Each connection has a thread of its own, and a count that another one reads at that moment would be lost.
    counting = threading.Lock()

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        names = ("Authorization", "Content-Type", "X-Forwarded-Proto")
        request = (self.path, *(self.headers[name] for name in names), body)
        with self.counting:
            self.seen[request] += 1
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Handler.seen = Counter()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_every_request_goes_out_in_its_turn_with_its_token_and_its_body(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    requests = [Request("PATCH", f"/customers/{number}", f"token{number % 2}", BODY) for number in range(4)]
    taken = measure(server, requests, tmp_path)
    assert set(Handler.seen) == {
        (path, f"Bearer {token}", "application/json", "https", BODY) for _, path, token, _ in requests
    }
    # In turns: no request has been sent much more often than another. Those on their way at the end are not counted.
    assert max(Handler.seen.values()) - min(Handler.seen.values()) <= 8
    assert 0 < taken.answers <= Handler.seen.total()
    assert 0 < taken.p50 <= taken.p99


def test_a_refusal_ends_the_measurement(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    requests = [Request("PATCH", path, "token", BODY) for path in ("/fine", "/broken")]
    with pytest.raises(CannotMeasure, match="requests failed"):
        measure(server, requests, tmp_path)


def measure(server: ThreadingHTTPServer, requests: list[Request], folder: Path) -> Slice:
    """For a second; for longer where the machine is so busy that not each of the requests was answered in it."""
    generator = find_generator(folder)
    for seconds in (1, 5, 25, 125):
        Handler.seen = Counter()
        try:
            taken = generator.run(server.server_address[1], requests, seconds)
        except CannotMeasure as trouble:
            if not str(trouble).startswith("0 of 0 "):
                raise
        else:
            # Those on their way at the end are fewer than those that were asked for with the same path.
            if taken.answers > CONNECTIONS * len(requests):
                return taken
    raise AssertionError("there are no answers")
