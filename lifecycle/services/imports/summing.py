"""Lines that programs write below or between the customers of a table: totals and notes."""

import re
from collections.abc import Sequence
from typing import Final

from lifecycle.services.imports.cells import unwrap
from lifecycle.services.imports.columns import field_of

# The first cell of a line that sums up, as programs of several languages write it.
_TOTALS: Final = frozenset(
    (
        *(
            "total",
            "totals",
            "grand total",
            "grand totals",
            "subtotal",
            "sum",
            "summe",
            "gesamt",
            "gesamtsumme",
            "somme",
        ),
        *("total général", "totale", "suma", "totaal", "razem"),
    )
)

# A number with what is written about it: its currency, separators, a percent sign.
_AMOUNT: Final = re.compile(r"(?:[A-Z]{3})?[^\w]*\d[\d\W]*(?:[A-Z]{3})?")


def is_note(cells: Sequence[str]) -> bool:
    """Whether a line is what a program says of its export: a sentence by itself."""
    first, *others = (cell.strip() for cell in cells)
    return len(first.split()) > 1 and not any(others)


def is_total(columns: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether a line sums up those before it: by a total's word and by amounts, of which a customer has more.

    A customer may be called so: one with an id in another column, or with a text beside its name, is none.
    """
    first, *others = (unwrap(cell).strip() for cell in cells)
    if " ".join(first.split()).rstrip(":").casefold() not in _TOTALS or (others and all(others)):
        return False
    has_id = any(cell for column, cell in zip(columns[1:], others, strict=False) if field_of(column) == "external_id")
    return not has_id and all(not cell or _AMOUNT.fullmatch(cell) for cell in others)
