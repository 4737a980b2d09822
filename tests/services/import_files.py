"""A file is written and read as an import reads it."""

from datetime import UTC, datetime
from pathlib import Path

from lifecycle.services.imports.columns import ColumnPlan, plan_columns
from lifecycle.services.imports.counts import Counts
from lifecycle.services.imports.files import RecordReader, find_kind, open_file
from lifecycle.services.imports.lines import read_line
from lifecycle.services.imports.rejects import RejectFile
from lifecycle.services.imports.survey import survey_columns
from lifecycle.services.imports.values import InvalidCell

Rows = list[tuple[str, str]]


def read(
    path: Path, encoding: str | None = None, mapping: dict[str, str | None] | None = None
) -> tuple[Rows, list[str], ColumnPlan]:
    """Ids and names of the good lines, the sentences about the invalid ones, and the plan; as the command does it."""
    rows, sentences = [], []
    with open_file(path) as file:
        reader = RecordReader(file, find_kind(file, path), encoding)
        evidence = survey_columns(reader, mapping or ())
        plan = plan_columns(tuple(reader.columns or evidence.columns), mapping, evidence)
        with RejectFile(path.with_name(f"rejected-{path.name}"), reader) as rejects:
            for record in reader:
                try:
                    if record.error:
                        raise InvalidCell(f"The line {record.error}.")
                    line = read_line(record, plan, now=datetime.now(UTC))
                    rows.append((line.external_id, line.company.get("name", "")))
                except InvalidCell as error:
                    sentences.append(str(error))
                    rejects.keep([(record, str(error))], Counts(), {})
    return rows, sentences, plan


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path
