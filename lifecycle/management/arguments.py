"""What commands take on their line, read strictly: whatever is wrong is one clear line, before anything has begun."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Final

from tenants.rules.texts import shorten_text

# What fits into a LIMIT of PostgreSQL and into the counters of any library.
MANY: Final = 10**9
LARGEST_PORT: Final = 65_535


def whole_number(first: int, last: int = MANY) -> Callable[[str], int]:
    """A reader of whole numbers from ``first`` to ``last``."""

    def read(text: str) -> int:
        # As many digits as Python does not refuse to read, and no digits such as a superscript.
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and first <= int(text) <= last):
            raise ArgumentTypeError(f"{shorten_text(text)} is not a whole number from {first} to {last:,}")
        return int(text)

    return read


def read_port(text: str) -> int:
    """A port to listen on; 0 is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= LARGEST_PORT):
        raise ArgumentTypeError(f"{shorten_text(text)} is not a port; 0 is none, others go up to {LARGEST_PORT}")
    return int(text)


def read_pace(text: str) -> float:
    """So many a minute: more than 0."""
    try:
        pace = float(text)
    except ValueError:
        pace = math.nan
    if not (pace > 0 and math.isfinite(pace)):
        raise ArgumentTypeError(f"{shorten_text(text)} is not a pace; use a number above 0, for example 6 or 0.5")
    return pace


def read_text(text: str) -> str:
    """A text that can be stored and sent. Bytes that are not UTF-8 come from the shell as halves of surrogate pairs."""
    if "\x00" in text:
        raise ArgumentTypeError(f"{shorten_text(text)} contains the character NUL; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{shorten_text(text)} is not UTF-8; write it in UTF-8") from None
    return text


def read_name(text: str) -> str:
    """A text that is not blank."""
    if not text.strip():
        raise ArgumentTypeError("it is blank; give a name, or leave the option out for the default")
    return read_text(text)
