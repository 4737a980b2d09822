"""A document as text for people: keys in the order of the contract, and the line on which each value stands."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tenants.rules.configuration import KEYS
from tenants.rules.faults import point

_RULE_KEYS = ("event", "from", "to", "reason_code", "when", "field", "op", "value")
_EFFECT_KEYS = ("name", "on", "stages", "categories", "kind", "to", "template")
_SHORT = 100
INDENT = "  "


def arrange(document: Any) -> Any:
    """The same document with its keys in order: PostgreSQL keeps them in an order of its own."""
    if not isinstance(document, Mapping):
        return document
    stages = document.get("stages")
    names = [name for name in stages if isinstance(name, str)] if isinstance(stages, list | tuple) else []
    arranged = _sort(document, KEYS)
    for key, value in arranged.items():
        if key in ("event_rules", "effects"):
            arranged[key] = _sort_deep(value, _RULE_KEYS if key == "event_rules" else _EFFECT_KEYS)
        elif isinstance(value, Mapping):
            arranged[key] = _sort(value, names)
    return arranged


def write_json(document: Any) -> str:
    """The document as indented JSON; short lists and objects stand on one line."""
    return "\n".join(line for line, _ in _write(arrange(document), (), "", ""))


def find_lines(document: Any) -> dict[str, int]:
    """For each value of ``write_json``'s text: JSON pointer -> number of the line on which it begins, from 1."""
    lines: dict[str, int] = {}
    for number, (_, pointers) in enumerate(_write(arrange(document), (), "", ""), start=1):
        for pointer in pointers:
            lines.setdefault(pointer, number)
    return lines


def find_line(lines: Mapping[str, int], pointer: str) -> int:
    """The line of a pointer, or of the nearest value around it; 1 if there is none."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)


def _sort(value: Mapping[str, Any], order: Any) -> dict[str, Any]:
    places = {key: place for place, key in enumerate(order)}
    return {key: value[key] for key in sorted(value, key=lambda key: (places.get(key, len(places)), key))}


def _sort_deep(value: Any, order: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {key: _sort_deep(inner, order) for key, inner in _sort(value, order).items()}
    if isinstance(value, list | tuple):
        return [_sort_deep(inner, order) for inner in value]
    return value


def _write(value: Any, path: tuple[str | int, ...], indent: str, lead: str) -> Iterator[tuple[str, list[str]]]:
    """Lines, each with the pointers of the values that begin on it."""
    flat = json.dumps(value, ensure_ascii=False)
    is_nested = isinstance(value, dict | list) and any(isinstance(one, dict | list) for one in _values(value))
    if not isinstance(value, dict | list) or not value or (not is_nested and len(indent + lead + flat) <= _SHORT):
        yield f"{indent}{lead}{flat}", [point(*path), *(point(*path, step) for step in _steps(value))]
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{lead}{opening}", [point(*path)]
    steps = list(_steps(value))
    for number, step in enumerate(steps):
        name = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(step, str) else ""
        inner = list(_write(value[step], (*path, step), indent + INDENT, name))
        if number < len(steps) - 1:
            inner[-1] = (f"{inner[-1][0]},", inner[-1][1])
        yield from inner
    yield f"{indent}{closing}", []


def _steps(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        yield from range(len(value))


def _values(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)
