"""Text that was put into ASCII: known by its own marks, named for what it is, and never stored as it came."""

import re
from typing import Final, TypedDict

_ISO_2022: Final = re.compile(rb"\x1b(?:\$[@AB]|\$\([A-DO-Q]|\([BIJ]|\$\)C|\.[AF])")
_HZ: Final = re.compile(rb"~\{(?:[!-w][!-~])+~\}")
_UTF7: Final = re.compile(rb"\+(?P<code>[A-Za-z0-9+/]{3,})(?:-(?![^\s,;|\"]*@)|(?![^\s,;|\"]*@)(?![A-Za-z0-9+/-]))")
# Letters that are written in it; other figures are telephone numbers and products.
_LETTERS: Final = re.compile(
    "[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f\u0218-\u021b\u0386-\u03ce\u0400-\u045f\u0490\u0491\u05d0-\u05ea"
    "\u0620-\u064a\u0e01-\u0e4e\u1ea0-\u1ef9\u3041-\u30ff\u4e00-\u9fff\uac00-\ud7a3]+"
)
_LONGEST: Final = 30


class SevenBit(TypedDict):
    """What it is, how a word of it came, and what the word is."""

    encoding: str
    raw: str
    word: str


def find_seven_bit(line: bytes) -> SevenBit | None:
    """What a line of ASCII is in that is more than ASCII: ISO-2022-JP and its kin, HZ, UTF-7. None: it is as it is."""
    if b"\x1b" in line and (found := _find_iso_2022(line)) is not None:
        return found
    if b"~{" in line and (match := _HZ.search(line)):
        return _describe("HZ", line, match.start(), "hz")
    if b"+" in line:
        for match in _UTF7.finditer(line):
            # Of telephone numbers and products nothing can be decoded, or nothing that is a word.
            text = _decode(match[0], "utf-7")
            if not match["code"].isdigit() and _LETTERS.fullmatch(text) and _is_common(text):
                return _describe("UTF-7", line, match.start(), "utf-7")
    return None


def _find_iso_2022(line: bytes) -> SevenBit | None:
    match = _ISO_2022.search(line)
    if match is None:
        return None
    names = ("ISO-2022-KR", "ISO-2022-JP") if b"\x1b$)C" in line else ("ISO-2022-JP", "ISO-2022-JP-2", "ISO-2022-JP-3")
    for name in names:
        if _decode(line, name):
            return _describe(name, line, match.start(), name)
    return SevenBit(encoding="ISO-2022", raw="ESC", word="?")


def _describe(encoding: str, line: bytes, place: int, codec: str) -> SevenBit:
    """With the word around the place; of what has control characters in it only the text can be shown."""
    begin = max(line.rfind(one, 0, place) for one in (b",", b";", b"\t", b"|", b" ", b'"')) + 1
    rest = re.match(rb"[^\s,;|\"]*", line[begin:]) if encoding == "UTF-7" else None
    raw = rest[0] if rest is not None else line[begin:].rstrip(b"\r\n")
    word = _decode(raw, codec) or _decode(line[begin:].rstrip(b"\r\n"), codec)
    shown = raw.decode("ascii").replace("\x1b", "␛")
    return SevenBit(encoding=encoding, raw=shown[:_LONGEST], word=word[:_LONGEST])


def _is_common(text: str) -> bool:
    """Whether the letters are of an alphabet, or all in one of the sets that East Asian text was written in."""
    if text < "\u3000":
        return True
    for codec in ("gb2312", "shift_jis", "euc-kr", "big5"):
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _decode(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return ""
