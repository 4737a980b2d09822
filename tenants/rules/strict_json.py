"""JSON that anyone may have written, read so strictly that what comes out can be stored and written again as it is."""

import json
import math
import re
from typing import Any, NoReturn

DEEPEST = 32
# Escapes that may stand for a character PostgreSQL cannot store: NUL and halves of surrogate pairs.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
SUBJECT = "The body"


class BadJson(ValueError):
    """The text is not acceptable JSON; the sentence says what is wrong with it and where."""


def parse_object(raw: bytes, *, subject: str = SUBJECT) -> dict[str, Any]:
    """The JSON object in ``raw``. ``subject`` begins the sentences: "The body", "The file".

    Refused, each with its sentence: other encodings than UTF-8, nesting deeper than 32, a key given twice, NUL
    characters, lone surrogates, NaN and infinite numbers. Raises BadJson.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(f"{subject} is not UTF-8: byte {error.start} does not belong there.") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_read_object, parse_constant=_refuse_constant, parse_float=_read_number
        )
        if not isinstance(value, dict):
            raise _Refusal("must be a JSON object: { ... }")
        suspicious = _SUSPICIOUS.search(text) is not None
        # As many brackets as levels are needed at least, so most texts need not be walked.
        if suspicious or text.count("{") + text.count("[") > DEEPEST:
            _walk(value, look_into_texts=suspicious)
    except _Refusal as refusal:
        raise BadJson(f"{subject} {refusal}.") from refusal
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadJson(f"{subject} is not valid JSON at {place}: {error.msg}.") from error
    except RecursionError as error:
        raise BadJson(f"{subject} {_TOO_DEEP}.") from error
    except ValueError as error:
        # Of json.loads itself: a whole number with more digits than Python reads.
        raise BadJson(f"{subject} contains a number that is too long.") from error
    return value


class _Refusal(Exception):
    """The rest of a sentence that begins with the subject."""


_TOO_DEEP = f"is nested too deeply: at most {DEEPEST} levels are accepted"


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
    raise _Refusal(_TOO_DEEP)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _Refusal("contains a NUL character (\\u0000), which cannot be stored: remove it")
    if _SURROGATE.search(text):
        raise _Refusal("contains half of a surrogate pair, which is no character: send the whole character")


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refusal(f"gives the key {key[:80]!r} twice in one object: give it once")
            seen.add(key)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _Refusal(f"contains {name}, which is not a JSON number")


def _read_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refusal(f"contains the number {text[:40]}, which is too large")
    return value
