"""The outbox as the relay sees it: over the ``relay`` connection, whose role may mark and clear rows of every tenant.

Everything runs on one database session: the one that holds the leader's lock. When it breaks, the lock is gone and
nothing can be marked any more, so a relay that was cut off can never mark behind the back of its successor.
"""

import datetime as dt
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from django.db import connections

from audit.services.chain import COLUMNS
from audit.services.message_encryption import decrypt_message
from audit.services.relay_notification import CHANNEL
from lifecycle.rules.envelopes import Headers
from lifecycle.services.events.dead_letters import ID_HEADER, OMITTED_HEADER
from lifecycle.services.events.inbox import decode_headers
from storage.cipher import Undecryptable
from storage.cursors import plain_array, text_array
from storage.periods import turn_periods
from tenants.services.directory import list_slugs

log = structlog.get_logger(__name__)

RELAY: Final = "relay"
# Any fixed number will do; this one spells "relay".
LEADER_LOCK: Final = 0x72656C6179

# What goes out of a history row: all that its hash covers, but for the tenant (named by its slug), the note (no one's
# business outside) and the row before.
HISTORY_COLUMNS: Final = tuple(column for column in COLUMNS if column not in {"tenant_id", "note", "previous_hash"})
# By published_at alone, never by "id greater than the last": ids are given before commit, and one that was given
# early may become visible late.
# Each topic that has pending rows, by one look into the index.
_TOPICS: Final = """
topics AS (
    (SELECT topic FROM audit_outbox WHERE published_at IS NULL ORDER BY topic LIMIT 1)
    UNION ALL
    SELECT (SELECT o.topic FROM audit_outbox o
             WHERE o.published_at IS NULL AND o.topic > t.topic ORDER BY o.topic LIMIT 1)
      FROM topics t WHERE t.topic IS NOT NULL
)
"""
# The pending rows of one topic of ``topics t``, oldest first. Said as a range over (topic, id), which the partial index
# alone has in this order: with ``topic = t.topic ORDER BY id`` a planner that expects many pending rows walks the
# primary key instead, over all that is published and over the whole backlog of a held topic.
_OF_TOPIC: Final = """
p.published_at IS NULL AND (p.topic, p.id) > (t.topic, 0) AND p.topic <= t.topic
"""
# Topic by topic, so that the rows of one that is held are not walked over each time.
PENDING: Final = f"""
WITH RECURSIVE {_TOPICS}
SELECT o.id, o.period, o.tenant_id, o.topic, o.key, o.payload, o.headers, o.created_at,
       {", ".join(f"h.{column}" for column in HISTORY_COLUMNS)}
  FROM (SELECT topic FROM topics WHERE topic <> ALL(%(held)s::text[])) t
 CROSS JOIN LATERAL (
        SELECT id, period, tenant_id, topic, key, payload, headers, created_at, history_id FROM audit_outbox p
         WHERE {_OF_TOPIC} AND p.id <> ALL(%(skip)s::bigint[])
         ORDER BY p.topic, p.id LIMIT %(limit)s
       ) o
  LEFT JOIN customer_lifecycle_history h ON h.tenant_id = o.tenant_id AND h.id = o.history_id
 ORDER BY o.id
"""  # noqa: S608  column names from above
# Most are of the present period; without it each id would be looked for in every one.
MARK: Final = """
UPDATE audit_outbox SET published_at = clock_timestamp()
 WHERE id = ANY(%(ids)s::bigint[]) AND period = ANY(%(periods)s::timestamptz[])
"""
MEASURE: Final = f"""
WITH RECURSIVE {_TOPICS}
SELECT (SELECT count(*) FROM (SELECT FROM audit_outbox WHERE published_at IS NULL LIMIT 1000000) pending),
       (SELECT max(extract(epoch FROM clock_timestamp() - o.created_at)::float8)
          FROM topics t CROSS JOIN LATERAL (SELECT created_at FROM audit_outbox p
                WHERE {_OF_TOPIC} ORDER BY p.topic, p.id LIMIT 1) o)
"""  # noqa: S608  constants
# What announced the history of a sandbox before it was reset has nothing to say any more.
REPUBLISH: Final = """
UPDATE audit_outbox SET published_at = NULL
 WHERE id IN (SELECT id FROM audit_outbox o
               WHERE published_at IS NOT NULL AND created_at >= %(since)s AND id > %(after)s
                 AND (%(topic)s::text IS NULL OR topic = %(topic)s)
                 AND (history_id IS NULL OR EXISTS (
                         SELECT FROM customer_lifecycle_history h
                          WHERE h.tenant_id = o.tenant_id AND h.id = o.history_id))
               ORDER BY id LIMIT 10000)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Pending:
    """One message to publish. ``history`` is the row it announces, by column; else ``value`` holds its bytes."""

    id: int
    period: dt.datetime
    tenant_id: UUID | None
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    created_at: dt.datetime
    history: Mapping[str, Any] | None


def acquire_leadership() -> bool:
    """Try to become the one relay that publishes; False while another session holds the lock."""
    with connections[RELAY].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
        return bool(cursor.fetchone()[0])


def release_leadership() -> None:
    """Let the next relay acquire it. The lock also goes when the session ends."""
    with connections[RELAY].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LEADER_LOCK])


def listen() -> None:
    """Ask to be woken by commits."""
    with connections[RELAY].cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")


def wait_for_commit(seconds: float) -> bool:
    """Sleep until a commit is announced, or for so long; whether one was."""
    connection = connections[RELAY]
    connection.ensure_connection()
    woken = False
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
            woken = True
    return woken


def fetch_pending(limit: int, *, skip: Collection[int], held: Collection[str] = ()) -> list[Pending]:
    """The next messages that are not published, in id order, but for those on their way already; up to ``limit`` of
    each topic that is not held. One statement.
    """
    with connections[RELAY].cursor() as cursor:
        cursor.execute(PENDING, {"skip": plain_array(skip), "held": text_array(held), "limit": limit})
        rows = cursor.fetchall()
    return [_as_pending(row) for row in rows]


def mark_published(delivered: Collection[Pending]) -> None:
    """Note that the broker has them."""
    periods = sorted({pending.period for pending in delivered})
    with connections[RELAY].cursor() as cursor:
        cursor.execute(MARK, {"ids": plain_array(pending.id for pending in delivered), "periods": periods})


def forget_published(*, kept: dt.timedelta) -> int:
    """Drop the periods that ended longer ago than that, if all of them was published before then too, and begin the
    next one when it is time; how many were dropped.
    """
    return turn_periods("audit_outbox", every=kept / 4, kept=kept, using=RELAY)


def measure() -> tuple[int, float]:
    """How many messages wait (counted up to a million), and for how many seconds the oldest has."""
    with connections[RELAY].cursor() as cursor:
        cursor.execute(MEASURE)
        count, age = cursor.fetchone()
    return count, age or 0.0


def republish(*, since: dt.datetime, topic: str | None = None) -> int:
    """Make published rows that were written since then pending again, in batches; how many."""
    total, after = 0, 0
    while True:
        with connections[RELAY].cursor() as cursor:
            cursor.execute(REPUBLISH, {"since": since, "after": after, "topic": topic})
            ids = [id_ for (id_,) in cursor.fetchall()]
        if not ids:
            return total
        total, after = total + len(ids), max(ids)


class Slugs:
    """Tenant id -> slug, kept for a while."""

    KEPT_SECONDS: Final = 60.0

    def __init__(self) -> None:
        self._slugs: dict[UUID, str] = {}
        self._until = 0.0

    def of(self, tenant_id: UUID | None) -> str:
        """The tenant's slug, '' for none."""
        if tenant_id is None:
            return ""
        now = time.monotonic()
        if now >= self._until or tenant_id not in self._slugs:
            self._slugs = list_slugs()
            self._until = now + self.KEPT_SECONDS
        return self._slugs.setdefault(tenant_id, "")


def _as_pending(row: tuple[Any, ...]) -> Pending:
    id_, period, tenant_id, topic, key, payload, headers, created_at, *history = row
    decoded = decode_headers(orjson.loads(headers) if isinstance(headers, str) else headers or ())
    value = None if payload is None else bytes(payload)
    dead_letter_id = next((header for name, header in reversed(decoded) if name == ID_HEADER), None)
    if value is not None and dead_letter_id is not None:
        try:
            value = decrypt_message(value, tenant_id=tenant_id, row_id=UUID(dead_letter_id.decode()))
        except Undecryptable as error:
            # One dead letter must not hold up everything behind it. Its error goes out; its bytes are in the table.
            log.error("dead letter cannot be decrypted", dead_letter=dead_letter_id.decode(), reason=str(error))
            value, decoded = None, (*decoded, (OMITTED_HEADER, b"undecryptable"))
    return Pending(
        id=id_,
        period=period,
        tenant_id=tenant_id,
        topic=topic,
        key=None if key is None else bytes(key),
        value=value,
        headers=decoded,
        created_at=created_at,
        history=dict(zip(HISTORY_COLUMNS, history, strict=True)) if history[0] is not None else None,
    )
