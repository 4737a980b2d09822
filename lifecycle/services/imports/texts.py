"""The lines of a file as text, in flat memory: which encoding, and what ends a line."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, Final

from lifecycle.services.imports.encoding_names import Candidate, EncodingRefused
from lifecycle.services.imports.encodings import find_encoding
from lifecycle.services.imports.refusals import ImportRefusal

# No record is longer.
LONGEST: Final = 1_000_000
SAMPLE: Final = 256 * 1024
BOM: Final = b"\xef\xbb\xbf"
_STRAY_BYTE: Final = re.compile("[\udc80-\udcff]")


class FileRefused(ImportRefusal):
    """The file cannot be read at all. ``alternatives``: the encodings it could be in, each with a word of the file."""

    def __init__(self, name: str, /, *, alternatives: Sequence[Candidate] = (), **params: Any) -> None:
        super().__init__(name, **params)
        self.candidates = tuple(alternatives)


class TextLines:
    """The lines of a file as text, numbered; a line that was read too far can be given back."""

    def __init__(self, file: BinaryIO, encoding: str, newline: bytes) -> None:
        self.number = 0
        self.position = 0
        self._raw, self._encoding = _read_lines(file, newline), encoding
        self._back: deque[str] = deque()

    def __next__(self) -> str:
        if self._back:
            self.number += 1
            return self._back.popleft()
        raw, size = next(self._raw)
        self.number += 1
        self.position += size
        return raw.decode(self._encoding, "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return self

    def give_back(self, lines: Sequence[str]) -> None:
        """Read these lines again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def _read_lines(file: BinaryIO, newline: bytes) -> Iterator[tuple[bytes, int]]:
    """Each line, and how many bytes it has: of one far too long for any record only the beginning is kept."""
    pieces = iter(partial(file.readline, LONGEST), b"") if newline == b"\n" else _split_at_returns(file)
    for raw in pieces:
        size = len(raw)
        if len(raw) >= LONGEST and not raw.endswith(newline):
            for rest in pieces:
                size += len(rest)
                if rest.endswith(newline):
                    break
        yield raw, size


def _split_at_returns(file: BinaryIO) -> Iterator[bytes]:
    """Lines that end with a carriage return alone, as old Macs wrote them; in pieces of at most LONGEST."""
    rest = b""
    while block := file.read(SAMPLE):
        *lines, rest = (rest + block).split(b"\r")
        for line in lines:
            yield line + b"\r"
        if len(rest) >= LONGEST:
            yield rest[:LONGEST]
            rest = rest[LONGEST:]
    if rest:
        yield rest


def find_newline(file: BinaryIO) -> bytes:
    """What ends the lines: a line feed, or a carriage return in a file without line feeds at its beginning."""
    sample = file.read(SAMPLE)
    file.seek(0)
    return b"\r" if b"\r" in sample[:-1] and b"\n" not in sample else b"\n"


def detect_encoding(file: BinaryIO, named: str | None = None, newline: bytes = b"\n") -> str:
    """The codec to read the file with, after a look at every line; the file is behind its byte order mark.

    Raises FileRefused where it cannot be determined.
    """
    has_mark = file.read(3) == BOM
    file.seek(0)
    if has_mark and named is None:
        file.seek(3)
        return "utf-8"
    try:
        encoding = find_encoding((raw for raw, _ in _read_lines(file, newline)), named)
    except EncodingRefused as refusal:
        name, params = refusal.message
        raise FileRefused(name, alternatives=refusal.candidates, **params) from None
    if has_mark and encoding != "utf-8":
        raise FileRefused("encoding_says_utf8", wanted=named)
    file.seek(3 if has_mark else 0)
    return encoding


def skip_mark(file: BinaryIO) -> None:
    """Go behind the byte order mark, if there is one; else to the beginning."""
    file.seek(0)
    if file.read(3) != BOM:
        file.seek(0)


def is_doubled(text: str) -> bool:
    """Whether every letter beyond ASCII was turned into UTF-8 twice: “MÃ¼ller” for “Müller”."""
    if text.isascii():
        return False
    try:
        # What windows-1252 has no letter for stayed as it was.
        raw = b"".join(one.encode("latin-1" if "\x80" <= one <= "\x9f" else "cp1252") for one in text)
        raw.decode()
    except UnicodeError:
        return False
    return True


def is_broken(text: str) -> bool:
    """Whether some bytes were no text in the encoding they were read with."""
    return not text.isascii() and _STRAY_BYTE.search(text) is not None
