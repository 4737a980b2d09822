"""What is no text with one record a line: known by its first bytes, whatever it is called, with what to do about it."""

import codecs
import re
from typing import BinaryIO, Final, TypedDict

CSV, NDJSON = "csv", "ndjson"
_SAMPLE: Final = 64 * 1024
# What to do about it, and what it is: names of sentences.
_SAVE: Final = "save_as_csv"
_UNPACK: Final = "unpack"
_LINES: Final = "write_lines"
_NEITHER: Final = "export_as_text"
_RESAVE: Final = "save_as_utf8"
_MAGIC: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"\xd0\xcf\x11\xe0", "xls", _SAVE),
    (b"\x1f\x8b", "gzip", _UNPACK),
    (b"BZh", "bzip2", _UNPACK),
    (b"\xfd7zXZ", "xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", _UNPACK),
    (b"7z\xbc\xaf", "7z", _UNPACK),
    (b"Rar!", "rar", _UNPACK),
    (b"%PDF-", "pdf", _NEITHER),
    (b"{\\rtf", "rtf", _NEITHER),
    (b"SQLite format 3\x00", "sqlite", _NEITHER),
    (b"PAR1", "parquet", _NEITHER),
    (b"Obj\x01", "avro", _NEITHER),
    (b"ARROW1", "arrow", _NEITHER),
    (b"\x89PNG", "image", _NEITHER),
    (b"\xff\xd8\xff", "image", _NEITHER),
    (b"GIF8", "image", _NEITHER),
)
_Found = tuple[str, str]
_HTML: Final = re.compile(rb"<(!doctype\s+html|html|head|body|meta|table|style|script)\b", re.IGNORECASE)
_MANY_LINES: Final = re.compile(rb"\{\s*\r?\n")
_EVENT: Final = re.compile(rb'\{[^\n]*"specversion"\s*:')
_ARRAY: Final = re.compile(rb"\[\s*(\{|\r?\n|\])")


class OtherKind(TypedDict):
    """What a file is, and what to do about it: both names of sentences (``lifecycle.sentences.imports``)."""

    what: str
    advice: str


def name_other_kind(file: BinaryIO, kind: str | None) -> OtherKind | None:
    """What a file is that is neither CSV nor NDJSON; None if it may be one. The file is at its beginning again.

    ``kind``: what the file is to be read as, if that is known.
    """
    sample = file.read(_SAMPLE)
    file.seek(0)
    found = _find_wide(sample) or _find_packed(sample, file) or _find_text(sample, kind)
    return None if found is None else OtherKind(what=f"kind_{found[0]}", advice=found[1])


def _find_wide(sample: bytes) -> _Found | None:
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf32", _RESAVE
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf16", _RESAVE
    return None


def _find_packed(sample: bytes, file: BinaryIO) -> _Found | None:
    if sample.startswith(b"PK\x03\x04"):
        return _find_zipped(sample, file)
    for magic, what, advice in _MAGIC:
        if sample.startswith(magic):
            return what, advice
    if sample[257:262] == b"ustar":
        return "tar", _UNPACK
    beginning = sample[:4096]
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    if (even + odd) * 5 < len(beginning):
        return None
    if (even + odd) * 5 > len(beginning) * 3:
        return "utf32", _RESAVE
    if min(even, odd) * 10 < max(even, odd):
        return "utf16_bare", _RESAVE
    return "binary", _NEITHER


def _find_zipped(sample: bytes, file: BinaryIO) -> _Found:
    # The names of what is inside are at the end of the file as well.
    size = file.seek(0, 2)
    file.seek(max(0, size - _SAMPLE))
    looked_at = sample + file.read(_SAMPLE)
    file.seek(0)
    if b"opendocument.spreadsheet" in looked_at:
        return "ods", _SAVE
    if b"xl/" in looked_at:
        return "xlsx", _SAVE
    if b"Index/Document.iwa" in looked_at:
        return "numbers", _SAVE
    if b"word/" in looked_at:
        return "word", _NEITHER
    return "zip", _UNPACK


def _find_text(sample: bytes, kind: str | None) -> _Found | None:
    text = sample.removeprefix(codecs.BOM_UTF8).lstrip()
    if _HTML.match(text) or (text.startswith(b"<") and _HTML.search(text[:4096])):
        return "html", _SAVE
    if text.startswith(b"<?xml"):
        return "xml", _SAVE
    if _ARRAY.match(text):
        return "json_array", _LINES
    if _MANY_LINES.match(text):
        return "json_document", _LINES
    if _EVENT.match(text):
        return "events", "send_to_broker"
    if kind == CSV and re.match(rb'\{\s*"', text):
        return "json", "call_it_ndjson"
    return None
