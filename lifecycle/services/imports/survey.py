"""A look at the whole file before its columns are planned: a field may first appear in the last line."""

from collections.abc import Callable, Collection

from lifecycle.services.imports.columns import IGNORED_PREFIX, field_of
from lifecycle.services.imports.evidence import MOST_COLUMNS, Evidence
from lifecycle.services.imports.files import RecordReader

_BETWEEN_REPORTS = 1_000


def survey_columns(
    reader: RecordReader, mapped: Collection[str] = (), report: Callable[[int], None] | None = None
) -> Evidence:
    """What the file has in which columns. ``report`` is called now and then with the number of bytes that were read.

    A file may make up new names in every line: past MOST_COLUMNS only those are kept that are fields, or ``mapped``.
    """
    evidence = Evidence(reader.columns)
    groups: dict[str, str] = {}

    def notice(column: str) -> None:
        field = field_of(column)
        if field is not None or column in mapped or len(evidence.columns) < MOST_COLUMNS:
            evidence.columns[column] = None
        if field is not None:
            groups[column] = field

    for column in reader.columns:
        notice(column)
    for number, record in enumerate(reader):
        if record.fault is None:
            for column in record.cells:
                if column not in evidence.columns:
                    notice(column)
            evidence.add(record.cells, groups)
        if report is not None and number % _BETWEEN_REPORTS == 0:
            report(reader.position)
    return evidence


def left_out(columns: Collection[str]) -> list[str]:
    """Those of the columns left out that are worth telling."""
    return [column for column in columns if column and not column.startswith(IGNORED_PREFIX)]
