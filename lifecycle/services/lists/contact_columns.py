"""The columns of an export that name people: the main contact of each customer, masked for those without the right."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from audit.services.keys import load_keys
from lifecycle.queries.list_columns import Value
from lifecycle.queries.listing import ROWS_AT_ONCE
from lifecycle.services.customers.profiles import open_main_contacts
from tenants.actors import TenantRef

Row = Mapping[str, Any]
_OF_CONTACT: Final = ("name", "role", "email", "phone")


def _field(name: str) -> Value:
    return lambda row: row["contact"].get(name)


@dataclass(frozen=True, slots=True)
class ContactColumns:
    """Columns of the first contact. ``with_details``: e-mail address and phone number in clear."""

    with_details: bool

    @property
    def fields(self) -> Mapping[str, Value]:
        """Names and values of the columns, of rows that ``add_to`` has given their contact."""
        return {f"contact_{name}": _field(name) for name in _OF_CONTACT}

    @property
    def described(self) -> Mapping[str, str]:
        """What the record keeps: that contacts were exported, and whether in clear."""
        return {"contacts": "clear" if self.with_details else "masked"}

    def add_to(self, rows: Iterator[Row], tenant: TenantRef) -> Iterator[Row]:
        """The rows with their ``contact``: two statements for each ROWS_AT_ONCE of them."""
        while some := list(islice(rows, ROWS_AT_ONCE)):
            ids = [row["id"] for row in some]
            keys = load_keys(tenant.id, ids)
            contacts = open_main_contacts(ids, keys, tenant=tenant, with_contact_details=self.with_details)
            for row in some:
                yield {**row, "contact": contacts.get(row["id"], {})}
