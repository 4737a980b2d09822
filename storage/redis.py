"""The one client of Redis (redis-py), and what a process does while Redis does not answer.

The product works without Redis: copies are read from PostgreSQL, log-in attempts are counted in memory, open pages
poll. So there is one policy: a call that fails is not repeated, and for a second this process does not call again.
The event loop of open pages has clients of its own (decision 8): a failure lets its pages go, and each comes back.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.conf import settings
from prometheus_client import Counter
from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)

Reply = TypeVar("Reply")

RETRY_SECONDS = 1.0
# What an event loop waits for an answer: it may itself be late, when a thousand pages come at once.
ASYNC_SECONDS = 2.0

failures = Counter(
    "customer360_redis_failures_total", "Calls to Redis that failed, or were not made, and were done without it."
)


class RedisAway(RedisError):
    """Redis did not answer a moment ago and is not asked yet."""


def get_client() -> Any:
    """This thread's client, with a connection of its own: taking one from the pool costs a third of a call.

    A connection that was closed while it was idle is made again, once.
    """
    pid, client = _local.__dict__.get("client", (0, None))
    # A forked child must not talk over its parent's connection.
    if pid != os.getpid():
        cache_settings: Any = settings.CACHES["default"]
        options = cache_settings["OPTIONS"]
        client = Redis.from_url(
            cache_settings["LOCATION"],
            single_connection_client=True,
            socket_connect_timeout=options["SOCKET_CONNECT_TIMEOUT"],
            socket_timeout=options["SOCKET_TIMEOUT"],
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        _local.client = os.getpid(), client
    return client


def open_async_client(url: str, *, connections: int) -> Any:
    """A client of this event loop, of at most so many connections; each is made again, once, as ``get_client``'s."""
    return AsyncRedis.from_pool(
        BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=ASYNC_SECONDS,
            socket_connect_timeout=ASYNC_SECONDS,
            socket_timeout=ASYNC_SECONDS,
            retry=AsyncRetry(NoBackoff(), 1),
        )
    )


def open_subscription(url: str) -> Any:
    """A ``PubSub`` of this event loop. Never connected again behind its reader's back: what was announced in between
    would be lost unnoticed.
    """
    return AsyncRedis.from_url(url, socket_connect_timeout=ASYNC_SECONDS, retry=AsyncRetry(NoBackoff(), 0)).pubsub()


def ask(call: Callable[[Any], Reply]) -> Reply:
    """The answer to ``call(client)``. Raises RedisError when it fails, RedisAway without a call after one that did.

    The call may be made twice, so it must be one that can be repeated.
    """
    global _away_until
    if time.monotonic() < _away_until:
        failures.inc()
        raise RedisAway("Redis did not answer a moment ago.")
    try:
        return call(get_client())
    except RedisError as error:
        failures.inc()
        _away_until = time.monotonic() + RETRY_SECONDS
        log.warning("redis does not answer, going on without it", error=str(error))
        # After a failover the connection leads to a server that no longer is the one to ask.
        _local.__dict__.clear()
        raise


_local = threading.local()
_away_until = 0.0
