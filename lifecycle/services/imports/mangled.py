"""What programs on the way made of an id: numbers, dates, amounts and errors in its place are known by their form.

Most forms are no id of anyone's. A few could be one: what the other values of the column are decides (``Habits``).
"""

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any, Final, Self

from django.utils.translation import gettext as _

# A spreadsheet program has zeros for the digits of a number after so many.
KEPT_DIGITS: Final = 15
# One number alone may end in zeros by itself.
_SEVERAL: Final = 2
_MOST_COUNTED: Final = 1_000

_ERRORS: Final = (
    "N/A REF! VALUE! NAME? DIV/0! NUM! NULL! SPILL! CALC! FIELD! BLOCKED! CONNECT! UNKNOWN! BUSY! GETTING_DATA ERROR!"
    " NV BEZUG! WERT! ZAHL! ÜBERLAUF! REF? NOM? VALEUR! NOMBRE! NUL! PROPAGATION! NOMBRE? ¿NOMBRE? ¡REF! ¡VALOR! VALOR!"
    " ¡NUM! ¡NULO! NULO! ¡DIV/0! NÚM! NOME? N/D N/D! RIF! VALORE! NULLO! ARG! ADR! NAZWA? LICZBA! ZERO! DZIEL/0! N/B"
    " VERW! WAARDE! NAAM? GETAL! LEEG! DEEL/0! SAKNAS! REFERENS! VÄRDEFEL! NAMN? OGILTIGT! DIVISION/0! I/T REFERENCE!"
    " VÆRDI! NAVN? VERDI! PUUTTUU! VIITTAUS! ARVO! NIMI? LUKU! JAKO/0! Н/Д ССЫЛКА! ЗНАЧ! ИМЯ? ДЕЛ/0! ЧИСЛО! ПУСТО!"
    " ODKAZ! HODNOTA! NÁZEV? ČÍSLO! HIÁNYZIK HIV! ÉRTÉK! NÉV? SZÁM! YOK BAŞV! DEĞER! SAYI! SAYI/0! AD?"
)
_ERROR: Final = re.compile(rf"#({'|'.join(map(re.escape, _ERRORS.split()))}|##+)|Err:\d{{3}}", re.IGNORECASE)
# As spreadsheet programs of several countries write them, and the first two as others do as well.
_TRUTH: Final = (
    "true false True False TRUE FALSE WAHR FALSCH VRAI FAUX VERDADERO FALSO VERDADEIRO WAAR ONWAAR PRAWDA FAŁSZ"
    " ИСТИНА ЛОЖЬ"
)
_TRUE_OR_FALSE: Final = frozenset(_TRUTH.split())
_EMPTY: Final = (
    "nan null none nil undefined n/a na n.a. n/d nat <na> (null) <null> <none> \\n (blank) (empty) - -- — – ? {} [] #"
)
_NOTHING: Final = frozenset((*_EMPTY.split(), "[object object]"))

_EXPONENT: Final = re.compile(r"[+-]?\d+([.,]\d+)?E[+-]\d+|[+-]?\d+[.,]\d+E\d+", re.IGNORECASE)
_FLOAT: Final = re.compile(r"[+-]?\d+[.,]0+")
_BLANK: Final = r"[\s\u00a0\u202f]"
_GROUP: Final = r"[.,'’\s\u00a0\u202f\u066c]"
# As most of the world writes thousands, and as India does.
_GROUPS: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+|\d{1,2}(,\d{2})+,\d{3}")
_GROUPS_AND_DECIMALS: Final = re.compile(rf"[+-]?\d{{1,3}}({_GROUP}\d{{3}})+[.,]\d{{1,2}}")
# Could be an id of someone who writes them so; two or more groups hardly are.
_ONE_GROUP: Final = re.compile(r"\d{1,3}[.'’ \u00a0\u202f]\d{3}")
_MORE_GROUPS: Final = re.compile(r"\d{1,3}(?P<sign>[.'’ \u00a0\u202f])\d{3}((?P=sign)\d{3})+")
_ROUNDED: Final = re.compile(r"\d{15,}000")
_ROUNDED_TOGETHER: Final = re.compile(r"\d{15}0+")
_PERCENT: Final = re.compile(rf"[+-]?\d+([.,]\d+)?{_BLANK}?[%‰]")
_SIGN: Final = r"(R\$|US\$|[$€£¥₹₽₩₺₴₪฿₫₦])"
_AMOUNT: Final = r"\d[\d.,'’\s\u00a0\u202f]*"
_MONEY: Final = re.compile(
    rf"\(?[+-]?{_SIGN}{_BLANK}?[+-]?{_AMOUNT}\)?|\(?[+-]?{_AMOUNT}{_BLANK}?({_SIGN}|kr\.?|zł|Kč|Ft|лв\.?|руб\.?)\)?"
    rf"|[A-Z]{{3}}{_BLANK}?{_AMOUNT}[.,]\d\d|{_AMOUNT}[.,]\d\d{_BLANK}?[A-Z]{{3}}|\({_AMOUNT}[.,]\d\d\)"
)

