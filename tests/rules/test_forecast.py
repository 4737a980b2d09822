"""The forecast against lifelines and scipy: on made-up tenants whose hazards are known, and on public data."""

import csv
import datetime as dt
import importlib.util
import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.churn import count_shown, measure_coverage, simulate
from lifecycle.rules.forecast.fitting import Fit, Window, expit, fit_logit, fit_model, predict
from lifecycle.rules.forecast.landmarks import FEATURES, HORIZON, Meaning, Report, Stay, rows_of
from lifecycle.rules.forecast.model import Model, share_out, sigmoid, whole_points
from lifecycle.rules.forecast.proof import brier, calibrate, compare, count_churners, first_calls, prove, weigh
from lifecycle.rules.forecast.tables import Proof, add_up, needed_to_fit, wilson
from lifecycle.rules.insight.curves import estimate
from tests.late import Late

lifelines, optimize = Late("lifelines"), Late("scipy.optimize")

LOST = Meaning(frozenset({"lost"}), frozenset({"risk"}))
SAAS = Path(__file__).parents[1] / "data" / "saas-churn.csv"
CDNOW = Path(importlib.util.find_spec("lifetimes").origin).parent / "datasets" / "CDNOW_sample.txt"


def window(x, churned, customer=None, weight=None):
    x = np.asarray(x, np.float32)
    return Window(
        x,
        np.asarray(churned, np.float64),
        np.ones(len(x)) if weight is None else np.asarray(weight, np.float64),
        np.arange(len(x)) if customer is None else np.asarray(customer),
    )


