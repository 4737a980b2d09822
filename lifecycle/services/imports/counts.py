"""What became of the lines of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lifecycle.models import ImportUpload


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines so far. ``line`` is where the last record began, ``position`` the bytes read."""

    line: int = 0
    position: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def good(self) -> int:
        """Lines that were accepted."""
        return self.created + self.changed + self.unchanged


def counts_of(upload: ImportUpload) -> Counts:
    """The counts of the run at hand of an upload, or of its last one."""
    names = (field.name for field in fields(Counts))
    return Counts(**{name: getattr(upload, name) for name in names})


def total_of(counts: Counts) -> Mapping[str, Any]:
    """The counts by name, in the order in which they are shown."""
    return {
        "created": counts.created,
        "changed": counts.changed,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
    }
