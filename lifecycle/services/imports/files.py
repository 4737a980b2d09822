"""Reading a file record by record in flat memory: which encoding, which separator, which line, and what is broken.

An error ends the record it is in and nothing else: a quote that is never closed costs its own line, not the rest of
the file.
"""

import csv
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from lifecycle.services.imports.cells import unguard, unwrap
from lifecycle.services.imports.evidence import MOST_COLUMNS
from lifecycle.services.imports.kinds import CSV, NDJSON, name_other_kind
from lifecycle.services.imports.summing import is_note, is_total
from lifecycle.services.imports.texts import (
    BOM,
    LONGEST,
    SAMPLE,
    FileRefused,
    TextLines,
    detect_encoding,
    find_newline,
    is_broken,
    is_doubled,
    skip_mark,
)

_FORMATS: Final = {".csv": CSV, ".tsv": CSV, ".txt": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON}
DELIMITERS: Final = (",", ";", "\t", "|")
# A record may go over several lines, but not over many: past these a quote was never closed.
MOST_LINES: Final = 100
NOT_TEXT: Final = gettext_noop("is not text in the file's encoding")
TOO_LONG: Final = gettext_noop("is too long to be a record")
# The columns that a reject file has before those of the file.
LINE: Final = "_line"
ERROR: Final = "_error"

_CSV_ERRORS: Final = {
    "new-line character seen": gettext_noop(
        "a carriage return by itself is in the middle of the line; save the file with one kind of line end"
    ),
    "unexpected end of data": gettext_noop("a quoted field is never closed"),
    "field larger than field limit": TOO_LONG,
    "line contains NUL": gettext_noop("contains a NUL byte"),
}
_KEY_ENDS: Final = re.compile(r'"\s*:')
_AFTER_QUOTE: Final = "expected after"

