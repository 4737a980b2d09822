"""How often somebody may try a password: per username and per address, judged before the password is hashed.

A sliding minute in Redis, taken atomically for both keys, so that forty parallel guesses are still ten. Without
Redis each process allows a small number of its own: log-ins get scarce, and guessing does not get free.
"""

import hashlib
import ipaddress
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest
from django_redis import get_redis_connection
from prometheus_client import Counter
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
# Many people share one address: an office, a proxy.
PER_ADDRESS = 10
# Without Redis every process counts for itself, hence less each.
SHARE_WITHOUT_REDIS = 3
MOST_KEYS_WITHOUT_REDIS = 10_000

fallbacks = Counter("customer360_login_guard_fallback_total", "Log-in attempts that were counted without Redis.")

# KEYS: username, address   ARGV: limit of each, window in ms, id of the attempt
# Answers 0 when the attempt was taken, else the milliseconds until there is room again.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, wait = tonumber(ARGV[3]), 0
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    if redis.call('ZCARD', key) >= tonumber(ARGV[i]) then
        local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
        wait = math.max(wait, oldest[2] + window - now, 1)
    end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[4])
    redis.call('PEXPIRE', key, window)
end
return 0
"""


class LoginsLimited(Exception):
    """Too many attempts; ``retry_after`` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many log-in attempts: try again in {retry_after} seconds.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was allowed. One that succeeded is given back: only failures use up the limit."""

    keys: tuple[str, str]
    id: str

    def give_back(self) -> None:
        """Forget the attempt."""
        _local.forget(self.keys, self.id)
        try:
            pipeline = _client().pipeline(transaction=False)
            for key in self.keys:
                pipeline.zrem(key, self.id)
            pipeline.execute()
        except RedisError:
            # It expires by itself within the minute.
            fallbacks.inc()


def take_attempt(*, username: str, address: str) -> Attempt:
    """Allow one attempt, or raise LoginsLimited. One round trip to Redis."""
    attempt = Attempt((_key("user", username.casefold()), _key("address", address)), uuid4().hex)
    per_user: int = settings.LOGIN_ATTEMPTS_PER_MINUTE
    limits = (per_user, per_user * PER_ADDRESS)
    try:
        wait = _script()(keys=attempt.keys, args=[*limits, WINDOW_SECONDS * 1000, attempt.id])
    except RedisError as error:
        fallbacks.inc()
        log.warning("log-in attempts are counted without Redis", error=str(error))
        wait = _local.take(attempt.keys, attempt.id, limits)
    if wait:
        raise LoginsLimited(-(-int(wait) // 1000))
    return attempt


def client_address(request: HttpRequest) -> str:
    """The address of the client: of the connection, or what the declared proxy says it saw.

    Of an IPv6 address the first 64 bits count: one customer has that many. Forged forwarding headers are ignored,
    since only the last entry, the proxy's own, is read, and only where a proxy is declared.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY_TLS:
        address = request.META.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


class _LocalCounts:
    """The same window in this process's memory."""

    def __init__(self) -> None:
        self._attempts: dict[str, deque[tuple[float, str]]] = {}
        self._lock = threading.Lock()

    def take(self, keys: tuple[str, str], attempt_id: str, limits: tuple[int, int]) -> float:
        """0 when taken, else milliseconds to wait."""
        now = time.monotonic()
        with self._lock:
            if len(self._attempts) >= MOST_KEYS_WITHOUT_REDIS:
                self._drop_old(now)
            if len(self._attempts) >= MOST_KEYS_WITHOUT_REDIS:
                return WINDOW_SECONDS * 1000
            queues = [self._attempts.setdefault(key, deque()) for key in keys]
            wait = 0.0
            for queue, limit in zip(queues, limits, strict=True):
                while queue and queue[0][0] <= now - WINDOW_SECONDS:
                    queue.popleft()
                if len(queue) >= max(1, limit // SHARE_WITHOUT_REDIS):
                    wait = max(wait, queue[0][0] + WINDOW_SECONDS - now)
            if not wait:
                for queue in queues:
                    queue.append((now, attempt_id))
            return wait * 1000

    def forget(self, keys: tuple[str, str], attempt_id: str) -> None:
        with self._lock:
            for key in keys:
                queue = self._attempts.get(key)
                if queue:
                    self._attempts[key] = deque(entry for entry in queue if entry[1] != attempt_id)

    def clear(self) -> None:
        with self._lock:
            self._attempts.clear()

    def _drop_old(self, now: float) -> None:
        old = [key for key, queue in self._attempts.items() if not queue or queue[-1][0] <= now - WINDOW_SECONDS]
        for key in old:
            del self._attempts[key]


_local = _LocalCounts()
_registered: Any = None


def _script() -> Any:
    global _registered
    if _registered is None:
        _registered = _client().register_script(_TAKE)
    return _registered


def _client() -> Any:
    return get_redis_connection("default")


def _key(kind: str, value: str) -> str:
    # Hashed: a username is an e-mail address, and an address is personal data too.
    return f"c360:login:{kind}:{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:32]}"
