"""The reject file: bad lines exactly as they were, each with its number and what is wrong before it.

Mended, it can be imported as it is: columns that begin with an underscore are passed over.
"""

import csv
import json
import os
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from lifecycle.services.imports.files import Record, RecordReader
from lifecycle.services.imports.kinds import CSV
from lifecycle.services.imports.texts import FileRefused

LINE, ERROR, TEXT = "_line", "_error", "_text"


class RejectFile:
    """Made with the first bad line. Only its owner may read it: it names people."""

    def __init__(self, path: Path, reader: RecordReader) -> None:
        self.path, self._reader = path, reader
        self.count = 0
        self._file: BinaryIO | None = None
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise FileRefused(f"The reject file {path} is not a plain file; name another with --reject-file.")
        # A file of an earlier run would look like the outcome of this one.
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileRefused(f"The reject file {path} cannot be written: {error.strerror}.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()

    def add(self, record: Record, sentence: str) -> None:
        """One bad line."""
        self.count += 1
        if self._file is None:
            self._file = self._open()
        if self._reader.kind == CSV:
            self._write(record.line, sentence, record.text)
        else:
            text = f"{_as_object(record, sentence)}{self._reader.newline.decode()}"
            self._file.write(text.encode(self._reader.encoding, "surrogateescape"))

    def flush(self) -> None:
        """Put on the disk what was rejected so far."""
        if self._file is not None:
            self._file.flush()

    def _open(self) -> BinaryIO:
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FileRefused(f"The reject file {self.path} cannot be written: {error.strerror}.") from None
        self._file = os.fdopen(handle, "wb")
        self._file.write(self._reader.preamble)
        if self._reader.kind == CSV:
            self._write(LINE, ERROR, self._reader.header)
        return self._file

    def _write(self, line: object, sentence: str, text: str) -> None:
        before = StringIO()
        csv.writer(before, delimiter=self._reader.delimiter, lineterminator=self._reader.delimiter).writerow(
            [line, sentence]
        )
        ending = "" if text.endswith(("\n", "\r")) else self._reader.newline.decode()
        encoding = self._reader.encoding
        assert self._file is not None  # noqa: S101
        self._file.write(before.getvalue().encode(encoding, "replace"))
        self._file.write((text + ending).encode(encoding, "surrogateescape"))


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
