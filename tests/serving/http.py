"""HTTP byte by byte, as a client that is slow, rude or of another protocol sends it."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """What came back on a connection: ``raw`` until it ended (``ended``) or nothing more came."""

    raw: bytes
    ended: bool

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request over HTTP/1.1."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode("latin-1")


@contextmanager
def connected(port: int, *, window: int | None = None) -> Iterator[socket.socket]:
    """A connection; with ``window`` its client takes in hardly anything unasked."""
    with socket.socket() as connection:
        if window is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        connection.connect(("127.0.0.1", port))
        yield connection


def receive(connection: socket.socket, *, seconds: float = 20.0, until: bytes | None = None) -> Reply:
    """Everything until the end of the connection, until ``until`` was read, or until nothing came for so long."""
    connection.settimeout(seconds)
    raw = bytearray()
    while until is None or until not in raw:
        try:
            chunk = connection.recv(1 << 20)
        except TimeoutError:
            return Reply(bytes(raw), ended=False)
        except ConnectionResetError:
            return Reply(bytes(raw), ended=True)
        if not chunk:
            return Reply(bytes(raw), ended=True)
        raw += chunk
    return Reply(bytes(raw), ended=False)


def ask(port: int, request: bytes, *, seconds: float = 20.0) -> Reply:
    """The answer to one request on a connection of its own, which is asked to close it."""
    with connected(port) as connection:
        connection.sendall(request)
        return receive(connection, seconds=seconds)


def get(port: int, path: str, *headers: str, seconds: float = 20.0) -> Reply:
    """The answer to a GET."""
    return ask(port, head("GET", path, "Connection: close", *headers), seconds=seconds)


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def ask_http2(port: int, method: str, path: str, body: bytes) -> tuple[bytes, bytes]:
    """One request over HTTP/2 without TLS and without a length: the header block and the body of the answer."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def literal(name: str, value: str) -> bytes:
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    block = b"".join(
        literal(name, value)
        for name, value in (
            (":method", method),
            (":scheme", "http"),
            (":authority", "127.0.0.1"),
            (":path", path),
            ("content-type", "application/json"),
        )
    )
    with connected(port) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, block) + frame(0, 1, 1, body)
        )
        connection.settimeout(20)
        raw, headers, content = b"", b"", b""
        while True:
            while len(raw) < 9 or len(raw) < 9 + int.from_bytes(raw[:3], "big"):
                chunk = connection.recv(65536)
                assert chunk, "the connection ended"
                raw += chunk
            size, kind, flags = int.from_bytes(raw[:3], "big"), raw[3], raw[4]
            payload, raw = raw[9 : 9 + size], raw[9 + size :]
            if kind == 1:
                headers += payload
            elif kind == 0:
                content += payload
            if kind in (0, 1) and flags & 1:
                return headers, content
