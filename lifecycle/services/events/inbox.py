"""The inbox: which events of a tenant were dealt with, and which wait for their customer.

Every function works in the caller's transaction and the tenant's context, in one statement whatever the number.
"""

import base64
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from audit.services.message_encryption import decrypt_message, encrypt_message
from lifecycle.rules.envelopes import Event, Headers, Message, Received
from storage.cursors import insert_rows, plain_array, prepared_cursor, text_array
from storage.periods import turn_periods

Identity = tuple[str, str]

# Rows are filed by period (``storage.periods``): the key holds within the present one, and the look at all periods for
# the others. No one else writes under a former period any more, since this statement looks after it has the table.
# One look into the key of each period: as a join the planner may read whole periods instead.
_IS_NEW: Final = """
(SELECT true FROM lifecycle_inboxevent e
  WHERE e.tenant_id = %(tenant_id)s::uuid AND e.source = i.source AND e.event_id = i.event_id LIMIT 1) IS NULL
"""
# Sorted, so that two consumers with overlapping batches queue up instead of deadlocking.
_CLAIM: Final = f"""
INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)
SELECT %(tenant_id)s::uuid, source, event_id, type, 'applied', %(now)s::timestamptz
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(types)s::text[]) AS i(source, event_id, type)
 WHERE {_IS_NEW}
 ORDER BY source, event_id
    ON CONFLICT (tenant_id, source, event_id, period) {{conflict}}
RETURNING source, event_id
"""  # noqa: S608  constants
CLAIM: Final = _CLAIM.format(conflict="DO NOTHING")
_CLAIM_NEW: Final = _CLAIM.format(
    conflict="DO UPDATE SET outcome = 'applied', received_at = EXCLUDED.received_at"
    " WHERE lifecycle_inboxevent.outcome = 'dead'"
)
# What is taken again goes to the present period: it is remembered from now on.
CLAIM_DEAD: Final = f"""
WITH dead AS (
    SELECT e.source, e.event_id
      FROM unnest(%(sources)s::text[], %(event_ids)s::text[]) AS i(source, event_id)
      JOIN lifecycle_inboxevent e
        ON e.tenant_id = %(tenant_id)s::uuid AND e.source = i.source AND e.event_id = i.event_id AND e.outcome = 'dead'
     ORDER BY e.source, e.event_id FOR UPDATE OF e
), again AS (
    UPDATE lifecycle_inboxevent e SET outcome = 'applied', received_at = %(now)s::timestamptz, period = DEFAULT
      FROM dead
     WHERE e.tenant_id = %(tenant_id)s::uuid AND e.source = dead.source AND e.event_id = dead.event_id
    RETURNING e.source, e.event_id
), fresh AS ({_CLAIM_NEW})
SELECT source, event_id FROM again UNION ALL SELECT source, event_id FROM fresh
"""  # noqa: S608  constants
SETTLE: Final = """
UPDATE lifecycle_inboxevent e SET outcome = i.outcome
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(outcomes)s::text[]) AS i(source, event_id, outcome)
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.source = i.source AND e.event_id = i.event_id
"""
# Of a message that was still parked when its bytes could not be read, so that its identity was not known.
REOPEN: Final = """
UPDATE lifecycle_inboxevent SET outcome = 'dead'
 WHERE tenant_id = %(tenant_id)s::uuid AND source = %(source)s AND event_id = %(event_id)s AND outcome = 'parked'
"""
KNOWN: Final = """
SELECT ARRAY(SELECT external_id FROM lifecycle_customer
              WHERE tenant_id = %(tenant_id)s::uuid AND external_id = ANY(%(external_ids)s::text[])),
       EXISTS (SELECT FROM lifecycle_parkedevent WHERE tenant_id = %(tenant_id)s::uuid),
       (SELECT emptied_at FROM tenants_tenant WHERE id = %(tenant_id)s::uuid)
"""
# Of events with the reset of a sandbox (``services.demo.sandboxes``), which takes it alone.
EVENTS_TURN: Final = "hashtextextended('events of sandbox:' || %(tenant_id)s::text, 0)"
PARK: Final = insert_rows(
    "lifecycle_parkedevent",
    (
        *("id", "tenant_id", "external_id", "topic", "partition", "offset", "occurred_at", "key", "value", "headers"),
        *("parked_at", "expires_at"),
    ),
)
# Locked in id order, like everything that several consumers may want at once. An array, because a subquery behind IN
# may be run again for the rows that it is joined with, and would then take more than its limit.
TAKE_FOR_CUSTOMERS: Final = """
DELETE FROM lifecycle_parkedevent
 WHERE id = ANY(ARRAY(SELECT p.id FROM lifecycle_parkedevent p
                       WHERE p.tenant_id = %(tenant_id)s::uuid AND p.external_id = ANY(%(external_ids)s::text[])
                       ORDER BY p.id LIMIT 5000 FOR UPDATE))
RETURNING id, topic, partition, "offset", key, value, headers
"""
_IS_EXPLAINED: Final = """
EXISTS (SELECT FROM lifecycle_customer c WHERE c.tenant_id = p.tenant_id AND c.external_id = p.external_id)
"""
FIND_DUE: Final = f"""
SELECT p.id FROM lifecycle_parkedevent p
 WHERE p.tenant_id = %(tenant_id)s::uuid AND p.id <> ALL(%(skip)s::uuid[])
   AND (p.expires_at <= %(now)s::timestamptz OR {_IS_EXPLAINED})
 ORDER BY p.id LIMIT 5000
"""  # noqa: S608  constants
# Which of them a customer explains is read in the same statement.
TAKE_DUE: Final = f"""
WITH due AS (
    SELECT p.id, {_IS_EXPLAINED} AS is_explained FROM lifecycle_parkedevent p
     WHERE p.tenant_id = %(tenant_id)s::uuid AND p.id = ANY(%(ids)s::uuid[])
     ORDER BY p.id FOR UPDATE OF p SKIP LOCKED
)
DELETE FROM lifecycle_parkedevent p USING due
 WHERE p.tenant_id = %(tenant_id)s::uuid AND p.id = due.id
RETURNING p.id, topic, partition, "offset", key, value, headers, is_explained
"""  # noqa: S608  constants


