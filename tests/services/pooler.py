"""A connection pooler in transaction mode, as small as PostgreSQL's protocol allows: what PgBouncer does, in a test.

Clients share a few server connections. A client holds one from the first message of a transaction to the
ReadyForQuery that says "idle"; then the next client gets it, with whatever its session still remembers.
"""

import asyncio
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from psycopg import pq

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
# What a client may want to know of its server at the start of a session.
REPORTED = (
    "server_version",
    "server_encoding",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
)


def message(kind: bytes, body: bytes) -> bytes:
    """A protocol message: its kind, its length, its body."""
    return kind + struct.pack("!I", len(body) + 4) + body


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The kind of the next message, and all of its bytes."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


class Pooler:
    """``with Pooler(conninfo, size=2) as pooler:`` listens on ``pooler.port``.

    ``handed_over`` counts how often a server connection went from one client to another.
    """

    def __init__(self, conninfo: str, *, size: int) -> None:
        self.conninfo = conninfo
        self.size = size
        self.port = 0
        self.handed_over = 0
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        # libpq does the authentication; afterwards the socket carries nothing but messages.
        self._sessions = [pq.PGconn.connect(self.conninfo.encode()) for _ in range(self.size)]
        for session in self._sessions:
            assert session.status == pq.ConnStatus.OK, session.error_message
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(60)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        for session in self._sessions:
            session.finish()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._started.set()
        self._loop.run_forever()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _listen(self) -> None:
        self._idle: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
        self._last_client: dict[asyncio.StreamWriter, int] = {}
        for session in self._sessions:
            raw = socket.socket(fileno=socket.dup(session.socket))
            raw.setblocking(False)
            self._idle.put_nowait(await asyncio.open_connection(sock=raw))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._greet(reader, writer):
                while True:
                    kind, first = await read_message(reader)
                    if kind == b"X":
                        break
                    server = await self._idle.get()
                    self.handed_over += self._last_client.get(server[1]) not in (None, id(writer))
                    self._last_client[server[1]] = id(writer)
                    await self._transaction(kind, first, reader, writer, *server)
                    self._idle.put_nowait(server)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            length, code = struct.unpack("!II", await reader.readexactly(8))
            await reader.readexactly(length - 8)
            if code == CANCEL_REQUEST:
                return False
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            writer.write(b"N")
        writer.write(message(b"R", struct.pack("!I", 0)))
        for name in REPORTED:
            value = self._sessions[0].parameter_status(name.encode()) or b""
            writer.write(message(b"S", name.encode() + b"\0" + value + b"\0"))
        writer.write(message(b"K", struct.pack("!II", 1, 1)) + message(b"Z", b"I"))
        return True

    async def _transaction(
        self,
        kind: bytes,
        data: bytes,
        client_in: asyncio.StreamReader,
        client_out: asyncio.StreamWriter,
        server_in: asyncio.StreamReader,
        server_out: asyncio.StreamWriter,
    ) -> None:
        """Pass messages both ways until the server is idle again."""
        while True:
            server_out.write(data)
            if kind in (b"Q", b"S"):  # a query, or the end of a batch: the server answers up to ReadyForQuery
                while True:
                    answer, reply = await read_message(server_in)
                    client_out.write(reply)
                    if answer == b"Z":
                        break
                    assert answer not in (b"G", b"H"), "COPY does not pass through this pooler"
                await client_out.drain()
                if reply[-1:] == b"I":
                    return
            kind, data = await read_message(client_in)
            assert kind != b"X", "a client left in the middle of a transaction"
