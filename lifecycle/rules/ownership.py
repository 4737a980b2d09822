"""Which source may write which part of a customer [AC-7], and which parts the data of an event write."""

from collections.abc import Mapping
from typing import Any, Final

COMPANY, CONTACTS, BILLING, SUPPORT = "company", "contacts", "billing", "support"
# The first segment of an event's source -> the parts that are its own.
OWNED_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "/crm": frozenset({COMPANY, CONTACTS}),
    "/billing": frozenset({BILLING}),
    "/support": frozenset({SUPPORT}),
}
# Field of the data -> the part it belongs to.
_CUSTOMER_FIELDS: Final = {
    "name": COMPANY,
    "industry": COMPANY,
    "segment": COMPANY,
    "owner": COMPANY,
    "contacts": CONTACTS,
    "billing": BILLING,
    "support": SUPPORT,
}
_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "customer.created": _CUSTOMER_FIELDS,
    "customer.updated": _CUSTOMER_FIELDS,
    "contract.renewed": {"contract_id": BILLING},
    "support.issue.closed": {"issue_id": SUPPORT},
}


def find_source_root(source: str) -> str:
    """The module that a source belongs to: ``/crm`` for ``/crm`` and for ``/crm/eu-1``."""
    return "/" + source.removeprefix("/").partition("/")[0] if source.startswith("/") else source


def find_foreign_part(source: str, event_type: str, data: Mapping[str, Any]) -> str | None:
    """A sentence naming the first field that the source may not write, or None when all are its own."""
    owned = OWNED_PARTS.get(find_source_root(source))
    if owned is None:
        return f"Events are taken from {', '.join(OWNED_PARTS)} only."
    for field, part in _FIELDS[event_type].items():
        if field in data and part not in owned:
            owner = next(root for root, parts in OWNED_PARTS.items() if part in parts)
            return f"data.{field} belongs to {owner}: {find_source_root(source)} may not write it."
    return None
