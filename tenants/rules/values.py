"""What an id, a name, an e-mail address, a date or a sum of money is: the same for every entry point.

Pages, API, events, imports, the admin and commands read what people and programs send through these functions, so that
one customer cannot be two by a blank at the end of an id. A value that cannot be kept is refused with InvalidValue; an
entry point decides only what it does with a refusal (an import rejects the line, an event leaves the field out).

Text is composed (Unicode NFC), trimmed, and holds single spaces; control characters and marks that change the direction
of the text are refused. Names are compared with ``fold_text`` and sorted and searched by ``sort_key``.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from tenants.rules.messages import gettext_noop as _
from tenants.rules.texts import UNSEEN, clean_line, fold_text, is_refused, is_visible, normalize_text, unify_breaks

LONGEST_ID: Final = 150
LONGEST_USERNAME: Final = 150
LONGEST_EMAIL: Final = 254
LONGEST_PHONE: Final = 50
LONGEST_URL: Final = 500
LONGEST_HOST: Final = 253
# Amounts are below this, whichever the currency.
TOO_MUCH: Final = Decimal(10) ** 12
MOST_ISSUES: Final = 1_000_000
MOST_SCORE: Final = Decimal(5)
EARLIEST, LATEST = dt.date(1900, 1, 1), dt.date(2200, 12, 31)
# Decimals of the currencies that do not have two (ISO 4217, list one, of 2024).
DECIMALS: Final = (
    dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)  # noqa: SIM905
    | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
    | dict.fromkeys(("CLF", "UYW"), 4)
)
USUAL_DECIMALS: Final = 2
MOST_DECIMALS: Final = 4

# Beyond this no arithmetic is done on a number.
_FAR: Final = 10**18
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_SOFT_HYPHEN: Final = "\u00ad"
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# Of a timestamp with all its digits; a longer one is not remembered.
_USUAL_LENGTH: Final = 40
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
# RFC 5321 without quoted local parts and address literals, which no CRM means; letters of any script are fine.
_LOCAL_PART: Final = re.compile(r"[^\s@<>()\[\],;:\\\".]+(\.[^\s@<>()\[\],;:\\\".]+)*")
_NOT_IN_URL: Final = re.compile(r"[\s<>\"'`{}|\\^]")
_DOMAIN: Final = re.compile(r"([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_]([\w-]{0,61}[^\W_])?|localhost")
# Letters that do not decompose into a plain letter and a mark, and what ``sort_key`` puts for them.
PLAIN_LETTERS: Final = MappingProxyType(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n"}
    | {"’": "'", "‘": "'", "–": "-", "—": "-", "‐": "-"}
)
# The marks that it drops.
ACCENTS: Final = "[\u0300-\u036f]"
_PLAIN_LETTERS: Final = str.maketrans(dict(PLAIN_LETTERS))
_ACCENTS: Final = re.compile(ACCENTS)


class InvalidValue(ValueError):
    """The value cannot be kept. ``code`` names the kind of error.

    ``sentence`` says what is wrong, to follow a subject, with ``params`` in it: entry points say it in the reader's
    language (``tenants.sentences.describe_value``), records and logs in English.
    """

    def __init__(self, code: str, sentence: str, **params: str | int) -> None:
        self.code = code
        self.sentence = sentence
        self.params = params
        super().__init__(sentence)

    def __str__(self) -> str:
        return self.sentence % _show_numbers(self.params) if self.params else self.sentence


def _show_numbers(params: Mapping[str, str | int]) -> dict[str, str]:
    """The parameters of a sentence, numbers with their thousands."""
    return {name: f"{value:,}" if isinstance(value, int) else value for name, value in params.items()}


def read_line(value: object, longest: int, *, required: bool = False) -> str:
    """One line of text: composed, trimmed, single spaces; '' for None, and for one in which there is nothing to see.

    Raises InvalidValue: ``wrong_type``, ``blank`` (only if ``required``), ``too_long``, ``control_character``.
    """
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise InvalidValue("wrong_type", _("must be text"))
    # Far longer than anything that fits: not even looked at, so that length costs the sender and not us.
    if len(value) > 4 * longest + 1000:
        raise _too_long(value, longest)
    _refuse_control_characters(value.strip())
    text = clean_line(value)
    if len(text) > longest:
        raise _too_long(text, longest)
    if is_visible(text):
        return text
    if required:
        raise InvalidValue("blank", _("is blank"))
    return ""


def read_paragraphs(value: object, longest: int) -> str:
    """A text of several lines: composed, trimmed, its line breaks kept; '' for None, and where there is nothing to see.

    Raises InvalidValue.
    """
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise InvalidValue("wrong_type", _("must be text"))
    text = unify_breaks(value.strip())
    if len(text) > longest:
        raise _too_long(text, longest)
    _refuse_control_characters(text)
    return normalize_text(text) if is_visible(text) else ""


def _too_long(text: str, most: int) -> InvalidValue:
    sentence = _("is %(length)s characters long; at most %(most)s fit")
    return InvalidValue("too_long", sentence, length=len(text), most=most)


def _refuse_control_characters(text: str) -> None:
    if text.isascii() and text.isprintable():
        return
    refused = next((one for one in text if is_refused(one) and one not in "\t\n\r"), None)
    if refused is not None:
        sentence = _("contains the control character %(character)s; remove it")
        raise InvalidValue("control_character", sentence, character=f"U+{ord(refused):04X}")


def read_external_id(value: object) -> str:
    """The id of a customer in the tenant's own systems. Case counts; characters that no one sees are refused.

    Raises InvalidValue.
    """
    text = read_line(value, LONGEST_ID, required=True)
    _refuse_invisible(text, lambda one: one in UNSEEN or unicodedata.category(one) in ("Cf", "Cn", "Co"))
    return text


def read_kept_external_id(value: object) -> str:
    """The id as it may have been kept before what no one sees in it was refused, to find that customer and no other.

    Raises InvalidValue for what was never an id.
    """
    text = clean_line(value) if isinstance(value, str) and len(value) <= 4 * LONGEST_ID else ""
    if not text or len(text) > LONGEST_ID or any(unicodedata.category(one) in ("Cc", "Cs") for one in text):
        return read_external_id(value)
    return text


def read_username(value: object) -> str:
    """The name that someone logs in with: case does not count, so it is kept folded. Raises InvalidValue.

    Characters that no one sees are refused, but not those that join letters or part them, which some scripts need.
    """
    text = read_line(value, LONGEST_USERNAME, required=True)
    _refuse_invisible(text, lambda one: one in UNSEEN or one == _SOFT_HYPHEN)
    folded = fold_text(text)
    # Some letters are two when they are folded, as ß is, and what is kept has to fit.
    if len(folded) > LONGEST_USERNAME:
        raise _too_long(folded, LONGEST_USERNAME)
    return folded


def _refuse_invisible(text: str, is_hidden: Callable[[str], bool]) -> None:
    if text.isascii():
        return
    hidden = next(filter(is_hidden, text), None)
    if hidden is not None:
        sentence = _("contains the invisible character %(character)s; remove it")
        raise InvalidValue("control_character", sentence, character=f"U+{ord(hidden):04X}")


def read_email(value: object) -> str:
    """An e-mail address by itself, without a name in front; '' for none. Raises InvalidValue."""
    address = read_line(value, LONGEST_EMAIL)
    if not address:
        return ""
    local, _sign, domain = address.rpartition("@")
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise InvalidValue("invalid_email", _("is not an e-mail address such as name@company.example"))
    return address


def read_url(value: object) -> str:
    """The address of a website, http or https, its scheme and host in small letters; '' for none.

    Without a scheme, as CRMs often have it, it is https. Raises InvalidValue: ``invalid_url`` also for a user name in
    it, another scheme, or a host that is no domain.
    """
    text = read_line(value, LONGEST_URL)
    if not text:
        return ""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, is_web = parts.hostname or "", parts.scheme.lower() in ("http", "https")
        is_good = is_web and parts.port != 0 and "@" not in parts.netloc and not _NOT_IN_URL.search(text)
    except ValueError:
        is_good = False
    if not is_good or len(host) > LONGEST_HOST or not _DOMAIN.fullmatch(host):
        raise InvalidValue("invalid_url", _("is not a web address such as https://www.company.example"))
    return read_line(urlunsplit(parts._replace(netloc=parts.netloc.lower())), LONGEST_URL)


def read_currency(value: object) -> str:
    """Three letters of ISO 4217, in capitals; '' for none. Raises InvalidValue."""
    code = read_line(value, 40).upper()
    if code and not _CURRENCY.fullmatch(code):
        raise InvalidValue("invalid_currency", _("must be three letters such as EUR"))
    return code


def decimals_of(currency: str) -> int:
    """How many decimals amounts of the currency have; those of no currency have two."""
    return DECIMALS.get(currency, USUAL_DECIMALS)


def read_amount(value: object, currency: str | None = None, *, least: Decimal | None = None) -> Decimal:
    """A sum of money, exactly as it was said and with all decimals of its currency, never rounded.

    ``currency`` None: not known here; up to four decimals pass, and anyone who knows the currency asks again. Raises
    InvalidValue: ``invalid_number``, ``too_many_decimals``, ``out_of_range``.
    """
    amount = _read_number(value)
    most = MOST_DECIMALS if currency is None else decimals_of(currency)
    if amount != amount.quantize(Decimal(1).scaleb(-most)):
        if currency and most != USUAL_DECIMALS:
            sentence = _("has more than %(most)s decimals (%(currency)s has %(most)s)")
            raise InvalidValue("too_many_decimals", sentence, most=most, currency=currency)
        raise InvalidValue("too_many_decimals", _("has more than %(most)s decimals"), most=most)
    if least is not None and amount < least:
        raise InvalidValue("out_of_range", _("must be at least %(least)s"), least=str(least))
    if abs(amount) >= TOO_MUCH:
        raise InvalidValue("out_of_range", _("must be less than %(limit)s"), limit=int(TOO_MUCH))
    if currency is None:
        fewest = Decimal(1).scaleb(-USUAL_DECIMALS)
        return amount.quantize(fewest) if amount == amount.quantize(fewest) else amount
    return amount.quantize(Decimal(1).scaleb(-most))


def trim_amount(amount: Decimal, currency: str) -> Decimal:
    """An amount as ``read_amount`` gives it, of one that came with more zeros, as from a column that has a scale."""
    own = -int(amount.normalize().as_tuple().exponent)
    return amount.quantize(Decimal(1).scaleb(-max(own, decimals_of(currency))))


def read_count(value: object, most: int = MOST_ISSUES) -> int:
    """A whole number from 0 on. Raises InvalidValue."""
    number = _read_number(value)
    if number != number.to_integral_value():
        raise InvalidValue("invalid_number", _("must be a whole number"))
    if not 0 <= number <= most:
        raise InvalidValue("out_of_range", _("must be from 0 to %(most)s"), most=most)
    return int(number)


def read_score(value: object) -> Decimal:
    """A score from 0 to 5, kept to two decimals. Raises InvalidValue."""
    number = _read_number(value)
    if not 0 <= number <= MOST_SCORE:
        raise InvalidValue("out_of_range", _("must be from 0 to %(most)s"), most=int(MOST_SCORE))
    return number.quantize(Decimal("0.01"))


def read_day(value: object) -> dt.date:
    """A day such as 2026-03-31, between 1900 and 2200. Raises InvalidValue."""
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        try:
            return check_day(dt.date.fromisoformat(value.strip()))
        except InvalidValue:
            raise
        except ValueError:
            pass
    raise InvalidValue("invalid_date", _("is not a date such as 2026-03-31"))


def is_day(value: str) -> bool:
    """Whether the text is a day of the calendar, in whichever year."""
    try:
        return bool(_DAY.fullmatch(value)) and dt.date.fromisoformat(value) is not None
    except ValueError:
        return False


def check_day(day: dt.date) -> dt.date:
    """The day itself. Raises InvalidValue outside of 1900 to 2200: no business was done then, a program was wrong."""
    if not EARLIEST <= day <= LATEST:
        raise InvalidValue(
            "out_of_range",
            _("must be between %(first)s and %(last)s"),
            first=str(EARLIEST.year),
            last=str(LATEST.year),
        )
    return day


def read_timestamp(value: object) -> dt.datetime:
    """An RFC 3339 timestamp with its offset, in UTC, between 1900 and 2200. Raises InvalidValue."""
    text = value.strip() if isinstance(value, str) else ""
    # The schema of an event asks whether it is one, and it is read again to be kept.
    return (_read_timestamp if len(text) <= _USUAL_LENGTH else _read_timestamp.__wrapped__)(text)


@lru_cache(maxsize=4096)
def _read_timestamp(text: str) -> dt.datetime:
    if _TIMESTAMP.fullmatch(text):
        try:
            timestamp = dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            pass
        else:
            check_day(timestamp.date())
            return timestamp
    raise InvalidValue("invalid_timestamp", _("is not a timestamp such as 2026-03-31T09:00:00Z"))


def sort_key(text: str) -> str:
    """The key by which names are sorted and searched: without case, without accents, ``ß`` as ``ss``.

    Only marks of the Latin, Greek and Cyrillic scripts are left out: in others they are letters.
    """
    if text.isascii():
        return text.casefold()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()).translate(_PLAIN_LETTERS))
    return unicodedata.normalize("NFC", plain.casefold())


def _read_number(value: object) -> Decimal:
    """The number as it was written: a float is what its shortest form says. Raises InvalidValue."""
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        # Python refuses to spell numbers of thousands of digits.
        text = str(value) if abs(value) < _FAR else "1e30"
    elif isinstance(value, float | Decimal):
        text = repr(value) if isinstance(value, float) else str(value)
    else:
        text = ""
    if not _NUMBER.fullmatch(text):
        raise InvalidValue("invalid_number", _("is not a number; write for example 1234.50"))
    number = Decimal(text) + 0  # minus zero is zero
    if abs(number) >= _FAR:
        raise InvalidValue("out_of_range", _("must be less than %(limit)s"), limit=int(TOO_MUCH))
    return number
