"""Seals: what even the owner of the database cannot rewrite unseen.

Every so often the history rows that no seal covers yet become the leaves of a Merkle tree (RFC 6962: a leaf is
SHA-256(00 | row hash), a node SHA-256(01 | left | right)). The root, the number and the digest of the seal before are
signed with an Ed25519 key that the database never sees. Rows that commit late are not missed: they have no leaf yet
and come into the next seal.

The canonical bytes of a seal are the UTF-8 text of a JSON array, as those of a history row (``audit.services.chain``):
format, tenant, number, time in microseconds since 1970, leaves, root and previous in hex.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.db import DEFAULT_DB_ALIAS, connections

from audit.models import AuditSeal, OutboxMessage
from audit.services.chain import EPOCH, MICROSECOND
from audit.services.relay_notification import notify_relay_after_commit
from storage.cursors import bytea_array, plain_array, prepared_cursor
from storage.timeouts import JOB_SECONDS, allow_seconds

FORMAT: Final = "customer360.seal.1"
# Leaves of one seal.
MOST: Final = 20_000
# How long ago a row may have been begun that is committed only now. Longer transactions do not exist: the server ends
# idle ones after a minute. Rows that stay unsealed for longer are an error (``seal_verification``).
LATE: Final = dt.timedelta(days=1)

TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('seal:' || %(tenant_id)s::text, 0))"
UNSEALED: Final = """
SELECT h.customer_id, h.sequence, h.id, h.hash FROM customer_lifecycle_history h
 WHERE h.tenant_id = %(tenant_id)s::uuid AND h.recorded_at >= %(since)s::timestamptz
   AND (h.customer_id, h.sequence) > (%(customer_id)s::uuid, %(sequence)s::int)
   AND NOT EXISTS (SELECT FROM audit_sealed_row r WHERE r.tenant_id = h.tenant_id AND r.history_id = h.id)
 ORDER BY h.customer_id, h.sequence LIMIT %(most)s::int
"""
# One more than a seal holds: it says that there are more.
COUNT_UNSEALED: Final = """
SELECT count(*) FROM (
  SELECT FROM customer_lifecycle_history h
   WHERE h.tenant_id = %(tenant_id)s::uuid AND h.recorded_at >= %(since)s::timestamptz
     AND NOT EXISTS (SELECT FROM audit_sealed_row r WHERE r.tenant_id = h.tenant_id AND r.history_id = h.id)
   LIMIT %(most)s::int + 1
) AS unsealed
"""
COVER: Final = """
INSERT INTO audit_sealed_row (history_id, tenant_id, seal_number, position, hash)
SELECT history_id, %(tenant_id)s::uuid, %(number)s::int, position - 1, hash
  FROM unnest(%(history_ids)s::uuid[], %(hashes)s::bytea[]) WITH ORDINALITY AS i(history_id, hash, position)
"""


class MerkleTree:
    """The root of RFC 6962 over leaves that come one by one; holds one digest a level."""

    def __init__(self) -> None:
        self.leaves = 0
        self._complete: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf."""
        digest = hashlib.sha256(b"\x00" + leaf).digest()
        size = self.leaves = self.leaves + 1
        while size % 2 == 0:
            digest = _node(self._complete.pop(), digest)
            size //= 2
        self._complete.append(digest)

    def root(self) -> bytes:
        """The root over all leaves so far; the SHA-256 of nothing when there are none."""
        if not self._complete:
            return hashlib.sha256(b"").digest()
        *rest, digest = self._complete
        for left in reversed(rest):
            digest = _node(left, digest)
        return digest


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaves that are all there."""
    tree = MerkleTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


@dataclass(frozen=True, slots=True)
class SealFacts:
    """What a seal says."""

    tenant_id: UUID
    number: int
    sealed_at: dt.datetime
    leaves: int
    root: bytes
    previous: bytes

    def canonical_bytes(self) -> bytes:
        """The bytes that are signed."""
        micros = (self.sealed_at - EPOCH) // MICROSECOND
        values = [FORMAT, str(self.tenant_id), self.number, micros, self.leaves, self.root.hex(), self.previous.hex()]
        return json.dumps(values).encode()

    def digest(self) -> bytes:
        """What the next seal carries."""
        return hashlib.sha256(self.canonical_bytes()).digest()


def facts_of(seal: AuditSeal) -> SealFacts:
    """What a stored seal says."""
    return SealFacts(
        tenant_id=seal.tenant_id,
        number=seal.number,
        sealed_at=seal.sealed_at,
        leaves=seal.leaves,
        root=bytes(seal.root),
        previous=bytes(seal.previous),
    )


def key_id(public_key: bytes) -> str:
    """The name of a public key (16 characters)."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def public_key_of(signing_key: bytes) -> bytes:
    """The public half of a signing key."""
    return Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()


