"""Data keys: made with the first personal value of a customer, re-wrapped by rotation, destroyed by erasure."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import transaction

from audit import cipher
from audit.models import DataKey


class KeyDestroyed(cipher.Undecryptable):
    """The customer was erased: the data key is gone and personal values cannot be read any more."""


def ensure_keys(tenant_id: UUID, subject_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The data key of each subject, made where there is none yet. Two statements, three when some are new."""
    wanted = sorted(set(subject_ids))
    keys = load_keys(tenant_id, wanted)
    missing = [subject_id for subject_id in wanted if subject_id not in keys]
    if missing:
        rows = []
        for subject_id in missing:
            key_id, wrapped = cipher.wrap(cipher.new_data_key(), tenant_id=tenant_id, subject_id=subject_id)
            rows.append(DataKey(tenant_id=tenant_id, subject_id=subject_id, wrapped=wrapped, master_key_id=key_id))
        # Another writer may have been first: its key wins, so read again what is there now.
        DataKey.objects.bulk_create(rows, ignore_conflicts=True, batch_size=5000)
        keys |= load_keys(tenant_id, missing)
    return keys


def load_keys(tenant_id: UUID, subject_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The data keys that exist, by subject. One statement."""
    rows = DataKey.objects.filter(tenant_id=tenant_id, subject_id__in=subject_ids).values_list("subject_id", "wrapped")
    return {
        subject_id: cipher.unwrap(wrapped, tenant_id=tenant_id, subject_id=subject_id) for subject_id, wrapped in rows
    }


def load_key(tenant_id: UUID, subject_id: UUID) -> bytes:
    """The data key of one subject. Raises KeyDestroyed when it is gone."""
    key = load_keys(tenant_id, [subject_id]).get(subject_id)
    if key is None:
        raise KeyDestroyed("The personal data of this customer were erased.")
    return key


def destroy_key(tenant_id: UUID, subject_id: UUID) -> bool:
    """Erase a subject's personal values by deleting the key they need. True when there was one."""
    deleted, _ = DataKey.objects.filter(tenant_id=tenant_id, subject_id=subject_id).delete()
    return deleted > 0


def rotate_keys(tenant_id: UUID, *, batch_size: int = 2000) -> Iterable[int]:
    """Re-wrap the tenant's data keys under the newest master key, batch by batch; yields the number done in each.

    Interrupted anywhere, a second run goes on with the rest: what is still under an old key is what is left.
    Call inside the tenant's context; every batch is a savepoint of the caller's transaction or its own.
    """
    newest = cipher.newest_master_key_id()
    while True:
        with transaction.atomic():
            rows = list(
                DataKey.objects.select_for_update(skip_locked=True)
                .filter(tenant_id=tenant_id)
                .exclude(master_key_id=newest)
                .order_by("id")[:batch_size]
            )
            for row in rows:
                key = cipher.unwrap(row.wrapped, tenant_id=tenant_id, subject_id=row.subject_id)
                row.master_key_id, row.wrapped = cipher.wrap(key, tenant_id=tenant_id, subject_id=row.subject_id)
            DataKey.objects.bulk_update(rows, ["master_key_id", "wrapped"])
        if not rows:
            return
        yield len(rows)
