"""How much a customer has at stake now: the list sorts by it downwards for "most urgent first" [UC-1].

At stake is the product of three figures:

=======  ===============================================================================================================
revenue  the annual revenue, converted to the tenant's currency; 1 where it is not known, and for a lost customer
risk     10% for a customer of health 100, and evenly more up to 100% at health 0
time     30 / (30 + days): the days until the renewal, or twice the days since it has passed; 365 where none is known
=======  ===============================================================================================================

So a renewal counts in full on its day, half of that 30 days ahead, and less and less once it has passed: what is
ahead can still be won. ``lifecycle.queries.urgency`` is the same formula in SQL.
"""

from typing import Any, Final

from lifecycle.rules.health import Health, Number, read_number
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

LEAST_REVENUE: Final = 1.0
MOST_REVENUE: Final = 1e15
LEAST_RISK: Final = 10.0
RISK_PER_POINT: Final = 0.9
HALF_TIME_DAYS: Final = 30.0
PAST_FACTOR: Final = 2
DAYS_WITHOUT_RENEWAL: Final = 365


def urgency(
    *,
    penalty: int,
    category: str | None = None,
    arr: Number | None = None,
    rate: float | None = 1.0,
    days_to_renewal: Number | None = None,
) -> int:
    """What is at stake, in hundredths of a unit of the tenant's currency: exact enough to sort by.

    ``penalty``: the points missing from the health. ``rate``: the worth of one unit of the currency of ``arr`` (None:
    not known). ``days_to_renewal`` negative when the date is past.
    """
    value = _revenue(category, arr, rate) * risk_of(penalty) * time_factor(days_to_renewal)
    return round(value * 100)


def weigh(
    judged: Health, policy: Policy, *, stage: str, arr: Number | None, currency: str, days_to_renewal: int | None
) -> dict[str, Any]:
    """What lists and summaries show of it.

    ``urgency`` is in the tenant's currency (in US dollars if it has named none), so that customers can be compared;
    ``at_stake`` the same in the customer's own currency, None where that is nothing or not known; ``urgency_reason``
    the figures behind them, to be said.
    """
    category, rate = policy.category(stage), policy.exchange_table.get(currency)
    hundredths = urgency(penalty=judged.penalty, category=category, arr=arr, rate=rate, days_to_renewal=days_to_renewal)
    number = read_number(arr)
    if category == LOST or number is None or number < LEAST_REVENUE or rate is None:
        return {
            "urgency": hundredths / 100,
            "at_stake": None,
            "urgency_reason": _explain_nothing(category, number, currency, rate),
        }
    risk, time = risk_of(judged.penalty), time_factor(days_to_renewal)
    at_stake = number * risk * time
    own = policy.exchange.currency
    reason = Message(
        "at_stake",
        {
            "at_stake": at_stake,
            "revenue": number,
            "currency": currency or own,
            "risk": risk,
            "score": judged.score,
            "time": time,
            "days_to_renewal": days_to_renewal,
            "ranked": hundredths / 100,
            "ranked_in": own if currency not in ("", own) else "",
        },
    )
    return {"urgency": hundredths / 100, "at_stake": f"{at_stake:.2f}", "urgency_reason": reason}


def _explain_nothing(category: str, arr: float | None, currency: str, rate: float | None) -> Message:
    if category == LOST:
        return Message("nothing_at_stake")
    if arr is None:
        return Message("revenue_unknown")
    return Message("rate_unknown", {"currency": currency}) if rate is None else Message("no_revenue")


def risk_of(penalty: int) -> float:
    """The share of the revenue that may be lost, from 0.1 to 1."""
    return (LEAST_RISK + RISK_PER_POINT * penalty) / 100.0


def time_factor(days_to_renewal: Number | None) -> float:
    """1 on the day of the renewal, falling towards 0 on either side of it."""
    days = read_number(days_to_renewal)
    if days is None:
        days = DAYS_WITHOUT_RENEWAL
    elif days < 0:
        days = -days * PAST_FACTOR
    return HALF_TIME_DAYS / (HALF_TIME_DAYS + days)


def _revenue(category: str | None, arr: Number | None, rate: float | None) -> float:
    number = read_number(arr)
    if category == LOST or number is None or rate is None:
        return LEAST_REVENUE
    return min(MOST_REVENUE, max(LEAST_REVENUE, number * rate))
