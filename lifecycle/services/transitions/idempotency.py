"""Repeating a request without repeating its effect: the first answer is kept for a day and given again.

The key is claimed in the transaction of the change itself. A second request with the same key waits at the unique
index until the first has ended: then it finds the answer, or, if the first was rolled back, nothing, and goes on. So a
request that was refused has not used up its key (docs/decisions/0012).
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db.models import Q

from audit.services.message_encryption import decrypt_message, encrypt_message, rewrap_message
from lifecycle.models import IdempotentRequest
from lifecycle.sentences import Refusal
from storage import cipher
from storage.cursors import bytea_array, plain_array, prepared_cursor
from tenants.actors import TenantRef

LIFETIME: Final = dt.timedelta(hours=24)
GONE: Final = "key_answer_gone"
# How many outdated answers of the tenant are removed with each new one.
SWEPT: Final = 20

# An outdated answer under the same key is taken over; a good one is left alone, and no row comes back.
_CLAIM: Final = """
INSERT INTO lifecycle_idempotentrequest AS kept (tenant_id, principal, key, fingerprint, headers, created_at)
VALUES (%(tenant_id)s::uuid, %(principal)s, %(key)s, %(fingerprint)s::bytea, '{}', %(now)s::timestamptz)
    ON CONFLICT (tenant_id, principal, key) DO UPDATE
   SET fingerprint = EXCLUDED.fingerprint, status = NULL, headers = '{}', body = NULL, customer_ids = NULL,
       created_at = EXCLUDED.created_at
 WHERE kept.created_at <= %(outdated)s::timestamptz
RETURNING id
"""
# An array and not a list to look into: a plan may ask such a subquery several times, for other rows each time.
_SWEEP: Final = """
DELETE FROM lifecycle_idempotentrequest
 WHERE id = ANY(ARRAY(SELECT id FROM lifecycle_idempotentrequest
                       WHERE tenant_id = %(tenant_id)s::uuid AND created_at <= %(outdated)s::timestamptz
                       ORDER BY created_at LIMIT %(swept)s::int FOR UPDATE SKIP LOCKED))
"""
# Of another master key than the newest that is in the ring still: what is under one that is gone is refused anyway.
_IS_OLD: Final = """
tenant_id = %(tenant_id)s::uuid AND octet_length(body) > 3
    AND get_byte(body, 1) * 256 + get_byte(body, 2) = ANY(%(older)s::int[])
"""
_LOCK_OLD: Final = f"""
SELECT id, principal, key, body FROM lifecycle_idempotentrequest WHERE {_IS_OLD}
 ORDER BY id LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED
"""  # noqa: S608  constants
_REWRAP: Final = """
UPDATE lifecycle_idempotentrequest t SET body = i.body
  FROM unnest(%(ids)s::bigint[], %(bodies)s::bytea[]) AS i(id, body)
 WHERE t.tenant_id = %(tenant_id)s::uuid AND t.id = i.id
