"""Connections to webhook endpoints, kept open between deliveries for a while, and few of them."""

import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Final

from urllib3.connection import HTTPConnection, HTTPSConnection

from lifecycle.delivery.addresses import ResolvedEndpoint, resolve
from lifecycle.delivery.bounds import BoundedSocket, BoundedTLSSocket, connect
from lifecycle.services.effects.addresses import Endpoint

IDLE_SECONDS: Final = 30.0
# Of all endpoints together; the one that has been idle longest goes first.
MOST_IDLE: Final = 256
# How long the judged addresses of a name serve, and of how many names.
RESOLVED_SECONDS: Final = 60.0
MOST_RESOLVED: Final = 1_000

Connection = HTTPConnection


class _PlainConnection(HTTPConnection):
    resolved: ResolvedEndpoint

    def _new_conn(self) -> BoundedSocket:
        # The place that urllib3 has for this; its own would look the name up again.
        return connect(self.resolved.addresses, self.resolved.endpoint.port)


class _EncryptedConnection(HTTPSConnection):
    resolved: ResolvedEndpoint

    def _new_conn(self) -> BoundedSocket:
        return connect(self.resolved.addresses, self.resolved.endpoint.port)


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities (or SSL_CERT_FILE) and the name of the endpoint."""
    context = ssl.create_default_context()
    context.sslsocket_class = BoundedTLSSocket
    context.hostname_checks_common_name = False
    return context


@dataclass(slots=True)
class _Idle:
    origin: str
    connection: Connection
    since: float


class Connections:
    """What is open, and what is known of names. Any number of threads may use one."""

    def __init__(self) -> None:
        self._idle: deque[_Idle] = deque()
        self._resolved: dict[str, tuple[ResolvedEndpoint, float]] = {}
        self._lock = threading.Lock()

    def take_idle(self, endpoint: Endpoint) -> Connection | None:
        """The connection that was used last and that the other side has not closed, or None."""
        while True:
            with self._lock:
                found = next((idle for idle in reversed(self._idle) if idle.origin == endpoint.origin), None)
                if found is None:
                    return None
                self._idle.remove(found)
            if found.connection.is_connected and found.since > time.monotonic() - IDLE_SECONDS:
                return found.connection
            found.connection.close()

    def open_new(self, endpoint: Endpoint, *, seconds: float) -> Connection:
        """Connect to an address that was judged. Raises AddressRefused, AddressUnavailable, OSError."""
        resolved = self._resolve(endpoint, seconds=seconds)
        made: _PlainConnection | _EncryptedConnection
        if endpoint.scheme == "https":
            made = _EncryptedConnection(endpoint.host, endpoint.port, ssl_context=tls_context())
        else:
            made = _PlainConnection(endpoint.host, endpoint.port)
        made.resolved = resolved
        try:
            made.connect()
        except BaseException:
            made.close()
            # It may have moved: the next try asks for its addresses again.
            with self._lock:
                self._resolved.pop(endpoint.origin, None)
            raise
        return made

    def keep(self, endpoint: Endpoint, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end, for the next delivery there."""
        with self._lock:
            self._idle.append(_Idle(endpoint.origin, connection, time.monotonic()))
            excess = self._idle.popleft() if len(self._idle) > MOST_IDLE else None
        if excess:
            excess.connection.close()
        self.close_idle()

    def close_idle(self, *, older_than: float = IDLE_SECONDS) -> int:
        """Close what no one has used for so many seconds, and say how many that were. Cheap; call it now and then."""
        before = time.monotonic() - older_than
        closed = 0
        while True:
            with self._lock:
                # The oldest is on the left: they are appended as they become idle.
                if not self._idle or self._idle[0].since > before:
                    return closed
                idle = self._idle.popleft()
            idle.connection.close()
            closed += 1

    def forget(self) -> None:
        """Close all that is idle and resolve every name again."""
        self.close_idle(older_than=-1)
        with self._lock:
            self._resolved.clear()

    def _resolve(self, endpoint: Endpoint, *, seconds: float) -> ResolvedEndpoint:
        now = time.monotonic()
        with self._lock:
            known = self._resolved.get(endpoint.origin)
        if known and now - known[1] < RESOLVED_SECONDS:
            return known[0]
        resolved = resolve(endpoint, seconds=seconds)
        with self._lock:
            self._resolved.pop(endpoint.origin, None)
            if len(self._resolved) >= MOST_RESOLVED:
                del self._resolved[next(iter(self._resolved))]
            self._resolved[endpoint.origin] = (resolved, now)
        return resolved
