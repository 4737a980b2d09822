"""What is no text with one record a line: known by its first bytes, whatever it is called, with what to do about it."""

import codecs
import re
from typing import BinaryIO, Final

CSV, NDJSON = "csv", "ndjson"
_SAMPLE: Final = 64 * 1024
_SAVE: Final = "open it in a spreadsheet program and save it as CSV UTF-8"
_UNPACK: Final = "unpack it and import the file inside"
_LINES: Final = "write one object per line (NDJSON), for example with jq -c '.[]'"
_NEITHER: Final = "export the customers as CSV UTF-8 or NDJSON"
_MAGIC: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind (.xls) or one with a password", _SAVE),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"%PDF-", "a PDF document", _NEITHER),
    (b"{\\rtf", "an RTF document", _NEITHER),
    (b"SQLite format 3\x00", "an SQLite database", _NEITHER),
    (b"PAR1", "a Parquet file", _NEITHER),
    (b"Obj\x01", "an Avro file", _NEITHER),
    (b"ARROW1", "an Arrow file", _NEITHER),
    (b"\x89PNG", "an image", _NEITHER),
    (b"\xff\xd8\xff", "an image", _NEITHER),
    (b"GIF8", "an image", _NEITHER),
)
_WIDE: Final = "in {}; save it as UTF-8 (in Excel: CSV UTF-8)"
_HTML: Final = re.compile(rb"<(!doctype\s+html|html|head|body|meta|table|style|script)\b", re.IGNORECASE)
_MANY_LINES: Final = re.compile(rb"\{\s*\r?\n")
_EVENT: Final = re.compile(rb'\{[^\n]*"specversion"\s*:')
_ARRAY: Final = re.compile(rb"\[\s*(\{|\r?\n|\])")


def name_other_kind(file: BinaryIO, kind: str | None) -> str | None:
    """A sentence about a file that is neither CSV nor NDJSON; None if it may be. The file is at its beginning again.

    ``kind``: what the file is to be read as, if that is known.
    """
    sample = file.read(_SAMPLE)
    file.seek(0)
    found = _find_wide(sample) or _find_packed(sample, file) or _find_text(sample, kind)
    return None if found is None else f"The file is {found}."


def _find_wide(sample: bytes) -> str | None:
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return _WIDE.format("UTF-32")
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _WIDE.format("UTF-16")
    return None


def _find_packed(sample: bytes, file: BinaryIO) -> str | None:
    if sample.startswith(b"PK\x03\x04"):
        return _find_zipped(sample, file)
    for magic, what, advice in _MAGIC:
        if sample.startswith(magic):
            return f"{what}; {advice}"
    if sample[257:262] == b"ustar":
        return f"a tar archive; {_UNPACK}"
    beginning = sample[:4096]
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    if (even + odd) * 5 < len(beginning):
        return None
    if (even + odd) * 5 > len(beginning) * 3:
        return _WIDE.format("UTF-32")
    if min(even, odd) * 10 < max(even, odd):
        return _WIDE.format("UTF-16 without a byte order mark")
    return f"no text; {_NEITHER}"


def _find_zipped(sample: bytes, file: BinaryIO) -> str:
    # The names of what is inside are at the end of the file as well.
    size = file.seek(0, 2)
    file.seek(max(0, size - _SAMPLE))
    looked_at = sample + file.read(_SAMPLE)
    file.seek(0)
    if b"opendocument.spreadsheet" in looked_at:
        return f"an OpenDocument spreadsheet (.ods); {_SAVE}"
    if b"xl/" in looked_at:
        return f"an Excel workbook (.xlsx); {_SAVE}"
    if b"Index/Document.iwa" in looked_at:
        return f"a Numbers spreadsheet; {_SAVE}"
    if b"word/" in looked_at:
        return f"a Word document; {_NEITHER}"
    return f"a ZIP archive; {_UNPACK}"


def _find_text(sample: bytes, kind: str | None) -> str | None:
    text = sample.removeprefix(codecs.BOM_UTF8).lstrip()
    if _HTML.match(text) or (text.startswith(b"<") and _HTML.search(text[:4096])):
        return f"a web page, even if it is called a spreadsheet; if it shows the customers, {_SAVE}"
    if text.startswith(b"<?xml"):
        return f"XML; if a spreadsheet program wrote it, {_SAVE}"
    if _ARRAY.match(text):
        return f"a JSON array; {_LINES}"
    if _MANY_LINES.match(text):
        return f"one JSON document over several lines; {_LINES}"
    if _EVENT.match(text):
        return "a list of events (CloudEvents), whose ids are not those of customers; send them to the broker"
    if kind == CSV and re.match(rb'\{\s*"', text):
        return "JSON, not CSV; call it .ndjson if it has one object per line"
    return None
