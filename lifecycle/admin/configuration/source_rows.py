"""Which source goes first for which field, as the form shows it: a row a field, its sources in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict
from django.utils.translation import gettext as _

from lifecycle.admin.configuration.rows import CannotLayOut, Findings, Reported
from tenants.rules.configuration.errors import Finding, point
from tenants.rules.configuration.source_priority import MOST_SOURCES, sourced_paths

# More than the rules allow, so that they can say so.
MOST_SOURCE_ROWS: Final = 60
MOST_SOURCE_NAMES: Final = MOST_SOURCES + 5
KEY: Final = "source_priority"


@dataclass(slots=True)
class SourceRow(Reported):
    """One field, or part, of a customer and its sources, the one that goes before all others first."""

    key: str
    path: str = ""
    sources: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in."""
        return not (self.path or self.sources)

    @property
    def is_unknown(self) -> bool:
        """Whether it names none of the fields that there are."""
        return bool(self.path) and self.path not in sourced_paths()

    @property
    def sources_shown(self) -> list[str]:
        """The sources, and an empty line for one more."""
        return [*self.sources, ""]


def lay_out_sources(value: Any) -> list[SourceRow]:
    """The rows of the document's orders; writing them gives the same ones. Raises CannotLayOut."""
    if not isinstance(value, Mapping):
        raise CannotLayOut(_("“%(key)s” is not an object.") % {"key": KEY})
    if len(value) > MOST_SOURCE_ROWS:
        raise _unsupported()
    return [_lay_out(str(index), path, listed) for index, (path, listed) in enumerate(value.items())]


def _lay_out(key: str, path: Any, listed: Any) -> SourceRow:
    if not isinstance(listed, list | tuple) or len(listed) > MOST_SOURCE_NAMES:
        raise _unsupported()
    row = SourceRow(key, path, list(listed))
    # A field of the form gives one line back, without outer blanks.
    is_typed = all(isinstance(name, str) and name and name == _clean(name) for name in row.sources)
    if row.is_blank or not is_typed or path != _clean(path):
        raise _unsupported()
    return row


def _unsupported() -> CannotLayOut:
    return CannotLayOut(_("“%(key)s” has an entry that the form does not support.") % {"key": KEY})


def write_sources(rows: Sequence[SourceRow]) -> dict[str, list[str]]:
    """The contract's JSON of the rows. Two rows of one field are one order, the first row's sources first."""
    orders: dict[str, list[str]] = {}
    for row in rows:
        if not row.is_blank:
            orders.setdefault(row.path, []).extend(row.sources)
    return orders


def read_sources(post: QueryDict) -> list[SourceRow]:
    """The rows that a form holds."""
    keys = [key for key in post.getlist("source") if key.isascii() and key.isdecimal() and len(key) < 6]
    return [
        SourceRow(
            key,
            _clean(post.get(f"source-{key}-path", "")),
            [name for text in post.getlist(f"source-{key}-name") if (name := _clean(text))][: MOST_SOURCE_NAMES + 1],
        )
        for key in list(dict.fromkeys(keys))[:MOST_SOURCE_ROWS]
    ]


def has_more_sources(post: QueryDict, rows: Sequence[SourceRow]) -> bool:
    """Whether a forged or damaged form has more than was read."""
    return len(set(post.getlist("source"))) > MOST_SOURCE_ROWS or any(
        len(row.sources) > MOST_SOURCE_NAMES for row in rows
    )


def change_sources(rows: list[SourceRow], button: str) -> None:
    """Do what a button says: ``add_source``, ``remove_source:4``, ``raise_source:4:1``... Else nothing."""
    verb, _colon, rest = button.partition(":")
    key, _colon, place = rest.partition(":")
    if verb == "add_source" and len(rows) < MOST_SOURCE_ROWS:
        rows.append(SourceRow(str(max((int(row.key) for row in rows), default=-1) + 1)))
    row = next((row for row in rows if row.key == key), None)
    if row is None:
        return
    if verb == "remove_source":
        rows.remove(row)
    elif verb == "raise_source" and place.isascii() and place.isdecimal() and 0 < int(place) < len(row.sources):
        index = int(place)
        row.sources[index - 1], row.sources[index] = row.sources[index], row.sources[index - 1]


def file_source_finding(rows: Sequence[SourceRow], finding: Finding) -> SourceRow | None:
    """Put a finding at the row whose field it is about; None: at none of them."""
    for row in rows:
        if not row.is_blank and f"{finding.path}/".startswith(f"{point(KEY, row.path)}/"):
            row.findings.setdefault("", []).append(finding)
            return row
    return None


def _clean(text: str) -> str:
    """One line, without NUL, which PostgreSQL cannot hold."""
    return " ".join(text.replace("\x00", "").splitlines()).strip()
