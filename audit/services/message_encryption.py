"""Bytes that wait in a table and may hold personal data: parked and dead messages, and what is to be published.

Each is encrypted under a data key of its own, which travels with it, wrapped by a master key: ``wrapped key | value``.
Nothing else is needed to open it but the ring of master keys; a rotation re-wraps what is kept for long.
"""

from uuid import UUID

from storage import cipher

# Version, key id, nonce, key, tag: the length of a wrapped data key.
_WRAPPED = 1 + 2 + cipher.NONCE_BYTES + cipher.KEY_BYTES + 16


def encrypt_message(plain: bytes, *, tenant_id: UUID, row_id: UUID) -> bytes:
    """Encrypt the bytes of a row. They open only for the same tenant and row id."""
    key = cipher.new_data_key()
    _, wrapped = cipher.wrap(key, tenant_id=tenant_id, subject_id=row_id)
    return wrapped + cipher.encrypt_bytes(key, plain, bound_to=_binding(tenant_id, row_id))


def decrypt_message(encrypted: bytes | memoryview, *, tenant_id: UUID, row_id: UUID) -> bytes:
    """Decrypt what ``encrypt_message`` returned for the same row. Raises Undecryptable."""
    encrypted = bytes(encrypted)
    key = cipher.unwrap(encrypted[:_WRAPPED], tenant_id=tenant_id, subject_id=row_id)
    return cipher.decrypt_bytes(key, encrypted[_WRAPPED:], bound_to=_binding(tenant_id, row_id))


def rewrap_message(encrypted: bytes | memoryview, *, tenant_id: UUID, row_id: UUID) -> bytes | None:
    """The same bytes under the newest master key, or None when they are already. Raises Undecryptable."""
    encrypted = bytes(encrypted)
    if int.from_bytes(encrypted[1:3], "big") == cipher.newest_master_key_id():
        return None
    key = cipher.unwrap(encrypted[:_WRAPPED], tenant_id=tenant_id, subject_id=row_id)
    _, wrapped = cipher.wrap(key, tenant_id=tenant_id, subject_id=row_id)
    return wrapped + encrypted[_WRAPPED:]


def _binding(tenant_id: UUID, row_id: UUID) -> bytes:
    return cipher.binding("sealed", "value", row_id, tenant_id)
