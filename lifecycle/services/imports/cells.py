"""What programs on the way made of a cell: ids that were turned into numbers, dates and errors are refused by name.

An id that really looks like that can be given as ``="1E+11"``, the way spreadsheet programs keep digits as text.
"""

import re
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.services.imports.mangled import (
    NO_HABITS,
    Habits,
    find_error_value,
    find_mangled_id,
    find_mangled_phone,
)
from lifecycle.services.imports.values import InvalidCell

# Fields whose digits are no number.
IDS: Final = frozenset({"external_id", "billing.contract_id", "contact.phone"})
_EXACT: Final = 2**53
_TEXT_FORMULA: Final = re.compile(r'="((?:[^"]|"")*)"')
# With apostrophes before it as well, so that none is taken away that was there before. Full-width signs count in Excel.
_COULD_BE_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_ADVICE: Final = gettext_lazy('write the id as it is in the CRM, in a spreadsheet as text (="00124")')


def unwrap(text: str) -> str:
    """What is in a cell that a spreadsheet program kept as text: ``="00124"`` is 00124."""
    match = _TEXT_FORMULA.fullmatch(text.strip()) if "=" in text else None
    return text if match is None else match[1].replace('""', '"')


def guard(text: str) -> str:
    """The text as a cell that no spreadsheet program computes: an apostrophe comes before what could be a formula."""
    return f"'{text}" if _COULD_BE_FORMULA.match(text) else text


def unguard(text: str) -> str:
    """What ``guard`` was given."""
    return text[1:] if text.startswith("'") and _COULD_BE_FORMULA.match(text) else text


def read_cell(value: Any, field: str, habits: Habits = NO_HABITS) -> Any:
    """A text without blanks around it, or a number of JSON; '' for nothing. Raises InvalidCell for what was mangled.

    ``habits``: what the values of the column have in common.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidCell(_("must be a text or a number"))
    if not isinstance(value, str):
        if field in IDS:
            _refuse_inexact(value)
        return value
    text = value.strip()
    bare = unwrap(text).strip()
    if (sentence := find_error_value(bare)) is not None:
        raise InvalidCell(sentence % {"text": bare[:40]})
    if "\ufffd" in bare:
        # A program before put it where it could not read a letter.
        raise InvalidCell(_("has lost letters in another program: “\ufffd” stands for them; export it again"))
    # What was kept as text is as someone typed it.
    if field in IDS and bare == text:
        _refuse_mangled(text, field, habits)
    return bare


def _refuse_inexact(value: float) -> None:
    if abs(value) > _EXACT:
        raise InvalidCell(
            _("is a number too large to be exact in every program: “%(text)s”; write the id as text in quotes")
            % {"text": value}
        )
    if isinstance(value, float):
        raise InvalidCell(
            _("is a number with a decimal point, not an id: “%(text)s”; write the id as text in quotes")
            % {"text": value}
        )


def _refuse_mangled(text: str, field: str, habits: Habits) -> None:
    if field == "contact.phone":
        sentence = find_mangled_phone(text)
    else:
        sentence = find_mangled_id(text, habits, may_be_nothing=field != "external_id")
    if sentence is not None:
        raise InvalidCell(sentence % {"text": text[:40], "advice": _ADVICE})
