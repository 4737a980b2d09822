"""From a message to a sentence in the reader's language, or in the installation's for what is kept."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from lifecycle.sentences.attention import DISAGREEMENTS, STEPS, is_change, say_change, say_place
from lifecycle.sentences.effects import EFFECTS
from lifecycle.sentences.events import EVENTS, SHOWN, read_message
from lifecycle.sentences.figures import (
    NOTHING_AT_STAKE,
    WORRIES,
    find_language,
    forget_texts,
    localize_figures,
    say_stake,
)
from lifecycle.sentences.imports import IMPORTS
from lifecycle.sentences.refusals import REFUSALS
from tenants.rules.messages import Message
from tenants.rules.texts import shorten_text
from tenants.sentences import write, write_with
from tenants.sentences.figures import forget_figures, say_number

SENTENCES: Final[Mapping[str, Any]] = MappingProxyType(
    {**REFUSALS, **EFFECTS, **EVENTS, **WORRIES, **NOTHING_AT_STAKE, **STEPS, **DISAGREEMENTS}
)


def say(message: Message | str | Promise) -> str:
    """The sentence of a message; what is a sentence already is left as it is.

    Raises KeyError for a message that has none, or for a parameter that is missing.
    """
    if not isinstance(message, Message):
        return str(message)
    name, params = message
    if name in _OFTEN:
        return _say_often(find_language(), name, tuple(params.items()))
    if is_change(name):
        return say_change(name, params)
    if name in WRITTEN:
        return WRITTEN[name](params)
    if name in IMPORTS:
        # What a file has in it is listed whole: its columns, the encodings it could be in.
        shown = {key: say_number(value) if isinstance(value, int) else value for key, value in params.items()}
        return str(IMPORTS[name] % shown)
    if name in EVENTS:
        return write_with(EVENTS[name], params, SHOWN)
    sentence = SENTENCES.get(name)
    return write(name, params) if sentence is None else write_with(sentence, localize_figures(params))


# Of every customer that is shown, and of few kinds: said once, and remembered.
_OFTEN: Final = frozenset({*WORRIES, *NOTHING_AT_STAKE})


@lru_cache(maxsize=4096)
def _say_often(_language: str | None, name: str, params: tuple[tuple[str, Any], ...]) -> str:
    return write_with(SENTENCES[name], localize_figures(dict(params)))


def forget_sentences() -> None:
    """Make every sentence again from the catalogs: for tests, which change them."""
    forget_texts()
    forget_figures()
    _say_often.cache_clear()


class Refusal(Exception):
    """What a service refuses: a message. Asked for its text it is the sentence, in the language of who asks."""

    def __init__(self, name: str, /, **params: Any) -> None:
        super().__init__(name)
        self.message = Message(name, params)

    def __str__(self) -> str:
        return say(self.message)


def say_kept(kept: object, code: str, otherwise: str) -> str:
    """A message that was kept as JSON for a ``code``, in the language of who asks; ``otherwise``: the sentence of its
    time, said where there is none, or another release wrote it.
    """
    try:
        message = read_message(kept, code)
        return otherwise if message is None else say(message)
    except (AttributeError, KeyError, TypeError, ValueError):
        return otherwise


def say_for_record(message: Message | str | Promise) -> str:
    """The same for what is kept and read by others later: in the language of the installation."""
    with override(settings.LANGUAGE_CODE):
        return say(message)


def _say_automations(params: Mapping[str, Any]) -> str:
    names, more, count = params["names"], params["more"], params["count"]
    number = ngettext("%(count)s automation", "%(count)s automations", count) % {"count": count or _("no")}
    if not names:
        return number
    named = _(", ").join(
        _("“%(name)s” (%(kind)s)") % {"name": shorten_text(name), "kind": kind} for name, kind in names
    )
    if more:
        named = _("%(names)s and %(more)s more") % {"names": named, "more": more}
    return _("%(number)s: %(names)s") % {"number": number, "names": named}


def _say_unconfirmed(params: Mapping[str, Any]) -> str:
    return _(
        "This would start %(automations)s; you confirmed %(confirmed)s. Nothing was saved: review what would start,"
        " then try again."
    ) % {"automations": _say_automations(params), "confirmed": params["confirmed"] or _("none")}


def _say_unasked(params: Mapping[str, Any]) -> str:
    return _(
        "This would start %(automations)s, more than the %(budget)s that a bulk change starts here without being asked."
        " Nothing was saved: review what would start, then confirm the number (%(count)s)."
    ) % {"automations": _say_automations(params), "budget": say_number(params["budget"]), "count": params["count"]}


def _say_budget(params: Mapping[str, Any]) -> str:
    numbers = {name: params[name] for name in ("wanted", "left", "limit")}
    return f"{say(Message('over_budget_by', numbers))} {say(params['again'])}"


def _say_other_kind(params: Mapping[str, Any]) -> str:
    what, advice = params["what"], params["advice"]
    name = "other_kind_if" if what in ("kind_html", "kind_xml") else "other_kind"
    return str(IMPORTS[name] % {"what": IMPORTS[what], "advice": IMPORTS[advice]})


# Sentences made of several, which have no one line in a table.
WRITTEN: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        "at_stake": say_stake,
        "effects_unasked": _say_unasked,
        "effects_unconfirmed": _say_unconfirmed,
        "other_kind": _say_other_kind,
        "over_budget": _say_budget,
        "place": say_place,
    }
)
