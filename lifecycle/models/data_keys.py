"""Rows with columns that are encrypted under the data key of their customer."""

from typing import Any

from audit.services.keys import load_key


class OfCustomer:
    """A row with ``tenant_id`` and ``customer_id``, asked for the key of its encrypted columns (``storage.fields``)."""

    def data_key(self) -> bytes:
        """The customer's data key; kept on the instance after the first look-up, or set where many are loaded."""
        key: bytes | None = self.__dict__.get("_data_key")
        if key is None:
            row: Any = self
            key = self.__dict__["_data_key"] = load_key(row.tenant_id, row.customer_id)
        return key

    def use_data_key(self, key: bytes) -> None:
        """Give the instance the key that its loader has already unwrapped."""
        self.__dict__["_data_key"] = key