"""
_COUNT_OLD: Final = f"SELECT count(*) FROM lifecycle_idempotentrequest WHERE {_IS_OLD}"  # noqa: S608  constants


class KeyReused(Refusal):
    """The key was used for another request before, or its answer cannot be given again; the sentence says which."""


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """An answer as it was given: the status, the headers that belong to it, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that belongs to this request now. ``answer`` is the one that was given before, None the first time."""

    id: int
    tenant_id: UUID
    principal: str
    key: str
    answer: KeptResponse | None = None


def claim_key(key: str, *, principal: str, fingerprint: bytes, tenant: TenantRef, now: dt.datetime) -> Claim:
    """Take the key, or find the answer that it has. Waits for a request with the same key that is still running.

    ``fingerprint`` says what is asked: the same key for something else raises KeyReused. Call inside the tenant's
    context, in the transaction of what is asked. Two statements.
    """
    parameters = {
        "tenant_id": tenant.id,
        "principal": principal,
        "key": key,
        "fingerprint": fingerprint,
        "now": now,
        "outdated": now - LIFETIME,
        "swept": SWEPT,
    }
    while True:
        with prepared_cursor("default") as cursor:
            cursor.execute(_CLAIM, parameters)
            row = cursor.fetchone()
            if row is not None:
                cursor.execute(_SWEEP, parameters)
                return Claim(row[0], tenant.id, principal, key)
        kept = (
            IdempotentRequest.objects.select_for_update()
            .filter(tenant_id=tenant.id, principal=principal, key=key)
            .first()
        )
        # Swept away in between: the key is free.
        if kept is not None:
            if kept.body is None:
                raise KeyReused(GONE)
            if bytes(kept.fingerprint) != fingerprint:
                raise KeyReused("key_reused")
            return Claim(kept.pk, tenant.id, principal, key, _open(kept))


def keep_answer(claim: Claim, answer: KeptResponse, *, customer_ids: Collection[UUID] | None = None) -> None:
    """Keep the first answer for repetitions. Call in the transaction that claimed the key. One statement.

    ``customer_ids`` are the customers that the request is about: their erasure and their export find it by them. None:
    it is not known, and they have to look into the answer.
    """
    IdempotentRequest.objects.filter(pk=claim.id).update(
        status=answer.status,
        headers=dict(answer.headers),
        body=encrypt_message(answer.body, tenant_id=claim.tenant_id, row_id=_row_id(claim.principal, claim.key)),
        customer_ids=None if customer_ids is None else list(customer_ids),
    )


def find_answers(
    tenant_id: UUID, customer_id: UUID, *, mentions: Callable[[bytes], bool]
) -> Iterator[tuple[IdempotentRequest, KeptResponse | None]]:
    """The answers that are kept about a customer, the oldest first; None for one that cannot be read any more.

    ``mentions`` says whether the body of an answer to a request that named no customer is about this one.
    """
    kept_bodies = IdempotentRequest.objects.filter(tenant_id=tenant_id, body__isnull=False)
    wanted = kept_bodies.filter(Q(customer_ids__contains=[customer_id]) | Q(customer_ids=None))
    for kept in wanted.order_by("created_at", "id").iterator(chunk_size=100):
        try:
            answer = _open(kept)
        except KeyReused:
            answer = None
        if kept.customer_ids is not None or (answer is not None and mentions(answer.body)):
            yield kept, answer


def blank_answers(tenant_id: UUID, customer_id: UUID, *, mentions: Callable[[bytes], bool]) -> int:
    """Destroy what was answered about a customer; how many answers. Their keys stay used: a repetition is refused, and
    nothing is done a second time.
    """
    ids = [kept.pk for kept, _ in find_answers(tenant_id, customer_id, mentions=mentions)]
    return IdempotentRequest.objects.filter(tenant_id=tenant_id, id__in=ids).update(
        headers={}, body=None, fingerprint=b""
    )


def sweep_answers(tenant_id: UUID, *, outdated: dt.datetime, limit: int) -> int:
    """Remove up to ``limit`` answers from before then; how many. One statement, inside the tenant's context."""
    with prepared_cursor("default") as cursor:
        cursor.execute(_SWEEP, {"tenant_id": tenant_id, "outdated": outdated, "swept": limit})
        count: int = cursor.rowcount
    return count


def rewrap_answers(tenant_id: UUID, *, limit: int) -> int:
    """Bring up to ``limit`` answers under the newest master key, so that they are given again when the older ones are
    gone; how many. Call inside the tenant's context. Two statements. Raises Undecryptable.
    """
    with prepared_cursor("default") as cursor:
        cursor.execute(_LOCK_OLD, {"tenant_id": tenant_id, "older": _older_keys(), "limit": limit})
        rewrapped = {
            id_: rewrap_message(body, tenant_id=tenant_id, row_id=_row_id(principal, key)) or bytes(body)
            for id_, principal, key, body in cursor.fetchall()
        }
        if rewrapped:
            changes = {"ids": plain_array(rewrapped), "bodies": bytea_array(rewrapped.values())}
            cursor.execute(_REWRAP, {"tenant_id": tenant_id, **changes})
    return len(rewrapped)


def count_old_answers(tenant_id: UUID) -> int:
    """How many answers of the tenant are under an older master key that is still known. One statement."""
    with prepared_cursor("default") as cursor:
        cursor.execute(_COUNT_OLD, {"tenant_id": tenant_id, "older": _older_keys()})
        count: int = cursor.fetchone()[0]
    return count


def _older_keys() -> str:
    return plain_array(key_id for key_id in settings.MASTER_KEYS if key_id != cipher.newest_master_key_id())


def _open(kept: IdempotentRequest) -> KeptResponse:
    try:
        body = decrypt_message(kept.body or b"", tenant_id=kept.tenant_id, row_id=_row_id(kept.principal, kept.key))
    except cipher.Undecryptable as error:
        raise KeyReused(GONE) from error
    return KeptResponse(kept.status or 0, kept.headers, body)


def _row_id(principal: str, key: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"{principal}|{key}")