_MONTHS: Final = (
    "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july august september"
    " october november december jän januar februar mär märz mrz mai juni juli okt oktober dez dezember janv janvier fév"
    " févr février mars avr avril juin juil juillet août aout septembre octobre novembre déc décembre ene enero febrero"
    " marzo abr abril mayo junio julio ago agosto septiembre octubre noviembre dic diciembre fev março mrt mei maj des"
    " febr márc ápr máj jún júl szept úno bře kvě čvn čvc srp zář říj sty lut kwi cze sie wrz paź gru şub nis haz ağu"
    " eyl ian iun iul noi sij velj ožu ruj stu янв фев февр мар апр май мая июн июл авг сен сент окт ноя дек"
)
# The same letters begin other words: only as spreadsheet programs write them.
_SMALL_MONTHS: Final = "gen mag giu lug set ott out lis led dub pro lip oca tem eki kas ara tra svi kol"
_MONTH: Final = rf"(?:(?i:{'|'.join(_MONTHS.split())})|{'|'.join(_SMALL_MONTHS.split())})\.?"
_BETWEEN: Final = rf"(?:[-/.]|{_BLANK})+"
_NAMED_DAY: Final = re.compile(
    rf"\d{{1,2}}{_BETWEEN}(de )?{_MONTH}|{_MONTH}[-/ ]\d{{2}}|{_MONTH}\d{{2}}(?<=\.\d\d)"
    rf"|\d{{1,2}}{_BETWEEN}{_MONTH}{_BETWEEN}\d{{2,4}}|{_MONTH}{_BLANK}\d{{1,2}},{_BLANK}?\d{{4}}"
    rf"|\d{{4}}{_BETWEEN}{_MONTH}{_BETWEEN}\d{{1,2}}"
)
_CLOCK: Final = r"\d{1,4}:\d\d:\d\d([.,]\d+)?( ?[AaPp]\.?[Mm]\.?)?|\d{1,2}:\d\d ?[AaPp]\.?[Mm]\.?"
_TIME: Final = re.compile(_CLOCK)
_WITH_TIME: Final = re.compile(
    r"(?P<day>[\d./-]{8,10})(?:,? |T)(\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?)(Z|[+-]\d\d:?\d\d)?"
)
_DAY_LAST: Final = re.compile(r"(\d{4})([./])(\d{1,2})\2(\d{1,2})|(\d{4})\. (\d{1,2})\. (\d{1,2})\.?")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4}|\d{2})")
# Could be a number that someone files customers under: where few of the column are so, they are days.
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}-\d{1,2}-\d{4}")


@dataclass(frozen=True, slots=True)
class Habits:
    """What the values of a column have in common.

    ``is_rounded``: every long number ends in zeros. ``is_grouped``: numbers are shown with their thousands.
    ``keeps_groups``: all are of one form that has groups, as some countries' registers have. ``has_few_days``: a few
    values, among others, are days.
    """

    is_rounded: bool = False
    is_grouped: bool = False
    keeps_groups: bool = False
    has_few_days: bool = False


# Of a column that no one has looked at.
NO_HABITS: Final = Habits()


@dataclass(slots=True)
class Forms:
    """How many values of a column have which form. ``rounded`` and ``shapes``: different ones."""

    filled: int = 0
    plain: int = 0
    grouped: int = 0
    in_more: int = 0
    days: int = 0
    exact: int = 0
    rounded: int = 0
    shapes: list[str] = field(default_factory=list)
    _values: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """One value, without blanks around it."""
        self.filled += 1
        if not text[0].isdigit():
            return
        if text.isdecimal():
            if len(text) <= 3:
                self.plain += 1
            elif len(text) > KEPT_DIGITS:
                self._add_long(text)
        elif _MORE_GROUPS.fullmatch(text) or _ONE_GROUP.fullmatch(text):
            self.grouped += 1
            self.in_more += len(text) > 7
            shape = re.sub(r"\d", "9", text)
            if shape not in self.shapes and len(self.shapes) < _SEVERAL:
                self.shapes.append(shape)
        elif _DAY.fullmatch(text):
            self.days += 1

    def _add_long(self, digits: str) -> None:
        if digits[KEPT_DIGITS:].strip("0"):
            self.exact += 1
        elif self.rounded < _MOST_COUNTED:
            self._values.add(digits)
            self.rounded = len(self._values)

    @property
    def habits(self) -> Habits:
        """What they have in common."""
        is_one_form = self.in_more == self.filled >= _SEVERAL and len(self.shapes) == 1
        is_mixed = 0 < self.grouped == self.filled - self.plain and (self.plain > 0 or len(self.shapes) > 1)
        return Habits(
            # Of exact numbers one in ten ends in a zero.
            is_rounded=self.rounded >= _SEVERAL and self.rounded >= 4 * self.exact,
            is_grouped=not is_one_form and (self.in_more > 0 or is_mixed),
            keeps_groups=is_one_form,
            has_few_days=0 < self.days * 2 < self.filled,
        )

    def to_document(self) -> list[Any]:
        """What ``from_document`` needs."""
        numbers = [self.filled, self.plain, self.grouped, self.in_more, self.days, self.exact, self.rounded]
        return [*numbers, self.shapes]

    @classmethod
    def from_document(cls, document: list[Any]) -> Self:
        """What ``to_document`` wrote down."""
        return cls(*document)


