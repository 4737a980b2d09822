"""JSON that anyone may have written, read so strictly that what comes out can be stored and written again as it is."""

import json
import math
import re
from typing import Any, NoReturn

from tenants.rules.messages import Message

DEEPEST = 32
# Escapes that may stand for a character PostgreSQL cannot store: NUL and halves of surrogate pairs.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidJson(ValueError):
    """The text is not acceptable JSON; the message says what is wrong with it and where."""

    def __init__(self, name: str, /, **params: Any) -> None:
        super().__init__(name)
        self.message = Message(name, params)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``.

    Refused, each with its message: other encodings than UTF-8, nesting deeper than 32, a key given twice, NUL
    characters, lone surrogates, NaN and infinite numbers. Raises InvalidJson.
    """
    try:
        # Some programs put a byte order mark first, and RFC 8259 lets it be ignored.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJson("json_not_utf8", byte=error.start) from error
    try:
        value = json.loads(
            text, object_pairs_hook=_read_object, parse_constant=_refuse_constant, parse_float=_read_number
        )
        if not isinstance(value, dict):
            raise InvalidJson("json_no_object")
        suspicious = _SUSPICIOUS.search(text) is not None
        # As many brackets as levels are needed at least, so most texts need not be walked.
        if suspicious or text.count("{") + text.count("[") > DEEPEST:
            _walk(value, look_into_texts=suspicious)
    except InvalidJson:
        raise
    except json.JSONDecodeError as error:
        raise InvalidJson("json_malformed", line=error.lineno, column=error.colno, detail=error.msg) from error
    except RecursionError as error:
        raise InvalidJson("json_too_deep", most=DEEPEST) from error
    except ValueError as error:
        # Of json.loads itself: a whole number with more digits than Python reads.
        raise InvalidJson("json_number_too_long") from error
    return value


def _walk(value: Any, *, look_into_texts: bool) -> None:
    """Check depth and characters, without recursion."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
                if look_into_texts:
                    inner += item.keys()
            elif isinstance(item, list):
                inner += item
            elif look_into_texts and isinstance(item, str):
                _check_text(item)
        if not inner:
            return
        level = inner
    raise InvalidJson("json_too_deep", most=DEEPEST)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidJson("json_nul")
    if _SURROGATE.search(text):
        raise InvalidJson("json_half_character")


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidJson("json_key_twice", key=repr(key[:80]))
            seen.add(key)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson("json_no_number", number=name)


def _read_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidJson("json_number_too_large", number=text[:40])
    return value
