"""AES-256-GCM for personal values, and the two levels of keys under which they lie.

A *master key* (environment, several at a time, newest first) wraps one *data key* per customer; the data key
encrypts values. Formats, all in bytes:

* wrapped data key: ``01 | master key id (2, big endian) | nonce (12) | ciphertext (32) | tag (16)``
* value: ``02 | nonce (12) | ciphertext | tag (16)``

The associated data bind a value to its table, column, row and tenant: moved anywhere else it does not decrypt.
Nonces are random; 96 bits are ample for the few hundred values a data key ever encrypts.
"""

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPED = b"\x01"
VALUE = b"\x02"


class Undecryptable(Exception):
    """The bytes were not written for this place with this key: tampered, moved, or the key is gone."""


class MasterKeyMissing(Undecryptable):
    """The bytes may be as they were written, but the master key is not in the ring: it may come back."""


def binding(table: str, column: str, row_id: object, tenant_id: UUID) -> bytes:
    """The associated data of one cell."""
    return f"{table}|{column}|{row_id}|{tenant_id}".encode()


def new_data_key() -> bytes:
    """A fresh data key of 32 random bytes."""
    return os.urandom(KEY_BYTES)


def encrypt(key: bytes, text: str, *, bound_to: bytes) -> bytes:
    """Encrypt a text (the empty one too) under a data key."""
    return encrypt_bytes(key, text.encode(), bound_to=bound_to)


def encrypt_bytes(key: bytes, plain: bytes, *, bound_to: bytes) -> bytes:
    """Encrypt bytes under a data key."""
    nonce = os.urandom(NONCE_BYTES)
    return VALUE + nonce + AESGCM(key).encrypt(nonce, plain, VALUE + bound_to)


def decrypt(key: bytes, value: bytes, *, bound_to: bytes) -> str:
    """Decrypt what ``encrypt`` returned for the same place. Raises Undecryptable, never returns ciphertext."""
    return decrypt_bytes(key, value, bound_to=bound_to).decode()


def decrypt_bytes(key: bytes, value: bytes, *, bound_to: bytes) -> bytes:
    """Decrypt what ``encrypt_bytes`` returned for the same place. Raises Undecryptable."""
    value = bytes(value)
    if value[:1] != VALUE:
        raise Undecryptable("This value is not in the encrypted format.")
    nonce, body = value[1 : 1 + NONCE_BYTES], value[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, VALUE + bound_to)
    except (InvalidTag, ValueError) as error:
        raise Undecryptable("This value was altered, moved from another row, or written under another key.") from error


def wrap(data_key: bytes, *, tenant_id: UUID, subject_id: UUID) -> tuple[int, bytes]:
    """Wrap a data key under the newest master key: (master key id, wrapped bytes)."""
    key_id, master = next(iter(_master_keys().items()))
    header = WRAPPED + key_id.to_bytes(2, "big")
    nonce = os.urandom(NONCE_BYTES)
    bound_to = header + binding("audit_data_key", "wrapped", subject_id, tenant_id)
    return key_id, header + nonce + AESGCM(master).encrypt(nonce, data_key, bound_to)


def unwrap(wrapped: bytes, *, tenant_id: UUID, subject_id: UUID) -> bytes:
    """Unwrap a data key. Raises Undecryptable when the master key is not in the ring or the bytes were altered."""
    wrapped = bytes(wrapped)
    header, nonce, body = wrapped[:3], wrapped[3 : 3 + NONCE_BYTES], wrapped[3 + NONCE_BYTES :]
    master = _master_keys().get(int.from_bytes(header[1:], "big"))
    if header[:1] != WRAPPED or len(header) < 3:
        raise Undecryptable("This data key is not in the wrapped format.")
    if master is None:
        raise MasterKeyMissing("The master key that wrapped this data key is not in MASTER_KEYS.")
    try:
        return AESGCM(master).decrypt(nonce, body, header + binding("audit_data_key", "wrapped", subject_id, tenant_id))
    except (InvalidTag, ValueError) as error:
        raise Undecryptable("This data key was altered or belongs to another customer.") from error


def newest_master_key_id() -> int:
    """The id of the master key that wraps from now on."""
    return next(iter(_master_keys()))


def derive_key(purpose: str) -> bytes:
    """A key for one purpose (for example cached profiles), derived from the newest master key by HMAC-SHA256."""
    return hmac.digest(next(iter(_master_keys().values())), f"customer360|{purpose}".encode(), hashlib.sha256)


def email_index(tenant_id: UUID, email: str) -> bytes:
    """The keyed hash by which an exact e-mail address is found again within one tenant (16 bytes).

    HMAC(HMAC(index key, column | tenant), normalised address): equal addresses of two tenants differ.
    """
    tenant_key = hmac.digest(settings.INDEX_KEY, f"contact.email|{tenant_id}".encode(), hashlib.sha256)
    normalised = unicodedata.normalize("NFKC", email).strip().casefold()
    return hmac.digest(tenant_key, normalised.encode(), hashlib.sha256)[:16]


def customer_index(tenant_id: UUID, external_id: str) -> bytes:
    """The keyed hash under which messages about a customer of one tenant are filed (16 bytes).

    HMAC(HMAC(index key, purpose | tenant), external id), the id as ``read_external_id`` gives it.
    """
    tenant_key = hmac.digest(settings.INDEX_KEY, f"customer|{tenant_id}".encode(), hashlib.sha256)
    return hmac.digest(tenant_key, external_id.encode(errors="surrogatepass"), hashlib.sha256)[:16]


def _master_keys() -> Mapping[int, bytes]:
    keys: Mapping[int, bytes] = settings.MASTER_KEYS
    return keys
