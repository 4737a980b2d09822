"""What programs on the way made of a cell: ids that were turned into numbers, dates and errors are refused by name.

An id that really looks like that can be given as ``="1E+11"``, the way spreadsheet programs keep digits as text.
"""

import re
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.services.imports.values import InvalidCell

# Fields whose digits are no number.
IDS: Final = frozenset({"external_id", "billing.contract_id", "contact.phone"})
_EXACT: Final = 2**53
_TEXT_FORMULA: Final = re.compile(r'="((?:[^"]|"")*)"')
# With apostrophes before it as well, so that none is taken away that was there before. Full-width signs count in Excel.
_COULD_BE_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_ERROR: Final = re.compile(
    r"#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|GETTING_DATA|ERROR!"
    r"|NV|BEZUG!|WERT!|ZAHL!|REF\?|NOM\?|VALEUR!|NOMBRE!|NOMBRE\?|¡REF!|¡VALOR!|VALOR!|##+)|Err:\d{3}",
    re.IGNORECASE,
)
_EXPONENT: Final = re.compile(r"[+-]?\d+([.,]\d+)?E[+-]\d+|[+-]?\d+[.,]\d+E\d+", re.IGNORECASE)
_FLOAT: Final = re.compile(r"[+-]?\d+[.,]0+")
_GROUPS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_ROUNDED: Final = re.compile(r"\d{15,}000")
# One alone may be an id; where all of the column are so, they are none.
_ROUNDED_TOGETHER: Final = re.compile(r"\d{15}0+")
_MONTH: Final = "(jan|feb|mar|m[äa]r|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez)"
_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[ T]00:00(:00(\.0+)?)?(Z|[+-]00:?00)?|\d{1,2}/\d{1,2}/\d{2,4}( 0?0:00(:00)?)?"
    rf"|\d{{1,2}}[-. ]+{_MONTH}\.?|{_MONTH}\.?[- ]\d{{2}}|\d{{1,2}}[-. ]+{_MONTH}\.?[- ]\d{{2,4}}",
    re.IGNORECASE,
)
_NOTHING: Final = frozenset(
    {"nan", "null", "none", "nil", "undefined", "n/a", "na", "(null)", "<null>", "\\n", "(blank)"}
)
_ADVICE: Final = gettext_lazy('write the id as it is in the CRM, in a spreadsheet as text (="00124")')


def unwrap(text: str) -> str:
    """What stands in a cell that a spreadsheet program kept as text: ``="00124"`` is 00124."""
    match = _TEXT_FORMULA.fullmatch(text.strip()) if "=" in text else None
    return text if match is None else match[1].replace('""', '"')


def guard(text: str) -> str:
    """The text as a cell that no spreadsheet program computes: an apostrophe stands before what could be a formula."""
    return f"'{text}" if _COULD_BE_FORMULA.match(text) else text


def unguard(text: str) -> str:
    """What ``guard`` was given."""
    return text[1:] if text.startswith("'") and _COULD_BE_FORMULA.match(text) else text


def read_cell(value: Any, field: str, *, is_rounded: bool = False) -> Any:
    """A text without blanks around it, or a number of JSON; '' for nothing. Raises InvalidCell for what was mangled.

    ``is_rounded``: every long number of the column ends in zeros.
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
    if _ERROR.fullmatch(bare):
        raise InvalidCell(_("is an error of a spreadsheet program and no value: “%(text)s”") % {"text": bare[:40]})
    # What was kept as text is as someone typed it.
    if field in IDS and bare == text:
        _refuse_mangled(text, field, is_rounded=is_rounded)
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


def _refuse_mangled(text: str, field: str, *, is_rounded: bool) -> None:
    sentence = _find_mangled(text, field, is_rounded=is_rounded)
    if sentence is not None:
        raise InvalidCell(sentence % {"text": text[:40], "advice": _ADVICE})


def _find_mangled(text: str, field: str, *, is_rounded: bool) -> str | None:
    """What was made of an id, in a sentence that shows it; None: nothing."""
    if _EXPONENT.fullmatch(text):
        return _("was turned into a rounded number by a spreadsheet program: “%(text)s”; %(advice)s")
    if field == "contact.phone":
        return None
    if _FLOAT.fullmatch(text) or _GROUPS.fullmatch(text):
        return _("was turned into a number by another program: “%(text)s”; %(advice)s")
    if _ROUNDED.fullmatch(text):
        return _("ends in zeros as numbers do that a spreadsheet program rounded: “%(text)s”; %(advice)s")
    if is_rounded and _ROUNDED_TOGETHER.fullmatch(text):
        return _(
            "ends in zeros like every long number of the column, as a spreadsheet program rounds them:"
            " “%(text)s”; %(advice)s"
        )
    if _DATE.fullmatch(text):
        return _("was turned into a date by a spreadsheet program: “%(text)s”; %(advice)s")
    if field == "external_id" and text.casefold() in _NOTHING:
        return _("is how programs write an empty value: “%(text)s”; %(advice)s")
    if text.startswith("=") and len(text) > 1:
        return _("is a formula: “%(text)s”; %(advice)s")
    return None