def find_error_value(text: str) -> str | None:
    """The sentence for the error of a spreadsheet program, which is no value of any field; None: it is none."""
    return _("is an error of a spreadsheet program and no value: “%(text)s”") if _ERROR.fullmatch(text) else None


def find_mangled_phone(text: str) -> str | None:
    """What was made of a telephone number, in a sentence that shows it; None: nothing."""
    if _EXPONENT.fullmatch(text):
        return _("was turned into a rounded number by a spreadsheet program: “%(text)s”; %(advice)s")
    if _FLOAT.fullmatch(text):
        return _("was turned into a number by another program: “%(text)s”; %(advice)s")
    return None


def find_mangled_id(text: str, habits: Habits, *, may_be_nothing: bool) -> str | None:
    """What was made of an id, in a sentence that shows it; None: nothing.

    ``may_be_nothing``: what programs write for an empty value is one too.
    """
    if (sentence := find_mangled_phone(text) or _find_number(text, habits)) is not None:
        return sentence
    if _is_day(text, habits):
        return _("was turned into a date by a spreadsheet program: “%(text)s”; %(advice)s")
    if _TIME.fullmatch(text):
        return _("was turned into a time by a spreadsheet program: “%(text)s”; %(advice)s")
    if text in _TRUE_OR_FALSE:
        return _("was turned into a truth value by a spreadsheet program: “%(text)s”; %(advice)s")
    if not may_be_nothing and text.casefold() in _NOTHING:
        return _("is how programs write an empty value: “%(text)s”; %(advice)s")
    if text.startswith("=") and len(text) > 1:
        return _("is a formula: “%(text)s”; %(advice)s")
    return None


def _find_number(text: str, habits: Habits) -> str | None:
    if (
        _GROUPS.fullmatch(text)
        or _GROUPS_AND_DECIMALS.fullmatch(text)
        or (_MORE_GROUPS.fullmatch(text) and not habits.keeps_groups)
        or (_ONE_GROUP.fullmatch(text) and habits.is_grouped)
    ):
        return _("was turned into a number by another program: “%(text)s”; %(advice)s")
    if _PERCENT.fullmatch(text) or _MONEY.fullmatch(text):
        return _("was turned into an amount or a percentage by a spreadsheet program: “%(text)s”; %(advice)s")
    if _ROUNDED.fullmatch(text):
        return _("ends in zeros as numbers do that a spreadsheet program rounded: “%(text)s”; %(advice)s")
    if habits.is_rounded and _ROUNDED_TOGETHER.fullmatch(text):
        return _(
            "ends in zeros like every long number of the column, as a spreadsheet program rounds them:"
            " “%(text)s”; %(advice)s"
        )
    return None


def _is_day(text: str, habits: Habits) -> bool:
    if _NAMED_DAY.fullmatch(text):
        return True
    if match := _WITH_TIME.fullmatch(text):
        day = match["day"]
        return bool(_DAY.fullmatch(day)) or _is_numbered_day(day)
    return _is_numbered_day(text) or (habits.has_few_days and _DAY.fullmatch(text) is not None)


def _is_numbered_day(text: str) -> bool:
    if match := _DAY_LAST.fullmatch(text):
        year, month, day = (match[1], match[3], match[4]) if match[1] else (match[5], match[6], match[7])
        return _exists(year, month, day)
    if match := _DAY_FIRST.fullmatch(text):
        # Of two digits for the year only as Americans and the British write it: 1.2.26 may be a version.
        if len(match[4]) == 2 and match[2] == ".":
            return False
        year = match[4] if len(match[4]) == 4 else f"20{match[4]}"
        return _exists(year, match[3], match[1]) or _exists(year, match[1], match[3])
    return False


def _exists(year: str, month: str, day: str) -> bool:
    try:
        return 1900 <= dt.date(int(year), int(month), int(day)).year <= 2200
    except ValueError:
        return False
