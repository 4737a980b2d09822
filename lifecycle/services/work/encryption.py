"""The texts of notes and tasks under the data key of their customer."""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from audit.services.keys import ensure_keys, load_keys
from storage import cipher
from tenants.actors import TenantRef

# A text as it lies in a table: the table, the column, the row's id, its customer and the bytes.
Encrypted = tuple[str, str, UUID, UUID, bytes | memoryview]
Keys = Mapping[UUID, bytes]


class LateKeys(Mapping[UUID, bytes]):
    """The data key of one customer, asked for when it is first needed, and once for all who share it."""

    def __init__(self, tenant_id: UUID, customer_id: UUID) -> None:
        self._tenant_id, self._customer_id = tenant_id, customer_id
        self._found: Keys | None = None

    def _load(self) -> Keys:
        if self._found is None:
            self._found = load_keys(self._tenant_id, [self._customer_id])
        return self._found

    def __getitem__(self, customer_id: UUID) -> bytes:
        """The key, by the customer's id. Raises KeyError when it is gone."""
        return self._load()[customer_id]

    def __iter__(self) -> Iterator[UUID]:
        """The customer, if there is a key."""
        return iter(self._load())

    def __len__(self) -> int:
        """1, or 0 when it is gone."""
        return len(self._load())


def encrypt_text(text: str, table: str, column: str, row_id: UUID, *, customer_id: UUID, tenant: TenantRef) -> bytes:
    """The text encrypted for this place, under a key that is made if there is none yet."""
    key = ensure_keys(tenant.id, [customer_id])[customer_id]
    return cipher.encrypt(key, text, bound_to=cipher.binding(table, column, row_id, tenant.id))


def decrypt_texts(
    encrypted: Iterable[Encrypted], *, tenant: TenantRef, keys: Keys | None = None
) -> Mapping[UUID, str | None]:
    """The texts in clear by the id of their row; None for what no one can read any more. One statement, if any.

    ``keys``: the data keys by customer, where they are known already.
    """
    rows = list(encrypted)
    if not rows:
        return {}
    if keys is None:
        keys = load_keys(tenant.id, {customer_id for _table, _column, _row, customer_id, _value in rows})
    return {
        row_id: _open(keys.get(customer_id), bytes(value), cipher.binding(table, column, row_id, tenant.id))
        for table, column, row_id, customer_id, value in rows
    }


def _open(key: bytes | None, value: bytes, bound_to: bytes) -> str | None:
    if key is None:
        return None
    try:
        return cipher.decrypt(key, value, bound_to=bound_to)
    except cipher.Undecryptable:
        # Written under a key that was destroyed since.
        return None
