"""What a provider answers, fetched within a bounded time, whatever it does: silent, dripping or too long."""

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWKError

log = structlog.get_logger(__name__)

# Of each step (connect, read), and of all of them together.
STEP_SECONDS = 3.0
WHOLE_SECONDS = 5.0
LARGEST = 256 * 1024
MOST_KEYS = 100
_PIECE = 16 * 1024


def fetch_keys(url: str) -> Mapping[str, PyJWK]:
    """The keys at an address, by their ids. Raises OSError or ValueError with the reason, as ``fetch_json``."""
    return _read_keys(fetch_json(url))


def fetch_json(url: str, form: Mapping[str, str] | None = None, *, authorization: str = "") -> Any:
    """What is answered, read as JSON; with ``form`` it is posted. Redirects are not followed.

    Raises OSError or ValueError with the reason, after WHOLE_SECONDS at most. Only looking up the host's name may take
    longer: nothing can interrupt that.
    """
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data=data, headers={"Accept": "application/json"})  # noqa: S310  check_url
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    watch = _Watch(time.monotonic() + WHOLE_SECONDS)
    opener = urllib.request.build_opener(_NoRedirects, _PlainHandler(watch), _SecureHandler(watch))
    timer = threading.Timer(WHOLE_SECONDS, watch.cut)
    timer.daemon = True
    timer.start()
    try:
        with opener.open(request, timeout=STEP_SECONDS) as answer:
            body = _read(answer, watch)
        watch.check()
        return json.loads(body)
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        # A connection that was cut shows in many ways.
        if watch.is_over:
            raise TimeoutError(f"no answer within {WHOLE_SECONDS:.0f} seconds") from error
        if isinstance(error, OSError | ValueError):
            raise
        raise ValueError(f"the answer cannot be read: {error!r}") from error
    finally:
        timer.cancel()
        watch.cut()


def _read(answer: Any, watch: "_Watch") -> bytes:
    body = b""
    while piece := answer.read1(_PIECE):
        body += piece
        if len(body) > LARGEST:
            raise ValueError("the answer is too large")
        watch.check()
    return body


def _read_keys(document: Any) -> dict[str, PyJWK]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a key set")
    keys: dict[str, PyJWK] = {}
    for entry in entries:
        # A set may hold keys for other purposes and of kinds we do not use: they are passed over, not fatal.
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        if entry.get("kty") not in ("RSA", "EC", "OKP") or len(keys) >= MOST_KEYS:
            continue
        try:
            keys[entry["kid"]] = PyJWK(entry)
        except (PyJWKError, ValueError, TypeError) as error:
            log.info("key passed over", kid=entry["kid"][:100], error=str(error))
    return keys


class _Watch:
    """Ends the connections of one fetch when its time is over: a server that sends a byte now and then resets every
    other timeout.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._deadline

    def check(self) -> None:
        """Raise TimeoutError when there is no time left."""
        if self.is_over:
            raise TimeoutError("the time is over")

    def add(self, connected: socket.socket) -> None:
        """Watch over a socket that has just been connected."""
        # A second descriptor: the first one changes its owner when TLS begins.
        second = connected.dup()
        with self._lock:
            self._sockets.append(second)
        self.check()

    def cut(self) -> None:
        """End every connection; anyone who waits for one wakes up with an error."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, *args: Any, watch: _Watch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = partial(_connect, watch)


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, watch: _Watch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = partial(_connect, watch)


def _connect(watch: _Watch, *args: Any, **kwargs: Any) -> socket.socket:
    connected = socket.create_connection(*args, **kwargs)
    try:
        watch.add(connected)
    except TimeoutError:
        connected.close()
        raise
    return connected


class _PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_PlainConnection, watch=self._watch), req)


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> Any:
        tls = ssl.create_default_context()
        return self.do_open(partial(_SecureConnection, watch=self._watch, context=tls), req)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
