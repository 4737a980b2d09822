"""Sentences of the first page: why a customer is there, what has changed, what to do next."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from lifecycle.sentences.figures import localize_figures
from tenants.sentences.figures import say_day, say_money, say_number

NOTHING: Final = "–"
STEPS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "settle_balance": gettext_lazy("Agree on a date for paying the overdue balance."),
        "ask_what_is_wrong": gettext_lazy("Ask what makes them unhappy: they rate support at %(csat)s of 5."),
        "solve_issues": ngettext_lazy(
            "Go through %(count)s open issue with support, then call.",
            "Go through %(count)s open issues with support, then call.",
            "count",
        ),
        "do_overdue_tasks": ngettext_lazy(
            "Complete the %(count)s overdue task.", "Complete the %(count)s overdue tasks.", "count"
        ),
        "decide_stage": gettext_lazy("Decide whether this stage still fits: the expected time is over."),
        "sign_renewal": gettext_lazy("Get the renewal signed: it is due."),
        "prepare_renewal": ngettext_lazy(
            "Prepare the renewal: %(count)s day is left.", "Prepare the renewal: %(count)s days are left.", "count"
        ),
        "ask_how_it_goes": gettext_lazy("Call and ask how it goes."),
    }
)
DISAGREEMENTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "figures_are_good": gettext_lazy(
            "The stage says at risk, but by its figures alone this customer would have a health of %(score)s of 100."
            " Is the stage still right, or do you know more than the figures?"
        ),
        "figures_are_poor": gettext_lazy(
            "The stage does not say at risk, but the health is %(score)s of 100. Is the stage still right?"
        ),
    }
)
_WORRIES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "overdue": gettext_lazy("a balance overdue"),
        "overdue_share": gettext_lazy("%(percent)s%% of the annual revenue overdue"),
        "overdue_more_than_revenue": gettext_lazy("overdue by more than a year of revenue"),
        "low_satisfaction": gettext_lazy("satisfaction %(csat)s of 5"),
        "open_issues": ngettext_lazy("%(count)s open issue", "%(count)s open issues", "count"),
        "past_target": ngettext_lazy("%(count)s day past the target", "%(count)s days past the target", "count"),
        "long_in_stage": ngettext_lazy("%(count)s day in this stage", "%(count)s days in this stage", "count"),
        "share_of_expected": gettext_lazy("%(percent)s%% of the time that is expected in this stage"),
        "no_note_since": ngettext_lazy("no note for %(count)s day", "no note for %(count)s days", "count"),
        "overdue_tasks": ngettext_lazy("%(count)s overdue task", "%(count)s overdue tasks", "count"),
        "part_unknown": gettext_lazy("“%(part)s” not known"),
    }
)
_CHANGES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "changed_open_issues": gettext_lazy("open issues %(now)s (was %(before)s)"),
        "changed_csat": gettext_lazy("satisfaction %(now)s (was %(before)s)"),
        "changed_balance_overdue": gettext_lazy("overdue balance %(now)s (was %(before)s)"),
        "changed_renewal_on": gettext_lazy("renewal %(now)s (was %(before)s)"),
        "changed_arr": gettext_lazy("annual revenue %(now)s (was %(before)s)"),
        "changed_currency": gettext_lazy("currency %(now)s (was %(before)s)"),
    }
)


def say_place(params: Mapping[str, Any]) -> str:
    """One sentence: what is at risk, until when, and why."""
    revenue = params["revenue"]
    begin = _("Revenue not known")
    if revenue is not None:
        begin = _("%(amount)s a year") % {"amount": _amount(revenue, params["currency"])}
    parts = [begin, _say_renewal(params["days_to_renewal"])]
    parts += [_fill(_WORRIES[name], values) for name, values in params["worries"]]
    if params["reason"]:
        parts.append(_("reason given: %(reason)s") % {"reason": params["reason"]})
    return _(", ").join(parts) + "."


def _say_renewal(days: int | None) -> str:
    if days is None:
        return _("without a known renewal date")
    if days == 0:
        return _("up for renewal today")
    if days > 0:
        return ngettext("up for renewal in %(days)s day", "up for renewal in %(days)s days", days) % {
            "days": say_number(days)
        }
    return ngettext(
        "unsigned %(days)s day after its renewal date", "unsigned %(days)s days after its renewal date", -days
    ) % {"days": say_number(-days)}


def say_change(name: str, params: Mapping[str, Any]) -> str:
    """One figure that has changed: its former and its present value."""
    currencies = {"before": params.get("currency_before"), "now": params.get("currency")}
    shown = {which: _value(name, params[which], currency) for which, currency in currencies.items()}
    if shown["before"] == shown["now"]:
        # Rounded to whole units both read the same.
        shown = {which: _value(name, params[which], currency, is_exact=True) for which, currency in currencies.items()}
    return str(_CHANGES[name]) % shown


def is_change(name: str) -> bool:
    """Whether the message speaks of a changed figure."""
    return name in _CHANGES


def _value(name: str, value: Any, currency: str | None, *, is_exact: bool = False) -> str:
    if value in (None, ""):
        return NOTHING
    if currency is not None:
        return _exact_amount(value, currency) if is_exact else _amount(float(value), currency)
    if name == "changed_renewal_on":
        return say_day(dt.date.fromisoformat(value))
    # Scores have two decimals at most: rounded, 3.84 would be what 3.76 was.
    return say_number(Decimal(str(value)).normalize()) if name == "changed_csat" else str(value)


def _amount(number: float, currency: str) -> str:
    return say_money(say_number(number, 0), currency)


def _exact_amount(value: Any, currency: str) -> str:
    number = Decimal(str(value))
    return say_money(say_number(number, max(2, -int(number.normalize().as_tuple().exponent))), currency)


def _fill(sentence: Any, params: Mapping[str, Any]) -> str:
    return str(sentence % localize_figures(params))
