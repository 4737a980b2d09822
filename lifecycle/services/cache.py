"""The cached parts of a customer in Redis [AR-4]: never an older value over a newer one, never an error.

Each customer has three parts: ``status`` and ``figures`` (together the summary view, 5 minutes) and ``profile``
(24 hours). A key holds either a value or a *token*. The rules that make it exact:

* A writer, while it holds the row lock of the part, replaces whatever is there by a token of its own (10 s). After the
  commit the value takes the token's place, but only if that very token is still there. Tokens are set in the order
  of the locks, hence of the commits, so an older write can never overwrite a newer one.
* A reader that misses puts a token (5 s) before it reads PostgreSQL, and its value too only replaces its own token. A
  reader that is slower than a writer finds another token, or none, and leaves the key alone.
* A crash between commit and refresh leaves a token, which nobody takes for a value; it is gone after 10 s.
* More than ``BULK`` customers at once raise the tenant's *generation* instead, before and after the commit: two round
  trips whatever the number. A value of another generation is a miss.
* Redis gone: reads miss, writes go on. An invalidation that could not be told is remembered, and the generation of
  everything is raised before the cache is trusted again.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog
from django.db import transaction
from django_redis import get_redis_connection
from prometheus_client import Counter
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

STATUS, FIGURES, PROFILE = "status", "figures", "profile"
LIFETIME = {STATUS: dt.timedelta(minutes=5), FIGURES: dt.timedelta(minutes=5), PROFILE: dt.timedelta(hours=24)}
WRITER_TOKEN_SECONDS = 10
READER_TOKEN_SECONDS = 5
BULK = 500
BULK_SECONDS = 60
RETRY_SECONDS = 0.5

GENERATION = "c360:generation"
VALUE, TOKEN = b"=", b"!"

failures = Counter("customer360_cache_failures_total", "Calls to Redis that failed and were done without it.")

# KEYS: global generation, tenant generation, key...   ARGV: token, seconds
_HOLD = """
for i = 3, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2]) end
return (redis.call('GET', KEYS[1]) or '0') .. '.' .. (redis.call('GET', KEYS[2]) or '0')
"""
# KEYS: global generation, tenant generation, bulk mark, key...   ARGV: token, seconds, generation as read
_LEASE = """
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local generation = (redis.call('GET', KEYS[1]) or '0') .. '.' .. (redis.call('GET', KEYS[2]) or '0')
if generation ~= ARGV[3] then return 0 end
for i = 4, #KEYS do
    local there = redis.call('GET', KEYS[i])
    if not there or (string.sub(there, 1, 1) == '=' and
                     string.sub(there, 2, #generation + 2) ~= generation .. '|') then
        redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2])
    end
end
return 1
"""
# KEYS: global generation, tenant generation, key...   ARGV: token, generation, then for each key: seconds, value
_FILL = """
local generation = (redis.call('GET', KEYS[1]) or '0') .. '.' .. (redis.call('GET', KEYS[2]) or '0')
if generation ~= ARGV[2] then return 0 end
local filled = 0
for i = 3, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        redis.call('SET', KEYS[i], '=' .. generation .. '|' .. ARGV[2 * i - 2], 'EX', ARGV[2 * i - 3])
        filled = filled + 1
    end
end
return filled
"""


class _Outage:
    """What this process knows of Redis being away, and of invalidations it could not tell."""

    def __init__(self) -> None:
        self.retry_at = 0.0
        self.untold = False
        self._lock = threading.Lock()

    def is_over(self) -> bool:
        return not self.untold and time.monotonic() >= self.retry_at

    def note(self, error: Exception, *, untold: bool) -> None:
        failures.inc()
        log.warning("cache unavailable, going on without it", error=str(error))
        self.retry_at = time.monotonic() + RETRY_SECONDS
        if untold:
            self.owe()

    def owe(self) -> None:
        """Remember that a stale value may be in the cache, and raise the generation as soon as Redis answers."""
        with self._lock:
            if self.untold:
                return
            self.untold = True
        threading.Thread(target=self._repay, name="cache-generation", daemon=True).start()

    def _repay(self) -> None:
        while True:
            try:
                _client().incr(GENERATION)
            except RedisError:
                time.sleep(RETRY_SECONDS)
            else:
                self.untold = False
                return


outage = _Outage()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the cache held. ``fill`` gives it what it did not, if nobody wrote in between."""

    tenant_id: UUID
    customer_id: UUID
    values: Mapping[str, bytes | None]
    token: bytes | None
    generation: bytes

    def fill(self, values: Mapping[str, bytes]) -> None:
        """Offer values that were read from PostgreSQL after this reading began."""
        if self.token is not None and values:
            entries = {_key(self.tenant_id, self.customer_id, part): (part, value) for part, value in values.items()}
            _attempt(lambda: _fill(self.tenant_id, self.token or b"", self.generation, entries), untold=False)


def read(tenant_id: UUID, customer_id: UUID, *parts: str) -> Reading:
    """The cached bytes of each part, or None. One round trip on a hit, two on a miss, none while Redis is away."""
    keys = [_key(tenant_id, customer_id, part) for part in parts]
    nothing = Reading(tenant_id, customer_id, dict.fromkeys(parts), None, b"")
    if not outage.is_over():
        return nothing
    found = _attempt(lambda: _client().mget([GENERATION, _generation_key(tenant_id), *keys]), untold=False)
    if found is None:
        return nothing
    generation = (found[0] or b"0") + b"." + (found[1] or b"0")
    prefix = VALUE + generation + b"|"
    values = {
        part: raw[len(prefix) :] if raw is not None and raw.startswith(prefix) else None
        for part, raw in zip(parts, found[2:], strict=True)
    }
    missing = [key for key, part in zip(keys, parts, strict=True) if values[part] is None]
    token = None
    if missing:
        token = TOKEN + uuid4().bytes
        leased = _attempt(
            lambda: _scripts().lease(
                keys=[GENERATION, _generation_key(tenant_id), _bulk_key(tenant_id), *missing],
                args=[token, READER_TOKEN_SECONDS, generation],
            ),
            untold=False,
        )
        token = token if leased else None
    return Reading(tenant_id, customer_id, values, token, generation)


