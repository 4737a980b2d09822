"""What people call the values of fields of a customer."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

from lifecycle.rules.fields import FIELDS
from lifecycle.web.tags import NOTHING, day, exact_money, score
from tenants.sentences.figures import say_number, say_timestamp

_KIND_OF: Final = {field.path: field.kind.name for field in FIELDS}
OWNER: Final = "owner"
_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


def spell_value(path: str, value: Any, currency: str = "", owners: Mapping[str, str] = _NO_NAMES) -> str:
    """The value of a field as its reader writes it, a dash for none: ``€379,200``, ``29 Dec 2026``.

    ``currency``: of amounts. ``owners``: what they are called, as ``people.name_owners``. What a source gave in another
    form than the field's is shown as it gave it.
    """
    if value in (None, ""):
        return NOTHING
    if path == OWNER:
        return owners.get(value, str(value))
    spell = _SPELLINGS.get(_KIND_OF.get(path, ""))
    try:
        return str(value) if spell is None else spell(value, currency)
    except (ValueError, InvalidOperation):
        return str(value)


def _spell_timestamp(value: Any, _currency: str) -> str:
    at = dt.datetime.fromisoformat(str(value))
    return say_timestamp(at if at.tzinfo else at.replace(tzinfo=dt.UTC))


# By the kind of the field; the others are texts.
_SPELLINGS: Final[Mapping[str, Callable[[Any, str], str]]] = {
    "amount": lambda value, currency: exact_money(Decimal(str(value)), currency),
    "day": lambda value, _currency: day(str(value)),
    "timestamp": _spell_timestamp,
    "count": lambda value, _currency: say_number(Decimal(str(value))),
    "score": lambda value, _currency: score(value),
}
