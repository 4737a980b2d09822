"""A gate before PostgreSQL that a test opens and closes: the database as it is when it is away."""

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.browser.servers import DATABASE_URLS

OPEN, REFUSED, SILENT, STARTING, CROWDED, ENDED = "open", "refused", "silent", "starting", "crowded", "ended"
FATAL = {
    STARTING: ("57P03", "the database system is starting up"),
    CROWDED: ("53300", "sorry, too many clients already"),
    # As a pooler says it whose server has gone: not before it is asked something.
    ENDED: ("57P01", "terminating connection due to administrator command"),
}


def lead_through(gate: "Gate", environment: dict[str, str]) -> dict[str, str]:
    """The environment with every address of the database leading through the gate."""
    led = dict(environment)
    for name in DATABASE_URLS:
        parts = urlsplit(environment[name])
        login = parts.netloc.rpartition("@")[0]
        led[name] = parts._replace(netloc=f"{login}@127.0.0.1:{gate.port}").geturl()
    return led


class Gate:
    """Listens at ``port`` and hands on to the real server, or does as ``be`` says."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.mode = OPEN
        # No one else is given its port while it refuses: this one has it, and listens to no one.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]
        self._listener = self._listen()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._may_pass = threading.Event()
        self._may_pass.set()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def be(self, mode: str) -> None:
        """Change what becomes of connections: those that are open are cut off, or kept waiting in silence."""
        was, self.mode = self.mode, mode
        if mode == SILENT:
            self._may_pass.clear()
            return
        if mode == ENDED:
            return
        self._may_pass.set()
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()
        if mode == REFUSED:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        elif was == REFUSED:
            self._listener = self._listen()

    def close(self) -> None:
        """Close for good."""
        if self.mode != REFUSED:
            self.be(REFUSED)
        self._holder.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.mode in FATAL:
            self._refuse(client, *FATAL[self.mode])
            return
        self._may_pass.wait()
        server = socket.create_connection(self.target)
        self._pairs.append((client, server))
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server, asks=True)

    def _pump(self, source: socket.socket, target: socket.socket, *, asks: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._may_pass.wait()
                if asks and self.mode == ENDED:
                    # Its server's, and its own.
                    source.sendall(_last_word(*FATAL[ENDED]) + _last_word("08P01", "server conn crashed?"))
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _refuse(self, client: socket.socket, state: str, message: str) -> None:
        with client, suppress(OSError):
            while True:
                (size,) = struct.unpack(">I", client.recv(4))
                if client.recv(size - 4)[:4] != struct.pack(">I", 80877103):  # a wish for TLS
                    break
                client.sendall(b"N")
            client.sendall(_last_word(state, message))


def _last_word(state: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{state}\0M{message}\0\0".encode()
    return b"E" + struct.pack(">I", len(fields) + 4) + fields
