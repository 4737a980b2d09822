"""Sentences for how a customer is doing, and for what is at stake."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

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


def say_stake(params: Mapping[str, Any]) -> str:
    """The figures behind what is at stake: amounts in ``currency``, shares from 0 to 1, what is None is not known."""
    currency = f" {params['currency']}".rstrip()
    sentence = _(
        "%(at_stake)s at stake: %(revenue)s a year × %(risk)s risk (%(health)s) × %(time)s for time (%(renewal)s)."
    ) % {
        "at_stake": f"{params['at_stake']:,.0f}{currency}",
        "revenue": f"{params['revenue']:,.0f}{currency}",
        "risk": f"{params['risk']:.0%}",
        "health": _say_score(params["score"]),
        "time": f"{params['time']:.0%}",
        "renewal": _say_renewal(params["days_to_renewal"]),
    }
    if not params["ranked_in"]:
        return sentence
    ranked = {"amount": f"{params['ranked']:,.0f}", "currency": params["ranked_in"]}
    return f"{sentence} " + _("Ranked as %(amount)s %(currency)s.") % ranked


def _say_score(score: int | None) -> str:
    return _("health not known") if score is None else _("health %(score)s of 100") % {"score": score}


def _say_renewal(days: int | None) -> str:
    if days is None:
        return _("no renewal date")
    if days == 0:
        return _("renewal today")
    number = {"days": f"{abs(days):,}"}
    if days > 0:
        return ngettext("renewal in %(days)s day", "renewal in %(days)s days", days) % number
    return ngettext("renewal passed %(days)s day ago", "renewal passed %(days)s days ago", -days) % number
