"""A look at the whole file before its columns are planned: a field may first appear in the last line."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Final

from django.utils.translation import gettext

from lifecycle.services.imports.columns import IGNORED_PREFIX, field_of
from lifecycle.services.imports.evidence import MOST_COLUMNS, Evidence
from lifecycle.services.imports.files import Record, RecordReader
from lifecycle.services.imports.kinds import NDJSON
from lifecycle.services.imports.texts import FileRefused

_BETWEEN_REPORTS: Final = 1_000
# Of one field; each pair of them is compared in every record.
MOST_ALIKE: Final = 20


def survey_columns(
    reader: RecordReader, mapped: Collection[str] = (), report: Callable[[int], None] | None = None
) -> Evidence:
    """What the file has in which columns. ``report`` is called now and then with the number of bytes that were read.

    Raises FileRefused where too many columns could be one field, and where no line can be read.
    """
    evidence = Evidence(reader.columns)
    for _ in gather_evidence(evidence, reader, mapped):
        if report is not None:
            report(reader.position)
    return evidence


def gather_evidence(evidence: Evidence, reader: RecordReader, mapped: Collection[str] = ()) -> Iterator[None]:
    """As ``survey_columns``, into ``evidence``, a thousand records at a time.

    A file may make up new names in every line: past MOST_COLUMNS only those are kept that are fields, or ``mapped``.
    """
    groups: dict[str, str] = {}
    alike: Counter[str] = Counter()

    def notice(column: str) -> None:
        field = field_of(column)
        if field is not None or column in mapped or len(evidence.columns) < MOST_COLUMNS:
            evidence.columns[column] = None
        if field is not None and column not in groups:
            groups[column] = field
            alike[field] += 1
            if alike[field] > MOST_ALIKE:
                raise FileRefused("too_many_alike", most=MOST_ALIKE, field=field, column=column[:40])

    for column in reader.columns:
        notice(column)
    first_error: Record | None = None
    for number, record in enumerate(reader, 1):
        if record.error is not None:
            first_error = first_error or record
        else:
            for column in record.cells:
                if column not in evidence.columns:
                    notice(column)
            evidence.add(record.cells, groups)
        if number % _BETWEEN_REPORTS == 0:
            yield
    if first_error is not None and first_error.error and not evidence.records:
        code = "no_good_line" if reader.kind == NDJSON else "no_good_row"
        raise FileRefused(code, line=first_error.line, error=gettext(first_error.error))
    yield


def left_out(columns: Collection[str]) -> list[str]:
    """Those of the columns left out that are worth telling."""
    return [column for column in columns if column and not column.startswith(IGNORED_PREFIX)]
