"""Dead letters: messages that could not be applied, with why; kept, published, replayed, discarded."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.cursors import insert_rows, prepared_cursor
from audit.services.bell import wake_relay_after_commit
from audit.services.sealing import seal
from lifecycle.rules.envelopes import UNKNOWN_TYPE, Headers, Received
from lifecycle.services.inbox import as_bytea, as_json, encode_headers

TOPIC: Final = "lifecycle.dead-letter"
# The code of a letter whose bytes are kept and cannot be read now.
UNDECRYPTABLE: Final = "undecryptable"
# The header by which the relay knows that a payload is sealed, and for which row.
ID_HEADER: Final = "dead-letter-id"
# Why a letter goes out without its value, if it does.
OMITTED_HEADER: Final = "dead-letter-value-omitted"
TOO_LARGE: Final = (OMITTED_HEADER, b"too large")
# In which the error stands, behind the headers that the message had.
_ERROR: Final = ("id", "code", "sentence", "topic", "partition", "offset", "attempt", "time")
_OWN: Final = frozenset((*(f"dead-letter-{part}" for part in _ERROR), OMITTED_HEADER))

INSERT: Final = insert_rows(
    "lifecycle_deadletter",
    (
        *("id", "tenant_id", "tenant_slug", "type", "source", "event_id", "topic", "partition", "offset", "key"),
        *("value", "headers", "code", "sentence", "attempts", "died_at", "state", "resolved_by", "reason"),
    ),
)
ANNOUNCE: Final = """
INSERT INTO audit_outbox (tenant_id, topic, key, payload, headers, created_at)
SELECT tenant_id, %(topic)s::text, key, payload, headers, transaction_timestamp()
  FROM json_to_recordset(%(rows)s::json) AS i(tenant_id uuid, key bytea, payload bytea, headers jsonb)
"""


def only_error(headers: Headers) -> Headers:
    """The headers of the error alone, which say that the rest is omitted.

    The last of each name: the message may have had headers of the same names, of any size.
    """
    return tuple({name: (name, value) for name, value in (*headers, TOO_LARGE) if name in _OWN}.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is dead: a code, and a sentence that says what is wrong and what would be right."""

    code: str
    sentence: str


def bury(
    tenant_id: UUID, dead: Sequence[tuple[Received, Refusal]], *, attempts: int = 1, now: dt.datetime
) -> list[UUID]:
    """Keep dead messages and promise them to the dead-letter topic, in the caller's transaction and context.

    Key, value and headers go out as they came; the error follows in headers of its own. Two statements.
    """
    rows = []
    for received, refusal in dead:
        letter_id, value = uuid7(), received.message.value
        sealed = None if value is None else seal(value, tenant_id=tenant_id, row_id=letter_id)
        rows.append((received, refusal, letter_id, sealed))
    return _write(tenant_id, rows, attempts=attempts, now=now)


def bury_sealed(
    tenant_id: UUID, row_id: UUID, sealed: bytes, dead: Received, refusal: Refusal, *, attempts: int, now: dt.datetime
) -> None:
    """Keep a message whose bytes cannot be decrypted, as they are: the letter takes over the id they are bound to."""
    _write(tenant_id, [(dead, refusal, row_id, sealed)], attempts=attempts, now=now)


def _write(
    tenant_id: UUID,
    dead: Sequence[tuple[Received, Refusal, UUID, bytes | None]],
    *,
    attempts: int,
    now: dt.datetime,
) -> list[UUID]:
    if not dead:
        return []
    letters, announcements = [], []
    for received, refusal, letter_id, sealed in dead:
        message, event = received.message, received.event
        headers = encode_headers(message.headers)
        sentence = refusal.sentence[:1000]
        letters.append(
            {
                "id": letter_id,
                "tenant_id": tenant_id,
                "tenant_slug": event.tenant,
                "type": event.type or UNKNOWN_TYPE,
                "source": event.source,
                "event_id": event.id,
                "topic": message.topic,
                "partition": message.partition,
                "offset": message.offset,
                "key": as_bytea(message.key),
                "value": as_bytea(sealed),
                "headers": headers,
                "code": refusal.code,
                "sentence": sentence,
                "attempts": attempts,
                "died_at": now,
                "state": "open",
                "resolved_by": "",
                "reason": "",
            }
        )
        announcements.append(
            {
                "tenant_id": tenant_id,
                "key": as_bytea(message.key),
                "payload": as_bytea(sealed),
                "headers": headers
                + encode_headers(
                    (
                        (ID_HEADER, str(letter_id).encode()),
                        ("dead-letter-code", refusal.code.encode()),
                        ("dead-letter-sentence", sentence.encode()),
                        ("dead-letter-topic", message.topic.encode()),
                        ("dead-letter-partition", b"%d" % message.partition),
                        ("dead-letter-offset", b"%d" % message.offset),
                        ("dead-letter-attempt", b"%d" % attempts),
                        ("dead-letter-time", now.isoformat().encode()),
                    )
                ),
            }
        )
    with prepared_cursor("default") as cursor:
        cursor.execute(INSERT, {"rows": as_json(letters)})
        cursor.execute(ANNOUNCE, {"rows": as_json(announcements), "topic": TOPIC})
    wake_relay_after_commit()
    return [letter["id"] for letter in letters]  # type: ignore[misc]
