"""A tenant's own health: one definition in Python and in SQL, parts that sum exactly, and everything shown by it."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.queries.health import HEALTH, compile_health, find_work, gather_work, penalty_of
from lifecycle.queries.urgency import URGENCY
from lifecycle.rules.health import Work, days_in_stage, find_band, judge, score_points
from lifecycle.rules.urgency import urgency
from tenants.rules.configuration.document import CATEGORIES, parse_configuration
from tenants.rules.configuration.health_formula import (
    ALWAYS_KNOWN,
    CATEGORY,
    MEASURES,
    HealthFormula,
    HealthPart,
    HealthStep,
    write_health,
)
from tenants.rules.configuration.policy import compile_policy

NOW = dt.datetime(2026, 7, 28, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
STAGES = {"stages": list(CATEGORIES), "categories": {one: one for one in CATEGORIES}}
EXPECTED = {"engaged": 30, "risk": 7}
POINTS = st.integers(-100, 100)
# Halves and tenths, as people write them: with finer bounds a value can lie between two that floats tell apart.
BOUND = st.integers(-40, 400).map(lambda tenths: tenths / 10)
STEPS = st.lists(
    st.builds(HealthStep, st.sampled_from(["at_least", "at_most"]), BOUND, POINTS), min_size=1, max_size=3
).map(tuple)


@st.composite
def parts(draw: Any, index: int) -> HealthPart:
    measure, name = draw(st.sampled_from(MEASURES)), f"Part {index}"
    if measure == CATEGORY:
        points = draw(st.dictionaries(st.sampled_from(CATEGORIES), POINTS, min_size=1))
        return HealthPart(name, measure, categories=tuple((one, points[one]) for one in CATEGORIES if one in points))
    missing = 0 if measure in ALWAYS_KNOWN else draw(st.just(0) | POINTS)
    if draw(st.booleans()):
        return HealthPart(name, measure, steps=draw(STEPS), if_missing=missing)
    begin = draw(BOUND)
    end = draw(BOUND.filter(lambda bound: bound != begin))
    return HealthPart(name, measure, draw(POINTS), begin, end, if_missing=missing)


@st.composite
def formulas(draw: Any) -> HealthFormula:
    count = draw(st.integers(1, 5))
    start, bands = draw(st.integers(0, 100)), sorted(draw(st.sets(st.integers(1, 100), min_size=2, max_size=2)))
    return HealthFormula(tuple(draw(parts(index)) for index in range(count)), start, bands[1], bands[0])


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(formula=formulas(), data=st.data())
def test_the_health_of_sql_is_the_health_of_the_rules_for_any_formula(db, formula, data):
    policy = compile_policy(parse_configuration({**STAGES, "max_days": EXPECTED, "health": write_health(formula)}), 1)
    assert policy.health == formula, "written and read again it is the same"
    money = st.none() | st.decimals(min_value=-(10**6), max_value=10**10, places=2)
    stage = data.draw(st.sampled_from(CATEGORIES))
    arr, balance = data.draw(money), data.draw(money)
    csat = data.draw(st.none() | st.decimals(min_value=0, max_value=9, places=2))
    issues, days = data.draw(st.none() | st.integers(0, 10**6)), data.draw(st.none() | st.integers(-3000, 3000))
    entered = NOW - dt.timedelta(days=data.draw(st.integers(-5, 5000)), seconds=data.draw(st.integers(0, 86399)))
    work = Work(data.draw(st.none() | st.integers(0, 900)), data.draw(st.integers(0, 9)))
    ahead = data.draw(st.integers(0, 2))
    judged = judge(
        policy,
        stage,
        days_in_stage(entered, NOW),
        arr=arr,
        balance_overdue=balance,
        open_issues=issues,
        csat=csat,
        days_to_renewal=days,
        work=work,
    )
    compiled = compile_health(formula)
    sql = compiled.fill(f"""
        WITH lifecycle_note AS (
            SELECT 1 AS id, %(tenant_id)s::uuid AS tenant_id, %(id)s::uuid AS customer_id, NULL::date AS deleted_at,
                   %(noted)s::timestamptz AS created_at WHERE %(noted)s::timestamptz IS NOT NULL
        ), lifecycle_task AS (
            SELECT %(tenant_id)s::uuid AS tenant_id, %(id)s::uuid AS customer_id, NULL::date AS done_at,
                   %(today)s::date - 1 AS due_key FROM generate_series(1, %(tasks)s::int)
        )
        SELECT {URGENCY}, {HEALTH}
          FROM (SELECT %(arr)s::numeric AS arr, 'EUR' AS currency, %(balance)s::numeric AS balance_overdue,
                       %(renewal)s::date AS renewal_on) b,
               (SELECT %(csat)s::numeric AS csat, %(issues)s::int AS open_issues) u,
               (SELECT %(expected)s::int AS max_days, %(penalty)s::int AS penalty, %(lost)s::boolean AS is_lost) w,
               (SELECT %(entered)s::timestamptz AS stage_entered_at, %(id)s::uuid AS customer_id,
                       %(noted)s::timestamptz AS noted_at, %(due)s::date[] AS open_due) s
    """)
    customer = "00000000-0000-0000-0000-000000000001"
    values = {
        "tenant_id": customer,
        "id": customer,
        "noted": None if work.days_since_note is None else NOW - dt.timedelta(days=work.days_since_note, hours=1),
        "tasks": work.overdue_tasks,
        # Those that are overdue were due yesterday; another one is today, and one tomorrow.
        "due": sorted([NOW.date() - DAY] * work.overdue_tasks + [NOW.date(), NOW.date() + DAY][:ahead]) or None,
        "entered": entered,
        "arr": arr,
        "own_currency": "EUR",
        "currencies": ["EUR"],
        "rates": [1.0],
        "balance": balance,
        "csat": csat,
        "issues": issues,
        "expected": policy.max_days(stage),
        "penalty": penalty_of(policy, stage),
        "lost": stage == "lost",
        "now": NOW,
        "today": NOW.date(),
        "renewal": None if days is None else NOW.date() + dt.timedelta(days=days),
    }
    found = []
    with connection.cursor() as cursor:
        # One customer looked up, and very many gathered: the same.
        for statement in (sql, gather_work(sql)):
            cursor.execute(statement, values | dict(compiled.parameters))
            found.append(cursor.fetchone())
    at_stake = urgency(penalty=judged.penalty, category=stage, arr=arr, rate=1.0, days_to_renewal=days)
    assert found == [(at_stake, judged.score)] * 2
    assert sum(one.points for one in score_points(judged)) == judged.penalty
    assert judged.band == find_band(judged.score, formula)
    assert 0 <= judged.confidence <= 100


def test_notes_and_tasks_are_asked_for_only_where_they_count(tenant, policy_without_work):
    assert find_work(["0" * 32], policy_without_work, tenant=tenant, now=NOW) == {}


@pytest.fixture
def policy_without_work():
    return compile_policy(parse_configuration(STAGES), 1)
