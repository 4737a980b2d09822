"""How a customer is doing: the formula by examples, and what must hold of it for any figures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.attention import find_next_step
from lifecycle.rules.health import Health, days_in_stage, find_band, overdue
from lifecycle.rules.health import health as judge
from lifecycle.rules.urgency import urgency
from lifecycle.sentences import say
from tenants.rules.messages import Message
from tests.rules.documents import relaxed

NOW = datetime(2025, 7, 28, 12, tzinfo=UTC)
WELL: dict[str, Any] = {
    "category": "engaged",
    "arr": Decimal("12000.00"),
    "balance_overdue": Decimal(0),
    "open_issues": 0,
    "csat": Decimal("4.5"),
    "days_to_renewal": 200,
}


def health(**figures: Any) -> Any:
    """The health, its reasons in words."""
    judged = judge(**figures)
    return replace(judged, reasons=tuple(map(say, judged.reasons)))


@pytest.mark.parametrize(
    ("ago", "days"),
    [(timedelta(0), 0), (timedelta(hours=23, minutes=59), 0), (timedelta(days=1), 1), (-timedelta(days=3), 0)],
)
def test_days_in_stage_are_whole_days_and_never_negative(ago: timedelta, days: int) -> None:
    assert days_in_stage(NOW - ago, NOW) == days


@pytest.mark.parametrize(("max_days", "days", "over"), [(30, 30, 0), (30, 31, 1), (30, 0, 0), (None, 9999, 0)])
def test_a_customer_is_overdue_by_the_days_past_what_is_expected(max_days: int | None, days: int, over: int) -> None:
    assert overdue(max_days, days) == over


@pytest.mark.parametrize(
    ("worry", "step"),
    [
        (Message("past_target", {"count": 1}), "decide_stage"),
        (Message("share_of_expected", {"percent": 101}), "decide_stage"),
        (Message("share_of_expected", {"percent": 100}), "ask_how_it_goes"),
        (Message("share_of_expected", {"percent": 50}), "ask_how_it_goes"),
        (Message("long_in_stage", {"count": 40}), "ask_how_it_goes"),
    ],
)
def test_that_the_expected_time_is_over_is_said_where_it_is(worry: Message, step: str) -> None:
    judged = Health(score=80, band="good", reasons=(worry,), confidence=100, penalty=20)
    assert find_next_step(judged, days_to_renewal=None).name == step


def test_a_customer_without_worries_is_at_a_hundred() -> None:
    assert health(**WELL) == Health(100, "good", (), 100, 0)


def test_a_customer_with_many_worries_learns_them_the_heaviest_first() -> None:
    figures = {"days_over": 12, "balance_overdue": Decimal(900), "open_issues": 3, "csat": 2.9, "days_to_renewal": 21}

    assert health(**{**WELL, "category": "risk", **figures}) == Health(
        26,
        "poor",
        (
            "In an at-risk stage.",
            "Low satisfaction: 2.9 of 5.",
            "3 open support issues.",
            "Renewal is due in 21 days.",
            "Overdue balance: 7% of annual revenue.",
            "12 days past the target for this stage.",
        ),
        100,
        74,
    )


@pytest.mark.parametrize(
    ("changed", "score", "band", "reason"),
    [
        ({"category": "risk"}, 65, "watch", "In an at-risk stage."),
        ({"category": "lost"}, 35, "poor", "The customer has churned."),
        ({"balance_overdue": 1200}, 90, "good", "Overdue balance: 10% of annual revenue."),
        ({"balance_overdue": 3000}, 75, "good", "Overdue balance: 25% of annual revenue."),
        ({"balance_overdue": 1}, 99, "good", "Overdue balance: 1% of annual revenue."),
        ({"balance_overdue": 13000}, 75, "good", "Overdue balance: more than all of annual revenue."),
        ({"balance_overdue": 5, "arr": 0}, 75, "good", "Overdue balance."),
        ({"csat": 3}, 90, "good", "Low satisfaction: 3.0 of 5."),
        ({"csat": 0}, 80, "good", "Low satisfaction: 0.0 of 5."),
        ({"open_issues": 1}, 97, "good", "1 open support issue."),
        ({"open_issues": 7000}, 85, "good", "7,000 open support issues."),
        ({"days_over": 1}, 99, "good", "1 day past the target for this stage."),
        ({"days_over": 400}, 85, "good", "400 days past the target for this stage."),
        ({"days_to_renewal": 45}, 95, "good", "Renewal is due in 45 days."),
        ({"days_to_renewal": 1}, 90, "good", "Renewal is due in 1 day."),
        ({"days_to_renewal": 0}, 90, "good", "Renewal is due today."),
        ({"days_to_renewal": -3}, 90, "good", "The renewal date has passed."),
    ],
)
def test_one_worry_costs_its_points(changed: dict[str, Any], score: int, band: str, reason: str) -> None:
    assert health(**{**WELL, **changed}) == Health(score, band, (reason,), 100, 100 - score)  # type: ignore[arg-type]


def test_missing_figures_cost_nothing_and_lower_the_confidence() -> None:
    assert health(category="engaged", balance_overdue=0, open_issues=-5) == Health(100, "good", (), 70, 0)
    assert health(category="engaged", csat=4) == Health(100, "good", (), 50, 0)


@pytest.mark.parametrize("figures", [{}, {"arr": 12_000}, {"csat": float("nan"), "arr": Decimal("sNaN")}])
def test_a_customer_without_any_figure_has_no_score_and_is_not_called_good(figures: dict[str, Any]) -> None:
    assert health(category="engaged", **figures) == Health(None, "unknown", (), 30, 0)
    assert health(category=None, **figures) == Health(None, "unknown", (), 0, 0)
    assert health(category="risk", **figures) == Health(None, "unknown", ("In an at-risk stage.",), 30, 35)


@pytest.mark.parametrize(
    ("score", "band"), [(100, "good"), (70, "good"), (69, "watch"), (40, "watch"), (39, "poor"), (0, "poor")]
)
def test_a_score_falls_into_a_band(score: int, band: str) -> None:
    assert find_band(score) == band


numbers = st.none() | st.integers() | st.floats() | st.decimals()
money = st.floats(0, 1e9) | st.decimals(0, 10**9, places=2)


@relaxed
@given(
    category=st.none() | st.sampled_from(["risk", "lost", "engaged"]) | st.text(max_size=3),
    figures=st.fixed_dictionaries(
        dict.fromkeys(["days_over", "arr", "balance_overdue", "open_issues", "csat", "days_to_renewal"], numbers)
    ),
)
def test_no_figures_whatever_break_the_formula(category: str | None, figures: dict[str, Any]) -> None:
    result = health(category=category, **figures)

    assert result.score is None or 0 <= result.score <= 100
    assert 0 <= result.confidence <= 100
    assert result.band == find_band(result.score)
    assert all(reason.endswith(".") for reason in result.reasons)
    assert result.score is None or (result.score == 100) == (result.reasons == ())
    weighed = {"arr": figures["arr"], "days_to_renewal": figures["days_to_renewal"]}
    assert 0 <= urgency(penalty=result.penalty, category=category, **weighed) <= 10**17


figures_known = st.fixed_dictionaries(
    {
        "category": st.sampled_from(["engaged", "risk", "lost"]),
        "arr": money,
        "balance_overdue": money,
        "open_issues": st.integers(0, 20),
        "csat": st.floats(0, 5),
        "days_over": st.integers(0, 200),
        "days_to_renewal": st.integers(-100, 400),
    }
)


@relaxed
@given(figures_known, st.data())
def test_more_of_a_worry_never_raises_the_score_nor_lowers_the_urgency(
    figures: dict[str, Any], data: st.DataObject
) -> None:
    before = health(**figures)
    for name, worse in (
        ("balance_overdue", float(figures["balance_overdue"]) + data.draw(st.floats(0, 1e9))),
        ("open_issues", figures["open_issues"] + data.draw(st.integers(0, 20))),
        ("days_over", figures["days_over"] + data.draw(st.integers(0, 200))),
        ("days_to_renewal", figures["days_to_renewal"] - data.draw(st.integers(0, 200))),
        ("csat", figures["csat"] - data.draw(st.floats(0, 5))),
        ("arr", float(figures["arr"]) * data.draw(st.floats(0, 1))),
        ("category", "lost"),
    ):
        after = health(**{**figures, name: worse})
        assert after.penalty >= before.penalty, name
        assert urgency(penalty=after.penalty, arr=figures["arr"]) >= urgency(penalty=before.penalty, arr=figures["arr"])


def test_a_category_among_the_reasons_is_called_by_its_name_in_the_reader_s_language():
    message = Message("in_category", {"category": "renewal"})
    assert say(message) == "In a stage of the category “Renewal”."
    with translation.override("de"):
        assert "„Verlängerung“" in say(message)
