"""What a client looks for: ``filter``, ``startIndex``, ``count``, ``attributes`` (RFC 7644, section 3.4.2)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from tenants.api.scim.discovery import MOST
from tenants.api.scim.errors import ScimRefused
from tenants.models import User
from tenants.rules.texts import clean_line, fold_text

_FILTER = re.compile(
    r'\s*(?:urn:ietf:params:scim:schemas:core:2\.0:User:)?(\w+)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*', re.I
)
LONGEST_FILTER: Final = 1000
MOST_NAMES: Final = 50
CAN: Final = 'A filter is userName, externalId, id or active, then eq and a value: userName eq "ann@example.com".'


@dataclass(frozen=True, slots=True)
class Query:
    """Which people, which of them, and what of each. ``start`` counts from 1."""

    filter: str
    start: int
    count: int
    attributes: tuple[str, ...]
    excluded: tuple[str, ...]


def read_query(given: Mapping[str, Any]) -> Query:
    """The question that parameters, or the body of a search, ask. Raises ScimRefused."""
    return Query(
        filter=str(given.get("filter") or ""),
        # As the RFC has it: less than 1 is 1, and less than 0 is 0.
        start=max(1, _number(given.get("startIndex"), "startIndex", 1)),
        count=min(MOST, max(0, _number(given.get("count"), "count", MOST))),
        attributes=_names(given.get("attributes")),
        excluded=_names(given.get("excludedAttributes")),
    )


def select(people: QuerySet[User], text: str) -> QuerySet[User]:
    """Those whom the filter finds. Raises ScimRefused."""
    if not text.strip():
        return people
    found = _FILTER.fullmatch(text) if len(text) <= LONGEST_FILTER else None
    if found is None:
        raise ScimRefused(400, CAN, "invalidFilter")
    name = found[1].lower()
    try:
        value = json.loads(found[2] if found[2].startswith('"') else found[2].lower())
    except ValueError as error:
        raise ScimRefused(400, CAN, "invalidFilter") from error
    # Neither NUL nor half of a surrogate pair is in any name that is kept.
    if isinstance(value, str) and any(one == "\0" or "\ud800" <= one <= "\udfff" for one in value):
        return people.none()
    if name == "active" and isinstance(value, bool):
        return people.filter(is_active=value)
    if isinstance(value, bool):
        raise ScimRefused(400, CAN, "invalidFilter")
    match name:
        case "username":
            return people.filter(username=fold_text(clean_line(value)))
        case "externalid":
            return people.filter(external_subject=value) if value else people.none()
        case "id":
            found_id = read_id(value)
            return people.filter(id=found_id) if found_id else people.none()
    raise ScimRefused(400, CAN, "invalidFilter")


def read_id(text: str) -> UUID | None:
    """The id that a text names, if it does."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _number(value: Any, name: str, default: int) -> int:
    if value in (None, ""):
        return default
    text = str(value)
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ScimRefused(400, f"{name} is a whole number.", "invalidValue")
    return int(text)


def _names(value: Any) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else str(value or "").split(",")
    if len(texts) > MOST_NAMES:
        raise ScimRefused(400, f"At most {MOST_NAMES} attributes can be named.", "invalidValue")
    return tuple(text for one in texts if (text := str(one).strip()))
