"""Data keys: made with the first personal value of a customer, re-wrapped by rotation, destroyed by erasure."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from uuid_utils.compat import uuid7

from audit.models import DataKey
from storage import cipher
from storage.cursors import bytea_array, plain_array, prepared_cursor

READ = """
SELECT subject_id, wrapped FROM audit_data_key
 WHERE tenant_id = %(tenant_id)s::uuid AND subject_id = ANY(%(subject_ids)s::uuid[])
"""
INSERT = """
INSERT INTO audit_data_key (id, tenant_id, subject_id, wrapped, master_key_id)
SELECT id, %(tenant_id)s::uuid, subject_id, wrapped, master_key_id
  FROM unnest(%(ids)s::uuid[], %(subject_ids)s::uuid[], %(wrapped)s::bytea[], %(master_key_ids)s::int[])
    AS made(id, subject_id, wrapped, master_key_id)
    ON CONFLICT (tenant_id, subject_id) DO NOTHING
RETURNING subject_id
"""
LOCK_OLD = """
SELECT id, subject_id, wrapped FROM audit_data_key
 WHERE tenant_id = %(tenant_id)s::uuid AND master_key_id <> %(newest)s::int
 ORDER BY id LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED
"""
REWRAP = """
UPDATE audit_data_key k SET wrapped = i.wrapped, master_key_id = i.master_key_id
  FROM unnest(%(ids)s::uuid[], %(wrapped)s::bytea[], %(master_key_ids)s::int[]) AS i(id, wrapped, master_key_id)
 WHERE k.tenant_id = %(tenant_id)s::uuid AND k.id = i.id
"""


class KeyDestroyed(cipher.Undecryptable):
    """The customer was erased: the data key is gone and personal values cannot be read any more."""


def ensure_keys(tenant_id: UUID, subject_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The data key of each subject, made where there is none yet. One statement, two when some are new."""
    wanted = sorted(set(subject_ids))
    keys = load_keys(tenant_id, wanted)
    missing = [subject_id for subject_id in wanted if subject_id not in keys]
    if missing:
        keys |= _make_keys(tenant_id, missing)
    return keys


def _make_keys(tenant_id: UUID, subject_ids: list[UUID]) -> dict[UUID, bytes]:
    fresh = {subject_id: cipher.new_data_key() for subject_id in subject_ids}
    wrapped = [cipher.wrap(key, tenant_id=tenant_id, subject_id=subject_id) for subject_id, key in fresh.items()]
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(
            INSERT,
            {
                "tenant_id": tenant_id,
                "ids": plain_array(uuid7() for _ in fresh),
                "subject_ids": plain_array(fresh),
                "wrapped": bytea_array(value for _, value in wrapped),
                "master_key_ids": plain_array(key_id for key_id, _ in wrapped),
            },
        )
        made = {subject_id for (subject_id,) in cursor.fetchall()}
    # Another writer may have been first: its key wins, so read what is there now.
    others = [subject_id for subject_id in subject_ids if subject_id not in made]
    return {id_: fresh[id_] for id_ in made} | (load_keys(tenant_id, others) if others else {})


def load_keys(tenant_id: UUID, subject_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The data keys that exist, by subject. One statement."""
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(READ, {"tenant_id": tenant_id, "subject_ids": plain_array(subject_ids)})
        rows = cursor.fetchall()
    return unwrap_keys(tenant_id, rows)


def unwrap_keys(tenant_id: UUID, rows: Iterable[tuple[UUID, bytes | None]]) -> dict[UUID, bytes]:
    """The data keys of subjects, from rows of theirs that were read with something else; None for those without."""
    return {
        subject_id: cipher.unwrap(wrapped, tenant_id=tenant_id, subject_id=subject_id)
        for subject_id, wrapped in rows
        if wrapped is not None
    }


def load_key(tenant_id: UUID, subject_id: UUID) -> bytes:
    """The data key of one subject. Raises KeyDestroyed when it is gone."""
    key = load_keys(tenant_id, [subject_id]).get(subject_id)
    if key is None:
        raise KeyDestroyed("This customer's personal data was erased.")
    return key


def destroy_key(tenant_id: UUID, subject_id: UUID) -> bool:
    """Erase a subject's personal values by deleting the key they need. True when there was one."""
    deleted, _ = DataKey.objects.filter(tenant_id=tenant_id, subject_id=subject_id).delete()
    return deleted > 0


def count_old_keys(tenant_id: UUID) -> int:
    """How many data keys of the tenant are still wrapped by another master key than the newest. One statement."""
    return DataKey.objects.filter(tenant_id=tenant_id).exclude(master_key_id=cipher.newest_master_key_id()).count()


def rewrap_keys(tenant_id: UUID, *, limit: int) -> int:
    """Re-wrap up to ``limit`` data keys under the newest master key; how many were. Two statements.

    Call inside the tenant's context; a caller that commits batch by batch may be interrupted anywhere, and a second run
    does the rest. Keys that another transaction holds are left out. Raises Undecryptable when a key's master key is
    not in the ring.
    """
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(LOCK_OLD, {"tenant_id": tenant_id, "newest": cipher.newest_master_key_id(), "limit": limit})
        rewrapped = {}
        for key_id, subject_id, wrapped in cursor.fetchall():
            key = cipher.unwrap(wrapped, tenant_id=tenant_id, subject_id=subject_id)
            rewrapped[key_id] = cipher.wrap(key, tenant_id=tenant_id, subject_id=subject_id)
        cursor.execute(
            REWRAP,
            {
                "tenant_id": tenant_id,
                "ids": plain_array(rewrapped),
                "wrapped": bytea_array(wrapped for _, wrapped in rewrapped.values()),
                "master_key_ids": plain_array(master_key_id for master_key_id, _ in rewrapped.values()),
            },
        )
    return len(rewrapped)