@pytest.fixture(scope="module")
def saas():
    """Accounts: months, whether it churned, and three columns of figures."""
    with SAAS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("csat_score", "articles_viewed", "minutes_customer_support")
    x = np.array([[float(row[name]) for name in names] for row in rows])
    months = np.array([float(row["months_active"]) for row in rows])
    return months, np.array([float(row["churned"]) for row in rows]), (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.fixture(scope="module")
def cdnow():
    """Customer -> the days on which it bought, and for how much: 18 months of a shop for records, 1997 and 1998."""
    bought = defaultdict(list)
    for line in CDNOW.read_text().splitlines():
        _, customer, day, _, value = line.split()
        since = (dt.datetime.strptime(day, "%Y%m%d").date() - dt.date(1970, 1, 1)).days  # noqa: DTZ007
        bought[customer].append((since, float(value)))
    return dict(bought)


# --- curves ---


def curve_of(days, events):
    ended = Counter((int(day), "lost") for day, event in zip(days, events, strict=True) if event)
    return estimate(ended, Counter(int(day) for day, event in zip(days, events, strict=True) if not event))


def stays_of_cdnow(bought):
    """How long customers went on until 180 days without buying, and whether they stopped before the data do."""
    last = max(day for days in bought.values() for day, _ in days)
    days, events = [], []
    for purchases in bought.values():
        gaps = [*[day for day, _ in purchases], last]
        end = next((a + 180 for a, b in pairwise(gaps) if b - a > 180), None)
        days.append((last if end is None else end) - purchases[0][0])
        events.append(end is not None)
    return days, events


def test_kaplan_meier_is_that_of_lifelines_for_made_up_and_for_public_data(saas, cdnow):
    random = np.random.default_rng(5)
    simulated = np.floor(random.exponential(90, 400)), random.random(400) < 0.6
    for days, events in (simulated, (saas[0], saas[1] > 0), stays_of_cdnow(cdnow)):
        curve = curve_of(days, events)
        oracle = lifelines.KaplanMeierFitter().fit(days, events).survival_function_["KM_estimate"]
        for day in sorted({int(day) for day in days}):
            assert curve.staying_at(day) == pytest.approx(oracle.loc[: day + 0.5].iloc[-1], abs=1e-12)


def test_aalen_johansen_is_that_of_lifelines_and_one_minus_kaplan_meier_is_not():
    random = np.random.default_rng(6)
    days = random.permutation(np.arange(1, 401))
    # 0 goes on, 1 churns, 2 recovers: the more frequent way out.
    ways = random.choice(3, 400, p=[0.2, 0.2, 0.6])
    names = {1: "lost", 2: "well"}
    ended = Counter((int(day), names[way]) for day, way in zip(days, ways, strict=True) if way)
    curve = estimate(ended, Counter(int(day) for day, way in zip(days, ways, strict=True) if not way))
    for way, name in names.items():
        oracle = lifelines.AalenJohansenFitter(calculate_variance=False).fit(days, ways, event_of_interest=way)
        for day in range(1, 401, 13):
            expected = oracle.cumulative_density_.loc[:day].iloc[-1, 0]
            assert curve.left_by(day, name) == pytest.approx(expected, abs=1e-12)
    alone = lifelines.KaplanMeierFitter().fit(days, ways == 1).survival_function_["KM_estimate"]
    assert 1 - alone.loc[:360].iloc[-1] > curve.left_by(360, "lost") + 0.1


# --- fitting ---


def minimum_by_scipy(x, y, weight, ridge):
    design = np.column_stack([np.ones(len(x)), x])

    def loss(beta):
        odds = design @ beta
        return (weight * (np.logaddexp(0, odds) - y * odds)).sum() + ridge / 2 * (beta[1:] ** 2).sum()

    def slope(beta):
        down = design.T @ (weight * (expit(design @ beta) - y))
        return down + np.r_[0.0, ridge * beta[1:]]

    return optimize.minimize(loss, np.zeros(design.shape[1]), jac=slope, method="BFGS", options={"gtol": 1e-7}).x


@pytest.mark.parametrize("ridge", [0.0, 1.0, 50.0])
def test_the_fit_is_the_minimum_that_scipy_finds_also_in_pieces(saas, ridge):
    _, churned, x = saas
    x = x.astype(np.float32).astype(np.float64)
    weight = np.where(np.arange(len(x)) % 7 == 0, 0.0, 1 + np.arange(len(x)) % 3)
    whole = fit_logit([window(x, churned, weight=weight)], ridge=ridge)
    assert whole.coefficients == pytest.approx(minimum_by_scipy(x, churned, weight, ridge), abs=1e-5)
    parts = [Window(x[i::4].astype(np.float32), churned[i::4], weight[i::4], np.arange(len(x))[i::4]) for i in range(4)]
    in_pieces = fit_logit(parts, ridge=ridge)
    assert in_pieces.coefficients == pytest.approx(whole.coefficients, abs=1e-9)
    assert in_pieces.covariance == pytest.approx(whole.covariance, abs=1e-9)


def test_a_logit_with_a_column_for_each_month_gives_the_hazards_of_kaplan_meier(saas):
    months, churned, _ = saas
    table = lifelines.KaplanMeierFitter().fit(months, churned).event_table
    used = [month for month in table.index if 0 < table.observed[month] < table.at_risk[month]]
    rows = [
        (number, month, float(at == month and event))
        for number, (at, event) in enumerate(zip(months, churned, strict=True))
        for month in used
        if month <= at
    ]
    x = np.array([[month == one for one in used[1:]] for _, month, _ in rows])
    fit = fit_logit([window(x, [event for *_, event in rows], [number for number, *_ in rows])], ridge=0.0)
    hazards = expit(fit.coefficients[0] + np.r_[0.0, fit.coefficients[1:]])
    assert hazards == pytest.approx([table.observed[one] / table.at_risk[one] for one in used], abs=1e-9)


def test_errors_are_the_sandwich_of_each_customer_s_scores():
    windows = simulate(np.random.default_rng(3), 150, effect=0.4)
    fit = fit_logit(windows)
    design = [np.column_stack([np.ones(len(one.x)), one.x]) for one in windows]
    scores = defaultdict(lambda: np.zeros(3))
    hessian = np.diag([0.0, 1.0, 1.0])
    for one, rows in zip(windows, design, strict=True):
        chance = 1 / (1 + np.exp(-(rows @ fit.coefficients)))
        for row, p, y, customer in zip(rows, chance, one.churned, one.customer, strict=True):
            scores[int(customer)] += (y - p) * row
            hessian += p * (1 - p) * np.outer(row, row)
    meat = sum(np.outer(score, score) for score in scores.values()) * len(scores) / (len(scores) - 1)
    expected = np.linalg.inv(hessian) @ meat @ np.linalg.inv(hessian)
    assert fit.covariance == pytest.approx(expected, rel=1e-6)
    assert fit.errors == pytest.approx(np.sqrt(np.diag(expected)), rel=1e-6)


def test_a_column_that_tells_everything_apart_and_one_that_never_varies_do_no_harm():
    x = [[float(number > 50), 1.0, math.nan] for number in range(100)]
    model = fit_model([window(x, [number > 50 for number in range(100)])], ("a", "b", "c"), (0, 1, 2))
    assert model.names == ("a",) and all(map(math.isfinite, model.coefficients))
    assert fit_logit([window(np.zeros((5, 1)), np.zeros(5))]).coefficients[0] < -3


def test_intervals_cover_the_truth_and_those_that_take_rows_for_customers_do_not():
    found = measure_coverage(160, seed=11)
    assert 0.93 <= found.clustered <= 0.97 and found.naive < 0.85, found


def test_a_forecast_worth_nothing_is_hidden_and_one_with_a_signal_is_shown():
    assert count_shown(60, seed=12, effect=0.0) <= 3
    assert count_shown(8, seed=13, effect=0.8, customers=800) >= 7


# --- landmarks ---


def brute_force(stays, landmark):
    """Stage, days until churn, churned, unknown: of one moment, looked up from the whole list."""
    before = [stay for stay in stays if stay.since < landmark]
    if not before or before[-1].stage == "lost":
        return None
    later = [stay for stay in stays[len(before) :] if stay.stage == "lost" and stay.since < landmark + 90]
    if not later:
        return before[-1].stage, 90.0, False, False
    return before[-1].stage, later[0].since - landmark, not later[0].by_configuration, later[0].by_configuration


def test_what_became_of_customers_is_what_a_look_at_the_whole_story_says():
    random = Random(4)
    landmarks = [float(day) for day in range(0, 400, 30)]
    found = Counter()
    for _ in range(300):
        timestamps = sorted(random.choice([random.uniform(-50, 420), 60.0, 150.0]) for _ in range(random.randint(1, 7)))
        stays = [
            Stay(timestamp, random.choice(["active", "risk", "lost"]), random.random() < 0.2)
            for timestamp in timestamps
        ]
        rows = {row.landmark: row for row in rows_of(stays, (), landmarks, LOST)}
        for number, landmark in enumerate(landmarks):
            expected, row = brute_force(stays, landmark), rows.get(number)
            assert (row and (row.stage, row.days, row.churned, row.is_censored)) == expected
            found[expected and expected[2:]] += 1
    assert len(found) == 4


def test_only_what_was_known_before_the_moment_counts():
    reports = [
        Report(10, 10, {"billing.arr": "1000", "billing.balance_overdue": "250", "support.csat": 9}),
        Report(50, 20, {"support.open_issues": 3, "billing.renewal_on": "1970-05-11"}),
        # Reported late, and older than what is known.
        Report(60, 5, {"billing.arr": "9", "billing.balance_overdue": "oops"}),
        Report(199, 199, {"billing.arr": "500", "support.csat": None}),
    ]
    stays = [Stay(0, "active"), Stay(30, "risk"), Stay(40, "active"), Stay(45, "risk")]
    rows = [dict(zip(FEATURES, row.values, strict=True)) for row in rows_of(stays, reports, [1, 50, 100, 200], LOST)]
    nothing = {"revenue", "revenue_change", "overdue_balance", "issues", "satisfaction", "renewal"}
    assert {name for name, value in rows[0].items() if value != value} == nothing
    assert rows[1]["overdue_balance"] == 0.25 and rows[1]["satisfaction"] == 5.0
    assert rows[1]["issues"] != rows[1]["issues"] and rows[2]["issues"] == math.log1p(3)
    assert rows[2]["revenue"] == math.log1p(1000)
    # 130 days after 1970-01-01, seen at 100: 30 days ahead.
    assert rows[2]["renewal"] == pytest.approx(2 / 3) and rows[3]["renewal"] == 1.0
    assert rows[3]["revenue_change"] == pytest.approx(math.log1p(500) - math.log1p(1000))
    assert rows[3]["satisfaction"] != rows[3]["satisfaction"]
    assert rows[2]["time_in_stage"] == math.log1p(55) and rows[2]["time_as_customer"] == math.log1p(100)
    assert rows[2]["moves"] == math.log1p(3) and rows[2]["earlier_risk"] == math.log1p(1)


# --- proof ---


def test_those_of_whom_nothing_is_known_are_made_up_for_as_lifelines_would(saas):
    months, churned, x = saas
    # Censored at moments of their own: at ties there are two conventions.
    days = months * 30 + np.where(churned > 0, 0.0, 0.5)
    is_late = days >= HORIZON * 2
    censored = (~is_late & (churned == 0)).astype(np.float64)
    event = np.where(is_late, 0.0, churned)
    weight = weigh(np.where(is_late, HORIZON * 2, days), event, censored)
    seen = lifelines.KaplanMeierFitter().fit(days, churned == 0).survival_function_["KM_estimate"]

    def before(day):
        return seen.loc[seen.index < day].iloc[-1]

    expected = [
        0.0 if gone else 1 / before(HORIZON * 2 if late else day)
        for gone, late, day in zip(censored, is_late, days, strict=True)
    ]
    assert weight == pytest.approx(np.array(expected), rel=1e-9)
    # They stand for everybody.
    assert weight.sum() == pytest.approx(len(days), rel=1e-9) and censored.sum() > 50
    fit = fit_logit([window(x, event, weight=weight)])
    chance = expit(fit.coefficients[0] + x @ fit.coefficients[1:])
    ours = brier(chance, event, weight)
    rate = np.full(len(x), (weight * event).sum() / weight.sum())
    assert ours == pytest.approx(sum(w * (p - y) ** 2 for w, p, y in zip(weight, chance, event)) / weight.sum())  # noqa: B905
    assert ours < brier(rate, event, weight) - 0.05


def test_on_cdnow_the_forecast_is_scipy_s_and_recency_is_the_definition(cdnow):
    """Who has not bought for 180 days counts as churned: then when they last bought says nearly all, by definition."""
    landmarks = [
        float((dt.date(1997 + month // 12, month % 12 + 1, 1) - dt.date(1970, 1, 1)).days) for month in range(3, 15)
    ]
    rows, customers, recency = [], [], []
    for number, purchases in enumerate(cdnow.values()):
        stays, last, spent, reports = [], None, 0.0, []
        for day, value in purchases:
            if last is None or day - last > 180:
                if last is not None:
                    stays.append(Stay(last + 180.0, "lost"))
                stays.append(Stay(float(day), "active"))
            last, spent = day, spent + value
            reports.append(Report(day, day, {"billing.arr": spent}))
        stays.append(Stay(last + 180.0, "lost"))
        for row in rows_of(stays, reports, landmarks, LOST):
            rows.append(row)
            customers.append(number)
            bought = [day for day, _ in purchases if day < landmarks[row.landmark]]
            recency.append(landmarks[row.landmark] - bought[-1])
    churned = np.array([row.churned for row in rows], float)
    values = np.array([row.values for row in rows])
    # Within 90 days no one can churn who has bought in the 90 before.
    assert not churned[np.array(recency) <= 90].any() and 0.2 < churned.mean() < 0.8
    columns = [FEATURES.index("time_as_customer"), FEATURES.index("revenue"), FEATURES.index("moves")]
    whole = window(np.nan_to_num(values[:, columns]), churned, customers)
    with_recency = window(np.column_stack([whole.x, np.array(recency) > 90, recency]), churned, customers)
    briers = []
    for one in (whole, with_recency):
        names = [str(number) for number in range(one.x.shape[1])]
        model = fit_model([one], names, range(len(names)))
        x = (one.x - np.array(model.means)) / np.array(model.scales)
        expected = minimum_by_scipy(x.astype(np.float32).astype(np.float64), churned, one.weight, 1.0)
        assert model.coefficients == pytest.approx(expected, abs=1e-4)
        briers.append(brier(predict(model, [one], names)[0], churned, one.weight))
    rate = churned.mean() * (1 - churned.mean())
    assert briers[1] < rate / 2 < briers[0] <= rate


def test_a_paired_difference_is_judged_by_customer_not_by_row():
    difference = np.array([1.0, 1.0, 1.0, -1.0, 2.0])
    customer = np.array([0, 0, 0, 1, 2])
    # Sums 3, -1, 2 of 3, 1, 1 rows; the mean of all is 4/5.
    spread = math.sqrt(((3 - 2.4) ** 2 + (-1 - 0.8) ** 2 + (2 - 0.8) ** 2) * 3 / 2)
    assert compare(difference, customer) == pytest.approx(4 / spread)
    assert compare(np.zeros(5), customer) == 0.0


def test_among_equals_each_is_as_likely_to_be_called_first():
    chance = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    churned = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    assert first_calls(chance, churned, np.ones(6), calls=3) == 1 + 2 * 0.25
    assert first_calls(chance, churned, np.array([0.0, 1, 1, 1, 1, 1]), calls=2) == 0.5
    assert first_calls(chance, churned, np.ones(6), calls=10) == 3


def test_ten_bins_hold_what_came_of_a_true_forecast_in_at_least_eight():
    random = np.random.default_rng(8)
    inside = []
    for _ in range(40):
        chance = random.beta(1, 8, 3000)
        bins = add_up(calibrate(chance, (random.random(3000) < chance).astype(float), np.ones(3000), [3000]))
        assert len(bins) == 10 and sum(one.rows for one in bins) == 3000
        inside.append(sum(one.is_inside for one in bins))
    assert min(inside) >= 7 and sum(number >= 8 for number in inside) >= 38


def test_wilson_s_interval_is_the_one_in_the_books():
    assert wilson(0.0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_it_takes_ten_churners_for_a_coefficient_and_a_hundred_at_least():
    assert [needed_to_fit(count) for count in (1, 10, 12)] == [100, 100, 120]
    windows = [window([[0.0]] * 3, [1, 0, 1], [4, 5, 6], [1, 1, 0]), window([[0.0]], [1], [4])]
    assert count_churners(windows) == 1


def test_a_proof_survives_being_kept():
    windows = simulate(np.random.default_rng(2), 200)[-3:]
    half = [np.full(len(one.x), 0.5) for one in windows]
    proof = prove(windows, [0.9 * one.churned + 0.05 for one in windows], half)
    assert proof.beats and proof.calls > proof.calls_baseline and proof.brier < proof.brier_rate
    assert not prove(windows, half, half).beats
    assert Proof.from_document(proof.to_document()) == proof


# --- words ---

MODEL = Model(
    ("stage:0:Risk", "issues", "satisfaction"),
    (0.2, 1.0, 4.0),
    (0.4, 0.5, 1.0),
    (-2.0, 0.8, 0.5, -0.7),
    ((0.04, 0, 0, 0), (0, 0.01, 0, 0), (0, 0, 0.02, 0), (0, 0, 0, 0.03)),
)


def test_the_shares_of_a_forecast_add_up_to_what_it_differs_by():
    for stage, values in (("0:Risk", {"issues": 2.0, "satisfaction": 1.0}), ("0:Active", {"issues": math.nan})):
        points, chance = MODEL.points(stage, values), MODEL.chance(stage, values)
        assert math.fsum(points.values()) == pytest.approx(chance.chance - MODEL.typical, abs=1e-15)
        assert chance.low < chance.chance < chance.high
        whole = whole_points(points, round(100 * chance.chance) - round(100 * MODEL.typical))
        assert sum(whole.values()) == round(100 * chance.chance) - round(100 * MODEL.typical)
        assert all(abs(whole[part] - 100 * share) < 2 for part, share in points.items())
    assert MODEL.points("0:Active", {})["issues"] == 0.0
    odds = -2 + 0.8 * 2 + 0.5 * 2 - 0.7 * -3
    error = math.sqrt(0.04 + 0.01 * 4 + 0.02 * 4 + 0.03 * 9)
    expected = (sigmoid(odds), sigmoid(odds - 1.959964 * error), sigmoid(odds + 1.959964 * error))
    assert MODEL.chance("0:Risk", {"issues": 2.0, "satisfaction": 1.0}) == pytest.approx(expected, abs=1e-6)


def test_shares_that_cancel_out_are_their_limit():
    rate = sigmoid(-1) * (1 - sigmoid(-1))
    assert share_out({"a": 2.0, "b": -2.0}, -1.0) == {"a": 2 * rate, "b": -2 * rate}
    near = share_out({"a": 2.0, "b": -2.0 + 1e-6}, -1.0)
    assert near["a"] == pytest.approx(2 * rate, rel=1e-5)


def test_a_model_survives_being_kept():
    assert Model.from_document(MODEL.to_document()) == MODEL
    assert isinstance(fit_logit([window([[1.0], [0.0]], [1, 0])]), Fit)
