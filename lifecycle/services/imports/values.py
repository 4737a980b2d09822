"""From the text of a cell to a value: what is ambiguous is refused and never guessed."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

LARGEST_MONEY: Final = Decimal(10) ** 12
_BLANKS: Final = re.compile(r"[\s\u00a0\u2007\u2009\u202f'’]")
_PLAIN: Final = re.compile(r"[+-]?\d+([.,]\d+)?")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?P<group>[.,])\d{3}((?P=group)\d{3})*((?!(?P=group))[.,]\d+)?")
_SIGNS: Final = re.compile(r"^[$€£¥]\s*|\s*[$€£¥]$")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHES: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905  easier to read
_DAY_NAMED: Final = re.compile(r"(\d{1,2})\.?[ -]([A-Za-z]{3})[a-z]*\.?,?[ -](\d{4})")
_MONTH_NAMED: Final = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})")


class BadValue(Exception):
    """The text is no value of the field; the sentence says what is wrong and what would be right."""


def read_text(text: str, *, longest: int) -> str:
    """One line of text: blanks at the ends are cut, runs of them (line breaks too) become one."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise BadValue("contains a control character; remove it")
    if len(text) > longest:
        raise BadValue(f"is {len(text):,} characters long; at most {longest:,} fit")
    return text


def read_number(text: str, *, least: Decimal | None = None, most: Decimal = LARGEST_MONEY) -> str:
    """A number with at most two decimals, as text that has two. ``1,234`` could be two numbers: refused."""
    shown = text
    text = _SIGNS.sub("", text.strip())
    separated = _BLANKS.sub("", text)
    if separated != text and not re.fullmatch(r"[+-]?\d{1,3}([\s\u00a0\u2007\u2009\u202f'’]\d{3})+([.,]\d+)?", text):
        raise BadValue(f"is no number: “{shown[:40]}”; write for example 1234.50")
    number = Decimal(_without_groups(separated, shown, was_separated=separated != text))
    if number != round(number, 2):
        raise BadValue(f"has more than two decimals: “{shown[:40]}”")
    if least is not None and number < least:
        raise BadValue(f"must be at least {least}, not “{shown[:40]}”")
    if number > most or number < -most:
        raise BadValue(f"must be at most {most:,}, not “{shown[:40]}”")
    return f"{number:.2f}"


def _without_groups(text: str, shown: str, *, was_separated: bool) -> str:
    if _PLAIN.fullmatch(text):
        head, mark, decimals = text.replace(",", ".").partition(".")
        if mark and len(decimals) == 3 and not was_separated and head.lstrip("+-") != "0":
            raise BadValue(
                f"could be {head}{decimals} or {head}.{decimals}: “{shown[:40]}”; write it without separator"
            )
        return f"{head}{mark}{decimals}"
    grouped = _GROUPED.fullmatch(text)
    if grouped is None or was_separated:
        raise BadValue(f"is no number: “{shown[:40]}”; write for example 1234.50")
    group = grouped["group"]
    whole, mark, decimals = text.partition("," if group == "." else ".")
    return f"{whole.replace(group, '')}{mark and '.'}{decimals}"


def read_count(text: str) -> int:
    """A whole number from 0 on."""
    number = Decimal(read_number(text, least=Decimal(0), most=Decimal(2**31 - 1)))
    if number != number.to_integral_value():
        raise BadValue(f"must be a whole number, not “{text[:40]}”")
    return int(number)


def read_currency(text: str) -> str:
    """Three letters."""
    code = text.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise BadValue(f"must be three letters such as EUR, not “{text[:40]}”")
    return code


def read_email(text: str) -> str:
    """An e-mail address."""
    address = read_text(text, longest=254)
    try:
        validate_email(address)
    except ValidationError:
        raise BadValue(f"is no e-mail address: “{address[:60]}”") from None
    return address


def read_day(text: str) -> str:
    """A day, as ISO text: 2026-03-31, 31.03.2026, 31 Mar 2026, Mar 31, 2026, and 03/31/2026 if it is one day only."""
    return _read_day(text.strip()).isoformat()


def read_moment(text: str) -> dt.datetime:
    """A moment, or the beginning of a day; UTC unless it says otherwise."""
    text = text.strip()
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = dt.datetime.combine(_read_day(text), dt.time())
    _refuse_far(moment.date(), text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _read_day(text: str) -> dt.date:
    try:
        day = _parse_day(text)
    except ValueError:
        raise BadValue(f"is no date: “{text[:40]}”; write for example 2026-03-31") from None
    _refuse_far(day, text)
    return day


def _parse_day(text: str) -> dt.date:
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return dt.datetime.fromisoformat(text).date()
    if match := _DAY_FIRST.fullmatch(text):
        return dt.date(int(match[3]), int(match[2]), int(match[1]))
    if match := _DAY_NAMED.fullmatch(text):
        return dt.date(int(match[3]), _MONTHS.index(match[2].lower()) + 1, int(match[1]))
    if match := _MONTH_NAMED.fullmatch(text):
        return dt.date(int(match[3]), _MONTHS.index(match[1].lower()) + 1, int(match[2]))
    if match := _SLASHES.fullmatch(text):
        one, other, year = int(match[1]), int(match[2]), int(match[3])
        if one <= 12 and other <= 12 and one != other:
            raise BadValue(f"could be two days: “{text}”; write for example 2026-03-31")
        return dt.date(year, *((one, other) if one <= 12 else (other, one)))
    raise ValueError(text)


def _refuse_far(day: dt.date, text: str) -> None:
    if not 1900 <= day.year <= 2200:
        raise BadValue(f"must lie between 1900 and 2200, not “{text[:40]}”")


_MONEY: Final = partial(read_number, least=Decimal(0))
# Field -> how its text is read. Lengths are those of the columns it is kept in.
READERS: Final[dict[str, Callable[[str], Any]]] = {
    "external_id": partial(read_text, longest=150),
    "name": partial(read_text, longest=200),
    "industry": partial(read_text, longest=100),
    "segment": partial(read_text, longest=100),
    "owner": partial(read_text, longest=150),
    "contact.name": partial(read_text, longest=200),
    "contact.email": read_email,
    "contact.phone": partial(read_text, longest=50),
    "contact.role": partial(read_text, longest=100),
    "billing.currency": read_currency,
    "billing.arr": _MONEY,
    "billing.mrr": _MONEY,
    "billing.balance_overdue": read_number,
    "billing.renewal_on": read_day,
    "billing.contract_id": partial(read_text, longest=150),
    "billing.contract_starts_on": read_day,
    "billing.contract_ends_on": read_day,
    "support.open_issues": read_count,
    "support.csat": partial(read_number, least=Decimal(0), most=Decimal(5)),
    "stage": partial(read_text, longest=100),
    "reason_code": partial(read_text, longest=255),
    "stage_entered_at": read_moment,
}
