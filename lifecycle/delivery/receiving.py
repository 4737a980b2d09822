"""A receiver of webhooks for trying things out: it checks signatures with the public package, as customers do."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

from standardwebhooks import Webhook, WebhookVerificationError

LARGEST_BODY: Final = 1_000_000
SILENT_SECONDS: Final = 10.0
# Ids that are remembered to say what came again.
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Received:
    """One request: what its signature is worth, and what was answered."""

    message_id: str
    verdict: str
    status: int
    body: bytes
    is_repeated: bool


class Receiver(ThreadingHTTPServer):
    """An HTTP server in threads of its own while it is entered; ``show`` is called once for each request.

    A good signature is answered with ``answer``, any other with 401. Raises OSError where it cannot listen.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], *, secrets: Sequence[str], answer: int, show: Callable[[Received], None]
    ) -> None:
        super().__init__(address, _Handler)
        self.webhooks = [Webhook(secret) for secret in secrets]
        self.answer = answer
        self.count = 0
        self._show = show
        self._seen: dict[str, None] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.serve_forever, name="receiver", kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def judge(self, headers: dict[str, str], body: bytes) -> str:
        """What the signature is worth by any of the secrets, in a few words; "signature valid" for a good one."""
        reason = ""
        for webhook in self.webhooks:
            try:
                webhook.verify(body, headers, json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                # The package also raises ValueError, for bytes that are not UTF-8 and signatures that are not base64.
                reason = str(error)
            else:
                return "signature valid"
        return f"SIGNATURE NOT VALID ({reason})"

    def note(self, message_id: str, *, verdict: str, body: bytes) -> int:
        """Show a request and return the status to answer with. One at a time, so that lines do not mix."""
        is_good = verdict == "signature valid"
        status = self.answer if is_good else 401
        with self._lock:
            is_repeated = is_good and message_id in self._seen
            if is_good:
                self._seen[message_id] = None
            if len(self._seen) > MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._show(Received(message_id, verdict, status, body, is_repeated))
        return status

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up is no event here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SILENT_SECONDS
    server: Receiver

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 10 and int(length) <= LARGEST_BODY):
            self._answer(413 if length.isdecimal() else 411, close=True)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        verdict = self.server.judge(headers, body)
        self._answer(self.server.note(headers.get("webhook-id", "")[:255], verdict=verdict, body=body))
        self.server.count += 1

    def _answer(self, status: int, *, close: bool = False) -> None:
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "30")
        if status != 204:
            self.send_header("Content-Length", "0")
        if close:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's name
        """What is shown is shown once, by ``note``."""
