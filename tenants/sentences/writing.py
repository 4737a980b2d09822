"""From a message and its parameters to a sentence in the reader's language.

A parameter is shown by its type: a name as it was written, shortened where it is long; a number with its thousands;
several names as an enumeration. Words of a sentence (``subject``, ``kind``, ``type``) are translated themselves.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tenants.rules.configuration.diff import ConfigurationChange
from tenants.rules.configuration.errors import Finding, InvalidConfiguration
from tenants.rules.messages import Message
from tenants.rules.texts import shorten_text
from tenants.rules.values import InvalidValue
from tenants.sentences.categories import name_category
from tenants.sentences.changes import CHANGES
from tenants.sentences.figures import localize_number, say_number
from tenants.sentences.findings import FINDINGS
from tenants.sentences.refusals import REFUSALS
from tenants.sentences.words import KINDS, SUBJECTS, TYPES

# Messages of one name have one sentence, whatever they are about.
SENTENCES: Final[Mapping[str, Any]] = MappingProxyType({**FINDINGS, **CHANGES, **REFUSALS})


class Refusal(Protocol):
    """What a service refuses: an exception with a message and its parameters."""

    @property
    def message(self) -> str:
        """The name of the sentence."""

    @property
    def params(self) -> Mapping[str, Any]:
        """What it speaks of."""


class _Number(int):
    """A number that shows its thousands, and still decides about singular and plural."""

    def __str__(self) -> str:
        return say_number(int(self))


def write(message: str, params: Mapping[str, Any]) -> str:
    """The sentence of a message. Raises KeyError for one that has none, or for a parameter that is missing."""
    return write_with(SENTENCES[message], params)


def write_with(sentence: Any, params: Mapping[str, Any]) -> str:
    """A sentence of another table, with its parameters shown as here."""
    return str(sentence % {name: _show(name, value) for name, value in params.items()})


def describe_finding(finding: Finding) -> str:
    """What is wrong, or probably not meant."""
    return write(finding.message, finding.params)


def describe_change(change: ConfigurationChange) -> str:
    """What a configuration changes."""
    return write(change.message, {"stage": change.stage, "to": change.to, **change.params})


def describe_invalid(error: InvalidConfiguration) -> str:
    """The first error with its place, and how many more there are."""
    first, *more = error.errors
    params = {"path": first.path or "/", "sentence": describe_finding(first)}
    if not more:
        return _("%(path)s: %(sentence)s") % params
    return ngettext(
        "%(path)s: %(sentence)s And %(count)s more.", "%(path)s: %(sentence)s And %(count)s more.", len(more)
    ) % {**params, "count": len(more)}


def describe_value(error: InvalidValue) -> str:
    """What is wrong with a value, to follow a subject."""
    return _write_value(Message(error.sentence, error.params))


def _write_value(message: Message) -> str:
    sentence = _(message.name)
    numbers = {name: say_number(value) if isinstance(value, int) else value for name, value in message.params.items()}
    return sentence % numbers if message.params else sentence


def describe_refusal(error: Refusal | InvalidConfiguration) -> str:
    """Why nothing was done, and what to do."""
    return describe_invalid(error) if isinstance(error, InvalidConfiguration) else write(error.message, error.params)


def enumerate_names(names: Iterable[str], *, alternatives: bool = False) -> str:
    """Quoted names: “A”, “B” and “C”; as ``alternatives`` “A”, “B” or “C”."""
    quoted = [_("“%(name)s”") % {"name": shorten_text(name)} for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    both = {"first": _(", ").join(quoted[:-1]), "last": quoted[-1]}
    return (_("%(first)s or %(last)s") if alternatives else _("%(first)s and %(last)s")) % both


def _count_days(days: int | None) -> str:
    return ngettext("%(count)s day", "%(count)s days", days or 0) % {"count": _Number(days or 0)}


def _count_by_stage(stages: Mapping[str, int]) -> str:
    return _(", ").join(f"{shorten_text(stage)} ({say_number(count)})" for stage, count in stages.items())


# Parameters that are not shown as their type would have it.
_SHOWN: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "subject": lambda word: str(SUBJECTS[word]),
        "kind": lambda word: str(KINDS[word]),
        "type": lambda word: str(TYPES[word]),
        "choices": lambda names: enumerate_names(names, alternatives=True),
        "origins": lambda names: enumerate_names(names or (), alternatives=True),
        "category": name_category,
        "category_before": name_category,
        "lost_category": name_category,
        "categories": lambda names: enumerate_names(map(name_category, names), alternatives=True),
        "days": _count_days,
        "days_before": _count_days,
        "by_stage": _count_by_stage,
        # Made already, of a message of its own.
        "sentence": str,
        "error": _write_value,
    }
)


def _show(name: str, value: Any) -> Any:
    if name in _SHOWN:
        return _SHOWN[name](value)
    if isinstance(value, str):
        return shorten_text(value)
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, int):
        return _Number(value)
    if isinstance(value, float):
        return localize_number(f"{value:g}")
    return enumerate_names(value) if isinstance(value, tuple | list) else ""
