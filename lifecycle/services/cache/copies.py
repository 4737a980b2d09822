"""The cached parts of a customer in Redis [AR-4]: never an older value over a newer one, never an error.

Each customer has three parts: ``status`` and ``figures`` (together the summary view, 5 minutes) and ``profile``
(24 hours). A key holds either a value or a *token*. The rules that make it exact:

* A writer, while it holds the row lock of the part, replaces whatever is there by a token of its own (10 s). After the
  commit a status takes the token's place, but only if that very token is still there. The token says which version
  it will be, and never takes the place of a newer one, nor of a newer status: an older write can never overwrite a
  newer one, in whatever order the two reach Redis. So nobody waits for it: before the commit it is given to the
  kernel, which sends it even for a process that is killed, and it travels with the status when there is one soon.
* Figures and profile are only dropped; their token is waited for before the commit. Where a token is not there any
  more, what a reader has put instead is thrown out.
* A reader that misses puts a token (5 s) before it reads PostgreSQL, and its value too only replaces its own token. A
  reader that is slower than a writer finds another token, or none, and leaves the key alone.
* A crash between commit and refresh leaves a token, which nobody takes for a value; it is gone after 10 s.
* More than ``BULK`` customers at once raise the tenant's *generation* instead, before and after the commit: two round
  trips whatever the number. A value of another generation is a miss, and while a bulk change runs nobody fills. A
  writer names the generation that his process saw last before he committed; if it is another by then, nothing is put.
* The generation of everything has the database's identity in its name: after a restore from a backup nothing that was
  cached before is of the present generation, and nobody needs to empty Redis.
* The sum over all customers of a tenant carries the number of changes it was made after, and is a miss after the next.
* Redis gone: reads miss, writes go on. An invalidation that could not be told is remembered, and the generation of
  everything is raised before the cache is trusted again.
"""

import datetime as dt
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from lifecycle.services.cache import cache_keys
from lifecycle.services.cache.outage import Outage
from lifecycle.services.cache.scripts import READER, VALUE, WRITER, get_scripts
from storage import redis_line
from tenants.actors import as_text

STATUS, FIGURES, PROFILE = "status", "figures", "profile"
LIFETIME = {STATUS: dt.timedelta(minutes=5), FIGURES: dt.timedelta(minutes=5), PROFILE: dt.timedelta(hours=24)}
SUM_SECONDS = 300
WRITER_TOKEN_SECONDS = 10
READER_TOKEN_SECONDS = 5
BULK = 500
BULK_SECONDS = 60
MOST_TENANTS = 10_000

outage = Outage()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the cache held. ``fill`` gives it what it did not, if nobody wrote in between."""

    tenant_id: UUID
    customer_id: UUID
    values: Mapping[str, bytes | None]
    token: bytes | None = None
    generation: bytes = b""
    # That of the database which the reader asks: another one if the connection was lost in between.
    generation_key: str = ""

    def fill(self, values: Mapping[str, bytes]) -> None:
        """Offer values that were read from PostgreSQL after this reading began. One round trip."""
        if self.token is None or not values:
            return
        arguments: list[Any] = [self.token, self.generation]
        for part, value in values.items():
            arguments += [int(LIFETIME[part].total_seconds()), value]
        keys = [cache_keys.part_key(self.tenant_id, self.customer_id, part) for part in values]
        _attempt(
            lambda: get_scripts().fill(
                keys=[self.generation_key, cache_keys.generation_key(self.tenant_id), *keys], args=arguments
            ),
            untold=False,
        )

    def discard(self, part: str) -> None:
        """Throw out a value that turned out to be of no use; the next reader fills the place."""
        _attempt(lambda: _client().delete(cache_keys.part_key(self.tenant_id, self.customer_id, part)), untold=False)


def read(tenant_id: UUID, customer_id: UUID, *parts: str) -> Reading:
    """The cached bytes of each part, or None. One round trip on a hit, two on a miss, none while Redis is away."""
    keys = [cache_keys.part_key(tenant_id, customer_id, part) for part in parts]
    nothing = Reading(tenant_id, customer_id, dict.fromkeys(parts))
    if not outage.is_over():
        return nothing
    of_all, of_tenant = cache_keys.global_generation_key(), cache_keys.generation_key(tenant_id)
    found = _attempt(lambda: redis_line.call(_client(), "MGET", of_all, of_tenant, *keys), untold=False)
    if found is None:
        return nothing
    generation = found[0] + b"." + found[1] if found[0] and found[1] else b""
    if generation:
        _note_generation(of_all, of_tenant, generation)
    prefix = VALUE + generation + b"|"
    values = {
        part: raw[len(prefix) :] if generation and raw is not None and raw.startswith(prefix) else None
        for part, raw in zip(parts, found[2:], strict=True)
    }
    missing = [key for key, part in zip(keys, parts, strict=True) if values[part] is None]
    if not missing:
        return Reading(tenant_id, customer_id, values)
    token = READER + uuid4().bytes
    leased = _attempt(
        lambda: get_scripts().lease(
            keys=[of_all, of_tenant, cache_keys.bulk_key(tenant_id), *missing],
            args=[token, READER_TOKEN_SECONDS, generation],
        ),
        untold=False,
    )
    if leased:
        _note_generation(of_all, of_tenant, leased)
    return Reading(tenant_id, customer_id, values, token if leased else None, leased or b"", of_all)


@dataclass(frozen=True, slots=True)
class SumReading:
    """What the cache held of the sum over a tenant's customers; ``fill`` offers it anew."""

    tenant_id: UUID
    value: bytes | None
    stamp: bytes | None = None

    def fill(self, value: bytes) -> None:
        """Offer a sum that was read from PostgreSQL after this reading began. One round trip."""
        if self.stamp is not None:
            keys = [
                *cache_keys.stamp_keys(self.tenant_id),
                cache_keys.writing_key(self.tenant_id),
                cache_keys.bulk_key(self.tenant_id),
            ]
            arguments = [self.stamp, SUM_SECONDS, READER_TOKEN_SECONDS, value]
            _attempt(
                lambda: get_scripts().fill_sum(keys=[*keys, cache_keys.sum_key(self.tenant_id)], args=arguments),
                untold=False,
            )


