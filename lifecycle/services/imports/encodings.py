"""Which encoding a file is in: UTF-8 is certain, any other is a guess, and one guess among several is refused."""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Final

from lifecycle.services.imports.refusals import ImportRefusal

# What people call them -> Python's codec.
SINGLE_BYTE: Final[dict[str, str]] = {
    "windows-1252": "cp1252",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1250": "cp1250",
    "windows-1254": "cp1254",
    "windows-1257": "cp1257",
    "windows-1251": "cp1251",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "windows-1253": "cp1253",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1258": "cp1258",
    "windows-874": "cp874",
    "iso-8859-2": "iso8859-2",
    "iso-8859-9": "iso8859-9",
    "iso-8859-13": "iso8859-13",
    "iso-8859-4": "iso8859-4",
    "iso-8859-3": "iso8859-3",
    "iso-8859-10": "iso8859-10",
    "iso-8859-16": "iso8859-16",
    "iso-8859-5": "iso8859-5",
    "iso-8859-7": "iso8859-7",
    "iso-8859-8": "iso8859-8",
    "iso-8859-6": "iso8859-6",
}
# Their letters are below 0xB0: text whose bytes are mostly above is in none of them.
LOW: Final[dict[str, str]] = {
    "mac-roman": "mac-roman",
    "mac-latin2": "mac-latin2",
    "mac-cyrillic": "mac-cyrillic",
    "cp850": "cp850",
    "cp437": "cp437",
    "cp852": "cp852",
    "cp866": "cp866",
}
MULTI_BYTE: Final[dict[str, str]] = {
    "shift-jis": "cp932",
    "euc-jp": "euc-jp",
    "gb18030": "gb18030",
    "big5": "cp950",
    "euc-kr": "cp949",
}
_CODECS: Final = {**SINGLE_BYTE, **LOW, **MULTI_BYTE}
_ALIASES: Final = {
    "sjis": "shift-jis",
    "shift-jisx0213": "shift-jis",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "utf-8-sig": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
}
_WESTERN: Final = "windows-1252"
# Letters that a reading is judged by; the bytes of the whole file must decode all the same.
_ENOUGH: Final = 2_000
_MOST_ODD: Final = 0.2
_MOST_SHOWN: Final = 12
_JOINERS: Final = frozenset("’‘´·‐‑–—/")
_FOUR_ACCENTED: Final = re.compile(r"[^\x00-\x7f]{4}")
_SIGNS: Final = frozenset("©®™°№")
_MONEY: Final = re.compile(r"[£¥¤¢][^\W\d_]|[^\W\d_][¤¦¬¶±÷×]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Encodings in which the file reads the same, and a word of it."""

    names: tuple[str, ...]
    example: str


class EncodingRefused(ImportRefusal):
    """The encoding cannot be determined, or is none; ``alternatives`` are those it could be."""

    def __init__(self, name: str, /, *, alternatives: Iterable[Candidate] = (), **params: Any) -> None:
        super().__init__(name, **params)
        self.candidates = tuple(alternatives)


def find_codec(name: str) -> str:
    """Python's codec for an encoding that someone named. Raises EncodingRefused for what is none, or not read here."""
    wanted = name.strip().lower().replace("_", "-")
    wanted = _ALIASES.get(wanted, wanted)
    try:
        found = codecs.lookup(_CODECS.get(wanted, wanted))
        # Lines and separators are found as bytes, so they have to be those of ASCII.
        if "id,;\t|\"'\r\n".encode(found.name) == b"id,;\t|\"'\r\n" and found.name not in ("utf-7", "hz", "idna"):
            ascii_only = b"\x1b$B".decode(found.name, "replace") == "\x1b$B"
            if ascii_only and found.name not in ("punycode", "unicode_escape", "raw_unicode_escape"):
                return found.name
    except (LookupError, UnicodeError, ValueError):
        pass
    known = ", ".join(("utf-8", *list(_CODECS)[:4], "windows-1251", "koi8-r", "shift-jis", "gb18030"))
    raise EncodingRefused("unknown_encoding", wanted=name[:40], known=known)


def find_encoding(lines: Iterable[bytes], named: str | None) -> str:
    """The codec to read the lines with: the one that was named, else UTF-8, else what all plausible readings agree on.

    Lines in UTF-8 beside fewer lines that are not: UTF-8, and the others are wrong. Raises EncodingRefused.
    """
    utf8 = others = wide = 0
    looks = {name: _Look(codec) for name, codec in _CODECS.items()}
    seen: set[int] = set()
    for line in lines:
        if line.isascii():
            continue
        try:
            wide += len(line) - len(line.decode())
            utf8 += 1
        except UnicodeDecodeError:
            others += 1
            if named is None:
                seen.update(line)
                looks = {name: look for name, look in looks.items() if look.add(line)}
    if named is not None:
        codec = find_codec(named)
        # In letters of two bytes, a handful may look like UTF-8 by chance.
        sure = 1 if codec in SINGLE_BYTE.values() or codec not in _CODECS.values() else 8
        if codec != "utf-8" and not others and wide >= sure:
            raise EncodingRefused("encoding_is_utf8", wanted=named)
        return codec
    if others <= utf8:
        return "utf-8"
    special = bytes(sorted(byte for byte in seen if byte > 127))
    plausible = {name: look for name, look in looks.items() if look.is_plausible(name, special)}
    if not plausible:
        # Nothing is chosen of these: what they are is asked.
        plausible = {name: look for name, look in looks.items() if name in LOW and look.is_readable(name, special)}
    return _choose(plausible, special)


def _choose(looks: "dict[str, _Look]", seen: bytes) -> str:
    groups: dict[str, list[str]] = {}
    for name, look in sorted(looks.items(), key=lambda item: item[1].oddness):
        groups.setdefault(look.read(seen), []).append(name)
    if _WESTERN in looks and len(groups) == 1:
        return looks[_WESTERN].codec
    if not looks:
        raise EncodingRefused("no_encoding")
    candidates = [Candidate(tuple(names), looks[names[0]].example) for names in groups.values()]
    shown = "; ".join(f"{' or '.join(one.names)} (“{one.example}”)" for one in candidates[:_MOST_SHOWN])
    raise EncodingRefused(
        "several_encodings",
        candidates=shown,
        example=candidates[0].names[0],
        alternatives=candidates[:_MOST_SHOWN],
    )


@dataclass(slots=True)
class _Look:
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
        for match in re.finditer(r"[^\s,;|\"]+", text):
            if not match[0].isascii():
                self.words += 1
                self.odd += _is_odd_wide(match[0]) if wide else _is_odd(match[0])
                self.runs += wide and re.search(r"[^\x00-\x7f]{2}", match[0]) is not None
                self.example = max(self.example, match[0][:30], key=_count_special)
        return True

    def read(self, seen: bytes) -> str:
        """What the letters are that are not ASCII; ``seen`` are all their bytes."""
        return "\n".join(self.readings) or seen.decode(self.codec, "replace")

    @property
    def oddness(self) -> float:
        """From 0 on: how many of the words are none."""
        return self.odd / max(self.words, 1)

    def is_plausible(self, name: str, seen: bytes) -> bool:
        """Whether it is readable, and the bytes are mostly those that texts in the encoding are made of."""
        if not self.is_readable(name, seen):
            return False
        if name in LOW:
            return self.low > self.high or (name in ("cp866", "mac-cyrillic") and self.low > 0)
        return name not in MULTI_BYTE or (self.runs > 0 and self.usual * 10 >= self.letters * 7)

    def is_readable(self, name: str, seen: bytes) -> bool:
        """Whether most words could be words, and each of the bytes is a letter or a sign."""
        if name not in MULTI_BYTE and any(
            map(_is_nothing, seen.decode(self.codec, "replace").replace("\ufffd", "\x00"))
        ):
            return False
        return self.oddness <= _MOST_ODD


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


def list_encodings() -> list[str]:
    """What can be chosen, by the names that people know."""
    return ["utf-8", *_CODECS]
