"""Reading a file record by record in flat memory: which encoding, which separator, which line, and what is broken.

A fault ends the record it is in and nothing else: a quote that is never closed costs its own line, not the rest of
the file.
"""

import csv
import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

CSV, NDJSON = "csv", "ndjson"
_FORMATS: Final = {".csv": CSV, ".tsv": CSV, ".txt": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON}
DELIMITERS: Final = (",", ";", "\t", "|")
# A record may go over several lines, but not over many: past these a quote was never closed.
LONGEST: Final = 1_000_000
MOST_LINES: Final = 100
SAMPLE: Final = 256 * 1024
NOT_TEXT: Final = "is not text in the file's encoding"
TOO_LONG: Final = "is too long to be a record"

_STRAY_BYTE: Final = re.compile("[\udc80-\udcff]")


class FileRefused(Exception):
    """The file cannot be read at all; one line says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file. ``line`` is the number of its first line, ``text`` what stands there.

    ``cells`` holds column -> value (texts from CSV, JSON values from NDJSON); with a ``fault`` it may be empty.
    """

    line: int
    text: str
    cells: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None


def open_file(path: Path) -> BinaryIO:
    """The file, opened for reading; symbolic links, devices and folders are refused, and so is an empty file."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait forever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileRefused(f"{path} does not exist.") from None
    except OSError as error:
        if path.is_symlink():
            raise FileRefused(f"{path} is a symbolic link; name the file itself.") from None
        raise FileRefused(f"{path} cannot be read: {error.strerror}.") from None
    facts = os.fstat(handle)
    if stat.S_ISREG(facts.st_mode) and facts.st_size:
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise FileRefused(f"{path} is empty." if stat.S_ISREG(facts.st_mode) else f"{path} is not a file.")


def format_of(path: Path) -> str:
    """``csv`` or ``ndjson``, by the name of the file."""
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise FileRefused(f"{path} is neither .csv, .tsv, .txt nor .ndjson, .jsonl: say which with --format.")
    return found


class _Lines:
    """The lines of a file as text, numbered; a line that was read too far can be given back."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.number = 0
        self.position = 0
        self._file, self._encoding = file, encoding
        self._back: deque[str] = deque()

    def __next__(self) -> str:
        if self._back:
            self.number += 1
            return self._back.popleft()
        raw = self._file.readline(LONGEST)
        if not raw:
            raise StopIteration
        self.number += 1
        self.position += len(raw)
        while not raw.endswith(b"\n") and (rest := self._file.readline(LONGEST)):
            # Far too long for any record: keep enough to show it, and count the rest as the same line.
            self.position += len(rest)
            if rest.endswith(b"\n"):
                break
        return raw.decode(self._encoding, "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return self

    def give_back(self, lines: Sequence[str]) -> None:
        """Read these lines again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class RecordReader:
    """Iterates over the records of an open file; ``position`` is how many bytes have been read.

    Raises FileRefused when there is no header to go by. ``columns`` are those of the header (CSV), or of the first
    objects (NDJSON).
    """

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self.kind = kind
        self.encoding = detect_encoding(file)
        self._lines = _Lines(file, self.encoding)
        self.delimiter = ","
        self.columns: tuple[str, ...] = ()
        self.header = ""
        if kind == CSV:
            self._read_header(file)
        else:
            self._peek_columns()

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._lines.position

    def __iter__(self) -> Iterator[Record]:
        records = self._csv_records() if self.kind == CSV else self._json_records()
        for record in records:
            fault = record.fault
            if fault is None and is_broken(record.text):
                fault = NOT_TEXT
            elif "\x00" in record.text:
                fault = "contains a NUL byte"
            yield record if fault is record.fault else replace(record, fault=fault)

    def _read_header(self, file: BinaryIO) -> None:
        begin = file.tell()
        sample = file.read(SAMPLE)
        file.seek(begin)
        text = sample.decode(self.encoding, "surrogateescape")
        if len(sample) == SAMPLE:
            text = text[: text.rfind("\n") + 1]
        self.delimiter = sniff_delimiter(text)
        for line, cells, raw, fault in self._rows():
            if fault is not None:
                raise FileRefused(f"The header in line {line} {fault}.")
            self.columns, self.header = tuple(cell.strip() for cell in cells), raw
            return
        raise FileRefused("The file has no header.")

    def _csv_records(self) -> Iterator[Record]:
        width = len(self.columns)
        for line, cells, raw, fault in self._rows():
            if fault is None and len(cells) != width:
                fault = f"has {_fields(len(cells))}, the header has {width}"
            yield Record(line, raw, dict(zip(self.columns, cells, strict=False)) if fault is None else {}, fault)

    def _rows(self) -> Iterator[tuple[int, list[str], str, str | None]]:
        """Line, cells, original text, fault; blank lines are passed over."""
        taken: list[str] = []

        def feed() -> Iterator[str]:
            size = 0
            for line in self._lines:
                taken.append(line)
                size += len(line)
                if len(line) >= LONGEST:
                    raise csv.Error(TOO_LONG)
                if len(taken) > MOST_LINES or size > LONGEST:
                    raise csv.Error("a quoted field is never closed")
                yield line

        while True:
            taken.clear()
            first = self._lines.number + 1
            try:
                # A reader a record: one that has failed is of no use, and this costs a microsecond.
                cells = next(csv.reader(feed(), delimiter=self.delimiter, strict=True))
            except StopIteration:
                return
            except csv.Error as error:
                self._lines.give_back(taken[1:])
                yield first, [], taken[0], f"is no valid CSV: {error}"
                continue
            if len(taken) > 1 and self.columns and len(cells) != len(self.columns):
                # Two lines that each have a stray quote: the first alone is to blame for what it swallowed.
                self._lines.give_back(taken[1:])
                yield first, [], taken[0], "is no valid CSV: a quoted field is not closed in its line"
                continue
            if any(cell.strip() for cell in cells):
                yield first, cells, "".join(taken), None

    def _json_records(self) -> Iterator[Record]:
        for text in self._lines:
            line = self._lines.number
            if not text.strip():
                continue
            yield _read_object(line, text)

    def _peek_columns(self) -> None:
        """The columns of the first objects; a later object may have others."""
        seen: dict[str, None] = {}
        peeked: list[str] = []
        for text in self._lines:
            peeked.append(text)
            seen |= dict.fromkeys(_read_object(self._lines.number, text).cells)
            if len(peeked) == MOST_LINES:
                break
        self._lines.give_back(peeked)
        self.columns = tuple(seen)


def _read_object(line: int, text: str) -> Record:
    if len(text) >= LONGEST:
        return Record(line, text, fault=TOO_LONG)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return Record(line, text, fault=NOT_TEXT if is_broken(text) else "is no JSON")
    if not isinstance(value, dict):
        return Record(line, text, fault="is not a JSON object")
    return Record(line, text, flatten(value))


def flatten(value: dict[str, Any]) -> dict[str, Any]:
    """An object with its inner objects' keys as ``outer.inner``; lists stay as they are."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= {f"{key}.{name}": deeper for name, deeper in inner.items()}
        else:
            flat[key] = inner
    return flat


def detect_encoding(file: BinaryIO) -> str:
    """``utf-8``, ``utf-8-sig`` or ``cp1252``, after a look at every line; the file is at its beginning again.

    Lines in UTF-8 beside lines that are not: UTF-8, and the others are at fault. Refuses UTF-16.
    """
    beginning = file.read(3)
    file.seek(0)
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileRefused("The file is in UTF-16; save it as UTF-8.")
    is_utf8 = is_other = False
    while line := file.readline(LONGEST):
        if not line.isascii():
            try:
                line.decode()
                is_utf8 = True
            except UnicodeDecodeError:
                is_other = True
    file.seek(0)
    if beginning == b"\xef\xbb\xbf":
        file.seek(3)
        return "utf-8"
    return "cp1252" if is_other and not is_utf8 else "utf-8"


def sniff_delimiter(text: str) -> str:
    """The delimiter with which the most of the first lines have as many fields as the header, and more than one."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        rows = []
        try:
            for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter):
                if row:
                    rows.append(len(row))
                if len(rows) == 50:
                    break
        except csv.Error:
            pass
        if rows and rows[0] > 1:
            score = rows[0] * rows.count(rows[0]) / len(rows)
            if score > best_score:
                best, best_score = delimiter, score
    return best


def is_broken(text: str) -> bool:
    """Whether some bytes were no text in the encoding they were read with."""
    return not text.isascii() and _STRAY_BYTE.search(text) is not None


def _fields(number: int) -> str:
    return "one field" if number == 1 else f"{number} fields"
