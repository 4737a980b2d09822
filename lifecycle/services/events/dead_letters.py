"""Dead letters: messages that could not be applied, with why; kept, published, replayed, discarded."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.services.message_encryption import encrypt_message
from audit.services.relay_notification import notify_relay_after_commit
from lifecycle.models import NO_TENANT
from lifecycle.rules.envelopes import UNKNOWN_TYPE, Headers, Message, Received
from lifecycle.rules.subjects import Candidates, find_candidates
from lifecycle.sentences import say, say_for_record
from lifecycle.sentences.events import keep_message
from lifecycle.services.events.filing import file_dead_letter, find_erased, find_erased_by_slug
from lifecycle.services.events.inbox import as_bytea, as_json, encode_headers
from storage.cursors import insert_rows, prepared_cursor
from tenants.rules import messages

Row = dict[str, Any]

TOPIC: Final = "lifecycle.dead-letter"
# The code of a dead letter whose bytes are kept and cannot be read now.
UNDECRYPTABLE: Final = "undecryptable"
# The header by which the relay knows that a payload is encrypted, and for which row.
ID_HEADER: Final = "dead-letter-id"
# Why a dead letter goes out without its value, if it does.
OMITTED_HEADER: Final = "dead-letter-value-omitted"
TOO_LARGE: Final = (OMITTED_HEADER, b"too large")
ERASED: Final = (OMITTED_HEADER, b"erased")
# Why a dead letter has no bytes: they are destroyed when its customer is erased, and not kept when it was before.
ERASED_REASON: Final = "The customer was erased."
# What a sender wrote freely into the columns of its dead letter.
WITHOUT_CONTENT: Final = {"source": "", "event_id": ""}
CONSUMER: Final = "system:consume_events"
NOTHING: Final[Row] = {"key": None, "value": None, "headers": [], "subjects": []}
# Bytes of a message that is looked into while a consumer holds its batch; an erasure opens larger ones.
LARGEST_FILED: Final = 16 * 1024
# In which the error is, behind the headers that the message had.
_ERROR: Final = ("id", "code", "sentence", "topic", "partition", "offset", "attempt", "time")
_OWN: Final = frozenset((*(f"dead-letter-{part}" for part in _ERROR), OMITTED_HEADER))

INSERT: Final = insert_rows(
    "lifecycle_deadletter",
    (
        *("id", "tenant_id", "tenant_slug", "type", "source", "event_id", "topic", "partition", "offset", "key"),
        *(
            "value",
            "headers",
            "subjects",
            "code",
            "sentence",
            "message",
            "attempts",
            "failed_at",
            "state",
            "resolved_at",
        ),
        *("resolved_by", "reason"),
    ),
)
ANNOUNCE: Final = """
INSERT INTO audit_outbox (tenant_id, dead_letter_id, topic, key, payload, headers, created_at)
SELECT tenant_id, dead_letter_id, %(topic)s::text, key, payload, headers, transaction_timestamp()
  FROM json_to_recordset(%(rows)s::json)
    AS i(tenant_id uuid, dead_letter_id uuid, key bytea, payload bytea, headers jsonb)
"""


def only_error(headers: Headers) -> Headers:
    """The headers of the error alone, which say that the rest is omitted.

    The last of each name: the message may have had headers of the same names, of any size.
    """
    return tuple({name: (name, value) for name, value in (*headers, TOO_LARGE) if name in _OWN}.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is dead: a code, and a sentence that says what is wrong and what would be right.

    ``message``, where there is one, says the same in the language of who waits for it.
    """

    code: str
    sentence: str
    message: messages.Message | str | None = None

    @property
    def said(self) -> str:
        """The sentence in the language of who asks."""
        return say(self.message or self.sentence)


def refuse(code: str, reason: messages.Message) -> Refusal:
    """The refusal of a message: its sentence for the record, and what it is said from to others."""
    return Refusal(code, say_for_record(reason), reason)


def store_dead_letters(
    tenant_id: UUID, dead: Sequence[tuple[Received, Refusal]], *, attempts: int = 1, now: dt.datetime
) -> list[UUID]:
    """Keep dead messages and promise them to the dead-letter topic, in the caller's transaction and context.

    Key, value and headers go out as they came; the error follows in headers of its own. A message about a customer that
    was erased is not kept: its dead letter is discarded from the beginning and goes out as the error alone. At most
    four statements.
    """
    rows = []
    for received, refusal in dead:
        dead_letter_id, value = uuid7(), received.message.value
        encrypted = None if value is None else encrypt_message(value, tenant_id=tenant_id, row_id=dead_letter_id)
        rows.append((received, refusal, dead_letter_id, encrypted))
    return _write(tenant_id, rows, attempts=attempts, now=now)


