"""A line to Redis for the calls of the hot path: one connection a thread, no pool in between.

redis-py's pooled calls cost twice the time of the round trip itself. This uses its connections, parsers and errors,
and nothing else of it. A call that fails because the connection had gone is made once more on a new one: only calls
that may be repeated come here.

A script may also be posted: nobody waits for its answer, which is read before that of the next command. And it may be
left to the kernel to send, together with the next one: it is on its way even if this process is killed.
"""

import hashlib
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, NoScriptError, RedisError, ResponseError

Answered = Callable[[Any], object]
Failed = Callable[[RedisError], object]

# So many answers may wait unread: more could fill the buffers of both sides.
MOST_UNREAD: Final = 32
# Linux holds the last, unfilled segment back until the next one, or for 200 ms; elsewhere it is sent at once.
MORE_FOLLOWS: Final = getattr(socket, "MSG_MORE", 0)

_local = threading.local()


class _Line:
    """One connection, the answers that it still owes, and the scripts that Redis is known to have."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.pid = os.getpid()
        # Not by the pool: it counts what it makes up to a limit, and is never told of a thread that ended.
        self.connection = pool.connection_class(**pool.connection_kwargs)
        self.unread: deque[tuple[Answered, Failed]] = deque()
        self.scripts: set[str] = set()
        # Whether what was sent last waits in the kernel for the next.
        self.is_holding = False

    def exchange(self, command: tuple[Any, ...]) -> Any:
        """Send, and wait for the answer, which comes after those that are owed."""
        self.send(command)
        self.read_unread()
        try:
            return self.connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # An answer may still come, and must not be taken for the next one's.
            self.hang_up()
            raise

    def post(self, command: tuple[Any, ...], answered: Answered, failed: Failed, *, more_follows: bool) -> None:
        """Send, and have the answer read later."""
        if len(self.unread) >= MOST_UNREAD:
            self.exchange(("PING",))
        if more_follows and not self.is_holding:
            # With something unread the kernel of a killed process would send nothing but the end of the connection.
            self.read_unread()
        if not self.unread:
            self._check_open()
        self.send(command, MORE_FOLLOWS if more_follows and not self.is_holding else 0)
        self.unread.append((answered, failed))

    def _check_open(self) -> None:
        """The other side may have hung up long ago, and sending would not show it. Raises RedisConnectionError."""
        link = self.connection._sock
        if link is None:
            return
        poller = select.poll()
        poller.register(link, select.POLLIN)
        # Nothing is owed, so whatever there is to read is bad news.
        if poller.poll(0):
            self.hang_up()
            raise RedisConnectionError("Redis has closed the connection.")

    def read_unread(self) -> None:
        """Read the answers that are owed. A failure is told to whom it belongs."""
        while self.unread:
            answered, failed = self.unread[0]
            try:
                answer = self.connection.read_response()
            except ResponseError as error:
                if isinstance(error, NoScriptError):
                    self.scripts.clear()
                self.unread.popleft()
                failed(error)
            except RedisError as error:
                self.hang_up(error)
            except BaseException:
                self.hang_up()
                raise
            else:
                self.unread.popleft()
                answered(answer)

    def hang_up(self, error: RedisError | None = None) -> None:
        """Close the connection. What it still owes will never come."""
        self.connection.disconnect()
        self.is_holding = False
        self.scripts.clear()
        unread, self.unread = self.unread, deque()
        for _, failed in unread:
            failed(error or RedisConnectionError("The line was closed before the answer came."))

    def send(self, command: tuple[Any, ...], flags: int = 0) -> None:
        """Send one command. Raises RedisError."""
        try:
            # Without redis-py's own packing, which converts what is not used here, and its ping in between.
            packed = hiredis.pack_command(command)
            link = self.connection._sock
            self.is_holding = bool(flags) and type(link) is socket.socket
            if self.is_holding:
                link.sendall(packed, flags)
            else:
                self.connection.send_packed_command([packed], check_health=False)
        except TypeError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            self.hang_up()
            raise RedisConnectionError(f"Redis cannot be written to: {error}.") from error
        except BaseException:
            self.hang_up()
            raise


def call(client: Any, *command: Any) -> Any:
    """The answer to one command. Raises RedisError."""
    line = _line_of(client)
    try:
        return line.exchange(command)
    except RedisConnectionError:
        # It was closed while nobody used it, or Redis began anew.
        return line.exchange(command)


class Script:
    """A script of Redis: called by its digest, and sent whole when Redis does not know it."""

    def __init__(self, client: Any, body: str) -> None:
        self.script = body
        self._client = client
        self._digest = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, *, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Run it. Raises RedisError."""
        try:
            answer = call(self._client, "EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            answer = call(self._client, "EVAL", self.script, len(keys), *keys, *args)
        _line_of(self._client).scripts.add(self._digest)
        return answer

    def post(
        self,
        *,
        keys: Sequence[Any],
        args: Sequence[Any],
        failed: Failed,
        answered: Answered = id,
        more_follows: bool = False,
    ) -> None:
        """Have it run, and do not wait for the answer. Raises RedisError when it cannot be sent.

        ``answered`` or ``failed`` is told of the answer when it is read, before the next command of this thread. With
        ``more_follows`` it may be held back for up to 200 ms, to travel with the next one. The first time on a
        connection it is called and waited for: nobody knows yet whether Redis has the script.
        """
        line = _line_of(self._client)
        if self._digest in line.scripts:
            # A line that turns out to be closed is called on a new connection.
            with suppress(RedisConnectionError):
                command = ("EVALSHA", self._digest, len(keys), *keys, *args)
                line.post(command, answered, failed, more_follows=more_follows)
                return
        answered(self(keys=keys, args=args))


def _line_of(client: Any) -> _Line:
    pool = client.connection_pool
    lines: dict[int, _Line] = _local.__dict__.setdefault("lines", {})
    line = lines.get(id(pool))
    # A forked child must not talk over its parent's connection.
    if line is None or line.pool is not pool or line.pid != os.getpid():
        line = lines[id(pool)] = _Line(pool)
    return line