def refresh_statuses(tenant_id: UUID, records: Sequence[Any]) -> None:
    """Refresh the status part of customers whose rows this transaction has locked and changed, and tell open pages.

    ``records`` are StatusRecords. Call before the commit; the values follow it. Bounded round trips.
    """
    refresh(tenant_id, STATUS, {record.customer_id: orjson.dumps(record) for record in records})
    announce(tenant_id, {record.customer_id: record.version for record in records})


def refresh(tenant_id: UUID, part: str, values: Mapping[UUID, bytes]) -> None:
    """Replace one part of each customer. Call before the commit, holding the lock under which the part is written."""
    if not values:
        return
    if len(values) > BULK:
        _refresh_by_generation(tenant_id)
        return
    token = TOKEN + uuid4().bytes
    entries = {_key(tenant_id, customer_id, part): (part, value) for customer_id, value in values.items()}
    generation = _hold(tenant_id, token, list(entries))
    if generation is not None:
        transaction.on_commit(
            lambda: _attempt(lambda: _fill(tenant_id, token, generation, entries), untold=True), robust=True
        )


def forget(tenant_id: UUID, customer_ids: Iterable[UUID], *parts: str) -> None:
    """Drop parts of customers whose rows this transaction has locked and changed; the next reader fills them."""
    keys = [_key(tenant_id, customer_id, part) for customer_id in customer_ids for part in parts]
    if not keys:
        return
    if len(keys) > BULK:
        _refresh_by_generation(tenant_id)
        return
    token = TOKEN + uuid4().bytes
    if _hold(tenant_id, token, keys) is not None:
        transaction.on_commit(lambda: _attempt(lambda: _client().delete(*keys), untold=True), robust=True)


def forget_tenant(tenant_id: UUID) -> None:
    """Distrust everything cached of a tenant: a stage was renamed under all its customers. Call before the commit."""
    _refresh_by_generation(tenant_id)


def announce(tenant_id: UUID, versions: Mapping[UUID, int]) -> None:
    """Tell open pages, after the commit, which customers changed [AC-1]. Losing the message costs only time."""
    message = orjson.dumps({"changed": {str(customer_id): version for customer_id, version in versions.items()}})
    transaction.on_commit(
        lambda: _attempt(lambda: _client().publish(live_channel(tenant_id), message), untold=False), robust=True
    )


def live_channel(tenant_id: UUID | str) -> str:
    """The Redis channel on which a tenant's changes are announced."""
    return f"c360:live:{tenant_id}"


def _refresh_by_generation(tenant_id: UUID) -> None:
    def raise_generation(*, starting: bool) -> Callable[[], Any]:
        def send() -> Any:
            pipeline = _client().pipeline(transaction=True)
            pipeline.incr(_generation_key(tenant_id))
            if starting:
                # Until the commit readers would fill what is about to be outdated: they read without filling.
                pipeline.set(_bulk_key(tenant_id), b"1", ex=BULK_SECONDS)
            else:
                pipeline.delete(_bulk_key(tenant_id))
            return pipeline.execute()

        return send

    if outage.is_over() and _attempt(raise_generation(starting=True), untold=True) is not None:
        transaction.on_commit(lambda: _attempt(raise_generation(starting=False), untold=True), robust=True)
    else:
        # Before the commit nobody can be told; afterwards everything cached is distrusted.
        transaction.on_commit(outage.owe, robust=True)


def _hold(tenant_id: UUID, token: bytes, keys: list[str]) -> bytes | None:
    """Put the token in every key; the generation, or None when Redis could not be told."""
    generation: bytes | None = None
    if outage.is_over():
        generation = _attempt(
            lambda: _scripts().hold(
                keys=[GENERATION, _generation_key(tenant_id), *keys], args=[token, WRITER_TOKEN_SECONDS]
            ),
            untold=False,
        )
    if generation is None:
        transaction.on_commit(outage.owe, robust=True)
    return generation


def _fill(tenant_id: UUID, token: bytes, generation: bytes, entries: Mapping[str, tuple[str, bytes]]) -> Any:
    arguments: list[Any] = [token, generation]
    for part, value in entries.values():
        arguments += [int(LIFETIME[part].total_seconds()), value]
    return _scripts().fill(keys=[GENERATION, _generation_key(tenant_id), *entries], args=arguments)


def _attempt(call: Callable[[], Any], *, untold: bool) -> Any:
    try:
        return call()
    except RedisError as error:
        outage.note(error, untold=untold)
        return None


class _Scripts:
    def __init__(self, client: Any) -> None:
        self.hold = client.register_script(_HOLD)
        self.lease = client.register_script(_LEASE)
        self.fill = client.register_script(_FILL)


_registered: _Scripts | None = None


def _scripts() -> _Scripts:
    global _registered
    if _registered is None:
        _registered = _Scripts(_client())
    return _registered


def _client() -> Any:
    return get_redis_connection("default")


def _key(tenant_id: UUID, customer_id: UUID, part: str) -> str:
    return f"c360:{tenant_id}:{customer_id}:{part}"


def _generation_key(tenant_id: UUID) -> str:
    return f"c360:{tenant_id}:generation"


def _bulk_key(tenant_id: UUID) -> str:
    return f"c360:{tenant_id}:bulk"
