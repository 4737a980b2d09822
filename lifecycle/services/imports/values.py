"""From the text of a cell to a value: what is ambiguous is refused and never guessed.

What people write in files (groups of digits, days in several forms) is understood here; what a value may be is said in
``tenants.rules.values``, as for every entry point.
"""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.utils.translation import gettext as _

from lifecycle.rules.fields import FIELDS, Field
from tenants.rules import values
from tenants.rules.values import InvalidValue, check_day
from tenants.sentences import describe_value

# No number and no day that people write is longer; what reads one takes time by the square of its length.
LONGEST_FIGURE: Final = 100

_BLANKS: Final = re.compile(r"[\s\u00a0\u2007\u2009\u202f'’]")
_PLAIN: Final = re.compile(r"[+-]?\d+([.,]\d+)?")
# What may come before a separator of thousands.
_FIRST_GROUP: Final = re.compile(r"[+-]?[1-9]\d{0,2}")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?P<group>[.,])\d{3}((?P=group)\d{3})*((?!(?P=group))[.,]\d+)?")
# Spreadsheet programs write a minus before the sign of the currency.
_SIGNS: Final = re.compile(r"^([+-]?)[$€£¥]\s*|\s*[$€£¥]$")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_YEAR_FIRST: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_SLASHES: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905  easier to read
_DAY_NAMED: Final = re.compile(r"(\d{1,2})\.?[ -]([A-Za-z]{3})[a-z]*\.?,?[ -](\d{4})")
_MONTH_NAMED: Final = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})")


class InvalidCell(InvalidValue):
    """The text is no value of the field; the sentence says what is wrong and what would be right."""

    def __init__(self, sentence: str) -> None:
        super().__init__("invalid_value", sentence)


def read_number(text: str | float, *, has_thousands: bool = True) -> Decimal | float:
    """A number as people write it, with groups and either decimal mark. ``1,234`` could be two numbers: refused, unless
    the field has no thousands. ``1234,500`` is one only: what comes before a separator of thousands is shorter.

    A number of JSON cannot be misunderstood and passes as it is.
    """
    if not isinstance(text, str):
        return text
    shown = text
    text = text.strip()
    if len(text) > LONGEST_FIGURE:
        raise InvalidCell(_("is not a number: “%(text)s”; write for example 1234.50") % {"text": shown[:40]})
    text = _SIGNS.sub(r"\1", text)
    separated = _BLANKS.sub("", text)
    if separated != text and not re.fullmatch(r"[+-]?\d{1,3}([\s\u00a0\u2007\u2009\u202f'’]\d{3})+([.,]\d+)?", text):
        raise InvalidCell(_("is not a number: “%(text)s”; write for example 1234.50") % {"text": shown[:40]})
    return Decimal(_without_groups(separated, shown, was_separated=separated != text, has_thousands=has_thousands))


def _without_groups(text: str, shown: str, *, was_separated: bool, has_thousands: bool) -> str:
    if _PLAIN.fullmatch(text):
        head, mark, decimals = text.replace(",", ".").partition(".")
        may_be_group = has_thousands and not was_separated and _FIRST_GROUP.fullmatch(head) is not None
        if may_be_group and mark and len(decimals) == 3:
            raise InvalidCell(
                _("could be %(one)s or %(other)s: “%(text)s”; write it without a separator")
                % {"one": f"{head}{decimals}", "other": f"{head}.{decimals}", "text": shown[:40]}
            )
        return f"{head}{mark}{decimals}"
    grouped = _GROUPED.fullmatch(text)
    if grouped is None or was_separated:
        raise InvalidCell(_("is not a number: “%(text)s”; write for example 1234.50") % {"text": shown[:40]})
    group = grouped["group"]
    whole, mark, decimals = text.partition("," if group == "." else ".")
    return f"{whole.replace(group, '')}{mark and '.'}{decimals}"


def read_day(text: str) -> str:
    """A day, as ISO text: 2026-03-31, 2026/3/31, 31.03.2026, 31 Mar 2026, Mar 31, 2026, and 03/31/2026 if it is one
    day only.
    """
    return _read_day(text.strip()).isoformat()


def read_timestamp(text: str) -> dt.datetime:
    """A moment, or the beginning of a day; UTC unless it says otherwise."""
    text = text.strip()
    try:
        timestamp = dt.datetime.fromisoformat(text)
    except ValueError:
        timestamp = dt.datetime.combine(_read_day(text), dt.time())
    check_day(timestamp.date())
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=dt.UTC)


def _read_day(text: str) -> dt.date:
    try:
        day = _parse_day(text[: LONGEST_FIGURE + 1])
    except InvalidCell:
        raise
    except ValueError:
        raise InvalidCell(_("is not a date: “%(text)s”; write for example 2026-03-31") % {"text": text[:40]}) from None
    return check_day(day)


def _parse_day(text: str) -> dt.date:
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return dt.datetime.fromisoformat(text).date()
    if match := _YEAR_FIRST.fullmatch(text):
        return dt.date(int(match[1]), int(match[2]), int(match[3]))
    if match := _DAY_FIRST.fullmatch(text):
        return dt.date(int(match[3]), int(match[2]), int(match[1]))
    if match := _DAY_NAMED.fullmatch(text):
        return dt.date(int(match[3]), _MONTHS.index(match[2].lower()) + 1, int(match[1]))
    if match := _MONTH_NAMED.fullmatch(text):
        return dt.date(int(match[3]), _MONTHS.index(match[1].lower()) + 1, int(match[2]))
    if match := _SLASHES.fullmatch(text):
        one, other, year = int(match[1]), int(match[2]), int(match[3])
        if one <= 12 and other <= 12 and one != other:
            raise InvalidCell(_("could be two days: “%(text)s”; write for example 2026-03-31") % {"text": text})
        return dt.date(year, *((one, other) if one <= 12 else (other, one)))
    raise ValueError(text)


def _shown(read: Callable[[Any], Any], *, first: Callable[[Any], Any] = str) -> Callable[[Any], Any]:
    """A reader whose refusal shows the text: someone has to find it in the file."""

    def reader(text: Any) -> Any:
        try:
            return read(first(text))
        except InvalidCell:
            raise
        except InvalidValue as error:
            raise InvalidCell(f"{describe_value(error)}: “{str(text)[:60]}”") from error

    return reader


def _line(longest: int) -> Callable[[Any], Any]:
    return _shown(partial(values.read_line, longest=longest))


def _reader_of(field: Field) -> Callable[[Any], Any]:
    """How people's text for a field is read."""
    kind = field.kind
    if field.is_required:
        return _shown(partial(values.read_line, longest=kind.longest, required=True))
    match kind.name:
        case "amount":
            return _shown(partial(values.read_amount, least=kind.least), first=read_number)
        case "count":
            return _shown(kind.read, first=read_number)
        case "score":
            return _shown(kind.read, first=partial(read_number, has_thousands=False))
        case "day":
            return _shown(read_day)
        case _:
            return _shown(kind.read)


# Field -> how its text is read. Lengths are those of the columns it is kept in.
READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "external_id": _shown(values.read_external_id),
    **{field.path: _reader_of(field) for field in FIELDS if field.columns},
    "stage": _line(100),
    "reason_code": _line(255),
    "stage_entered_at": _shown(read_timestamp),
}
