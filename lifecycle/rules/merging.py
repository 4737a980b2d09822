"""Which of the fields that a message brings may be written: per field, the newest message wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Merged:
    """The fields to write, and those that something newer has written already."""

    fields: Mapping[str, Any]
    stale: tuple[str, ...]


def merge_fields(given: Mapping[str, Any], field_times: Mapping[str, int], at: int) -> Merged:
    """Split ``given`` by age. ``field_times`` and ``at`` are microseconds since 1970.

    A message of the same microsecond wins over what was written before it: the log's order decides.
    """
    stale = tuple(field for field in given if field_times.get(field, at) > at)
    return Merged({field: value for field, value in given.items() if field not in stale}, stale)
