"""The reject file: invalid lines as they were, each with its number and what is wrong before it.

Corrected, it can be imported as it is: columns that begin with an underscore are passed over. Cells that a spreadsheet
program would compute get an apostrophe, which the import takes away again.
"""

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import orjson

from lifecycle.services.imports.cells import guard
from lifecycle.services.imports.counts import Counts
from lifecycle.services.imports.files import ERROR, LINE, Record, RecordReader
from lifecycle.services.imports.kinds import CSV
from lifecycle.services.imports.texts import FileRefused

TEXT: Final = "_text"

Rejected = tuple[Record, str]


class Rejects(Protocol):
    """Where invalid lines are put, batch by batch, in the transaction that imports the good ones."""

    def begin(self) -> None:
        """A batch begins."""

    def keep(self, rejected: Sequence[Rejected], counts: Counts, effects: Mapping[str, int]) -> None:
        """The invalid lines of one batch, in order, and what became of the file so far."""


class RejectLines:
    """Invalid lines as bytes, in the encoding and with the separator of their file."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader = reader
        signs = re.escape("=+-@\t＝＋－＠".replace(reader.delimiter, ""))
        self._in_cells = re.compile(rf'(^|{re.escape(reader.delimiter)})("?)(?=[{signs}])')

    def write_header(self) -> bytes:
        """What comes before the first line."""
        header = self._write(LINE, ERROR, self._reader.header) if self._reader.kind == CSV else b""
        return self._reader.preamble + header

    def write_line(self, record: Record, sentence: str) -> bytes:
        """One invalid line."""
        if self._reader.kind == CSV:
            return self._write(record.line, sentence, record.text)
        text = f"{_as_object(record, sentence)}{self._reader.newline.decode()}"
        return text.encode(self._reader.encoding, "surrogateescape")

    def _write(self, line: object, sentence: str, text: str) -> bytes:
        delimiter, encoding = self._reader.delimiter, self._reader.encoding
        before = StringIO()
        csv.writer(before, delimiter=delimiter, lineterminator=delimiter).writerow([line, sentence])
        text = self._guard(text)
        ending = "" if text.endswith(("\n", "\r")) else self._reader.newline.decode()
        return before.getvalue().encode(encoding, "replace") + (text + ending).encode(encoding, "surrogateescape")

    def _guard(self, text: str) -> str:
        """The line as it was, unless there is something in it that a spreadsheet program would compute."""
        if self._in_cells.search(text) is None and "'" not in text:
            return text
        try:
            (cells,) = csv.reader([text], delimiter=self._reader.delimiter, strict=True)
        except (csv.Error, ValueError):
            # No CSV, or over several lines: no one can tell its cells for certain.
            return self._in_cells.sub(r"\1\2'", text)
        # A reject file that is imported again has its apostrophes already.
        guarded = cells if self._reader.is_reject_file else [guard(cell) for cell in cells]
        if guarded == cells:
            return text
        written = StringIO()
        csv.writer(written, delimiter=self._reader.delimiter, lineterminator="").writerow(guarded)
        return written.getvalue() + text[len(text.rstrip("\r\n")) :]


class RejectFile:
    """Made with the first invalid line. Only its owner may read it: it names people."""

    def __init__(self, path: Path, reader: RecordReader) -> None:
        self.path, self._lines = path, RejectLines(reader)
        self._file: BinaryIO | None = None
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise FileRefused("rejects_no_plain_file", path=path)
        # A file of an earlier run would look like the outcome of this one.
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileRefused("rejects_unwritable", path=path, error=error.strerror) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()

    def begin(self) -> None:
        """Nothing: no one else writes it."""

    def keep(self, rejected: Sequence[Rejected], counts: Counts, effects: Mapping[str, int]) -> None:
        """Write the invalid lines of one batch to the disk."""
        if not rejected:
            return
        if self._file is None:
            self._file = self._open()
        self._file.writelines(self._lines.write_line(record, sentence) for record, sentence in rejected)
        self._file.flush()

    def _open(self) -> BinaryIO:
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FileRefused("rejects_unwritable", path=self.path, error=error.strerror) from None
        file = os.fdopen(handle, "wb")
        file.write(self._lines.write_header())
        return file


def _as_object(record: Record, sentence: str) -> str:
    """The object as it was written, so that no number in it loses a digit, and at its end what is wrong."""
    text = record.text.strip()
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except ValueError:
        is_object = False
    if not is_object:
        shown = record.text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return json.dumps({TEXT: shown, LINE: record.line, ERROR: sentence})
    added = json.dumps({LINE: record.line, ERROR: sentence})[1:]
    before = text[:-1].rstrip()
    return f"{before}{'' if before.endswith('{') else ', '}{added}"