# What Excel understands in the first line of a CSV file.
_SEPARATOR_LINE: Final = re.compile(
    r'\s*"?sep *= *(?P<delimiter>[^\r\n"])(?P=delimiter)*"?[^\S\t]*[\r\n]*', re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file. ``line`` is the number of its first line, ``text`` what is there.

    ``cells`` holds column -> value (texts from CSV, JSON values from NDJSON); with an ``error`` it may be empty.
    """

    line: int
    text: str
    cells: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def open_file(path: Path) -> BinaryIO:
    """The file, opened for reading; symbolic links, devices and folders are refused, and so is an empty file."""
    try:
        # O_NONBLOCK: opening a pipe that no one writes to would wait forever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileRefused("no_such_file", path=path) from None
    except OSError as error:
        if path.is_symlink():
            raise FileRefused("symbolic_link", path=path) from None
        raise FileRefused("unreadable_file", path=path, error=error.strerror) from None
    facts = os.fstat(handle)
    if stat.S_ISREG(facts.st_mode) and facts.st_size:
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise FileRefused("empty_file" if stat.S_ISREG(facts.st_mode) else "no_plain_file", path=path)


def find_kind(file: BinaryIO, path: Path, kind: str | None = None) -> str:
    """``csv`` or ``ndjson``: the ``kind`` that it is said to be, or by its name. The file is at its beginning.

    Raises FileRefused for what is neither: what it is says more than what it is called.
    """
    known = kind or _FORMATS.get(path.suffix.lower())
    if (refusal := name_other_kind(file, known)) is not None:
        raise FileRefused("other_kind", **refusal)
    if known is None:
        raise FileRefused("unknown_format", path=path)
    return known


class RecordReader:
    """Iterates over the records of an open file, from the first one each time.

    ``position`` is how many bytes have been read. Raises FileRefused for a file in another format or encoding, and when
    there is no header to go by. ``columns`` are those of the header; an NDJSON file has none.
    """

    def __init__(self, file: BinaryIO, kind: str, encoding: str | None = None, *, codec: str | None = None) -> None:
        """``encoding``: what the file is said to be in; by default it is found out. ``codec``: what was found out about
        this very file before, so that it is not looked through again."""
        self.kind = kind
        if (refusal := name_other_kind(file, kind)) is not None:
            raise FileRefused("other_kind", **refusal)
        self._file = file
        self.newline = find_newline(file)
        if codec is None:
            self.encoding = detect_encoding(file, encoding, self.newline)
        else:
            self.encoding = codec
            skip_mark(file)
        self.delimiter = ","
        self.columns: tuple[str, ...] = ()
        self.preamble, self.header = b"", ""
        self.is_reject_file = False
        # Whether blank lines come before the row at hand.
        self._has_gap = False
        self._begin = file.tell()
        self._lines = TextLines(file, self.encoding, self.newline)
        if self._begin:
            self.preamble = BOM
        if kind == CSV:
            self._sniff()
            self._read_header()

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._begin + self._lines.position

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(self._begin)
        self._lines = TextLines(self._file, self.encoding, self.newline)
        if self.kind == CSV:
            self._read_header()
        records = self._csv_records() if self.kind == CSV else self._json_records()
        for record in records:
            error = record.error
            if error is None and is_broken(record.text):
                error = NOT_TEXT
            elif "\x00" in record.text:
                error = gettext_noop("contains a NUL byte")
            elif is_doubled(record.text):
                error = gettext_noop(
                    "was turned into UTF-8 twice, as “MÃ¼ller” stands for “Müller”; export it again as UTF-8"
                )
            yield record if error is record.error else replace(record, error=error)

    def _sniff(self) -> None:
        """Find the delimiter: as the file says in a line before the header, else by the first lines."""
        sample = self._file.read(SAMPLE)
        text = sample.decode(self.encoding, "surrogateescape")
        if len(sample) == SAMPLE:
            text = text[: text.rfind(self.newline.decode()) + 1]
        self._has_separator_line = (match := _SEPARATOR_LINE.fullmatch(_first_line(text))) is not None
        if match is not None:
            self.delimiter = match["delimiter"]
            self.preamble += match[0].encode(self.encoding, "surrogateescape")
        else:
            self.delimiter = sniff_delimiter(text)
        self._file.seek(self._begin)

    def _read_header(self) -> None:
        self.columns = ()
        if self._has_separator_line:
            next(self._lines, None)
        for line, cells, raw, error in self._rows():
            if error is not None:
                raise FileRefused("wrong_header", line=line, error=error)
            if len(cells) > MOST_COLUMNS:
                raise FileRefused("header_too_wide", columns=len(cells), most=MOST_COLUMNS)
            self.is_reject_file = cells[:2] == [LINE, ERROR]
            self.columns, self.header = tuple(unwrap(cell).strip() for cell in self._as_meant(cells)), raw
            return
        raise FileRefused("no_header")

    def _csv_records(self) -> Iterator[Record]:
        width = len(self.columns)
        # What is no customer is none in a reject file either, which has columns of its own before those of the line;
        # one that was made of a reject file has them twice.
        own = 0
        while self.columns[own : own + 2] == (LINE, ERROR):
            own += 2
        columns = self.columns[own:]
        has_rows = is_below = False
        for line, cells, raw, error in self._rows():
            given = self._as_meant(cells[own:])
            # Behind a blank line programs write of what they made a table, and for which company: a text in each line.
            # In a reject file there are no blank lines.
            is_below = len(given) == 1 and (is_below or own > 0 or (has_rows and self._has_gap))
            has_rows, self._has_gap = has_rows or len(given) > 1, False
            if any(cell.strip() for cell in cells[width:]):
                error = _("has %(fields)s, the header has %(number)s") % {
                    "fields": _fields(len(cells)),
                    "number": width,
                }
            elif error is None and tuple(unwrap(cell).strip() for cell in given) == columns:
                error = gettext_noop("repeats the header")
            elif (
                error is None
                and given
                and len(columns) > 1
                and (is_below or is_note(given) or is_total(columns, given))
            ):
                error = gettext_noop("is not a customer but a total or a note, as programs write them below a table")
            # Cells that are empty at the end of a line may be missing, and an empty one may be too many.
            cells = self._as_meant(cells) + [""] * (width - len(cells))
            yield Record(line, raw, dict(zip(self.columns, cells, strict=False)) if error is None else {}, error)

    def _as_meant(self, cells: list[str]) -> list[str]:
        """The cells without what was put before formulas when they were written into a reject file."""
        return [unguard(cell) for cell in cells] if self.is_reject_file else cells

    def _rows(self) -> Iterator[tuple[int, list[str], str, str | None]]:
        """Line, cells, original text, error; blank lines are passed over."""
        taken: list[str] = []

        def feed() -> Iterator[str]:
            size = 0
            for line in self._lines:
                taken.append(line)
                size += len(line)
                if len(line) >= LONGEST:
                    raise csv.Error(TOO_LONG)
                if len(taken) > MOST_LINES or size > LONGEST:
                    raise csv.Error(_("a quoted field is never closed"))
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
                yield first, [], taken[0], _("is not valid CSV: %(error)s") % {"error": _explain(error)}
                continue
            if len(taken) > 1 and self.columns and not self._is_whole(cells, taken):
                # Two lines that each have a stray quote: the first alone is to blame for what it swallowed.
                self._lines.give_back(taken[1:])
                yield first, [], taken[0], gettext_noop("is not valid CSV: a quoted field is not closed in its line")
                continue
            # DOS ended files with a sign of its own.
            if any(cell.strip().strip("\x1a") for cell in cells):
                yield first, cells, "".join(taken), None
            else:
                self._has_gap = True

    def _is_whole(self, cells: Sequence[str], lines: Sequence[str]) -> bool:
        """Whether a record over several lines is one: it is short at most, and no line in it could be a record."""
        width = len(self.columns)
        return len(cells) == width or (
            len(cells) < width and all(line.count(self.delimiter) < width - 1 for line in lines[1:])
        )

    def _json_records(self) -> Iterator[Record]:
        for text in self._lines:
            line = self._lines.number
            if not text.strip():
                continue
            yield _read_object(line, text)


def _read_object(line: int, text: str) -> Record:
    if len(text) >= LONGEST:
        return Record(line, text, error=TOO_LONG)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return Record(line, text, error=NOT_TEXT if is_broken(text) else gettext_noop("is not JSON"))
    if not isinstance(value, dict):
        return Record(line, text, error=gettext_noop("is not a JSON object"))
    if _has_key_twice(value, text):
        return Record(line, text, error=gettext_noop("gives a key twice: it is not clear which of the two is meant"))
    return Record(line, text, flatten(value))


def _has_key_twice(value: dict[str, Any], text: str) -> bool:
    """Whether an object in it names something twice, of which one would be lost without a word."""
    number = 0
    ahead: list[Any] = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            number += len(one)
            ahead += one.values()
        elif isinstance(one, list):
            ahead += one
    # A text may have such signs, too: only then is it read once more.
    if len(_KEY_ENDS.findall(text)) <= number:
        return False
    try:
        json.loads(text, object_pairs_hook=_refuse_twice)
    except _KeyTwice:
        return True
    except (ValueError, RecursionError):
        return False
    return False


class _KeyTwice(Exception):
    """An object names something twice."""


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _value in pairs}) != len(pairs):
        raise _KeyTwice


def flatten(value: dict[str, Any]) -> dict[str, Any]:
    """An object with its inner objects' keys as ``outer.inner``; lists stay as they are."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= {f"{key}.{name}": deeper for name, deeper in inner.items()}
        else:
            flat[key] = inner
    return flat


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


def _explain(error: csv.Error) -> str:
    """What Python's reader does not take, in our words."""
    text = str(error)
    if _AFTER_QUOTE in text:
        return _("something comes after the end of a quoted field; double the quotes that belong to the text")
    for beginning, sentence in _CSV_ERRORS.items():
        if text.startswith(beginning):
            return _(sentence)
    return _(text)


def _first_line(text: str) -> str:
    return next(iter(text.splitlines(keepends=True)), "")


def _fields(number: int) -> str:
    return ngettext("one field", "%(count)s fields", number) % {"count": number}
