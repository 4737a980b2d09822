"""A line to Redis for the calls of the hot path: one connection a thread, no pool in between.

redis-py's pooled calls cost twice the time of the round trip itself. This uses its connections, parsers and errors,
and nothing else of it. A call that fails because the connection had gone is made once more on a new one: only calls
that may be repeated come here.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

_local = threading.local()


def call(client: Any, *command: Any) -> Any:
    """The answer to one command. Raises RedisError."""
    line = _line_of(client)
    try:
        return _exchange(line, command)
    except RedisConnectionError:
        # It was closed while nobody used it, or Redis began anew.
        return _exchange(line, command)


class Script:
    """A script of Redis: called by its digest, and sent whole when Redis does not know it."""

    def __init__(self, client: Any, body: str) -> None:
        self.script = body
        self._client = client
        self._digest = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, *, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Run it. Raises RedisError."""
        try:
            return call(self._client, "EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return call(self._client, "EVAL", self.script, len(keys), *keys, *args)


def _exchange(line: Any, command: tuple[Any, ...]) -> Any:
    try:
        line.send_command(*command)
        return line.read_response()
    except ResponseError:
        raise
    except BaseException:
        # An answer may still come, and must not be taken for the next one's.
        line.disconnect()
        raise


def _line_of(client: Any) -> Any:
    pool = client.connection_pool
    # A forked child must not talk over its parent's connection.
    key = (pool, os.getpid())
    lines: dict[Any, Any] = _local.__dict__.setdefault("lines", {})
    line = lines.get(key)
    if line is None:
        # Not by the pool: it counts what it makes up to a limit, and is never told of a thread that ended.
        line = lines[key] = pool.connection_class(**pool.connection_kwargs)
    return line