def store_unreadable(
    tenant_id: UUID,
    row_id: UUID,
    encrypted: bytes,
    dead: Received,
    refusal: Refusal,
    *,
    attempts: int,
    now: dt.datetime,
) -> None:
    """Keep a message whose bytes cannot be decrypted, as they are, under the id that they are bound to."""
    _write(tenant_id, [(dead, refusal, row_id, encrypted)], attempts=attempts, now=now)


def _write(
    tenant_id: UUID,
    dead: Sequence[tuple[Received, Refusal, UUID, bytes | None]],
    *,
    attempts: int,
    now: dt.datetime,
) -> list[UUID]:
    if not dead:
        return []
    candidates = [find_candidates(received.message, largest=LARGEST_FILED) for received, *_ in dead]
    withheld = _find_withheld(tenant_id, [received.event.tenant for received, *_ in dead], candidates)
    dead_letters: list[Row] = []
    announcements: list[Row] = []
    for (received, refusal, dead_letter_id, encrypted), found, is_withheld in zip(
        dead, candidates, withheld, strict=True
    ):
        dead_letter = _describe(tenant_id, received, refusal, dead_letter_id, attempts=attempts, now=now)
        error = _describe_error(dead_letter_id, received.message, refusal, attempts=attempts, now=now)
        if not is_withheld:
            content = _describe_content(received.message, encrypted, file_dead_letter(tenant_id, found))
        else:
            # Nothing of what was sent about an erased customer is kept; that it was sent is.
            content, error = NOTHING, (*error, ERASED)
            dead_letter |= {"state": "discarded", "resolved_at": now, "resolved_by": CONSUMER, "reason": ERASED_REASON}
            dead_letter |= WITHOUT_CONTENT
        dead_letters.append(dead_letter | content)
        announcements.append(
            {
                "tenant_id": tenant_id,
                "dead_letter_id": dead_letter_id,
                "key": content["key"],
                "payload": content["value"],
                "headers": content["headers"] + encode_headers(error),
            }
        )
    with prepared_cursor("default") as cursor:
        cursor.execute(INSERT, {"rows": as_json(dead_letters)})
        cursor.execute(ANNOUNCE, {"rows": as_json(announcements), "topic": TOPIC})
    notify_relay_after_commit()
    return [dead_letter["id"] for dead_letter in dead_letters]


def _find_withheld(tenant_id: UUID, slugs: Sequence[str], candidates: Sequence[Candidates]) -> list[bool]:
    """Which of the messages may be about a customer that was erased."""
    if tenant_id == NO_TENANT:
        return find_erased_by_slug([(slug, found.ids) for slug, found in zip(slugs, candidates, strict=True)])
    erased = find_erased(tenant_id, frozenset().union(*(found.ids for found in candidates)))
    return [not erased.isdisjoint(found.ids) for found in candidates]


def _describe(
    tenant_id: UUID, received: Received, refusal: Refusal, dead_letter_id: UUID, *, attempts: int, now: dt.datetime
) -> Row:
    message, event = received.message, received.event
    return {
        "id": dead_letter_id,
        "tenant_id": tenant_id,
        "tenant_slug": event.tenant,
        "type": event.type or UNKNOWN_TYPE,
        "source": event.source,
        "event_id": event.id,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "code": refusal.code,
        "sentence": refusal.sentence[:1000],
        "message": keep_message(refusal.message, refusal.code),
        "attempts": attempts,
        "failed_at": now,
        "state": "open",
        "resolved_at": None,
        "resolved_by": "",
        "reason": "",
    }


def _describe_content(message: Message, encrypted: bytes | None, subjects: list[bytes] | None) -> Row:
    return {
        "key": as_bytea(message.key),
        "value": as_bytea(encrypted),
        "headers": encode_headers(message.headers),
        "subjects": None if subjects is None else [as_bytea(subject) for subject in subjects],
    }


def _describe_error(
    dead_letter_id: UUID, message: Message, refusal: Refusal, *, attempts: int, now: dt.datetime
) -> Headers:
    return (
        (ID_HEADER, str(dead_letter_id).encode()),
        ("dead-letter-code", refusal.code.encode()),
        ("dead-letter-sentence", refusal.sentence[:1000].encode()),
        ("dead-letter-topic", message.topic.encode()),
        ("dead-letter-partition", b"%d" % message.partition),
        ("dead-letter-offset", b"%d" % message.offset),
        ("dead-letter-attempt", b"%d" % attempts),
        ("dead-letter-time", now.isoformat().encode()),
    )
