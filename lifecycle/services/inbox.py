"""The inbox: which events of a tenant were dealt with, and which wait for their customer.

Every function works in the caller's transaction and the tenant's context, in one statement whatever the number.
"""

import base64
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from audit.cursors import insert_rows, prepared_cursor, text_array
from audit.services.sealing import seal, unseal
from lifecycle.rules.envelopes import Event, Headers, Message, Received

Identity = tuple[str, str]

# Sorted, so that two consumers with overlapping batches queue up instead of deadlocking.
_CLAIM: Final = """
INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)
SELECT %(tenant_id)s::uuid, source, event_id, type, 'applied', %(now)s::timestamptz
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(types)s::text[]) AS i(source, event_id, type)
 ORDER BY source, event_id
    ON CONFLICT (tenant_id, source, event_id) {conflict}
RETURNING source, event_id
"""
CLAIM: Final = _CLAIM.format(conflict="DO NOTHING")
CLAIM_DEAD: Final = _CLAIM.format(
    conflict="DO UPDATE SET outcome = 'applied', received_at = EXCLUDED.received_at"
    " WHERE lifecycle_inboxevent.outcome = 'dead'"
)
SETTLE: Final = """
UPDATE lifecycle_inboxevent e SET outcome = i.outcome
  FROM unnest(%(sources)s::text[], %(event_ids)s::text[], %(outcomes)s::text[]) AS i(source, event_id, outcome)
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.source = i.source AND e.event_id = i.event_id
"""
KNOWN: Final = """
SELECT ARRAY(SELECT external_id FROM lifecycle_customer
              WHERE tenant_id = %(tenant_id)s::uuid AND external_id = ANY(%(external_ids)s::text[])),
       EXISTS (SELECT FROM lifecycle_parkedevent WHERE tenant_id = %(tenant_id)s::uuid)
"""
PARK: Final = insert_rows(
    "lifecycle_parkedevent",
    (
        *("id", "tenant_id", "external_id", "topic", "partition", "offset", "occurred_at", "key", "value", "headers"),
        *("parked_at", "expires_at"),
    ),
)
# Locked in id order, like everything that several consumers may want at once. An array, because a subquery behind IN
# may be run again for the rows that it is joined with, and would then take more than its limit.
_TAKE: Final = """
DELETE FROM lifecycle_parkedevent
 WHERE id = ANY(ARRAY(SELECT p.id FROM lifecycle_parkedevent p
                       WHERE p.tenant_id = %(tenant_id)s::uuid AND {which}
                       ORDER BY p.id LIMIT 5000 FOR UPDATE {skip}))
RETURNING id, topic, partition, "offset", key, value, headers
"""
TAKE_FOR_CUSTOMERS: Final = _TAKE.format(which="p.external_id = ANY(%(external_ids)s::text[])", skip="")
TAKE_EXPIRED: Final = _TAKE.format(which="p.expires_at <= %(now)s::timestamptz", skip="SKIP LOCKED")
TAKE_EXPLAINED: Final = _TAKE.format(
    which="EXISTS (SELECT FROM lifecycle_customer c WHERE c.tenant_id = p.tenant_id AND c.external_id = p.external_id)",
    skip="SKIP LOCKED",
)
FORGET: Final = """
DELETE FROM lifecycle_inboxevent WHERE id = ANY(ARRAY(
    SELECT id FROM lifecycle_inboxevent
     WHERE tenant_id = %(tenant_id)s::uuid AND received_at < %(before)s::timestamptz LIMIT 5000))
"""


def claim(
    tenant_id: UUID, events: Mapping[Identity, str], *, now: dt.datetime, replaying: bool = False
) -> set[Identity]:
    """Take events (identity -> type) that nobody has dealt with; those that were not taken are duplicates.

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


def find_known(tenant_id: UUID, external_ids: Collection[str]) -> tuple[set[str], bool]:
    """Which of the customers exist, and whether the tenant has any parked event at all."""
    with prepared_cursor("default") as cursor:
        cursor.execute(KNOWN, {"tenant_id": tenant_id, "external_ids": text_array(external_ids)})
        known, has_parked = cursor.fetchone()
    return set(known), has_parked


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
                "value": as_bytea(seal(message.value or b"", tenant_id=tenant_id, row_id=row_id)),
                "headers": encode_headers(message.headers),
                "parked_at": now,
                "expires_at": until,
            }
        )
    with prepared_cursor("default") as cursor:
        cursor.execute(PARK, {"rows": as_json(rows)})


def take_parked(tenant_id: UUID, external_ids: Collection[str]) -> list[Message]:
    """Take the parked messages of customers that exist now, or are about to; in no particular order."""
    return _take(tenant_id, TAKE_FOR_CUSTOMERS, {"external_ids": text_array(external_ids)})


def take_expired(tenant_id: UUID, *, now: dt.datetime) -> list[Message]:
    """Take the parked messages whose time limit is over, except those another consumer is taking."""
    return _take(tenant_id, TAKE_EXPIRED, {"now": now})


def take_explained(tenant_id: UUID) -> list[Message]:
    """Take the parked messages whose customer was created by another door (an import, a race)."""
    return _take(tenant_id, TAKE_EXPLAINED, {})


def forget(tenant_id: UUID, *, before: dt.datetime) -> int:
    """Forget up to 5,000 events that nobody can deliver again, because the log has dropped them; how many."""
    with prepared_cursor("default") as cursor:
        cursor.execute(FORGET, {"tenant_id": tenant_id, "before": before})
        count: int = cursor.rowcount
    return count


def _take(tenant_id: UUID, statement: str, parameters: Mapping[str, Any]) -> list[Message]:
    with prepared_cursor("default") as cursor:
        cursor.execute(statement, {"tenant_id": tenant_id, **parameters})
        rows = cursor.fetchall()
    return [
        Message(
            topic=topic,
            partition=partition,
            offset=offset,
            key=None if key is None else bytes(key),
            value=unseal(value, tenant_id=tenant_id, row_id=row_id),
            headers=decode_headers(orjson.loads(headers) if isinstance(headers, str) else headers),
        )
        for row_id, topic, partition, offset, key, value, headers in sorted(rows)
    ]


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
