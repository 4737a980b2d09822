"""The end of a delivery: sockets that are given the time that is left before each word, and bytes only up to a limit.

A time-out of a library is one of each call, so a server that sends a byte every few seconds never meets it. Here one
``Bounds`` is in force for all that a thread does until its end: connecting, the handshake, sending, and reading.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

# Of one try at connecting, so that one address that says nothing leaves time for the next.
CONNECT_SECONDS: Final = 5.0


class TooMuchSent(OSError):
    """The other side has sent more than any answer holds."""


class Bounds:
    """What a delivery may still take; ``has_sent`` says whether a byte of the request may have left."""

    def __init__(self, *, seconds: float, most_bytes: int) -> None:
        self.seconds = seconds
        self.ends_at = time.monotonic() + seconds
        self.bytes_left = most_bytes
        self.has_sent = False

    def remaining(self) -> float:
        """The seconds that are left, more than 0. Raises TimeoutError."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time of the delivery is over")
        return left

    def count(self, received: int) -> int:
        """Note bytes that came. Raises TooMuchSent."""
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise TooMuchSent("the response does not end")
        return received


_current: ContextVar[Bounds] = ContextVar("bounds of the delivery")


@contextmanager
def bounded(bounds: Bounds) -> Iterator[None]:
    """Hold every socket of this module that the block uses to these bounds."""
    token = _current.set(bounds)
    try:
        yield
    finally:
        _current.reset(token)


class BoundedSocket(socket.socket):
    """A socket whose every wait ends with the delivery. http.client uses these two of its methods."""

    def sendall(self, *args: Any) -> None:
        """Send all of it within the time that is left."""
        bounds = _current.get()
        self.settimeout(bounds.remaining())
        bounds.has_sent = True
        super().sendall(*args)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Wait for a byte no longer than until the end."""
        bounds = _current.get()
        self.settimeout(bounds.remaining())
        return bounds.count(super().recv_into(*args, **kwargs))


class BoundedTLSSocket(ssl.SSLSocket):
    """The same, encrypted. Each call into OpenSSL takes the socket's time-out as its whole time."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys within the time that is left."""
        self.settimeout(_current.get().remaining())
        super().do_handshake(block)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it within the time that is left."""
        bounds = _current.get()
        self.settimeout(bounds.remaining())
        bounds.has_sent = True
        return super().send(data, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Wait for a byte no longer than until the end."""
        bounds = _current.get()
        self.settimeout(bounds.remaining())
        return bounds.count(super().recv_into(buffer, nbytes, flags))


def connect(addresses: tuple[str, ...], port: int) -> BoundedSocket:
    """A connection to the first of the addresses that takes one. No name is resolved. Raises the last OSError."""
    failure: OSError = OSError("no address")
    for address in addresses:
        opened = BoundedSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.settimeout(min(_current.get().remaining(), CONNECT_SECONDS))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.connect((address, port))
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure
