"""How the lines of a file look in an encoding: whether what is read are letters, and whether they are words."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Final

from lifecycle.services.imports.encoding_names import LOW, MULTI_BYTE

MOST_ODD: Final = 0.2
WORD: Final = re.compile(r"[^\s,;|\"]+")
# Letters that a reading is judged by; the bytes of the whole file must decode all the same.
_ENOUGH: Final = 2_000
# Of so many letters beyond ASCII, one in as many at least is a low byte in an encoding of DOS or of old Macs.
_MANY: Final = 40
# Letters of phonetics and of scripts that few write: two bytes of an Asian encoding may be one of them by chance.
_RARE: Final = re.compile("[\u0250-\u0258\u025a-\u02ff\u0700-\u08ff]")
_WIDE_WORD: Final = re.compile(r"[^\x00-\x7f]{2}|^[^A-Za-z]+$")
_WIDE: Final = "[\u2e80-\ufffc\U00020000-\U0003ffff]"
_ALONE: Final = re.compile(f"(?:^|[A-Za-z]){_WIDE}[a-z]|[a-z]{_WIDE}(?:$|[A-Za-z])")
_OF_LETTERS: Final = frozenset(
    "LATIN GREEK CYRILLIC ARMENIAN HEBREW ARABIC".split()  # noqa: SIM905
)
_JOINERS: Final = frozenset("’‘´·‐‑–—/")
_FOUR_ACCENTED: Final = re.compile(r"[^\x00-\x7f]{4}")
_SIGNS: Final = frozenset("©®™°№")
_MONEY: Final = re.compile(r"[£¥¤¢][^\W\d_]|[^\W\d_][¤¦¬¶±÷×]")


@dataclass(slots=True)
class Look:
    """How the lines look in one encoding."""

    codec: str
    words: int = 0
    odd: int = 0
    letters: int = 0
    low: int = 0
    high: int = 0
    usual: int = 0
    runs: int = 0
    example: str = ""
    readings: list[str] = field(default_factory=list)

    def add(self, line: bytes) -> bool:
        """Whether the line can be in the encoding at all."""
        if self.letters > _ENOUGH and self.codec not in MULTI_BYTE.values():
            # Whether its bytes are letters is looked at in the end.
            return True
        try:
            text = line.decode(self.codec)
        except UnicodeDecodeError:
            return False
        if self.letters > _ENOUGH:
            return True
        special = [letter for letter in text if not letter.isascii()]
        if any(_is_nothing(letter) for letter in special):
            return False
        raw = [byte for byte in line if byte > 127]
        self.letters += len(special)
        self.low += sum(byte < 0xB0 for byte in raw)
        self.high += sum(byte >= 0xB0 for byte in raw)
        wide = self.codec in MULTI_BYTE.values()
        if wide:
            self.readings.append("".join(special))
            self.usual += sum(_is_usual(letter, self.codec) for letter in special)
        for match in WORD.finditer(text):
            if not match[0].isascii():
                self.words += 1
                self.odd += _is_odd_wide(match[0]) if wide else _is_odd(match[0])
                self.runs += wide and _WIDE_WORD.search(match[0]) is not None
                self.example = max(self.example, match[0][:30], key=_count_special)
        return True

    def read(self, seen: bytes) -> str:
        """What the letters are that are not ASCII; ``seen`` are all their bytes."""
        return "\n".join(self.readings) or seen.decode(self.codec, "replace")

    @property
    def oddness(self) -> float:
        """From 0 on: how many of the words are none."""
        return self.odd / max(self.words, 1)

    def is_likely(self, name: str) -> bool:
        """Whether the bytes are mostly those that texts in the encoding are made of."""
        if name in LOW:
            return self.low > self.high or (name in ("cp866", "mac-cyrillic") and self.low > 0)
        return name not in MULTI_BYTE or (self.runs > 0 and self.usual * 10 >= self.letters * 7)

    def is_ruled_out(self, name: str) -> bool:
        """Whether the text is in this encoding beyond any doubt not, although it can be read in it."""
        if name in MULTI_BYTE:
            return not self.is_likely(name)
        return name in LOW and self.letters >= _MANY and self.low * _MANY < self.letters

    def is_readable(self, name: str, seen: bytes) -> bool:
        """Whether most words could be words, and each of the bytes is a letter or a sign."""
        if name not in MULTI_BYTE and any(
            map(_is_nothing, seen.decode(self.codec, "replace").replace("\ufffd", "\x00"))
        ):
            return False
        return self.oddness <= MOST_ODD


def _count_special(word: str) -> int:
    return sum(not letter.isascii() for letter in word)


@cache
def _is_nothing(letter: str) -> bool:
    """No letter and no sign: a control character, a private one, one that does not exist."""
    return unicodedata.category(letter) in ("Cc", "Co", "Cn", "Cs")


@cache
def _script(letter: str) -> str:
    """What the letter belongs to: LATIN, CYRILLIC; accents by themselves belong to all."""
    return unicodedata.name(letter, "?").split()[0]


@cache
def _kind(letter: str) -> str:
    """``letter``, ``digit``, ``odd`` (never part of a text), ``sign`` (not beside a letter), or ``other``."""
    category = unicodedata.category(letter)
    if letter.isascii():
        return "letter" if letter.isalpha() else "other"
    if letter in "ƒªº" or category in ("Lm", "Sk", "No", "Nd"):
        return "sign"
    if category[0] in "LM":
        return "letter"
    return "odd" if category == "So" and letter not in _SIGNS else "other"


def _is_odd(text: str) -> bool:
    """Text without blanks that no language has: signs in a word, two scripts, capitals in its middle."""
    kinds = [_kind(letter) for letter in text]
    if "odd" in kinds or _MONEY.search(text):
        return True
    for before, (letter, kind), after in zip(
        ["", *kinds], zip(text, kinds, strict=True), [*kinds[1:], ""], strict=False
    ):
        if kind == "sign" and before == "letter":
            return True
        if (
            (kind == "other" and not letter.isascii() and letter not in _JOINERS)
            and before == "letter"
            and after == "letter"
        ):
            return True
    words = "".join(letter if kind == "letter" else " " for letter, kind in zip(text, kinds, strict=True)).split()
    return any(not word.isascii() and _is_odd_word(word) for word in words)


def _is_odd_word(word: str) -> bool:
    scripts = {_script(letter) for letter in word} - {"COMBINING"}
    if len(scripts) > 1 or (scripts == {"LATIN"} and _FOUR_ACCENTED.search(word)):
        return True
    pairs = list(pairwise(word))
    return any(
        (one.islower() and other.isupper() and not other.isascii())
        or (place > 0 and one.isupper() and not one.isascii() and other.islower())
        for place, (one, other) in enumerate(pairs)
    )


def is_chance(text: str) -> bool:
    """Text in UTF-8 that is hardly meant: rare letters, one of thousands within Latin ones, two alphabets."""
    if _RARE.search(text) or _ALONE.search(text):
        return True
    words = "".join(one if unicodedata.category(one)[0] in "LM" else " " for one in text).split()
    return any(len({_script(letter) for letter in word} & _OF_LETTERS) > 1 for word in words)


def _is_odd_wide(text: str) -> bool:
    """One letter of a script of thousands in the middle or at the beginning of a word in Latin letters."""
    return re.search(r"(?:^|[A-Za-z])[^\x00-\x7f][a-z]|[a-z][^\x00-\x7f](?:$|[A-Za-z])", text) is not None


@cache
def _is_usual(letter: str, codec: str) -> bool:
    """Whether the letter is among those that texts in the encoding are mostly made of."""
    raw = letter.encode(codec)
    lead = raw[0]
    if codec == "cp932":
        return len(raw) == 2 and 0x81 <= lead <= 0x9F
    if codec == "euc-jp":
        return len(raw) == 2 and (lead in (0xA1, 0xA3, 0xA4, 0xA5) or 0xB0 <= lead <= 0xCF)
    if codec == "cp950":
        return lead in (0xA1, 0xA2) or 0xA4 <= lead <= 0xC6
    if codec == "cp949":
        return len(raw) == 2 and raw[1] >= 0xA1 and (lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xC8)
    return len(raw) == 2 and raw[1] >= 0xA1 and (lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7)