def is_signed_by(public_key: bytes, facts: SealFacts, signature: bytes) -> bool:
    """Whether the signature is the key's, over exactly these facts."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, facts.canonical_bytes())
    except InvalidSignature:
        return False
    return True


# Where a run is: after this row of this customer.
Place = tuple[UUID, int]
START: Final[Place] = (UUID(int=0), 0)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal that was made, and where the next one of the same run goes on."""

    seal: AuditSeal
    place: Place


def seal_rows(
    tenant_id: UUID, *, signing_key: bytes, now: dt.datetime, after: Place = START, topic: str = ""
) -> Sealed | None:
    """Seal up to MOST rows that no seal covers yet, after a place; None when there are none. Six statements.

    A run begins at START and goes on from place to place, a transaction each. Call inside the tenant's context; two
    sealers take turns. With ``topic`` the seal is promised to Kafka as well, in the same transaction: what is
    published there cannot be taken back.
    """
    # The first run after a long time reads a long history.
    allow_seconds(JOB_SECONDS)
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(TAKE_TURN, {"tenant_id": tenant_id})
        last = AuditSeal.objects.filter(tenant_id=tenant_id).order_by("-number").first()
        since = last.complete_to if last else EPOCH
        place = dict(zip(("customer_id", "sequence"), after, strict=True))
        cursor.execute(UNSEALED, {"tenant_id": tenant_id, "since": since, "most": MOST, **place})
        rows = cursor.fetchall()
        if not rows:
            return None
        facts = SealFacts(
            tenant_id=tenant_id,
            number=last.number + 1 if last else 1,
            sealed_at=now,
            leaves=len(rows),
            root=merkle_root(bytes(hash_) for *_, hash_ in rows),
            previous=facts_of(last).digest() if last else b"",
        )
        # A full seal leaves more for the next one: only the last of a run knows that everything is covered.
        seal = _sign(facts, signing_key, complete_to=since if len(rows) == MOST else max(since, now - LATE))
        seal.save(force_insert=True)
        cursor.execute(
            COVER,
            {
                "tenant_id": tenant_id,
                "number": facts.number,
                "history_ids": plain_array(row_id for *_, row_id, _ in rows),
                "hashes": bytea_array(bytes(hash_) for *_, hash_ in rows),
            },
        )
    if topic:
        _publish(seal, topic, now)
    return Sealed(seal, (rows[-1][0], rows[-1][1]))


def count_unsealed(tenant_id: UUID) -> int:
    """How many rows no seal covers yet, up to MOST + 1. Call inside the tenant's context. Two statements."""
    last = AuditSeal.objects.filter(tenant_id=tenant_id).order_by("-number").first()
    given: dict[str, Any] = {"tenant_id": tenant_id, "since": last.complete_to if last else EPOCH, "most": MOST}
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(COUNT_UNSEALED, given)
        (count,) = cursor.fetchone()
    return int(count)


def describe_seal(seal: AuditSeal) -> dict[str, Any]:
    """A seal as it is published: its facts, key and signature."""
    return {
        "format": FORMAT,
        "tenant_id": str(seal.tenant_id),
        "number": seal.number,
        "sealed_at": (seal.sealed_at - EPOCH) // MICROSECOND,
        "leaves": seal.leaves,
        "root": bytes(seal.root).hex(),
        "previous": bytes(seal.previous).hex(),
        "key_id": seal.key_id,
        "signature": base64.b64encode(bytes(seal.signature)).decode(),
    }


def _sign(facts: SealFacts, signing_key: bytes, *, complete_to: dt.datetime) -> AuditSeal:
    signature = Ed25519PrivateKey.from_private_bytes(signing_key).sign(facts.canonical_bytes())
    return AuditSeal(
        tenant_id=facts.tenant_id,
        number=facts.number,
        sealed_at=facts.sealed_at,
        leaves=facts.leaves,
        root=facts.root,
        previous=facts.previous,
        key_id=key_id(public_key_of(signing_key)),
        signature=signature,
        complete_to=complete_to,
    )


def _publish(seal: AuditSeal, topic: str, now: dt.datetime) -> None:
    OutboxMessage.objects.create(
        tenant_id=seal.tenant_id,
        topic=topic,
        key=str(seal.tenant_id).encode(),
        payload=json.dumps(describe_seal(seal)).encode(),
        created_at=now,
    )
    notify_relay_after_commit()