def await_reset(tenant_id: UUID) -> None:
    """Let no reset of the sandbox begin before the end of this transaction, and wait for one that has begun.

    First of all that is locked: an event is then dealt with wholly before a reset, and goes with the rest, or after it.
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({EVENTS_TURN})", {"tenant_id": tenant_id})


def claim(
    tenant_id: UUID, events: Mapping[Identity, str], *, now: dt.datetime, replaying: bool = False
) -> set[Identity]:
    """Take events (identity -> type) that were not dealt with yet; those that were not taken are duplicates.

    With ``replaying`` an event that is recorded as dead may be taken again; an applied one never.
    """
    identities = list(events)
    with prepared_cursor("default") as cursor:
        cursor.execute(
            CLAIM_DEAD if replaying else CLAIM,
            {
                "tenant_id": tenant_id,
                "now": now,
                "sources": text_array([source for source, _ in identities]),
                "event_ids": text_array([event_id for _, event_id in identities]),
                "types": text_array(events.values()),
            },
        )
        return {(source, event_id) for source, event_id in cursor.fetchall()}


def settle(tenant_id: UUID, outcomes: Mapping[Identity, str]) -> None:
    """Record what became of events that were claimed."""
    if not outcomes:
        return
    identities = list(outcomes)
    with prepared_cursor("default") as cursor:
        cursor.execute(
            SETTLE,
            {
                "tenant_id": tenant_id,
                "sources": text_array([source for source, _ in identities]),
                "event_ids": text_array([event_id for _, event_id in identities]),
                "outcomes": text_array(outcomes.values()),
            },
        )


def reopen(tenant_id: UUID, identity: Identity) -> None:
    """Let a replay take an event that is recorded as parked and lies in a dead letter."""
    with prepared_cursor("default") as cursor:
        cursor.execute(REOPEN, {"tenant_id": tenant_id, "source": identity[0], "event_id": identity[1]})


def find_known(tenant_id: UUID, external_ids: Collection[str]) -> tuple[set[str], bool, dt.datetime | None]:
    """Which of the customers exist, whether the tenant has any parked event at all, and since when it is as it is
    (sandboxes).
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(KNOWN, {"tenant_id": tenant_id, "external_ids": text_array(external_ids)})
        known, has_parked, emptied_at = cursor.fetchone()
    return set(known), has_parked, emptied_at


