"""Numbers and dates as the reader's language writes them: ``1,204.5`` in English, ``1.204,5`` in German."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.formats import get_format
from django.utils.translation import get_language, gettext, ngettext, pgettext

SYMBOLS: Final[Mapping[str, str]] = MappingProxyType({"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"})


def say_number(value: int | float | Decimal, decimals: int | None = None) -> str:
    """With thousands, and rounded to so many ``decimals``; without, a number keeps those that it has."""
    return localize_number(f"{value:,}" if decimals is None else f"{value:,.{decimals}f}")


def say_percent(share: float, decimals: int = 0) -> str:
    """A share from 0 to 1 as ``29%``, in German ``29 %``."""
    return sign_percent(say_number(100 * share, decimals))


def sign_percent(number: str) -> str:
    """A number that is written already, with its sign."""
    return gettext("%(percent)s%%") % {"percent": number}


def localize_number(text: str) -> str:
    """A number written as in English, such as ``1,204.5``, in the reader's language."""
    language = get_language()
    return text if language is None or language.startswith("en") else text.translate(_read_separators(language))


@lru_cache(maxsize=32)
def _read_separators(language: str) -> dict[int, str]:
    return str.maketrans(
        {
            ",": str(get_format("THOUSAND_SEPARATOR", language, use_l10n=True)),
            ".": str(get_format("DECIMAL_SEPARATOR", language, use_l10n=True)),
        }
    )


def say_money(number: str, currency: str | None) -> str:
    """An amount that is written already, in its currency: ``€120,000``, in German ``120.000 €``; ``120,000 SEK``."""
    symbol = SYMBOLS.get(currency or "")
    if symbol is None:
        return f"{number} {currency or ''}".rstrip()
    amount = _read_form_of_money(get_language()) % {"symbol": symbol, "amount": number.removeprefix("-")}
    return f"-{amount}" if number.startswith("-") else amount


@lru_cache(maxsize=32)
def _read_form_of_money(_language: str | None) -> str:
    return pgettext("amount of money", "%(symbol)s%(amount)s")


def say_day(date: dt.date) -> str:
    """``12 Nov 2026``."""
    # A page says a hundred days, most of them again and again.
    return _write_day(get_language(), date.year, date.month, date.day)


@lru_cache(maxsize=4096)
def _write_day(_language: str | None, year: int, month: int, day: int) -> str:
    return format_date(dt.date(year, month, day), pgettext("format of a date", "j M Y"))


def say_short_day(date: dt.date) -> str:
    """``12 Nov 26``, where there is little room."""
    return format_date(date, pgettext("format of a date", "j M y"))


def say_month(date: dt.date) -> str:
    """``Nov 2026``."""
    return format_date(date, pgettext("format of a date", "M Y"))


def say_days(number: int) -> str:
    """``1 day``, ``1,204 days``."""
    # As often as days themselves: how long each customer has been in its stage, and until when its contract goes.
    return _count_days(get_language(), number)


@lru_cache(maxsize=4096)
def _count_days(_language: str | None, number: int) -> str:
    return ngettext("%(number)s day", "%(number)s days", number) % {"number": say_number(number)}


def say_distance(left: int) -> str:
    """How far a day is off: ``today``, ``in 4 days``, ``1 day ago``."""
    return _write_distance(get_language(), left)


@lru_cache(maxsize=4096)
def _write_distance(_language: str | None, left: int) -> str:
    if left == 0:
        return gettext("today")
    if left > 0:
        sentence = ngettext("in %(days)s day", "in %(days)s days", left)
    else:
        sentence = ngettext("%(days)s day ago", "%(days)s days ago", -left)
    return sentence % {"days": say_number(abs(left))}


def say_timestamp(timestamp: dt.datetime) -> str:
    """``12 Nov 2026, 14:03 UTC``, in the reader's zone."""
    here = timezone.localtime(timestamp)
    return f"{say_minute(here)} {name_zone(here)}"


def name_zone(here: dt.datetime) -> str:
    """The zone of a time as people write it: ``UTC``, ``CEST``; ``UTC+03:00`` where it has no letters."""
    name = here.tzname() or "UTC"
    return name if name.isalpha() else f"UTC{here.isoformat()[-6:]}"


def say_minute(timestamp: dt.datetime) -> str:
    """``12 Nov 2026, 14:03``, by the clock of the moment's own zone."""
    # A system reports what it knows of many customers in the same minute.
    return _write_minute(get_language(), timestamp.replace(second=0, microsecond=0, tzinfo=None))


@lru_cache(maxsize=4096)
def _write_minute(_language: str | None, minute: dt.datetime) -> str:
    return format_date(minute, pgettext("format of a date", "j M Y, H:i"))


def forget_figures() -> None:
    """Write every day, time and amount again: for tests, which change catalogs."""
    for written in (_write_day, _write_minute, _count_days, _write_distance, _read_form_of_money):
        written.cache_clear()
