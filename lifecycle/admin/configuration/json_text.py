"""A document as text for people: keys in the order of the contract, and the line on which each value is."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tenants.rules.configuration.document import KEYS
from tenants.rules.configuration.errors import point

_RULE_KEYS = ("event", "from", "to", "reason_code", "when", "field", "op", "value")
_EFFECT_KEYS = ("name", "on", "stages", "categories", "kind", "to", "template")
_SHORT = 100
INDENT = "  "
# What is deeper than a configuration is written on one line: indentation would make a short text a long one.
DEEPEST = 8

# Steps of JSON pointers, as a tree.
_Wanted = dict[str, Any]


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
    """The document as indented JSON; short lists and objects are written on one line."""
    return "\n".join(line for line, _ in _write(arrange(document), (), {}, "", ""))


def find_lines(document: Any, pointers: Iterable[str]) -> dict[str, int]:
    """For each value of ``write_json``'s text on the way to one of the JSON pointers: the number of its line."""
    wanted: _Wanted = {}
    for pointer in pointers:
        node = wanted
        for step in pointer.split("/")[1:]:
            node = node.setdefault(step, {})
    lines: dict[str, int] = {}
    for number, (_, places) in enumerate(_write(arrange(document), ("",), wanted, "", ""), start=1):
        for place in places:
            lines.setdefault("/".join(place), number)
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


def _write(
    value: Any, path: tuple[str, ...], wanted: _Wanted, indent: str, lead: str
) -> Iterator[tuple[str, Sequence[tuple[str, ...]]]]:
    """Lines, each with the places that begin on it, of those that are wanted. Linear in the length of the text."""
    is_nest = isinstance(value, dict | list) and any(isinstance(one, dict | list) for one in _values(value))
    is_deep = len(indent) >= DEEPEST * len(INDENT)
    flat = json.dumps(value, ensure_ascii=False) if is_deep or not is_nest else ""
    here = [path] if path else []
    if flat and (is_deep or not isinstance(value, dict | list) or not value or len(indent + lead + flat) <= _SHORT):
        yield f"{indent}{lead}{flat}", [*here, *(place for place, _, _ in _follow(value, path, wanted) if place)]
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{lead}{opening}", here
    last = len(value) - 1
    for number, (place, inner, step) in enumerate(_follow(value, path, wanted)):
        name = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(step, str) else ""
        held: tuple[str, Sequence[tuple[str, ...]]] | None = None
        for line in _write(value[step], place, inner, indent + INDENT, name):
            if held is not None:
                yield held
            held = line
        assert held is not None  # noqa: S101  every value has a line
        yield (f"{held[0]}," if number < last else held[0]), held[1]
    yield f"{indent}{closing}", ()


def _follow(value: Any, path: tuple[str, ...], wanted: _Wanted) -> Iterator[tuple[tuple[str, ...], _Wanted, str | int]]:
    """Each step into a value: its place and what is wanted beyond it, both empty where nothing is."""
    for step in _steps(value):
        part = point(step)[1:] if wanted else ""
        if part in wanted:
            yield (*path, part), wanted[part], step
        else:
            yield (), {}, step


def _steps(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
    elif isinstance(value, list):
        yield from range(len(value))


def _values(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)
