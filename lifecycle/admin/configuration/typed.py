"""Values as they are typed: numbers, true and false, texts, lists of them, exchange rates."""

import json
import math
import re
from typing import Any, NoReturn

from lifecycle.admin.configuration.fitting import is_same

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_rates(text: str) -> dict[str, Any]:
    """Exchange rates as they are typed, one per line; what is no rate stays as it is, and the rules say so."""
    rates: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, number = line.rpartition(" ")
        value = _read_scalar(number)
        is_rate = isinstance(value, int | float) and not isinstance(value, bool) and name.strip() not in rates
        rates[name.strip() if is_rate else line] = value if is_rate else ""
    return rates


def read_value(op: str, text: str, *, is_text: bool = False) -> Any:
    """The value of a condition as it was typed: a number, true, false, or else a text.

    A text in double quotes is one whatever it looks like: "5". ``is_text``: what is looked at is a text, and so is what
    it is compared with, quoted or not. For ``in`` a JSON list, or values between commas.
    """
    read = _read_text if is_text else _read_scalar
    if op == "in" and not text.startswith("["):
        return [read(part.strip()) for part in text.split(",") if part.strip()]
    return read(text)


def write_value(value: Any, op: str = "eq", *, is_text: bool = False) -> str:
    """How a value is typed, so that ``read_value`` gives it back."""
    whole = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        plain = value
    elif op == "in" and isinstance(value, list | tuple):
        plain = ", ".join(write_value(one, is_text=is_text) for one in value)
    else:
        return whole
    # A field gives one line back, without outer blanks: what has more than that is written as JSON.
    is_line = plain == " ".join(plain.splitlines()).strip()
    return plain if is_line and is_same(read_value(op, plain, is_text=is_text), value) else whole


def _read_text(text: str) -> Any:
    """A text, in quotes or as it is; or a list of scalars, as JSON."""
    value = _read_scalar(text) if text[:1] in ('"', "[") else text
    return value if isinstance(value, str | list) else text


def _read_scalar(text: str) -> Any:
    """A scalar, or a flat list of them; everything else, and what no database could keep, is text."""
    try:
        value = json.loads(text, parse_float=_read_float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value if all(map(_is_plain, value if isinstance(value, list) else [value])) else text


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and _SURROGATE.search(value) is None
    return value is None or isinstance(value, bool | int | float)


def _read_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
