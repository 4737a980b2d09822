"""The JSON of a message, and what of it cannot be kept.

Senders are many, and some write a number that is none (``NaN`` of a spreadsheet library), one beyond every number
(``1e400``), or half of a character (a text that was cut), or put a byte order mark first. The rest of such a message is
good: it is read, and the value costs its own field (``event_values``).
"""

import json
import math
import re
from typing import Any, Final

import orjson

# More digits than any number that is meant has; Python refuses to read some thousands.
_LONGEST_NUMBER: Final = 20
_HALF: Final = re.compile("[\ud800-\udfff]")


def parse_message(raw: bytes) -> Any:
    """What the bytes say. Numbers that are none come out as floats that are not finite, cut characters as halves.

    Raises orjson.JSONDecodeError for what is not JSON, saying what is wrong and never the value.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(raw.decode("utf-8-sig"), parse_int=_read_whole, parse_constant=float)
        except (ValueError, RecursionError):
            raise error from None


def _read_whole(text: str) -> int | float:
    return int(text) if len(text) < _LONGEST_NUMBER else float(text)


def is_storable(value: object) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half of a character, no number that is none, however deep."""
    # Without recursion: JSON may be nested deeper than Python's calls.
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, str):
            if "\x00" in one or _HALF.search(one) is not None:
                return False
        elif isinstance(one, float):
            if not math.isfinite(one):
                return False
        elif isinstance(one, dict):
            ahead += one.keys()
            ahead += one.values()
        elif isinstance(one, list):
            ahead += one
    return True
