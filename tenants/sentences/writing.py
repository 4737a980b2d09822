"""From a message and its parameters to a sentence in the reader's language.

A parameter is shown by its type: a name as it was written, shortened where it is long; a number with its thousands;
several names as an enumeration. Words of a sentence (``subject``, ``kind``, ``type``) are translated themselves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenants.rules.configuration.diff import ConfigurationChange
from tenants.rules.configuration.errors import Finding, InvalidConfiguration
from tenants.rules.messages import Message
from tenants.rules.texts import shorten_text
from tenants.rules.values import InvalidValue
from tenants.sentences.categories import CATEGORY_LABELS, name_category
from tenants.sentences.changes import CHANGES, KEYS, RULE_KEYS
from tenants.sentences.figures import localize_number, say_number
from tenants.sentences.findings import FINDINGS
from tenants.sentences.in_form import FORM_FIELDS, HEALTH_FIELDS, IN_FORM
from tenants.sentences.names import name_word
from tenants.sentences.refusals import REFUSALS
from tenants.sentences.words import KINDS, SUBJECTS, TYPES

Shown = Mapping[str, Callable[[Any], str]]
# Stages and categories by the names of their keys.
Concerned = Mapping[str, Sequence[str]]
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


def write_with(sentence: Any, params: Mapping[str, Any], shown: Shown | None = None) -> str:
    """A sentence of another table, with its parameters shown as here; ``shown``: some that are shown otherwise."""
    return str(sentence % {name: _show(name, value, shown or {}) for name, value in params.items()})


def describe_finding(finding: Finding) -> str:
    """What is wrong, or probably not meant, for those who write the JSON: keys and words are called as there."""
    return write(finding.message, finding.params)


def describe_finding_in_form(finding: Finding) -> str:
    """The same for those who fill in a form, which has no keys: everything is called as it is there."""
    fields = HEALTH_FIELDS if finding.path.startswith("/health/") else FORM_FIELDS
    shown = {**_IN_FORM, "key": lambda key: str(fields.get(key, key))}
    name = finding.message
    # Of some fields there is more to say than of others.
    sentence = IN_FORM.get(f"{name}_{finding.params.get('subject')}") or IN_FORM.get(name) or SENTENCES[name]
    return write_with(sentence, finding.params, shown)


def describe_change(change: ConfigurationChange) -> str:
    """What a configuration changes, in the words of its form."""
    keys = RULE_KEYS if change.kind in ("event_rules_changed", "risk_rule_changed") else KEYS
    shown = {**_IN_FORM, "keys": lambda names: _enumerate([str(keys.get(name, name)) for name in dict.fromkeys(names)])}
    return write_with(CHANGES[change.message], {"stage": change.stage, "to": change.to, **change.params}, shown)


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
    return _enumerate([_quote(shorten_text(name)) for name in names], alternatives=alternatives)


def _enumerate(parts: Sequence[str], *, alternatives: bool = False) -> str:
    if len(parts) < 2:
        return "".join(parts)
    both = {"first": _(", ").join(parts[:-1]), "last": parts[-1]}
    return (_("%(first)s or %(last)s") if alternatives else _("%(first)s and %(last)s")) % both


def _list_concerned(concerned: Concerned, of_category: str) -> str:
    stages = [_quote(shorten_text(name)) for name in concerned["stages"]]
    categories = [of_category % {"name": _label(name)} for name in concerned["categories"]]
    return _enumerate(stages + categories, alternatives=True)


def _say_concerned(concerned: Concerned) -> str:
    """What starts an automation: after “enters”, “leaves” and “started by”."""
    return _list_concerned(concerned, _("a stage of the category “%(name)s”")) or _("any stage at all")


def _say_looked_at(concerned: Concerned) -> str:
    """Where the customers are that an at-risk rule looks at: after “customers in”."""
    listed = _list_concerned(concerned, pgettext("customers in", "a stage of the category “%(name)s”"))
    return listed or pgettext("customers in", "every stage that is not lost")


def _say_came_from(stages: Sequence[str]) -> str:
    return enumerate_names(stages, alternatives=True) or pgettext("customers who come from", "any stage")


def _say_made_by(sources: Sequence[str]) -> str:
    named = [name_word("changed_by", source) for source in sources]
    return _enumerate(named, alternatives=True) or pgettext("changes that come from", "anywhere")


def _quote(name: str) -> str:
    return _("“%(name)s”") % {"name": name}


def _label(category: str) -> str:
    return str(CATEGORY_LABELS.get(category, category))


def _count_days(days: int | None) -> str:
    return ngettext("%(count)s day", "%(count)s days", days or 0) % {"count": _Number(days or 0)}


def _count_by_stage(stages: Mapping[str, int]) -> str:
    return _(", ").join(f"{shorten_text(stage)} ({say_number(count)})" for stage, count in stages.items())


# Parameters that are not shown as their type would have it.
_SHOWN: Final[Shown] = MappingProxyType(
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
        "concerned": _say_concerned,
        "concerned_before": _say_concerned,
        "looked_at": _say_looked_at,
        "looked_at_before": _say_looked_at,
        "came_from": _say_came_from,
        "came_from_before": _say_came_from,
        "made_by": _say_made_by,
        "made_by_before": _say_made_by,
        "days": _count_days,
        "days_before": _count_days,
        "by_stage": _count_by_stage,
        # Made already, of a message of its own.
        "sentence": str,
        "error": _write_value,
    }
)
# Where a form is spoken of: its own names instead of the words of the JSON.
_IN_FORM: Final[Shown] = MappingProxyType(
    {
        **dict.fromkeys(("category", "category_before", "lost_category"), _label),
        "categories": lambda names: _enumerate([_quote(_label(name)) for name in names], alternatives=True),
        "effect_kind": partial(name_word, "effect_kind"),
        "event": partial(name_word, "event"),
        "field": partial(name_word, "field"),
        "measure": partial(name_word, "measure"),
        "part": partial(name_word, "part"),
        "path": partial(name_word, "sourced"),
        "sources": lambda names: _enumerate([name_word("source", name) for name in names]),
    }
)


def _show(name: str, value: Any, shown: Shown) -> Any:
    if name in shown:
        return shown[name](value)
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
