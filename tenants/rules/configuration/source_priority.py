"""Reads which source goes before which where several report a field of a customer.

Which fields and sources there are is for the app that keeps customers to say; it does so once, when Django starts.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from tenants.rules.configuration.definitions import Configuration
from tenants.rules.configuration.document_reader import DocumentReader, Place, name_type

MOST_SOURCES: Final = 20
LONGEST_SOURCE: Final = 100
SOURCE: Final = r"(/[!-+\-.0-~]+)+"
_SOURCE: Final = re.compile(SOURCE)
_PATHS: list[str] = []
_ROOTS: list[str] = []

Priority = tuple[tuple[str, tuple[str, ...]], ...]


def declare_sources(paths: tuple[str, ...], roots: tuple[str, ...]) -> None:
    """Say which fields and parts of a customer have sources, and where each source's name begins."""
    _PATHS[:], _ROOTS[:] = paths, roots


def sourced_paths() -> tuple[str, ...]:
    """The parts and fields of a customer for which an order of sources can be given."""
    return tuple(_PATHS)


def source_roots() -> tuple[str, ...]:
    """The sources that there are; each may be followed by a slash and more."""
    return tuple(_ROOTS)


def read_priority(reader: DocumentReader, document: Mapping[str, Any]) -> Priority:
    """The sources by field or part, the one that goes before all others first; fields in alphabetical order."""
    value = document.get("source_priority", {})
    if not isinstance(value, Mapping):
        reader.add_error(
            ("source_priority",), "wrong_type", "not_object", subject="source_priority", type=name_type(value)
        )
        return ()
    known = sourced_paths()
    if len(value) > len(known):
        reader.add_error(("source_priority",), "too_many", subject="source_priority", most=len(known), count=len(value))
    orders: dict[str, tuple[str, ...]] = {}
    for name, listed in islice(value.items(), len(known)):
        place = ("source_priority", str(name))
        path = reader.read_choice(name, place, "field", known)
        if path is not None:
            orders[path] = _read_order(reader, listed, place)
    return tuple(sorted(orders.items()))


def _read_order(reader: DocumentReader, value: object, place: Place) -> tuple[str, ...]:
    sources: list[str] = []
    seen: set[str] = set()
    for item, where in reader.read_list(value, place, "sources", MOST_SOURCES):
        source = reader.read_text(item, where, "source", LONGEST_SOURCE)
        if source is None:
            continue
        if not _SOURCE.fullmatch(source):
            reader.add_error(where, "invalid_source", text=source)
        elif reader.is_new(source, where, seen):
            sources.append(source)
    return tuple(sources)


def note_priority(reader: DocumentReader, configuration: Configuration) -> None:
    """Warn of sources that nothing reports under."""
    for path, sources in configuration.source_priority:
        for index, source in enumerate(sources):
            place = ("source_priority", path, index)
            if "/" + source[1:].partition("/")[0] not in source_roots():
                reader.add_warning(place, "unknown_source", source=source, choices=source_roots())
