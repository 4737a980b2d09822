"""Which source may write which part of a customer [AC-7], and which parts the data of an event write."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.rules.fields import BILLING, COMPANY, CONTACTS, FIELDS, SUPPORT
from lifecycle.rules.precedence import PEOPLE
from tenants.rules.messages import Message

# The first segment of an event's source -> the parts that are its own.
OWNED_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "/crm": frozenset({COMPANY, CONTACTS}),
    "/billing": frozenset({BILLING}),
    "/support": frozenset({SUPPORT}),
}
# Where the names of all sources begin: of modules, of imported files, of what people enter, of the API.
SOURCE_ROOTS: Final = (*OWNED_PARTS, "/import", PEOPLE)
# The parts and fields of a customer for which a tenant can say which source goes first.
SOURCED_PATHS: Final = (
    COMPANY,
    BILLING,
    SUPPORT,
    CONTACTS,
    *(field.path for field in FIELDS if field.part != CONTACTS),
)
_PARTS: Final = {name: tuple(entry.parts()) for name, entry in EVENT_TYPES.items()}


def find_source_root(source: str) -> str:
    """The module that a source belongs to: ``/crm`` for ``/crm`` and for ``/crm/eu-1``."""
    return "/" + source.removeprefix("/").partition("/")[0] if source.startswith("/") else source


def find_owner(part: str) -> str:
    """The source that a part belongs to."""
    return next(root for root, parts in OWNED_PARTS.items() if part in parts)


def find_foreign_part(source: str, event_type: str, data: Mapping[str, Any]) -> Message | None:
    """What names the first field that the source may not write, or None when all are its own."""
    if find_source_root(source) not in OWNED_PARTS:
        return Message("event_foreign_source", {"sources": list(OWNED_PARTS)})
    for field, owner in find_foreign_fields(source, event_type, data).items():
        named = {"field": f"data.{field}", "owner": owner, "source": find_source_root(source)}
        return Message("event_foreign_field", named)
    return None


def find_foreign_fields(source: str, event_type: str, data: Collection[str]) -> dict[str, str]:
    """The fields of the data that a source may not write, each with the source that it belongs to."""
    owned = OWNED_PARTS[find_source_root(source)]
    return {field: find_owner(part) for field, part in _PARTS[event_type] if field in data and part not in owned}
