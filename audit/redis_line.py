"""A line to Redis for the calls of the hot path: one connection a thread, no pool in between.

redis-py's pooled calls cost twice the time of the round trip itself. This uses its connections, parsers and errors,
and nothing else of it. A call that fails because the connection had gone is made once more on a new one: only calls
that may be repeated come here. A command may also be posted: its answer is read when somebody wants it, and before that
of any later command.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, NoScriptError, RedisError, ResponseError

# So many answers may wait unread before a command is posted: more could fill the buffers of both sides.
MOST_UNREAD: Final = 32

_local = threading.local()


class Reply:
    """The answer to a command that was posted."""

    __slots__ = ("_error", "_line", "_on_failure", "_value")

    def __init__(
        self, line: "_Line | None", value: Any = None, on_failure: Callable[[RedisError], object] = id
    ) -> None:
        self._line = line
        self._value = value
        self._error: RedisError | None = None
        self._on_failure = on_failure

    def wait(self) -> Any:
        """The answer, as soon as it is here. Raises RedisError."""
        while self._line is not None:
            self._line.read_next()
        if self._error is not None:
            raise self._error
        return self._value

    def settle(self, value: Any = None, error: RedisError | None = None) -> None:
        """The answer has come, or will never come."""
        self._line, self._value, self._error = None, value, error
        if error is not None:
            self._on_failure(error)


class _Line:
    """One connection, the answers that it still owes, and the scripts that it has heard of."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.pid = os.getpid()
        # Not by the pool: it counts what it makes up to a limit, and is never told of a thread that ended.
        self.connection = pool.connection_class(**pool.connection_kwargs)
        self.unread: deque[Reply] = deque()
        self.scripts: set[str] = set()

    def exchange(self, command: tuple[Any, ...]) -> Any:
        while self.unread:
            self.read_next()
        self._send(command)
        try:
            return self.connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # An answer may still come, and must not be taken for the next one's.
            self.hang_up()
            raise

    def post(self, command: tuple[Any, ...], on_failure: Callable[[RedisError], object]) -> Reply:
        if not self.unread:
            try:
                # The other side may have hung up long ago, and sending would not show it.
                self.connection.can_read(0)
            except RedisConnectionError:
                self.hang_up()
                raise
        while len(self.unread) >= MOST_UNREAD:
            self.read_next()
        self._send(command)
        reply = Reply(self, on_failure=on_failure)
        self.unread.append(reply)
        return reply

    def read_next(self) -> None:
        """Read the next answer that is owed; a failure is told to whom it belongs."""
        try:
            value = self.connection.read_response()
        except ResponseError as error:
            if isinstance(error, NoScriptError):
                self.scripts.clear()
            self.unread.popleft().settle(error=error)
        except RedisError as error:
            self.hang_up(error)
        except BaseException:
            self.hang_up()
            raise
        else:
            self.unread.popleft().settle(value)

    def hang_up(self, error: RedisError | None = None) -> None:
        """Close the connection. What it still owes will never come."""
        self.connection.disconnect()
        self.scripts.clear()
        unread, self.unread = self.unread, deque()
        for reply in unread:
            reply.settle(error=error or RedisConnectionError("The line was closed before the answer came."))

    def _send(self, command: tuple[Any, ...]) -> None:
        try:
            # Without redis-py's own packing, which converts what is not used here, and its ping in between.
            self.connection.send_packed_command([hiredis.pack_command(command)], check_health=False)
        except TypeError as error:
            raise DataError(str(error)) from error
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
        self, *, keys: Sequence[Any], args: Sequence[Any], on_failure: Callable[[RedisError], object] = id
    ) -> Reply:
        """Have it run, and do not wait for the answer. Raises RedisError when it cannot be sent.

        ``on_failure`` is told of what goes wrong afterwards, when the answer is read. The first time on a connection
        it is called and waited for: nobody knows yet whether Redis has the script.
        """
        line = _line_of(self._client)
        if self._digest in line.scripts:
            # A line that turns out to be closed is called on a new connection.
            with suppress(RedisConnectionError):
                return line.post(("EVALSHA", self._digest, len(keys), *keys, *args), on_failure)
        return Reply(None, self(keys=keys, args=args))


def _line_of(client: Any) -> _Line:
    pool = client.connection_pool
    lines: dict[int, _Line] = _local.__dict__.setdefault("lines", {})
    line = lines.get(id(pool))
    # A forked child must not talk over its parent's connection.
    if line is None or line.pool is not pool or line.pid != os.getpid():
        line = lines[id(pool)] = _Line(pool)
    return line
