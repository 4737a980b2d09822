"""Stays, flows and curves against a plain replay of the same history, day by day and person by person."""

import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.insight.curves import CENSORED, estimate
from lifecycle.rules.insight.flows import Flow, balance, gained_and_lost, moves_between, totals_over_time
from lifecycle.rules.insight.stages import key_of, name_of
from lifecycle.rules.insight.stays import FOREVER, Move, Report, Worth, pieces_of, stay_at, worths_of

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 12


def at(hours: float) -> dt.datetime:
    return START + dt.timedelta(hours=hours)


hours = st.integers(0, DAYS * 24)
moves = st.lists(
    st.builds(
        lambda stage, effective, recorded: Move(stage, at(effective), at(recorded)),
        st.sampled_from("ABC"),
        hours,
        hours,
    ),
    min_size=1,
    max_size=6,
)
worths = st.lists(
    st.tuples(hours, st.integers(0, 5), st.sampled_from(["EUR", "USD"])), max_size=5, unique_by=lambda one: one[0]
).map(lambda found: [Worth(at(hour), Decimal(arr), currency) for hour, arr, currency in sorted(found)])
histories = st.lists(st.tuples(moves, worths), min_size=1, max_size=5)


def replay(history: list[Move], timestamp: dt.datetime, *, as_known: bool = False) -> str | None:
    """Where the customer stands just before ``timestamp``: row by row, each from the latest time that was named yet."""
    stage, effective, recorded = None, START, START
    for move in history:
        effective, recorded = max(effective, move.effective_at), max(recorded, move.recorded_at)
        if effective >= timestamp or (as_known and recorded >= timestamp):
            break
        stage = move.stage
    return stage


def worth_of(known: list[Worth], timestamp: dt.datetime) -> tuple[Decimal, str]:
    """The revenue just before ``timestamp``; before the first that is known, that one."""
    found = (known[0].arr, known[0].currency) if known else (Decimal(), "")
    for worth in known:
        if worth.since < timestamp:
            found = (worth.arr, worth.currency)
    return found


def flows_of(histories: list[tuple[list[Move], list[Worth]]]) -> list[Flow]:
    """The moves and changes of revenue of each day, as the facts have them: part n is the day that ends as n."""
    found = []
    for history, known in histories:
        for piece in pieces_of(history, known):
            part = (piece.began - START).days + 1
            if piece.piece == 0:
                found.append(Flow(part, piece.from_stage, piece.stage, piece.was_currency, 1, piece.was_arr))
            if (piece.arr, piece.currency) != (piece.was_arr, piece.was_currency):
                found.append(Flow(part, piece.stage, piece.stage, piece.currency, 0, piece.arr))
                found.append(Flow(part, piece.stage, piece.stage, piece.was_currency, 0, -piece.was_arr))
    return found


@given(histories)
def test_who_stands_where_at_the_end_of_each_day_is_what_a_replay_says(histories):
    shown = totals_over_time(flows_of(histories), DAYS + 1)
    for day in range(1, DAYS + 2):
        timestamp = at(day * 24)
        stands = Counter(stage for history, _ in histories if (stage := replay(history, timestamp)))
        assert Counter({stage: one.customers for stage, one in shown[day].items() if one.customers}) == stands
        money = defaultdict(Decimal)
        for history, known in histories:
            if stage := replay(history, timestamp):
                arr, currency = worth_of(known, timestamp)
                money[stage, currency] += arr
        seen = {(stage, currency): arr for stage, one in shown[day].items() for currency, arr in one.money}
        assert seen == {key: arr for key, arr in money.items() if arr}


@given(histories, st.integers(1, DAYS), st.integers(1, DAYS))
def test_what_came_in_is_what_went_out_and_what_stands_for_any_period(histories, one, other):
    begin, end = sorted((one, other))
    flows = [flow._replace(part=int(flow.part > begin)) for flow in flows_of(histories) if flow.part <= end]
    for stage, seen in balance(flows, "ABC").items():
        assert seen.start == sum(replay(history, at(begin * 24)) == stage for history, _ in histories)
        assert seen.end == sum(replay(history, at(end * 24)) == stage for history, _ in histories)
        assert seen.came == sum(count for (_, to), count in moves_between(flows).items() if to == stage)
        assert seen.left == sum(count for (came_from, _), count in moves_between(flows).items() if came_from == stage)


@given(histories, st.integers(1, DAYS))
def test_what_was_gained_less_what_was_lost_is_the_change_of_what_is_there(histories, end):
    flows = [flow for flow in flows_of(histories) if flow.part <= end]
    found = gained_and_lost(flows, lost=["C"])
    there = defaultdict(Decimal)
    for history, known in histories:
        if replay(history, at(end * 24)) not in (None, "C"):
            arr, currency = worth_of(known, at(end * 24))
            there[currency] += arr
    assert {currency: sum(sums.values()) for currency, sums in found.items() if sum(sums.values())} == {
        currency: arr for currency, arr in there.items() if arr
    }


