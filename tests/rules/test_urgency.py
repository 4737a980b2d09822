"""What a customer has at stake: value x risk x time, explained by its figures."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.health import health
from lifecycle.rules.urgency import urgency, weigh
from lifecycle.sentences import say
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tests.rules.documents import relaxed

DOCUMENT: dict[str, Any] = {
    "stages": ["Live", "Shaky", "Gone"],
    "categories": {"Live": "engaged", "Shaky": "risk", "Gone": "lost"},
}
IN_EUROS = {**DOCUMENT, "currency": "EUR", "rates": {"USD": 0.5, "JPY": 0.01}}


def policy(document: dict[str, Any]) -> Policy:
    return compile_policy(parse_configuration(document), 1)


def weighed(
    document: dict[str, Any] = DOCUMENT, *, stage: str = "Shaky", currency: str = "USD", **figures: Any
) -> dict[str, Any]:
    known = {"arr": figures.get("arr"), "days_to_renewal": figures.get("days_to_renewal")}
    compiled = policy(document)
    judged = health(category=compiled.category(stage), **figures)
    found = weigh(judged, compiled, stage=stage, currency=currency, **known)
    return found | {"urgency_reason": say(found["urgency_reason"])}


def test_a_thousand_million_renewing_tomorrow_comes_before_nine_thousand_long_past() -> None:
    large = weighed(arr=1_000_000_000, days_to_renewal=1)
    small = weighed(arr=9_400, days_to_renewal=-207, csat=1, open_issues=9, balance_overdue=9_400)
    assert large["urgency"] > 1000 * small["urgency"]


def test_ten_times_the_revenue_is_ten_times_as_urgent() -> None:
    assert urgency(penalty=50, arr=120_000, days_to_renewal=30) == 3_300_000
    assert urgency(penalty=50, arr=1_200_000, days_to_renewal=30) == 33_000_000


def test_the_closer_the_renewal_the_more_urgent_and_past_ones_fade() -> None:
    order = [0, 1, -1, 5, -5, 30, -30, 90, -90, 365, -365]
    found = [urgency(penalty=50, arr=100_000, days_to_renewal=days) for days in order]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert urgency(penalty=50, arr=100_000) == urgency(penalty=50, arr=100_000, days_to_renewal=365)


def test_the_worse_the_health_the_more_urgent() -> None:
    found = [urgency(penalty=penalty, arr=100_000, days_to_renewal=10) for penalty in range(101)]
    assert found == sorted(set(found))
    assert found[0] == found[-1] // 10


def test_the_sentence_has_the_figures_that_the_number_is_made_of() -> None:
    assert weighed(arr=120_000, days_to_renewal=30, csat=4) == {
        "urgency": 28_680.0,
        "at_stake": "28680.00",
        "urgency_reason": "$28,680 at stake: $120,000 a year × 48% risk (health 58 of 100)"
        " × 50% for time (renewal in 30 days).",
    }


@pytest.mark.parametrize(
    ("arr", "days", "said"),
    [
        (100_000, 40_000, "$45 at stake: $100,000 a year × 60% risk (health 45 of 100) × 0.07% for time"),
        (700, -30_000, "$0.2 at stake: $700 a year × 68% risk (health 35 of 100) × 0.05% for time"),
    ],
)
def test_what_is_little_is_not_said_to_be_nothing(arr: int, days: int, said: str) -> None:
    found = weighed(arr=arr, days_to_renewal=days, csat=1)["urgency_reason"]
    assert found.startswith(said)


def test_currencies_are_compared_by_what_they_are_worth() -> None:
    figures = {"days_to_renewal": 30, "csat": 4}
    euros = weighed(IN_EUROS, currency="EUR", arr=10_000, **figures)
    dollars = weighed(IN_EUROS, currency="USD", arr=20_000, **figures)
    yen = weighed(IN_EUROS, currency="JPY", arr=1_000_000, **figures)
    assert euros["urgency"] == dollars["urgency"] == yen["urgency"]
    assert float(dollars["at_stake"]) == 2 * float(euros["at_stake"])
    assert dollars["urgency_reason"].endswith(f"Ranked as €{euros['urgency']:,.0f}.")
    assert "Ranked" not in euros["urgency_reason"]


def test_without_rates_of_its_own_a_tenant_compares_by_approximate_ones() -> None:
    yen = weighed(currency="JPY", arr=1_000_000, days_to_renewal=1)
    euros = weighed(currency="EUR", arr=100_000, days_to_renewal=1)
    assert yen["urgency"] < euros["urgency"] / 5


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({}, "No annual revenue is known, so this customer ranks below those with revenue at stake."),
        (
            {"arr": 5_000_000, "currency": "XTS"},
            "There is no exchange rate for XTS, so this customer ranks below those with revenue at stake.",
        ),
        ({"arr": 0}, "There is no annual revenue, so this customer ranks below those with revenue at stake."),
        ({"arr": 9_000_000, "stage": "Gone"}, "Churned: nothing is at stake any more."),
    ],
)
def test_who_has_nothing_at_stake_comes_last_and_learns_why(figures: dict[str, Any], sentence: str) -> None:
    found = weighed(**figures)
    assert (found["at_stake"], found["urgency_reason"]) == (None, sentence)
    assert found["urgency"] <= 1 < weighed(arr=500, days_to_renewal=300)["urgency"]


@relaxed
@given(
    arr=st.floats(0, 1e12),
    more=st.floats(1, 100),
    days=st.integers(0, 3000),
    penalty=st.integers(0, 100),
)
def test_more_revenue_or_less_time_never_makes_a_customer_less_urgent(
    arr: float, more: float, days: int, penalty: int
) -> None:
    base = urgency(penalty=penalty, arr=arr, days_to_renewal=days)
    assert urgency(penalty=penalty, arr=arr * more, days_to_renewal=days) >= base
    assert urgency(penalty=penalty, arr=arr, days_to_renewal=max(0, days - 7)) >= base
    assert urgency(penalty=penalty, arr=arr, days_to_renewal=-days) <= base
