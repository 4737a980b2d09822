"""Webhook endpoints over real sockets and TLS, which answer as a test says, and an authority for certificates."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority that those trust who are given its file."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._build(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str, age: dt.timedelta = DAY) -> ssl.SSLContext:
        """What a server needs that proves to be these names, by a certificate of a certain age (good for two days)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._build(subject, key, x509.BasicConstraints(ca=False, path_length=None), age=age).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        made = builder.sign(self._key, hashes.SHA256())
        file = self._folder / f"{names[0]}-{age.days}.pem"
        plain = serialization.NoEncryption()
        file.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _build(self, subject: Any, key: Any, constraints: Any, age: dt.timedelta = DAY) -> x509.CertificateBuilder:
        begin = dt.datetime.now(dt.UTC) - age
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + 2 * DAY)
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


@dataclass(frozen=True)
class Request:
    """What came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A server that does ``talk(self, connection)`` with each connection, and what it got."""

    talk: Callable[["Server", Any], None]
    tls: ssl.SSLContext | None = None
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    open: list[socket.socket] = field(default_factory=list)
    # Of a server that answers piece by piece: whether it has been asked, and what it has sent.
    is_asked: threading.Event = field(default_factory=threading.Event)
    pieces: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more, and end what is open."""
        # Closed alone it would go on listening for as long as a thread waits for the next connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Any) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other side hangs up, as it may
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.open.append(connection)
            self.talk(self, connection)
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def read(self, lines: Any) -> Request | None:
        """The next request, noted; None when there is none."""
        line = lines.readline()
        if not line:
            return None
        headers = {}
        while (header := lines.readline().strip()) != b"":
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        request = Request(line.decode().strip(), headers, lines.read(int(headers.get("content-length", "0"))))
        self.requests.append(request)
        return request


def answering(*answers: bytes, then: Callable[[Any], None] = lambda _: None) -> Callable[[Server, Any], None]:
    """Read requests on one connection and answer each with the next of these bytes, the last for all that follow."""

    def talk(server: Server, connection: Any) -> None:
        lines = connection.makefile("rb")
        for number in range(1_000_000):
            if server.read(lines) is None:
                return
            connection.sendall(answers[min(number, len(answers) - 1)])
            then(connection)

    return talk


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """A whole response."""
    head = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} Reason\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
