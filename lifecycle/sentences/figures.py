"""Sentences for how a customer is doing, and for what is at stake."""

import math
from collections.abc import Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.utils import translation
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext_lazy

from tenants.sentences.categories import CATEGORY_LABELS
from tenants.sentences.figures import localize_number, say_money, say_number

WORRIES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "lost": gettext_lazy("The customer has churned."),
        "at_risk": gettext_lazy("In an at-risk stage."),
        "overdue": gettext_lazy("Overdue balance."),
        "overdue_share": gettext_lazy("Overdue balance: %(percent)s%% of annual revenue."),
        "overdue_more_than_revenue": gettext_lazy("Overdue balance: more than all of annual revenue."),
        "low_satisfaction": gettext_lazy("Low satisfaction: %(csat)s of 5."),
        "open_issues": ngettext_lazy("%(count)s open support issue.", "%(count)s open support issues.", "count"),
        "past_target": ngettext_lazy(
            "%(count)s day past the target for this stage.", "%(count)s days past the target for this stage.", "count"
        ),
        "long_in_stage": ngettext_lazy(
            "In this stage for %(count)s day.", "In this stage for %(count)s days.", "count"
        ),
        "share_of_expected": gettext_lazy("In this stage for %(percent)s%% of the time that is expected."),
        "no_note_since": ngettext_lazy("No note for %(count)s day.", "No note for %(count)s days.", "count"),
        "overdue_tasks": ngettext_lazy("%(count)s overdue task.", "%(count)s overdue tasks.", "count"),
        "in_category": gettext_lazy("In a stage of the category “%(category)s”."),
        "part_unknown": gettext_lazy("“%(part)s” is not known."),
        "renewal_passed": gettext_lazy("The renewal date has passed."),
        "renewal_today": gettext_lazy("Renewal is due today."),
        "renewal_due": ngettext_lazy("Renewal is due in %(count)s day.", "Renewal is due in %(count)s days.", "count"),
    }
)
NOTHING_AT_STAKE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "nothing_at_stake": gettext_lazy("Churned: nothing is at stake any more."),
        "revenue_unknown": gettext_lazy(
            "No annual revenue is known, so this customer ranks below those with revenue at stake."
        ),
        "rate_unknown": gettext_lazy(
            "There is no exchange rate for %(currency)s, so this customer ranks below those with revenue at stake."
        ),
        "no_revenue": gettext_lazy(
            "There is no annual revenue, so this customer ranks below those with revenue at stake."
        ),
    }
)


# A list has a sentence for each of its rows: gettext is asked once for each text, and not for each row.
@lru_cache(maxsize=256)
def _look_up(_language: str | None, sentence: str) -> str:
    return gettext(sentence)


@lru_cache(maxsize=4096)
def _look_up_number(_language: str | None, one: str, more: str, number: int) -> str:
    return translation.ngettext(one, more, number)


def find_language() -> str | None:
    """The reader's language; None where there is one for all, so that no one has to be asked."""
    return get_language() if len(settings.LANGUAGES) > 1 else None


def forget_texts() -> None:
    """Look every text up again: for tests, which change catalogs."""
    _look_up.cache_clear()
    _look_up_number.cache_clear()


def localize_figures(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a message, the score and the category in them as the reader's language has them."""
    csat, category = params.get("csat"), params.get("category")
    if isinstance(csat, str):
        params = {**params, "csat": localize_number(csat)}
    if isinstance(category, str) and category in CATEGORY_LABELS:
        params = {**params, "category": str(CATEGORY_LABELS[category])}
    return params


def say_stake(params: Mapping[str, Any]) -> str:
    """The figures behind what is at stake: amounts in ``currency``, shares from 0 to 1, what is None is not known."""
    language = find_language()
    _, ngettext = partial(_look_up, language), partial(_look_up_number, language)
    score, days = params["score"], params["days_to_renewal"]
    health = _("health not known") if score is None else _("health %(score)s of 100") % {"score": score}
    if days is None:
        renewal = _("no renewal date")
    elif days == 0:
        renewal = _("renewal today")
    elif days > 0:
        renewal = ngettext("renewal in %(days)s day", "renewal in %(days)s days", days)
    else:
        renewal = ngettext("renewal passed %(days)s day ago", "renewal passed %(days)s days ago", -days)
    if days:
        renewal %= {"days": say_number(abs(days))}
    currency, signed = params["currency"], _("%(percent)s%%")
    sentence = _(
        "%(at_stake)s at stake: %(revenue)s a year × %(risk)s risk (%(health)s) × %(time)s for time (%(renewal)s)."
    ) % {
        "at_stake": say_money(_say_rounded(params["at_stake"]), currency),
        "revenue": say_money(say_number(params["revenue"], 0), currency),
        "risk": signed % {"percent": f"{100 * params['risk']:.0f}"},
        "health": health,
        "time": signed % {"percent": _say_rounded(params["time"] * 100)},
        "renewal": renewal,
    }
    if not params["ranked_in"]:
        return sentence
    ranked = say_money(_say_rounded(params["ranked"]), params["ranked_in"])
    return f"{sentence} " + _("Ranked as %(amount)s.") % {"amount": ranked}


def _say_rounded(value: float) -> str:
    """Without decimals; below one with its first digit, so that it is not taken for nothing."""
    return say_number(value, 0 if value >= 1 or value <= 0 else -math.floor(math.log10(value)))