@given(moves)
def test_each_stay_is_what_a_replay_says_effective_and_as_known_then(history):
    pieces = pieces_of(history)
    for day in range(DAYS + 2):
        timestamp = at(day * 24)
        assert [one.stage for one in pieces if one.began < timestamp <= one.ended and one.began < one.ended] == (
            [stage] if (stage := replay(history, timestamp)) else []
        )
        assert [one.stage for one in pieces if one.known < timestamp <= one.known_until] == (
            [stage] if (stage := replay(history, timestamp, as_known=True)) else []
        )
        for as_known in (False, True):
            found = stay_at(history, timestamp, as_known=as_known)
            assert (found and history[found.sequence - 1].stage) == replay(history, timestamp, as_known=as_known)


@given(moves, worths)
def test_the_pieces_of_a_customer_leave_no_gap_and_the_last_one_goes_on(history, known):
    pieces = pieces_of(history, known)
    assert [one.began for one in pieces[1:]] == [one.ended for one in pieces[:-1]]
    assert pieces[-1].ended == pieces[-1].left_at == FOREVER
    assert [one.sequence for one in pieces if one.piece == 0] == list(range(1, len(history) + 1))
    assert all(one.entered <= one.began <= one.ended <= one.left_at for one in pieces)


def test_a_report_of_one_figure_keeps_the_other_and_one_that_says_the_same_is_none():
    def report(hour, arr=None, currency=None):
        return Report(at(hour), None if arr is None else Decimal(arr), currency, has_arr=arr is not None)

    reports = [report(1, "100", "EUR"), report(2, "100"), report(3, currency="USD"), report(4, "70"), report(4, "80")]
    assert worths_of(reports, present=None) == [
        Worth(at(1), Decimal(100), "EUR"),
        Worth(at(3), Decimal(100), "USD"),
        Worth(at(4), Decimal(80), "USD"),
    ]
    assert worths_of([], present=Worth(at(9), Decimal(5), "EUR")) == [Worth(at(9), Decimal(5), "EUR")]
    assert worths_of([], present=None) == []


stays = st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["won", "lost", CENSORED])), min_size=1, max_size=40)


def survival_by_definition(found: list[tuple[int, str]], days: int) -> Fraction:
    """The product over single days: of those seen on the day, who stays."""
    share = Fraction(1)
    for day in range(days + 1):
        seen = sum(until >= day for until, _ in found)
        left = sum(until == day and way != CENSORED for until, way in found)
        share *= 1 - Fraction(left, seen) if seen else 1
    return share


@given(stays)
def test_the_share_that_stays_is_the_product_over_days_and_the_ways_out_add_up_to_the_rest(found):
    curve = estimate(
        Counter(one for one in found if one[1] != CENSORED), Counter(days for days, way in found if way == CENSORED)
    )
    assert curve.stays == len(found)
    for day in range(17):
        assert curve.staying_at(day) == pytest.approx(float(survival_by_definition(found, day)))
        for way in ("won", "lost"):
            # Aalen and Johansen: who was still there the day before, times who goes this way on the day.
            expected = Fraction()
            for past in range(day + 1):
                seen = sum(until >= past for until, _ in found)
                gone = sum(until == past and left == way for until, left in found)
                expected += survival_by_definition(found, past - 1) * Fraction(gone, seen) if seen else 0
            assert curve.left_by(day, way) == pytest.approx(float(expected))
        assert curve.staying_at(day) + curve.left_by(day, "won") + curve.left_by(day, "lost") == pytest.approx(1)


def test_those_who_still_stand_count_and_the_mean_of_those_who_left_is_not_the_time_in_stage():
    # Two left after 10 days, eight have been here for 100: half of them stay longer than anybody was seen.
    curve = estimate({(10, "won"): 2}, {100: 8})
    assert curve.staying_at(9) == 1 and curve.staying_at(10) == pytest.approx(0.8)
    assert curve.days_until(0.5) is None and curve.days_until(0.8) == 10


def test_a_stay_that_a_publication_ended_is_no_exit():
    assert estimate({(5, CENSORED): 3, (7, "won"): 1}, {}).staying_at(6) == 1


RENAMES = {2: {"Active": "Engaged"}, 4: {"Engaged": "Live", "Trial": "Active"}, 5: {"Live": "Trial", "Active": "Live"}}


@pytest.mark.parametrize(
    ("name", "version", "key", "now"),
    [
        ("Active", 1, "0:Active", "Trial"),
        ("Engaged", 3, "0:Active", "Trial"),
        ("Live", 4, "0:Active", "Trial"),
        ("Trial", 5, "0:Active", "Trial"),
        ("Trial", 1, "0:Trial", "Live"),
        ("Active", 4, "0:Trial", "Live"),
        # A new stage that took a name which another one had given up.
        ("Active", 3, "2:Active", "Active"),
        ("Churned", 5, "0:Churned", "Churned"),
    ],
)
def test_a_stage_has_one_key_under_all_its_names(name, version, key, now):
    assert key_of(name, version, RENAMES) == key
    renames = RENAMES if key != "2:Active" else {2: RENAMES[2]}
    assert name_of(key, renames) == now
