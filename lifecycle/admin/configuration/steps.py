"""The steps of the editor: each folds, says in one line what it holds, and how much is wrong in it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.admin.configuration.fitting import means_same
from lifecycle.admin.configuration.places import STEP_OF, Filed
from lifecycle.admin.configuration.sheet import Sheet
from tenants.rules.configuration.document import WARNING
from tenants.sentences.figures import say_number

TITLES: Final[Mapping[str, str | Promise]] = {
    "stages": gettext_lazy("Stages"),
    "transitions": gettext_lazy("Transitions"),
    "reasons": gettext_lazy("Reasons"),
    "rules": gettext_lazy("Rules"),
    "automations": gettext_lazy("Automations"),
    "health": gettext_lazy("Health"),
    "data": gettext_lazy("Sources and currency"),
}
# The kinds of rows that buttons are about -> the step that holds them.
_OF_BUTTON: Final = {
    "stage": "stages",
    "rule": "rules",
    "risk": "rules",
    "effect": "automations",
    "part": "health",
    "health": "health",
    "source": "data",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``holds``: what it holds, in one line."""

    key: str
    number: int
    title: str
    holds: str
    errors: int
    warnings: int
    is_open: bool


def find_opened(posted: Collection[str], button: str) -> set[str]:
    """The steps that were open when a form was sent, and the one whose rows its button changes."""
    kind = button.partition(":")[0].partition("_")[2]
    pressed = {_OF_BUTTON[kind]} if kind in _OF_BUTTON else set()
    return {key for key in posted if key in TITLES} | pressed


def find_changed(document: Any, saved: Any) -> set[str]:
    """The steps of which the two documents say different things: what someone is at work on."""
    if not isinstance(document, Mapping) or not isinstance(saved, Mapping):
        return set()
    keys = document.keys() | saved.keys()
    return {STEP_OF.get(key, "stages") for key in keys if not means_same(document.get(key), saved.get(key))}


def list_steps(sheet: Sheet, filed: Iterable[Filed], *, opened: Collection[str]) -> dict[str, Step]:
    """All steps by their key; one with errors is open."""
    errors, warnings = dict.fromkeys(TITLES, 0), dict.fromkeys(TITLES, 0)
    for one in filed:
        (warnings if one.finding.severity == WARNING else errors)[one.step] += 1
    holds = _say_holds(sheet)
    return {
        key: Step(key, number, str(title), holds[key], errors[key], warnings[key], key in opened or bool(errors[key]))
        for number, (key, title) in enumerate(TITLES.items(), start=1)
    }


def _say_holds(sheet: Sheet) -> dict[str, str]:
    return {
        "stages": _say_stages(sheet),
        "transitions": _say_transitions(sheet),
        "reasons": _say_reasons(sheet),
        "rules": _join(
            ngettext("%(count)s event rule", "%(count)s event rules", len(sheet.rules)) % _count(sheet.rules),
            ngettext("%(count)s at-risk rule", "%(count)s at-risk rules", len(sheet.risks)) % _count(sheet.risks),
        ),
        "automations": _say_automations(sheet),
        "health": _say_health(sheet),
        "data": _say_data(sheet),
    }


def _say_stages(sheet: Sheet) -> str:
    stages = sheet.present
    if not stages:
        return _("No stages yet")
    said = ngettext("%(count)s stage", "%(count)s stages", len(stages)) % _count(stages)
    initial = next((row.label for row in stages if row.key == sheet.initial), "")
    return _join(said, _("new customers begin in “%(stage)s”") % {"stage": initial} if initial else "")


def _say_transitions(sheet: Sheet) -> str:
    if sheet.is_open:
        return _("Every stage leads to every other")
    ways = [to for row in sheet.present for to in row.to]
    return ngettext("%(count)s transition", "%(count)s transitions", len(ways)) % _count(ways)


def _say_reasons(sheet: Sheet) -> str:
    required = [row for row in sheet.present if row.requires_reason]
    if not required:
        return _("No stage requires a reason")
    said = ngettext("%(count)s stage requires a reason", "%(count)s stages require a reason", len(required))
    return said % _count(required)


def _say_automations(sheet: Sheet) -> str:
    off = [row for row in sheet.effects if not row.enabled]
    said = ngettext("%(count)s automation", "%(count)s automations", len(sheet.effects)) % _count(sheet.effects)
    return _join(said, _("%(count)s switched off") % _count(off) if off else "")


def _say_health(sheet: Sheet) -> str:
    parts = sheet.health.parts
    if not sheet.health.is_own:
        return _("The usual health")
    return ngettext("%(count)s part of your own", "%(count)s parts of your own", len(parts)) % _count(parts)


def _say_data(sheet: Sheet) -> str:
    orders = [row for row in sheet.sources if not row.is_blank]
    said = ngettext("%(count)s order of sources", "%(count)s orders of sources", len(orders)) % _count(orders)
    return _join(sheet.currency or _("No currency chosen"), said if orders else _("the newest report counts"))


def _count(rows: Collection[Any]) -> dict[str, str]:
    return {"count": say_number(len(rows))}


def _join(*texts: str) -> str:
    return _(", ").join(filter(None, texts))
