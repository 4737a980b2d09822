"""What people call what a configuration names by words of its own: events, fields, sources, measures.

Which there are is for the app that keeps customers to say; it does so once, when Django starts.
"""

from collections.abc import Callable, Mapping
from typing import Literal

Kind = Literal["changed_by", "effect_kind", "event", "field", "measure", "part", "source", "sourced"]
_NAMERS: dict[Kind, Callable[[str], str]] = {}


def declare_names(namers: Mapping[Kind, Callable[[str], str]]) -> None:
    """Say how words of each kind are called, in the language of who asks."""
    _NAMERS.clear()
    _NAMERS.update(namers)


def name_word(kind: Kind, word: str) -> str:
    """What people call it; a word that no one knows as it is written."""
    namer = _NAMERS.get(kind)
    return word if namer is None else namer(word)
