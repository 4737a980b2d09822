"""The one client of Redis (redis-py, with its own pool), and what a process does while Redis does not answer.

The product works without Redis: copies are read from PostgreSQL, log-in attempts are counted in memory, open pages
poll. So there is one policy: a call that fails is not repeated, and for a second this process does not call again.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import structlog
from django.conf import settings
from prometheus_client import Counter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

RETRY_SECONDS = 1.0

failures = Counter(
    "customer360_redis_failures_total", "Calls to Redis that failed, or were not made, and were done without it."
)


class RedisAway(RedisError):
    """Redis did not answer a moment ago and is not asked yet."""


@cache
def get_client() -> Any:
    """The client of this process. A connection that was closed while it was idle is made again, once."""
    cache_settings: Any = settings.CACHES["default"]
    options = cache_settings["OPTIONS"]
    return Redis.from_url(
        cache_settings["LOCATION"],
        socket_connect_timeout=options["SOCKET_CONNECT_TIMEOUT"],
        socket_timeout=options["SOCKET_TIMEOUT"],
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


def ask(call: Callable[[Any], Answer]) -> Answer:
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
        # After a failover the idle connections lead to a server that no longer is the one to ask.
        get_client().connection_pool.disconnect(inuse_connections=False)
        raise


_away_until = 0.0
