"""The encodings that files are read in, by the names that people know, and what is said where it is none of them."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
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
    "iso-8859-14": "iso8859-14",
}
# Of DOS and of old Macs. Most of their letters are below 0xB0, but a few words may well have none of those.
LOW: Final[dict[str, str]] = {
    "mac-roman": "mac-roman",
    "mac-latin2": "mac-latin2",
    "mac-cyrillic": "mac-cyrillic",
    "cp850": "cp850",
    "cp437": "cp437",
    "cp852": "cp852",
    "cp866": "cp866",
    "cp775": "cp775",
    "cp857": "cp857",
    "cp855": "cp855",
    "cp737": "cp737",
    "cp869": "cp869",
    "cp862": "cp862",
    "cp860": "cp860",
    "cp861": "cp861",
    "cp863": "cp863",
    "cp865": "cp865",
    "cp1125": "cp1125",
    "mac-turkish": "mac-turkish",
    "mac-greek": "mac-greek",
    "mac-iceland": "mac-iceland",
    "mac-croatian": "mac-croatian",
    "mac-romanian": "mac-romanian",
}
MULTI_BYTE: Final[dict[str, str]] = {
    "shift-jis": "cp932",
    "euc-jp": "euc-jp",
    "gb18030": "gb18030",
    "big5": "cp950",
    "euc-kr": "cp949",
}
CODECS: Final = {**SINGLE_BYTE, **LOW, **MULTI_BYTE}
_ALIASES: Final = {
    "sjis": "shift-jis",
    "shift-jisx0213": "shift-jis",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "utf-8-sig": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
}


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
        found = codecs.lookup(CODECS.get(wanted, wanted))
        # Lines and separators are found as bytes, so they have to be those of ASCII.
        if "id,;\t|\"'\r\n".encode(found.name) == b"id,;\t|\"'\r\n" and found.name not in ("utf-7", "hz", "idna"):
            ascii_only = b"\x1b$B".decode(found.name, "replace") == "\x1b$B"
            if ascii_only and found.name not in ("punycode", "unicode_escape", "raw_unicode_escape"):
                return found.name
    except (LookupError, UnicodeError, ValueError):
        pass
    known = ", ".join(("utf-8", *list(CODECS)[:4], "windows-1251", "koi8-r", "shift-jis", "gb18030"))
    raise EncodingRefused("unknown_encoding", wanted=name[:40], known=known)


def list_encodings() -> list[str]:
    """What can be chosen, by the names that people know."""
    return ["utf-8", *CODECS]