def park(tenant_id: UUID, waiting: Sequence[Received], *, now: dt.datetime, until: dt.datetime) -> None:
    """Keep events until their customer is created, or until the time limit."""
    rows = []
    for received in waiting:
        message, event = received.message, received.event
        assert isinstance(event, Event)  # noqa: S101  only events name a customer to wait for
        row_id = uuid7()
        rows.append(
            {
                "id": row_id,
                "tenant_id": tenant_id,
                "external_id": event.external_id,
                "topic": message.topic,
                "partition": message.partition,
                "offset": message.offset,
                "occurred_at": event.time,
                "key": as_bytea(message.key),
                "value": as_bytea(encrypt_message(message.value or b"", tenant_id=tenant_id, row_id=row_id)),
                "headers": encode_headers(message.headers),
                "parked_at": now,
                "expires_at": until,
            }
        )
    with prepared_cursor("default") as cursor:
        cursor.execute(PARK, {"rows": as_json(rows)})


@dataclass(frozen=True, slots=True)
class Due:
    """A parked event whose wait is over. ``encrypted`` are its bytes as they lay; ``open`` gives the message."""

    id: UUID
    place: tuple[str, int, int]
    key: bytes | None
    encrypted: bytes
    headers: Any
    is_explained: bool

    def open(self, tenant_id: UUID) -> Message:
        """The message as it came, without headers that cannot be read. Raises Undecryptable."""
        value = decrypt_message(self.encrypted, tenant_id=tenant_id, row_id=self.id)
        return Message(*self.place, self.key, value, self.open_headers())

    def open_headers(self) -> Headers:
        """Its headers, or none when they cannot be read."""
        try:
            return decode_headers(orjson.loads(self.headers) if isinstance(self.headers, str) else self.headers)
        except (ValueError, TypeError):
            return ()


def take_parked(tenant_id: UUID, external_ids: Collection[str]) -> list[Message]:
    """Take the parked messages of customers that exist now, or are about to; in no particular order."""
    with prepared_cursor("default") as cursor:
        cursor.execute(TAKE_FOR_CUSTOMERS, {"tenant_id": tenant_id, "external_ids": text_array(external_ids)})
        rows = cursor.fetchall()
    return [_as_due(*row, is_explained=True).open(tenant_id) for row in sorted(rows, key=lambda row: row[0])]


def find_due(tenant_id: UUID, *, now: dt.datetime, skip: Collection[UUID] = ()) -> list[UUID]:
    """The parked events whose customer was made by another entry point, or whose time limit is over; the oldest first,
    up to 5,000.
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(FIND_DUE, {"tenant_id": tenant_id, "now": now, "skip": plain_array(skip)})
        return [row_id for (row_id,) in cursor.fetchall()]


def take_due(tenant_id: UUID, ids: Collection[UUID]) -> list[Due]:
    """Take these parked events, except those another consumer is taking; in the order of their ids."""
    with prepared_cursor("default") as cursor:
        cursor.execute(TAKE_DUE, {"tenant_id": tenant_id, "ids": plain_array(ids)})
        rows = cursor.fetchall()
    return [_as_due(*row[:-1], is_explained=row[-1]) for row in sorted(rows, key=lambda row: row[0])]


def forget(*, remembered: dt.timedelta) -> int:
    """Drop the periods whose events came longer ago than that, and begin the next one when it is time; how many were
    dropped. Call outside of any transaction.

    An event cannot be delivered again by then: the log has dropped it. It is remembered for up to a third longer, for
    each claim looks into every period.
    """
    return turn_periods("lifecycle_inboxevent", every=remembered / 3, kept=remembered, using="default")


def _as_due(
    row_id: UUID, topic: str, partition: int, offset: int, key: Any, value: Any, headers: Any, *, is_explained: bool
) -> Due:
    place = (topic, partition, offset)
    return Due(row_id, place, None if key is None else bytes(key), bytes(value), headers, is_explained)


def encode_headers(headers: Headers) -> list[list[str | None]]:
    """Headers as JSON: their values are arbitrary bytes, or nothing."""
    return [[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers]


def decode_headers(encoded: Iterable[Sequence[Any]]) -> Headers:
    """The headers that ``encode_headers`` wrote."""
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in encoded)


def as_bytea(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them from JSON text."""
    return None if value is None else "\\x" + value.hex()


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows for ``insert_rows``."""
    return orjson.dumps(list(rows)).decode()
