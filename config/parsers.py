"""Request bodies: strict JSON, within bounds, before anything looks at them."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

DEEPEST = 32
# Escapes that may stand for a character PostgreSQL cannot store: NUL and halves of surrogate pairs.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """``application/json``: one JSON object of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    Refused, each with its sentence: other encodings than UTF-8, nesting deeper than 32, a key given twice, NUL
    characters, lone surrogates, NaN and infinite numbers. Raises ParseError.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object that the body describes."""
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 1_048_576
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise ParseError(
                f"The body is too long: at most {limit:,} bytes are accepted. Split it into several calls."
            )
        return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``, by the rules of StrictJSONParser. Raises ParseError."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8: byte {error.start} does not belong there.") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_read_object, parse_constant=_refuse_constant, parse_float=_read_number
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ParseError(f"The body is not valid JSON at {place}: {error.msg}.") from error
    except RecursionError as error:
        raise ParseError(_too_deep()) from error
    except ValueError as error:
        # Of json.loads itself: a whole number with more digits than Python reads.
        raise ParseError("The body contains a number that is too long.") from error
    if not isinstance(value, dict):
        raise ParseError("The body must be a JSON object: { ... }.")
    suspicious = _SUSPICIOUS.search(text) is not None
    # As many brackets as levels are needed at least, so most bodies need not be walked.
    if suspicious or text.count("{") + text.count("[") > DEEPEST:
        _walk(value, look_into_texts=suspicious)
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
    raise ParseError(_too_deep())


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ParseError("The body contains a NUL character (\\u0000), which cannot be stored: remove it.")
    if _SURROGATE.search(text):
        raise ParseError("The body contains half of a surrogate pair, which is no character: send the whole character.")


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ParseError(f"The body gives the key {key[:80]!r} twice in one object: give it once.")
            seen.add(key)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"The body contains {name}, which is not a JSON number.")


def _read_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ParseError(f"The body contains the number {text[:40]}, which is too large.")
    return value


def _too_deep() -> str:
    return f"The body is nested too deeply: at most {DEEPEST} levels are accepted."
