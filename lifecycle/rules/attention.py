"""Why a customer at risk is on the first page, what has changed of it, what to do next, and where the stage that
people chose and the figures disagree.

Everything is a message: the words are in ``lifecycle.sentences.attention``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lifecycle.rules.health import Health
from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.messages import Message

# What is compared of a customer that a person has put aside, in the order in which changes are said.
WATCHED: Final = ("open_issues", "csat", "balance_overdue", "renewal_on", "arr", "currency")
_AMOUNTS: Final = frozenset({"arr", "balance_overdue"})
# The heaviest worry -> what is to be done about it. Those of the stage alone leave it to the guidance, and of many days
# in it nothing is known but that.
_STEPS: Final[Mapping[str, str]] = {
    "overdue": "settle_balance",
    "overdue_share": "settle_balance",
    "overdue_more_than_revenue": "settle_balance",
    "low_satisfaction": "ask_what_is_wrong",
    "open_issues": "solve_issues",
    "past_target": "decide_stage",
    "share_of_expected": "decide_stage",
    "overdue_tasks": "do_overdue_tasks",
    "renewal_passed": "sign_renewal",
    "renewal_today": "sign_renewal",
    "renewal_due": "prepare_renewal",
}


def explain_place(
    judged: Health, *, arr: float | None, currency: str, days_to_renewal: int | None, reason_code: str
) -> Message:
    """Why it is where it is: what is at risk, until when, and every worry with its figures."""
    worries = tuple(
        one for one in judged.reasons if one.name not in ("at_risk", "lost", "in_category") and not _is_renewal(one)
    )
    return Message(
        "place",
        {
            "revenue": arr,
            "currency": currency,
            "days_to_renewal": days_to_renewal,
            "worries": worries,
            "reason": reason_code,
        },
    )


def find_next_step(judged: Health, *, days_to_renewal: int | None) -> Message:
    """What to do about the heaviest worry. ``days_to_renewal``: where one looks; the health goes by the day in UTC."""
    for one in judged.reasons:
        if _is_renewal(one) and days_to_renewal is not None:
            is_ahead = days_to_renewal > 0
            return Message("prepare_renewal", {"count": days_to_renewal}) if is_ahead else Message("sign_renewal")
        if one.name in _STEPS and not _is_early(one):
            return Message(_STEPS[one.name], one.params)
    return Message("ask_how_it_goes")


def find_disagreement(category: str | None, figures_alone: Health) -> Message | None:
    """Whether the stage says the opposite of the figures.

    ``figures_alone``: the health without what the stage takes from it. None where they agree, and without figures.
    """
    score = figures_alone.score
    if score is None or category == LOST:
        return None
    if category == RISK:
        return Message("figures_are_good", {"score": score}) if figures_alone.band == "good" else None
    return Message("figures_are_poor", {"score": score}) if figures_alone.band == "poor" else None


def compare_figures(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[Message]:
    """What has changed between two looks at the figures: each its former and its present value, amounts in the currency
    that they were in.
    """
    present, former = now.get("currency") or "", before.get("currency") or ""
    currencies = {"currency": present or former, "currency_before": former or present}
    return tuple(
        Message(
            f"changed_{name}",
            {"before": before.get(name), "now": now.get(name), **(currencies if name in _AMOUNTS else {})},
        )
        for name in WATCHED
        if not _is_same(before.get(name), now.get(name))
    )


def _is_same(before: Any, now: Any) -> bool:
    if isinstance(before, str | None) and isinstance(now, str | None):
        return (before or None) == (now or None)
    return before is not None and now is not None and float(before) == float(now)


def _is_early(worry: Message) -> bool:
    """Whether a formula worries about the time in a stage before what is expected is over."""
    return worry.name == "share_of_expected" and worry.params["percent"] <= 100


def _is_renewal(worry: Message) -> bool:
    return worry.name in ("renewal_passed", "renewal_today", "renewal_due")
