"""How often someone may try a password, judged before the password is hashed.

Failures are counted by address and name together, by address, and by name over all addresses from which the name was
never logged in: one who guesses at a name from many addresses is slowed down, and so is one address that tries many
names. Its owner still gets in from where they were known: from an address of an earlier log-in, or with the browser
that keeps the mark of one (``login_devices``), which has a count of its own.

Sliding windows of a minute and an hour in Redis, taken atomically, so that forty parallel guesses are still ten.
Without Redis each process allows a small number of its own: log-ins get scarce, and guessing does not get free.
"""

import hashlib
import hmac
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy
from prometheus_client import Counter
from redis.exceptions import RedisError

from storage.redis import ask
from tenants.rules.texts import clean_line, fold_text

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
HOUR_SECONDS = 3600
# Of a minute's attempts, for an hour: who mistypes all the time is not typing.
HOURS_SHARE = 5
# Many people share one address: an office, a proxy.
PER_ADDRESS = 10
# Addresses from which a name was logged in are remembered for so long, the last of them.
KNOWN_SECONDS = 90 * 24 * 3600
MOST_KNOWN = 20
# Without Redis every process counts for itself, hence less each.
SHARE_WITHOUT_REDIS = 3
MOST_KEYS_WITHOUT_REDIS = 10_000

fallbacks = Counter("customer360_login_guard_fallback_total", "Log-in attempts that were counted without Redis.")

# KEYS: known addresses of the name; counts of the pair, the name, the address, the device
# ARGV: address; 1 with a known device; id of the attempt; minute and hour in ms; two limits of each count
# Answers 0 when the attempt was taken, else the milliseconds until there is room again.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minute, hour, wait = tonumber(ARGV[4]), tonumber(ARGV[5]), 0
local counted = {2, 3, 4}
if ARGV[2] == '1' then counted = {5}
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then counted = {2, 4} end
local function look(key, window, limit)
    local taken = redis.call('ZCOUNT', key, '(' .. (now - window), '+inf')
    if taken >= limit then
        local last = redis.call('ZRANGEBYSCORE', key, '(' .. (now - window), '+inf', 'WITHSCORES',
                                'LIMIT', taken - limit, 1)
        wait = math.max(wait, last[2] + window - now, 1)
    end
end
for _, i in ipairs(counted) do
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - hour)
    look(KEYS[i], minute, tonumber(ARGV[2 * i + 2]))
    look(KEYS[i], hour, tonumber(ARGV[2 * i + 3]))
end
if wait > 0 then return wait end
for _, i in ipairs(counted) do
    redis.call('ZADD', KEYS[i], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[i], hour)
end
return 0
"""


class LoginsLimited(Exception):
    """Too many attempts; ``retry_after`` is in whole seconds."""

    sentence = gettext_lazy("Too many log-in attempts: try again in %(seconds)s seconds.")

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(self.sentence % {"seconds": retry_after})


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was allowed. One that succeeded is given back: only failures use up the limit."""

    keys: tuple[str, ...]
    known: str
    address: str
    id: str

    def give_back(self) -> None:
        """Forget the attempt."""
        self._finish(remember=False)

    def succeed(self) -> None:
        """Forget the attempt, and remember that the name was logged in from this address."""
        self._finish(remember=True)

    def _finish(self, *, remember: bool) -> None:
        _local.forget(self.keys, self.id)

        def finish(client: Any) -> None:
            pipeline = client.pipeline(transaction=False)
            for key in self.keys:
                pipeline.zrem(key, self.id)
            if remember:
                pipeline.zadd(self.known, {self.address: time.time()})
                pipeline.zremrangebyrank(self.known, 0, -MOST_KNOWN - 1)
                pipeline.expire(self.known, KNOWN_SECONDS)
            pipeline.execute()

        try:
            ask(finish)
        except RedisError:
            # It expires by itself within the hour.
            fallbacks.inc()


def take_attempt(*, username: str, address: str, device: str = "", purpose: str = "login") -> Attempt:
    """Allow one attempt, or raise LoginsLimited. One round trip to Redis.

    ``device``: the id of a browser in which this very name was logged in before, else empty. Each ``purpose`` is
    counted by itself.
    """
    # As it is looked up: one that is spelled otherwise each time is the same one.
    name, place = _hash(fold_text(clean_line(username))), _hash(address)
    keys = tuple(
        f"c360:{purpose}:{kind}:{value}"
        for kind, value in (
            ("pair", _hash(f"{name} {place}")),
            ("user", name),
            ("address", place),
            ("device", _hash(f"{name} {device}")),
        )
    )
    attempt = Attempt(keys, f"c360:{purpose}:known:{name}", place, uuid4().hex)
    most: int = settings.LOGIN_ATTEMPTS_PER_MINUTE
    limits = (most, most, most * PER_ADDRESS, most)
    pairs = [limit for one in limits for limit in (one, one * HOURS_SHARE)]
    arguments = [place, int(bool(device)), attempt.id, WINDOW_SECONDS * 1000, HOUR_SECONDS * 1000, *pairs]
    try:
        wait = ask(lambda client: client.register_script(_TAKE)(keys=[attempt.known, *keys], args=arguments))
    except RedisError as error:
        fallbacks.inc()
        log.warning("log-in attempts are counted without Redis", error=str(error))
        counted = {key: limit for key, limit in zip(keys, limits, strict=True) if (key == keys[3]) == bool(device)}
        wait = _local.take(tuple(counted), attempt.id, tuple(counted.values()))
    if wait:
        raise LoginsLimited(-(-int(wait) // 1000))
    return attempt


class _LocalCounts:
    """The same window in this process's memory."""

    def __init__(self) -> None:
        self._attempts: dict[str, deque[tuple[float, str]]] = {}
        self._lock = threading.Lock()

    def take(self, keys: tuple[str, ...], attempt_id: str, limits: tuple[int, ...]) -> float:
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

    def forget(self, keys: tuple[str, ...], attempt_id: str) -> None:
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


def _hash(value: str) -> str:
    # A username is an e-mail address, and an address is personal data too: neither can be read or guessed from Redis.
    secret = settings.SECRET_KEY.encode()
    return hmac.digest(secret, value.encode(errors="replace"), hashlib.sha256).hex()[:32]