def read_sum(tenant_id: UUID) -> SumReading:
    """The cached sum over the tenant's customers, or None. One round trip on a hit, two on a miss."""
    nothing = SumReading(tenant_id, None)
    if not outage.is_over():
        return nothing
    keys = cache_keys.stamp_keys(tenant_id)
    found = _attempt(lambda: redis_line.call(_client(), "MGET", *keys, cache_keys.sum_key(tenant_id)), untold=False)
    if found is None:
        return nothing
    *numbers, raw = found
    if raw is not None and all(numbers):
        prefix = VALUE + b".".join(numbers) + b"|"
        if raw.startswith(prefix):
            return SumReading(tenant_id, raw[len(prefix) :])
    return SumReading(tenant_id, None, _attempt(lambda: get_scripts().stamp(keys=keys, args=[]), untold=False))


def refresh_statuses(tenant_id: UUID, records: Sequence[Any]) -> None:
    """Refresh the status part of customers whose rows this transaction has locked and changed, and tell open pages.

    ``records`` are StatusRecords. Call before the commit; the values and the announcement [AC-1] follow it. Two
    messages to Redis, or three for more than BULK customers, whose answers nobody waits for. Losing the announcement
    costs only time: pages ask again by themselves.
    """
    if not records:
        return
    if len(records) > BULK:
        versions = {str(record.customer_id): record.version for record in records}
        _refresh_by_generation(tenant_id, message=orjson.dumps({"changed": versions}))
    elif outage.is_over():
        _Statuses(tenant_id, records).hold()
    else:
        # Nobody could be told; after the commit everything cached is distrusted.
        transaction.on_commit(outage.owe, robust=True)


def forget(tenant_id: UUID, customer_ids: Iterable[UUID], *parts: str) -> None:
    """Drop parts of customers whose rows this transaction has locked and changed, and tell open pages.

    The next reader fills them. Call before the commit; what is told follows it.
    """
    ids = [str(customer_id) for customer_id in customer_ids]
    keys = [cache_keys.part_key(tenant_id, customer_id, part) for customer_id in ids for part in parts]
    message = orjson.dumps({"changed": {}, "figures": ids})
    if len(keys) > BULK:
        _refresh_by_generation(tenant_id, message=message)
    elif keys:
        _drop(tenant_id, keys, message)


def forget_tenant(tenant_id: UUID) -> None:
    """Distrust everything cached of a tenant: the rules changed for all its customers. Call before the commit."""
    _refresh_by_generation(tenant_id, message=None)


