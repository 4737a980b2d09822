"""The copies of a tenant's customers in Redis [AR-4]: never an older one over a newer one, never an error.

Each customer has three parts: ``status`` and ``figures`` (together the summary view, 5 minutes) and ``profile`` (24
hours). What each was made from says its version, and ``storage.copies`` keeps the newest:

* of a status the configuration that was live and the version of the status row. A new configuration may rename stages,
  so a status of another one than the live one is a miss; the number of the live one is a copy itself.
* of figures and profile the versions of the rows of customer, billing and support, added up.
* of the totals over a tenant a count of its changes, which each writer raises, and the relay again when it first meets
  the change. Totals of another count are a miss.

A writer does nothing before the commit. After it, it puts the new status there, or a marker over what has to be read
again, and notifies open pages. A writer that dies in between, or cannot reach Redis, is covered by the relay: it sees
every change that was committed (``stale``, and the outbox for statuses) and puts a marker over whatever is older.

Redis away: reads miss, writes go on, and a process that missed an invalidation trusts nothing until it has flushed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import transaction
from redis.exceptions import RedisError

from lifecycle.services.cache import stale
from lifecycle.services.cache.cache_keys import configuration_key, count_key, live_channel, part_key, totals_key
from storage import copies
from storage.copies import Copy, Held, News
from storage.redis import ask

STATUS, FIGURES, PROFILE, CONFIGURATION = "status", "figures", "profile", "configuration"
LIFETIME: Final = {STATUS: 300, FIGURES: 300, PROFILE: 24 * 3600, CONFIGURATION: 24 * 3600}
TOTALS_SECONDS: Final = 300
# Of more customers at once only the markers are put there.
BULK: Final = 500
VERSIONS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Reading:
    """What the cache held. ``configuration`` is the number of the live one; without it every value is None."""

    tenant_id: UUID
    customer_id: UUID
    values: Mapping[str, bytes | None]
    configuration: int
    held: Held

    def offer(self, configuration: int, **values: tuple[int, bytes]) -> None:
        """Keep what was read from PostgreSQL after this reading: of each part its version and value. One round trip.

        ``configuration`` is the one that was live when the status was read.
        """
        found = [_configuration(self.tenant_id, configuration)]
        for part, (version, value) in values.items():
            version = version if part != STATUS else _status_version(configuration, version)
            found.append(Copy(part_key(self.tenant_id, self.customer_id, part), version, LIFETIME[part], value))
        self.held.offer(found)


def keys_of(tenant_id: UUID, customer_id: UUID, *parts: str) -> list[str]:
    """The keys that ``read`` looks at, to be fetched together with something else."""
    # The texts once: they are made twice for each cached answer.
    tenant, customer = str(tenant_id), str(customer_id)
    return [configuration_key(tenant), *[part_key(tenant, customer, part) for part in parts]]


def read(tenant_id: UUID, customer_id: UUID, *parts: str, held: Held | None = None) -> Reading:
    """The cached bytes of each part, or None. One round trip, none while Redis is away or with what was ``held``."""
    keys = keys_of(tenant_id, customer_id, *parts)
    if held is None or not held.raw.keys() >= set(keys):
        held = copies.read(keys)
    live = held.found.get(keys[0])
    configuration = live.version if live else 0
    values: dict[str, bytes | None] = dict.fromkeys(parts)
    for part, key in zip(parts, keys[1:], strict=True):
        kept = held.found.get(key)
        if kept and live and (part != STATUS or kept.version // VERSIONS == configuration):
            values[part] = kept.body
    return Reading(tenant_id, customer_id, values, configuration, held)


@dataclass(frozen=True, slots=True)
class TotalsReading:
    """What the cache held of the totals over a tenant; ``offer`` keeps what was read from PostgreSQL after it."""

    key: str
    value: bytes | None
    count: int
    held: Held

    def offer(self, value: bytes) -> None:
        """Keep totals. One round trip."""
        if self.count:
            self.held.offer([Copy(self.key, self.count, TOTALS_SECONDS, value)])


def read_totals(tenant_id: UUID, *of: str) -> TotalsReading:
    """The cached totals over the tenant's customers, or None. One round trip; a second where there is no count yet.

    ``of``: what others are of than the totals of the tenant, which are as many and as old as these.
    """
    key, counted = totals_key(tenant_id, *of), count_key(tenant_id)
    held = copies.read([counted, key])
    count, kept = int(held.raw.get(counted) or 0), held.found.get(key)
    if kept and kept.version == count:
        return TotalsReading(key, kept.body, count, held)
    if held.epoch and not count:
        # Never at a constant: a count that was lost must not return to a number that totals were kept under.
        first = time.time_ns() // 1000
        try:
            count = int(ask(lambda client: client.set(counted, first, nx=True, get=True)) or first)
        except RedisError:
            count = 0
    return TotalsReading(key, None, count, held)


def refresh_statuses(tenant_id: UUID, records: Sequence[Any], *, configuration: int) -> None:
    """Refresh the status of customers that this transaction has changed, and notify open pages, after its commit.

    ``records`` are StatusRecords, ``configuration`` the one that judged them. One round trip for up to 2,500 customers.
    Losing the announcement costs only time: pages ask again by themselves.
    """
    if not records:
        return
    epoch, began = copies.last_epoch(), time.monotonic()

    def put() -> None:
        # A writer that was held up for longer may have been overtaken by more than the cache remembers.
        is_in_time = time.monotonic() - began < copies.OFFER_WITHIN_SECONDS
        with_values = is_in_time and len(records) <= BULK
        # Of ten thousand customers each text is made once: it is a third of what this takes.
        tenant, changed = str(tenant_id), {str(record.customer_id): record.version for record in records}
        found = [
            Copy(
                part_key(tenant, text, STATUS),
                _status_version(configuration, record.version),
                LIFETIME[STATUS],
                orjson.dumps(record._asdict(), option=orjson.OPT_UTC_Z) if with_values else b"",
            )
            for text, record in zip(changed, records, strict=True)
        ]
        _keep(found, _news(tenant_id, {"changed": changed}), epoch=epoch)

    transaction.on_commit(put, robust=True)


def forget_profiles(tenant_id: UUID, customer_ids: Sequence[UUID]) -> None:
    """Have figures and profile of customers whose rows this transaction has changed read again, and tell open pages.

    Call within the tenant's context, before the commit; Redis hears after it. One statement, one round trip for up
    to 1,250 customers.
    """
    if not customer_ids:
        return
    versions = stale.note_profiles(tenant_id, customer_ids)
    news = _news(tenant_id, {"changed": {}, "figures": list(versions)})
    transaction.on_commit(lambda: _keep(_profile_markers(tenant_id, versions), news), robust=True)


def forget_customers(tenant_id: UUID) -> None:
    """Have nothing that was kept of the tenant's customers be read any more: this transaction deletes them all.

    Call within the tenant's context, before they are deleted, and publish a configuration besides, which is what
    statuses are known by. Redis hears after the commit. One statement, one round trip for up to 1,250 customers.
    """
    versions = stale.note_all_profiles(tenant_id)
    news = _news(tenant_id, {"changed": {}, "figures": list(versions)})
    transaction.on_commit(lambda: _keep(_profile_markers(tenant_id, versions), news), robust=True)


def refresh_configuration(tenant_id: UUID, version: int) -> None:
    """Another configuration is live: every status of the tenant is read again. One statement, before the commit."""
    stale.note_configuration(tenant_id, version)
    epoch = copies.last_epoch()
    transaction.on_commit(
        lambda: _keep([_configuration(tenant_id, version)], News(count_key(tenant_id)), epoch=epoch), robust=True
    )


def drop_older(change: stale.Change, *, using: str) -> bool:
    """Put markers over whatever is older than a change that was committed; False when Redis is away.

    Totals are read again, whatever was held, for a change that is met for the first time. Anything older means that the
    writer did not get this far: open pages are notified now.
    """
    tenant_id = change.tenant_id
    markers = [
        Copy(part_key(tenant_id, customer_id, STATUS), _status_version(*status), copies.MARKER_SECONDS)
        for customer_id, status in change.statuses.items()
    ]
    markers += _profile_markers(tenant_id, change.profiles)
    if change.configuration:
        markers.append(Copy(configuration_key(tenant_id), change.configuration, copies.MARKER_SECONDS))
    changed = {customer_id: version for customer_id, (_, version) in change.statuses.items()}
    news = _news(tenant_id, {"changed": changed, "figures": list(change.profiles)})
    return copies.keep(markers, news=news._replace(is_first=change.is_first), using=using) is not None


def _keep(found: Sequence[Copy], news: News, *, epoch: bytes = b"") -> None:
    if copies.keep(found, epoch=epoch, news=news) is None:
        copies.note_missed_invalidation()


def _news(tenant_id: UUID, message: Mapping[str, Any]) -> News:
    return News(count_key(tenant_id), live_channel(tenant_id), orjson.dumps(message))


def _configuration(tenant_id: UUID, version: int) -> Copy:
    return Copy(configuration_key(tenant_id), version, LIFETIME[CONFIGURATION], b"live")


def _profile_markers(tenant_id: UUID, versions: Mapping[str, int]) -> list[Copy]:
    return [
        Copy(part_key(tenant_id, customer_id, part), version, copies.MARKER_SECONDS)
        for customer_id, version in versions.items()
        for part in (FIGURES, PROFILE)
    ]


def _status_version(configuration: int, version: int) -> int:
    """One number for both: a later configuration is newer than any status before it."""
    return configuration * VERSIONS + version
