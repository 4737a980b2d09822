"""What is to be said, before it is said: rules and services name a sentence and what it speaks of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


def gettext_noop(sentence: str) -> str:
    """A sentence that is looked up in the catalog when it is said: the name is what collects it for translators."""
    return sentence


class Message(NamedTuple):
    """The name of a sentence, and its parameters. ``tenants.sentences`` and ``lifecycle.sentences`` have the words."""

    name: str
    params: Mapping[str, Any] = MappingProxyType({})