class _Statuses:
    """Up to BULK statuses on their way: a token in each key now, after the commit the status in its place."""

    def __init__(self, tenant_id: UUID, records: Sequence[Any]) -> None:
        tenant = as_text(tenant_id)
        ids = [str(record.customer_id) for record in records]
        self._records = records
        self._token = b"%b.%d.%d" % (_PROCESS, os.getpid(), next(_numbers))
        self._stamp_keys = cache_keys.stamp_keys(tenant)
        self._keys = [f"c360:{tenant}:{customer_id}:{STATUS}" for customer_id in ids]
        self._writing_key = cache_keys.writing_key(tenant)
        self._channel = cache_keys.live_channel(tenant)
        versions = {customer_id: record.version for customer_id, record in zip(ids, records, strict=True)}
        self._message = orjson.dumps({"changed": versions})
        self._held_at = time.monotonic()

    def hold(self) -> None:
        """Before the commit. The token is with the kernel then, and need not have arrived."""
        try:
            of_all, of_tenant, _ = self._stamp_keys
            self._generation = _generations.get((of_all, of_tenant)) or _look_at_generation(of_all, of_tenant)
            get_scripts().hold_statuses.post(
                keys=[self._stamp_keys[-1], self._writing_key, *self._keys],
                args=[
                    self._token,
                    WRITER_TOKEN_SECONDS,
                    self._generation,
                    *[record.version for record in self._records],
                ],
                failed=_note_untold,
                more_follows=True,
            )
        except RedisError as error:
            outage.note(error, untold=False)
            transaction.on_commit(outage.owe, robust=True)
        else:
            transaction.on_commit(self._put, robust=True)

    def _put(self) -> None:
        seconds = int(LIFETIME[STATUS].total_seconds())
        arguments: list[Any] = [self._token, self._generation, self._channel, self._message, seconds]
        for record in self._records:
            arguments += [record.version, orjson.dumps(record._asdict(), option=orjson.OPT_UTC_Z)]
        keys = [*self._stamp_keys, *self._keys]
        put = get_scripts().put_statuses
        try:
            if time.monotonic() - self._held_at < WRITER_TOKEN_SECONDS / 2:
                put.post(keys=keys, args=arguments, failed=_note_untold, answered=self._note_generation)
            else:
                # The token may be gone, and an old status in its place: whether that is thrown out must be known.
                self._note_generation(put(keys=keys, args=arguments))
        except RedisError as error:
            _note_untold(error)

    def _note_generation(self, generation: bytes) -> None:
        of_all, of_tenant, _ = self._stamp_keys
        _note_generation(of_all, of_tenant, generation)


def _look_at_generation(of_all: str, of_tenant: str) -> bytes:
    generation: bytes = get_scripts().look(keys=[of_all, of_tenant], args=[])
    _note_generation(of_all, of_tenant, generation)
    return generation


def _note_generation(of_all: str, of_tenant: str, generation: bytes) -> None:
    """Remember the generation that was in force just now."""
    if len(_generations) >= MOST_TENANTS and (of_all, of_tenant) not in _generations:
        _generations.clear()
    _generations[of_all, of_tenant] = generation


def _note_untold(error: RedisError) -> None:
    outage.note(error, untold=True)


def _drop(tenant_id: UUID, keys: Sequence[str], message: bytes) -> None:
    """A token in each key now; after the commit nothing."""
    token = WRITER + uuid4().bytes
    stamp_keys = cache_keys.stamp_keys(tenant_id)
    held = None
    if outage.is_over():
        held = _attempt(
            lambda: get_scripts().hold(
                keys=[*stamp_keys, cache_keys.writing_key(tenant_id), *keys], args=[token, WRITER_TOKEN_SECONDS]
            ),
            untold=False,
        )
    if held is None:
        # Before the commit nobody could be told; afterwards everything cached is distrusted.
        transaction.on_commit(outage.owe, robust=True)
        return
    transaction.on_commit(
        lambda: _attempt(
            lambda: get_scripts().drop(
                keys=[stamp_keys[-1], *keys], args=[token, cache_keys.live_channel(tenant_id), message]
            ),
            untold=True,
        ),
        robust=True,
    )


def _refresh_by_generation(tenant_id: UUID, *, message: bytes | None) -> None:
    keys = [cache_keys.generation_key(tenant_id), cache_keys.bulk_key(tenant_id)]
    name = uuid4().bytes

    def bump(*arguments: Any) -> Any:
        return _attempt(lambda: get_scripts().bump(keys=keys, args=[name, *arguments]), untold=True)

    if outage.is_over() and bump(BULK_SECONDS) is not None:
        transaction.on_commit(bump, robust=True)
    else:
        transaction.on_commit(outage.owe, robust=True)
    if message is not None:
        transaction.on_commit(
            lambda: _attempt(lambda: _client().publish(cache_keys.live_channel(tenant_id), message), untold=False),
            robust=True,
        )


def _attempt(call: Callable[[], Any], *, untold: bool) -> Any:
    try:
        return call()
    except RedisError as error:
        outage.note(error, untold=untold)
        return None


# Every token is another one, a forked child's too.
_PROCESS = os.urandom(12)
_numbers = itertools.count()
# The generation of each tenant that this process saw last, by the keys that make it up.
_generations: dict[tuple[str, str], bytes] = {}


def _client() -> Any:
    return get_redis_connection("default")
