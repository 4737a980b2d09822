"""The sockets of this process that the server below opened and does not hand out."""

import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from config.serving.bodies import Scope


class Silent:
    """Ends connections on which no request has begun for a while.

    The server below waits for the headers of HTTP/1 for a bounded time, but without end for the first bytes, by which
    it tells HTTP/1 from HTTP/2.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # Clients that have sent a request at least once, and when the others were first seen.
        self.spoke: set[tuple[str, str]] = set()
        self._since: dict[tuple[str, str], float] = {}

    def end(self, port: int) -> None:
        """Look at the connections to ``port`` and end those that were silent for too long."""
        now = time.monotonic()
        since: dict[tuple[str, str], float] = {}
        spoke = set()
        for candidate in _sockets():
            with suppress(OSError):
                client = candidate.getpeername()[:2]
                if candidate.getsockname()[1] != port:
                    continue
                key = (client[0], str(client[1]))
                if key in self.spoke:
                    spoke.add(key)
                    continue
                since[key] = self._since.get(key, now)
                if now - since[key] > self.seconds:
                    candidate.shutdown(socket.SHUT_RDWR)
        self._since, self.spoke = since, spoke


def bound_unsent_data(seconds: float) -> None:
    """Let connections accepted from now on end when what was sent is not taken for so long.

    The event loop has no more part in an answer once the kernel and the server below have it. Linux hands the option
    down from a listening socket, and since 5.11 it also ends connections whose reader has closed its window.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for candidate in _sockets():
        if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def hang_up(scope: Scope) -> None:
    """End the connection of a request so that the client sees that something is missing.

    The server below ends a chunked answer in good order whatever happened; so the connection is looked up by its two
    ends and shut down. That is rare, and there are a few hundred at most.
    """
    ends = tuple((host, int(port)) for host, port in (scope["server"], scope["client"]))
    for candidate in _sockets():
        with suppress(OSError):
            if (candidate.getsockname()[:2], candidate.getpeername()[:2]) == ends:
                candidate.shutdown(socket.SHUT_RDWR)
                return


def shut_down(descriptor: int) -> None:
    """End the connection of a socket that another thread waits for. Raises OSError."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _sockets() -> Iterator[socket.socket]:
    """Every TCP socket that is open, by another descriptor, which is closed again."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (numbers are wanted, not paths)
        try:
            descriptor = os.dup(int(name))
        except OSError:
            continue
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            continue
        with socket.socket(fileno=descriptor) as candidate:
            if candidate.family in (socket.AF_INET, socket.AF_INET6) and candidate.type == socket.SOCK_STREAM:
                yield candidate
