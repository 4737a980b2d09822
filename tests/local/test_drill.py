"""The restore drill compares what the API answers before and after, from two servers at two addresses."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.drill import Api, compare


@contextlib.contextmanager
def serving(name: str) -> Iterator[Api]:
    """An API that lists one customer, names itself in the addresses that it answers, and has a page behind this one."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            following = f"http://127.0.0.1:{self.server.server_port}/api/v1/customers?cursor=abc"  # type: ignore[attr-defined]
            body = json.dumps({"results": [{"id": "c1", "name": name}], "next": following}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Api(f"http://127.0.0.1:{server.server_port}/api/v1", token="known")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_address_that_begins_with_the_servers_own_is_no_difference() -> None:
    with serving("Acme") as before, serving("Acme") as after:
        first, second = before.ask_everything(), after.ask_everything()
    assert first["/customers?limit=100"]["next"] == "/customers?cursor=abc"
    assert compare(first, second) == []


def test_another_name_is_a_difference_in_everything_that_shows_it() -> None:
    with serving("Acme") as before, serving("Acme Inc.") as after:
        differences = compare(before.ask_everything(), after.ask_everything())
    assert len(differences) == 6
    assert "Acme Inc." in differences[0]
