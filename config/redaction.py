"""What must not reach a log, taken out of texts and exceptions: people, secrets, and the data that errors quote.

Names cannot be distinguished from other words. So the rule is: what an error quotes is data (interpreters, libraries,
PostgreSQL and we ourselves put it into quotation marks or parentheses), and goes; the kind of error and the places in
the code stay.
"""

import re
import traceback
from typing import Final

from django.db import Error as DatabaseError

MASK: Final = "[masked]"
LONGEST_TEXT: Final = 2_000
# Frames of one stack trace, from its end: where it happened.
MOST_FRAMES: Final = 60

_SECRETS: Final = re.compile(
    r"(?P<credentials>://[^\s/@]*@)"
    r"|[^\s@\"'<>(),;:=/\[\]{}]+@[^\s@\"'<>(),;:=/\[\]{}]+"
    r"|\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}"
    r"|\bc360_sk_\w+"
    r"|(?P<bearer>\b[Bb]earer )\S+"
    r"|(?P<address>/(?:invitation|password-reset|calendar)/)\S+"
    r"|(?P<named>\b(?:password|passwd|secret|token|api_key|access|refresh|ticket|search|session|sessionid|csrftoken)"
    r"[\"']?\s?[=:]\s?)\S+"
    r"|(?<![\w.+])\+\d[\d ()/.-]{6,18}\d"
)
# Cheap signs that a text may hold any of these.
_SIGNS: Final = ("@", "eyJ", "c360_sk_", "earer ", "/invitation/", "/password-reset/", "/calendar/", "=", ":", "+")
_QUOTED: Final = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|\(([^()\n]*)\)=\([^\n]*\)")


def redact(text: str) -> str:
    """The text without secrets, e-mail addresses and telephone numbers, and not longer than a line should be."""
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}…"
    if not any(sign in text for sign in _SIGNS):
        return text
    return _SECRETS.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if groups["credentials"]:
        return f"://{MASK}@"
    return f"{groups['bearer'] or groups['address'] or groups['named'] or ''}{MASK}"


def describe_error(error: BaseException) -> str:
    """The message of an exception without what it quotes; of the database's, only the first line, without the row."""
    try:
        text = str(error)
    except Exception:
        return MASK
    if isinstance(error, DatabaseError):
        text = text.partition("\n")[0]
    return redact(_QUOTED.sub(f"'{MASK}'", text[:LONGEST_TEXT])).strip()


def describe_trace(error: BaseException) -> str:
    """The stack trace with its causes as Python writes it, without values: places, code, kinds and masked messages."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(parts) < 10:
        seen.add(id(current))
        frames = "".join(traceback.format_list(traceback.extract_tb(current.__traceback__)[-MOST_FRAMES:]))
        parts.append(
            f"Traceback (most recent call last):\n{frames}{type(current).__qualname__}: {describe_error(current)}"
        )
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n\nwhich came from:\n\n".join(parts)
