"""Which encoding a file is in: UTF-8 is certain, any other is a guess, and one guess among several is refused."""

from collections.abc import Iterable
from typing import Final

from lifecycle.services.imports.encoding_names import (
    CODECS,
    MULTI_BYTE,
    SINGLE_BYTE,
    Candidate,
    EncodingRefused,
    find_codec,
)
from lifecycle.services.imports.readings import MOST_ODD, WORD, Look, is_chance
from lifecycle.services.imports.seven_bit import SevenBit, find_seven_bit

_WESTERN: Final = "windows-1252"
# More words than these are not in UTF-8 by chance.
_SURE: Final = 30


def find_encoding(lines: Iterable[bytes], named: str | None) -> str:
    """The codec to read the lines with: the one that was named, else UTF-8, else what all plausible readings agree on.

    Lines in UTF-8 beside fewer lines that are not: UTF-8, and the others are wrong. Raises EncodingRefused.
    """
    survey = _Survey()
    for line in lines:
        if not line.isascii():
            survey.add(line, looks_too=named is None)
        elif named is None and survey.seven_bit is None:
            survey.seven_bit = find_seven_bit(line)
    if named is not None:
        codec = find_codec(named)
        # In letters of two bytes, a handful may look like UTF-8 by chance.
        sure = 1 if codec in SINGLE_BYTE.values() or codec not in CODECS.values() else 8
        if codec != "utf-8" and not survey.others and survey.wide >= sure and not survey.is_chance:
            raise EncodingRefused("encoding_is_utf8", wanted=named)
        return codec
    if survey.seven_bit is not None:
        raise EncodingRefused("seven_bit", **survey.seven_bit)
    if survey.others <= survey.utf8 and not survey.is_chance:
        return "utf-8"
    return survey.choose()


class _Survey:
    """What the lines that are not ASCII have been seen to be."""

    def __init__(self) -> None:
        self.utf8 = self.others = self.wide = 0
        self.seven_bit: SevenBit | None = None
        self._looks = {name: Look(codec) for name, codec in CODECS.items()}
        self._seen: set[int] = set()
        self._words = self._by_chance = 0
        # Lines in UTF-8, until it is sure; of those that have blanks beyond ASCII and no word, the first: a file may
        # have them alone ("1 234,50" with no-break spaces).
        self._early: list[bytes] = []
        self._blank = 0

    def add(self, line: bytes, *, looks_too: bool) -> None:
        """Look at one more."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.others += 1
            if looks_too:
                self._look(line)
            return
        self.utf8 += 1
        self.wide += len(line) - len(text)
        if self._words <= _SURE:
            words = [word for word in WORD.findall(text) if not word.isascii()]
            self._words += len(words)
            self._by_chance += sum(map(is_chance, words))
            self._blank += not words
            if words or self._blank <= _SURE:
                self._early.append(line)
            else:
                self._seen.update(line)

    def _look(self, line: bytes) -> None:
        self._seen.update(line)
        self._looks = {name: look for name, look in self._looks.items() if look.add(line)}

    @property
    def is_chance(self) -> bool:
        """Whether the lines in UTF-8 are few, and what they say in it are no words."""
        return 0 < self._words <= _SURE and self._by_chance > MOST_ODD * self._words

    def choose(self) -> str:
        """The encoding in which the lines are words; UTF-8 where there is none and all are in it. Raises
        EncodingRefused."""
        for line in self._early:
            self._look(line)
        special = bytes(sorted(byte for byte in self._seen if byte > 127))
        readable = {name: look for name, look in self._looks.items() if look.is_readable(name, special)}
        if not self.others:
            if not any(name not in MULTI_BYTE or look.is_likely(name) for name, look in readable.items()):
                return "utf-8"
            readable["utf-8"] = self._look_in_utf8()
        return _choose(readable, special)

    def _look_in_utf8(self) -> Look:
        look = Look("utf-8")
        for line in self._early:
            look.add(line)
        return look


def _choose(looks: dict[str, Look], seen: bytes) -> str:
    groups: dict[str, list[str]] = {}
    likely = {name: look.is_likely(name) for name, look in looks.items()}
    for name, look in sorted(looks.items(), key=lambda item: (not likely[item[0]], item[1].oddness)):
        groups.setdefault(look.read(seen), []).append(name)
    if _WESTERN in looks and likely[_WESTERN]:
        western = looks[_WESTERN].read(seen)
        if all(look.read(seen) == western for name, look in looks.items() if not look.is_ruled_out(name)):
            return looks[_WESTERN].codec
    if not looks:
        raise EncodingRefused("no_encoding")
    candidates = [Candidate(tuple(names), looks[names[0]].example) for names in groups.values()]
    shown = "; ".join(f"{' or '.join(one.names)} (“{one.example}”)" for one in candidates)
    name = "utf8_or_others" if "utf-8" in looks else "several_encodings"
    raise EncodingRefused(name, candidates=shown, example=candidates[0].names[0], alternatives=candidates)
