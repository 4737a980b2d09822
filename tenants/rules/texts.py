"""Texts that people wrote: what is accepted, how two are compared, and how one is quoted back in a sentence."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

QUOTED_LENGTH = 80
_ALIKE = 0.6
# Up to here Python's own way of normalizing is quick, whatever the text.
_SHORT = 1000


def _characters(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(chr(number) for first, last in ranges for number in range(first, last + 1))


# Format characters that make a text look like another one: controls of direction and of old display programs, blanks
# without width, byte order mark, tags. Those that letters of some scripts are joined or parted by are not among them.
_DECEIVING = _characters(
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200B),
    (0x200E, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x2064),
    (0x2066, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xE0001, 0xE007F),
)
# What no one sees although it counts as a letter, a sign or a mark: fillers, variants of the letter before it. A name
# may hold them (an emoji often does), but it is not a name by them alone.
UNSEEN = _characters(
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xFFFC, 0xFFFC),
    (0xE0100, 0xE01EF),
)
_MULTILINE = frozenset("\n\t")


def normalize_text(text: str) -> str:
    """The composed form (NFC) in which texts are kept and compared."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text if len(text) <= _SHORT else _order_marks(text))


def _order_marks(text: str) -> str:
    """The same text with its marks in their canonical order.

    Python brings them into it by insertion: a letter with 30,000 marks takes it a second, and four times as many take
    sixteen. What is in order already takes no time.
    """
    pieces = range(0, len(text), _SHORT)
    decomposed = "".join(unicodedata.normalize("NFD", text[begin : begin + _SHORT]) for begin in pieces)
    return "".join(
        "".join(sorted(run, key=unicodedata.combining) if are_marks else run)
        for are_marks, run in groupby(decomposed, key=_is_mark)
    )


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0


def clean_line(text: str) -> str:
    """One line as it is kept and compared: composed, trimmed, single spaces. What is not allowed in it stays."""
    return " ".join(normalize_text(text).split())


def unify_breaks(text: str) -> str:
    """The same text with each line break as the one character that is kept. A form sends two for each."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fold_text(text: str) -> str:
    """The key under which two names count as the same name: case and canonical form do not matter.

    Coarser than PostgreSQL's ``lower()``, so that two names that differ here differ there too.
    """
    return normalize_text(normalize_text(text).casefold().replace("\u0307", ""))


class TextError(NamedTuple):
    """Why a text is not accepted, and what a sentence about it speaks of."""

    code: str
    params: Mapping[str, Any] = MappingProxyType({})


def find_text_error(text: str, limit: int, *, multiline: bool = False) -> TextError | None:
    """Why a text is not acceptable, or None if it is.

    Codes: ``blank``, ``too_long`` (more than ``limit`` characters), ``surrounding_blanks``, ``control_character``
    (also NUL, half of a surrogate pair, and marks that change the direction of the text).
    """
    if len(text) > limit:
        return TextError("too_long", {"length": len(text), "most": limit})
    if not text.isprintable() or not text.isascii():
        for character in text:
            if is_refused(character) and not (multiline and character in _MULTILINE):
                return TextError("control_character", {"character": f"U+{ord(character):04X}"})
    if not is_visible(text):
        return TextError("blank")
    if text != text.strip():
        return TextError("surrounding_blanks")
    return None


def is_refused(character: str) -> bool:
    """Whether it is a control character, half of a surrogate pair, or a mark that makes a text look like another."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in _DECEIVING


def is_visible(text: str) -> bool:
    """Whether there is anything to see: a letter, a digit, a sign."""
    return any(unicodedata.category(one)[0] in "LNPS" and one not in UNSEEN for one in text)


def shorten_text(text: str) -> str:
    """A text fit for a sentence or a pointer: one line, bounded, encodable, nothing invisible."""
    shown = text[:QUOTED_LENGTH]
    if not shown.isascii() or not shown.isprintable():
        shown = "".join(_escape(one) if is_refused(one) else one for one in shown)
    return f"{shown}…" if len(text) > QUOTED_LENGTH else shown


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def quote_text(text: str) -> str:
    """A name as it is quoted in a sentence."""
    return f"“{shorten_text(text)}”"


def suggest_text(text: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant: the same but for case, else the closest in spelling, else None."""
    if len(text) > 2 * QUOTED_LENGTH:
        return None
    folded = fold_text(text.strip())
    keys = {fold_text(name): name for name in reversed(known)}
    if folded in keys:
        return keys[folded]
    parts = _count_parts(folded)
    likeness, closest = max(((_measure_likeness(parts, _count_parts(key)), key) for key in keys), default=(0.0, ""))
    return keys[closest] if likeness >= _ALIKE else None


@lru_cache(maxsize=2048)
def _count_parts(text: str) -> tuple[Counter[str], Counter[str]]:
    return Counter(text), Counter(one + next_one for one, next_one in pairwise(text))


def _measure_likeness(one: tuple[Counter[str], Counter[str]], other: tuple[Counter[str], Counter[str]]) -> float:
    """The share of letters and of pairs of letters that two texts have in common (Dice), 0 to 1.

    Linear in the length of the texts, where difflib is cubic: anyone can send names that take it seconds.
    """
    shares = [2 * (a & b).total() / max(1, a.total() + b.total()) for a, b in zip(one, other, strict=True)]
    return sum(shares) / len(shares)
