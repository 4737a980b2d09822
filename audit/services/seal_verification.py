"""Verifying seals: numbers without gaps, each carrying the one before, signed, and the rows they cover unchanged."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.db import DEFAULT_DB_ALIAS, connections

from audit.models import AuditSeal
from audit.services.published_seals import PublishedSeal, PublishedSeals, judge_published
from audit.services.seals import MerkleTree, facts_of, is_signed_by, key_id
from audit.services.verification import FETCHED

SEAL_MISSING, SEAL_UNLINKED, SEAL_FORGED, SEAL_UNKNOWN_KEY = (
    "seal_missing",
    "seal_unlinked",
    "seal_forged",
    "seal_unknown_key",
)
SEAL_WITHDRAWN, ROW_MISSING, ROW_ALTERED, ROOT_DIFFERS = (
    "seal_withdrawn",
    "sealed_row_missing",
    "sealed_row_altered",
    "root_differs",
)

LEAVES: Final = """
SELECT r.seal_number, r.position, r.history_id, r.hash, h.hash
  FROM audit_sealed_row r LEFT JOIN customer_lifecycle_history h ON h.id = r.history_id AND h.tenant_id = r.tenant_id
 WHERE r.tenant_id = %(tenant_id)s::uuid ORDER BY r.seal_number, r.position
"""
COUNT_UNSEALED: Final = """
SELECT count(*), min(recorded_at) FROM customer_lifecycle_history h
 WHERE h.tenant_id = %(tenant_id)s::uuid
   AND NOT EXISTS (SELECT FROM audit_sealed_row r WHERE r.tenant_id = h.tenant_id AND r.history_id = h.id)
"""


@dataclass(frozen=True, slots=True)
class SealBreak:
    """What is wrong with a seal, or with a row that it covers."""

    number: int
    code: str
    sentence: str


@dataclass(slots=True)
class _Cover:
    """The leaves of one seal as they were read: the tree over what the history says now, and the first error."""

    tree: MerkleTree
    error: SealBreak | None = None


def count_unsealed(tenant_id: UUID) -> tuple[int, dt.datetime | None]:
    """How many rows no seal covers yet, and when the oldest of them was recorded. Call inside the tenant's context."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(COUNT_UNSEALED, {"tenant_id": tenant_id})
        number, oldest = cursor.fetchone()
    return number, oldest


def verify_seals(
    tenant_id: UUID,
    *,
    public_keys: Collection[bytes],
    published: PublishedSeals | None = None,
    emptied_to: int = 0,
) -> Iterator[tuple[int, SealBreak | None]]:
    """Verify every seal of the tenant: its number, and the first thing that is wrong with it.

    The rows of the seals up to ``emptied_to`` have left, and must not be there: of those the signature, the chain and
    what was published is verified.

    A published seal that the database no longer has, or has otherwise, was withdrawn; one that cannot be believed comes
    with its number and its error as well. Call inside the tenant's context and a transaction; streams.
    """
    keys = {key_id(key): key for key in public_keys}
    reported, errors = judge_published(published or PublishedSeals(), tenant_id, public_keys)
    for error in errors:
        yield 0, SealBreak(error.number, error.code, error.sentence)
    covers = _read_covers(tenant_id)
    cover = next(covers, None)
    expected, previous = 1, b""
    for seal in AuditSeal.objects.filter(tenant_id=tenant_id).order_by("number").iterator(chunk_size=FETCHED):
        while expected < seal.number:
            yield expected, SealBreak(expected, SEAL_MISSING, f"Seal {expected} cannot be found.")
            reported.pop(expected, None)
            expected += 1
        tree = None
        while cover is not None and cover[0] <= seal.number:
            tree = cover[1] if cover[0] == seal.number else tree
            cover = next(covers, None)
        is_emptied = seal.number <= emptied_to
        yield seal.number, _judge(seal, previous, keys, reported.pop(seal.number, None), tree, is_emptied=is_emptied)
        expected, previous = seal.number + 1, facts_of(seal).digest()
    for number in sorted(reported):
        yield number, SealBreak(number, SEAL_WITHDRAWN, f"Seal {number} was published and is missing here.")


def _judge(
    seal: AuditSeal,
    previous: bytes,
    keys: Mapping[str, bytes],
    reported: PublishedSeal | None,
    cover: _Cover | None,
    *,
    is_emptied: bool,
) -> SealBreak | None:
    facts, number = facts_of(seal), seal.number
    if reported is not None and reported != PublishedSeal(facts, seal.key_id, bytes(seal.signature)):
        return SealBreak(number, SEAL_WITHDRAWN, f"Seal {number} was published with other contents.")
    if seal.key_id not in keys:
        return SealBreak(
            number, SEAL_UNKNOWN_KEY, f"Seal {number} names the key {seal.key_id}, which is not known here."
        )
    if not is_signed_by(keys[seal.key_id], facts, bytes(seal.signature)):
        return SealBreak(number, SEAL_FORGED, f"The signature of seal {number} is not over what it says.")
    if facts.previous != previous:
        return SealBreak(number, SEAL_UNLINKED, f"Seal {number} does not carry the digest of the seal before it.")
    if is_emptied:
        sentence = f"The rows that seal {number} covers were emptied, and some are there."
        return SealBreak(number, ROOT_DIFFERS, sentence) if cover is not None else None
    if cover is not None and cover.error is not None:
        return cover.error
    if cover is None or cover.tree.leaves != facts.leaves or cover.tree.root() != facts.root:
        return SealBreak(number, ROOT_DIFFERS, f"The rows that seal {number} covers are not those it was made over.")
    return None


def _read_covers(tenant_id: UUID) -> Iterator[tuple[int, _Cover]]:
    """For each seal that has leaves, in order: the tree over the hashes that the history rows carry now."""
    number, cover = 0, _Cover(MerkleTree())
    with connections[DEFAULT_DB_ALIAS].connection.cursor(name=f"leaves_{uuid4().hex}", binary=True) as cursor:
        cursor.itersize = FETCHED
        for of_seal, _, history_id, sealed, present in cursor.execute(LEAVES, {"tenant_id": tenant_id}):
            if of_seal != number:
                if number:
                    yield number, cover
                number, cover = of_seal, _Cover(MerkleTree())
            if cover.error is None and present is None:
                sentence = f"History row {history_id}, which seal {number} covers, cannot be found."
                cover.error = SealBreak(number, ROW_MISSING, sentence)
            elif cover.error is None and present != sealed:
                sentence = f"History row {history_id} has another hash than when seal {number} was made."
                cover.error = SealBreak(number, ROW_ALTERED, sentence)
            cover.tree.add(bytes(present or b""))
    if number:
        yield number, cover
