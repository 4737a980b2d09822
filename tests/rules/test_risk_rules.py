"""A tenant's rules about customers at risk: how they are written, when they fire, and what they would have done."""

import datetime as dt
import json
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.risk.alarms import DAY, FOREVER, Past, StayKnown, Watch
from lifecycle.rules.risk.judging import Period, RuleTally, Tally, judge_customer
from tenants.rules.configuration.document import diff_configurations, parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.sentences import describe_change, describe_finding
from tests.rules.documents import FULL, check

HOUR = DAY // 24
OVERDUE = {"field": "billing.overdue_percent", "op": "gt", "value": 10}
ISSUES = {"field": "support.open_issues", "op": "gt", "value": 3}
RULE = {
    "name": "Overdue and unhappy",
    "when": [OVERDUE, ISSUES],
    "for_days": 14,
    "categories": ["engaged"],
    "action": "move",
    "to": "At-Risk",
    "reason_code": "Low Engagement",
}


def document(*rules):
    return {**FULL, "risk_rules": list(rules)}


def watch(**changed):
    policy = compile_policy(parse_configuration(document({**RULE, **changed})), 1)
    return Watch(policy.configuration.risk_rules[0], policy.category)


def stays(*moves, entered=None):
    ends = [since for since, _ in moves[1:]] + [FOREVER]
    return [StayKnown(since, end, stage, since) for (since, stage), end in zip(moves, ends, strict=True)]


def test_a_rule_is_kept_as_it_is_written_and_what_is_usual_is_left_out():
    configuration = parse_configuration(document({**RULE, "enabled": True, "stages": ["Prospect"]}))
    assert configuration.to_document()["risk_rules"] == [{**RULE, "stages": ["Prospect"]}]
    assert parse_configuration(configuration.to_document()) == configuration
    assert check(document(RULE)) == []


@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"when": []}, "/when", "empty"),
        ({"when": [{"field": "billing.ar", "op": "gt", "value": 1}]}, "/when/0/field", "unknown_value"),
        ({"when": [{"field": "billing.renewal_on", "op": "exists"}]}, "/when/0/field", "unknown_value"),
        ({"when": [OVERDUE, {**ISSUES, "value": "3"}]}, "/when/1/value", "wrong_type"),
        ({"when": [{**ISSUES, "op": "in", "value": [1, True]}]}, "/when/0/value", "wrong_type"),
        ({"when": [{"field": "segment", "op": "gt", "value": "Gold"}]}, "/when/0/op", "unknown_value"),
        ({"when": [{"field": "segment", "op": "eq", "value": 3}]}, "/when/0/value", "wrong_type"),
        ({"when": [{**ISSUES, "op": "above"}]}, "/when/0/op", "unknown_value"),
        ({"for_days": -1}, "/for_days", "out_of_range"),
        ({"for_days": 366}, "/for_days", "out_of_range"),
        ({"for_days": "14"}, "/for_days", "wrong_type"),
        ({"action": "alert"}, "/action", "unknown_value"),
        ({"to": "At Risk"}, "/to", "unknown_stage"),
        ({"stages": []}, "/stages", "empty"),
        ({"categories": ["risky"]}, "/categories/0", "unknown_value"),
        ({"name": " "}, "/name", "blank"),
        ({"enabled": "no"}, "/enabled", "wrong_type"),
        ({"figure": 1}, "/figure", "unknown_key"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_at_its_place(changed, path, code):
    errors = [one for one in check(document({**RULE, **changed})) if one.severity == "error"]
    assert [(one.path, one.code) for one in errors] == [(f"/risk_rules/0{path}", code)]
    assert describe_finding(errors[0])


def test_two_rules_of_one_name_a_list_that_is_none_and_too_many_are_refused():
    (twice,) = check(document(RULE, {**RULE, "name": "overdue and UNHAPPY"}))
    assert (twice.path, twice.code) == ("/risk_rules/1/name", "duplicate")
    (none,) = check({**FULL, "risk_rules": {}})
    assert (none.path, none.code) == ("/risk_rules", "wrong_type")
    many = [{**RULE, "name": f"Rule {number}"} for number in range(21)]
    assert [one.code for one in check(document(*many))] == ["too_many"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"categories": ["lost"]}, "rule_without_transition"),
        ({"categories": ["risk"]}, "risk_rule_without_stage"),
        ({"reason_code": None}, "rule_without_reason"),
        ({"reason_code": "Mood"}, "rule_with_unknown_reason"),
        ({"stages": ["Prospect"]}, "rule_refused"),
    ],
)
def test_a_rule_that_can_do_nothing_is_warned_of_unless_it_is_switched_off(changed, message):
    (warning,) = check(document({**RULE, **changed}))
    assert (warning.path, warning.message, warning.severity) == ("/risk_rules/0", message, "warning")
    assert describe_finding(warning)
    assert check(document({**RULE, **changed, "enabled": False})) == []


def test_a_proposal_needs_no_reason_as_the_person_who_accepts_it_gives_one():
    assert check(document({**RULE, "action": "propose", "reason_code": None})) == []


def test_what_changes_of_rules_is_said_and_a_rename_of_a_stage_is_no_change_of_them():
    other = {**RULE, "name": "Quiet", "when": [ISSUES]}
    before = parse_configuration(document(RULE, other))
    after = parse_configuration(document({**other, "enabled": False}, {**RULE, "name": "New"}))
    assert [describe_change(one) for one in diff_configurations(before, after)] == [
        "The at-risk rule “Overdue and unhappy” is removed.",
        "The at-risk rule “Quiet” is switched off.",
        "New at-risk rule “New” for customers in a stage of the category “Engaged”, to “At-Risk”.",
    ]
    changed = parse_configuration(document(RULE, {**other, "for_days": 3, "to": "Churned", "reason_code": "Price"}))
    assert [describe_change(one) for one in diff_configurations(before, changed)] == [
        "The at-risk rule “Quiet” is changed: how long its conditions must hold, the stage that it leads to and the"
        " reason."
    ]
    reordered = parse_configuration(document(other, RULE))
    assert [one.message for one in diff_configurations(before, reordered)] == ["risk_rules_reordered"]
    text = FULL | {"risk_rules": [{**RULE, "stages": ["Active"]}]}
    renamed = parse_configuration(
        json.loads(json.dumps(text).replace("At-Risk", "In danger").replace("Active", "Live"))
    )
    found = diff_configurations(parse_configuration(text), renamed, renamed={"At-Risk": "In danger", "Active": "Live"})
    assert {one.kind for one in found} == {"stage_renamed"}


def test_a_rule_fires_once_in_an_unbroken_stretch_so_many_days_after_its_start():
    changes = {
        "billing.arr": [(DAY, "1000")],
        "billing.balance_overdue": [(DAY, "50"), (10 * DAY, "101"), (40 * DAY, "100"), (50 * DAY, "200.5")],
        "support.open_issues": [(2 * DAY, 5), (12 * DAY, 4), (70 * DAY, 3), (70 * DAY, 9)],
    }
    past = Past(changes, stays((DAY, "Active")))
    found = watch().alarms(past, 100 * DAY)
    # Of one time the last report counts: the stretch from day 50 is not broken on day 70.
    assert [(one.at // DAY, one.since // DAY, one.until) for one in found] == [
        (24, 10, 40 * DAY),
        (64, 50, FOREVER),
    ]
    assert [one.at // DAY for one in watch().alarms(past, 63 * DAY)] == [24]
    assert [one.at // DAY for one in watch(for_days=30).alarms(past, 100 * DAY)] == [80]
    assert watch().next_look(past, 50 * DAY) == 64 * DAY
    assert watch().next_look(past, 64 * DAY) is None


def test_a_rule_looks_at_the_stage_of_the_time_when_it_fires():
    changes = {"support.open_issues": [(0, 9)]}
    one = watch(when=[ISSUES], for_days=5)
    assert not one.alarms(Past(changes, stays((DAY, "Active"), (5 * DAY, "At-Risk"), (9 * DAY, "Active"))), 99 * DAY)
    (alarm,) = one.alarms(Past(changes, stays((DAY, "At-Risk"), (6 * DAY, "Active"))), 99 * DAY)
    assert (alarm.at, alarm.stage) == (6 * DAY, "Active")
    anywhere = watch(when=[ISSUES], for_days=5, categories=["engaged"], stages=["Prospect"])
    assert anywhere.alarms(Past(changes, stays((DAY, "Prospect"))), 99 * DAY)


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ({"field": "days_in_stage", "op": "ge", "value": 30}, [(30, 60), (90, None)]),
        ({"field": "days_in_stage", "op": "gt", "value": 29.5}, [(30, 60), (90, None)]),
        ({"field": "days_in_stage", "op": "eq", "value": 3}, [(3, 4), (63, 64)]),
        ({"field": "days_in_stage", "op": "lt", "value": 2}, [(0, 2), (60, 62)]),
        ({"field": "billing.days_to_renewal", "op": "le", "value": 30}, [(70, None)]),
        ({"field": "billing.days_to_renewal", "op": "in", "value": [0, 30]}, [(70, 71), (100, 101)]),
        ({"field": "billing.days_to_renewal", "op": "lt", "value": 0}, [(101, None)]),
        ({"field": "billing.days_to_renewal", "op": "exists", "value": True}, [(5, None)]),
        ({"field": "billing.arr", "op": "exists", "value": False}, [(0, None)]),
    ],
)
def test_time_alone_begins_and_ends_stretches(condition, days):
    renewal = (dt.date(1970, 1, 1) + dt.timedelta(days=100)).isoformat()
    past = Past({"billing.renewal_on": [(5 * DAY, renewal)]}, stays((0, "Active"), (60 * DAY, "Onboarded")))
    found = watch(when=[condition], for_days=0).stretches(past)
    assert found == [(since * DAY, FOREVER if until is None else until * DAY) for since, until in days]


# What a customer may go through, by the hour: figures, moves and churns of a hundred days.
VALUES = {
    "billing.arr": st.sampled_from([None, "0", "1000", "250.50"]),
    "billing.balance_overdue": st.sampled_from([None, "-5", "0", "100", "101", "900"]),
    "billing.currency": st.sampled_from(["", "EUR", "USD"]),
    "billing.renewal_on": st.sampled_from([None, "1970-02-01", "1970-03-20", "1971-01-01"]),
    "support.open_issues": st.sampled_from([None, 0, 3, 4, 9]),
    "segment": st.sampled_from(["", "Gold", "gold", "Silver"]),
}
NUMBERS = st.sampled_from([-1, 0, 3, 10, 10.5, 30])
CONDITIONS = st.one_of(
    st.builds(
        lambda field, op, value: {"field": field, "op": op, "value": value},
        st.sampled_from([*VALUES, "billing.overdue_percent", "billing.days_to_renewal", "days_in_stage"]).filter(
            lambda path: path not in ("billing.renewal_on", "segment", "billing.currency")
        ),
        st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]),
        NUMBERS,
    ),
    st.builds(
        lambda field, value: {"field": field, "op": "exists", "value": value},
        st.sampled_from(["billing.arr", "segment", "billing.days_to_renewal"]),
        st.booleans(),
    ),
    st.sampled_from(
        [
            {"field": "segment", "op": "in", "value": ["Gold", "Silver"]},
            {"field": "segment", "op": "ne", "value": "Gold"},
            {"field": "days_in_stage", "op": "in", "value": [1, 5]},
        ]
    ),
)
RULES = st.lists(
    st.builds(
        lambda when, wait, narrowed, enabled: {
            "when": when,
            "for_days": wait,
            "action": "propose",
            "to": "At-Risk",
            "enabled": enabled,
            **narrowed,
        },
        st.lists(CONDITIONS, min_size=1, max_size=3),
        st.sampled_from([0, 1, 14]),
        st.sampled_from([{}, {"stages": ["Onboarded"]}, {"categories": ["engaged", "lost"]}]),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)
HOURS = st.integers(0, 100 * 24)
CUSTOMERS = st.lists(
    st.tuples(
        st.fixed_dictionaries({path: st.lists(st.tuples(HOURS, one), max_size=5) for path, one in VALUES.items()}),
        st.lists(st.tuples(HOURS, st.sampled_from(FULL["stages"])), max_size=6),
    ),
    max_size=4,
)


def replay(rule, changes, moves, last, category):
    """Hour by hour, whether the conditions hold: (hour, what is known) of each alarm, and whether it would fire now."""
    began, is_due, alarms, stage = None, False, [], None
    for hour in range(moves[0][0], last + 1):
        known = {
            path: next((value for at, value in reversed(rows) if at <= hour), None) for path, rows in changes.items()
        }
        entered, stage = [move for move in moves if move[0] <= hour][-1]
        if not holds(rule, known, hour, entered):
            began, is_due = None, False
            continue
        began = hour if began is None else began
        if hour - began == rule.for_days * 24 and rule.looks_at(stage, category(stage)):
            is_due = True
            alarms.append((hour * HOUR, known))
    return alarms, is_due and rule.looks_at(stage, category(stage))


def judge(alarms, churns, period, tally):
    """Count the alarms of one rule for one customer; the churns that it caught."""
    found = {}
    for at, known in alarms:
        if at < period.since:
            continue
        tally.alarms += 1
        later = [churn for churn in churns if churn > at]
        if later and later[0] - at <= HORIZON_DAYS * DAY:
            found.setdefault(later[0], (at, known))
        elif period.until - at >= HORIZON_DAYS * DAY:
            tally.false += 1
        else:
            tally.undecided += 1
    for churn, (at, known) in found.items():
        tally.leads[(churn - at) // DAY] += 1
        if known["billing.arr"]:
            currency = known["billing.currency"] or ""
            tally.value[currency] = tally.value.get(currency, 0) + Decimal(known["billing.arr"])
    return set(found)


def by_brute_force(rules, customers, period, category):
    """What the rules did, without stretches: each hour of each customer is looked at."""
    tally = Tally.of(len(rules))
    caught = [set() for _ in rules]
    for number, (changes, moves) in enumerate(customers):
        if not moves:
            continue
        tally.customers += 1
        first = max(moves[0][0] * HOUR, period.since)
        tally.since = first if tally.since is None else min(tally.since, first)
        churns = [hour * HOUR for hour, stage in moves if stage == "Churned" and hour * HOUR >= period.since]
        tally.churns += len(churns)
        for index, rule in enumerate(rules):
            alarms, is_due = replay(rule, changes, moves, period.until // HOUR, category)
            tally.rules[index].due += is_due
            found = judge(alarms, churns, period, tally.rules[index])
            caught[index] |= {(number, churn) for churn in found}
    for index in range(len(rules)):
        others = [caught[other] for other, rule in enumerate(rules) if other != index and rule.enabled]
        tally.rules[index].added = len(caught[index] - set().union(*others))
    return tally


def holds(rule, known, hour, entered):
    data = {"billing": {}, "support": {}, "days_in_stage": (hour - entered) // 24}
    for path, value in known.items():
        part, _, name = path.rpartition(".")
        (data[part] if part else data)[name] = None if value == "" else value
    billing = data["billing"]
    arr, overdue, renewal = (billing[name] for name in ("arr", "balance_overdue", "renewal_on"))
    if arr is not None and Decimal(arr) > 0 and overdue is not None:
        billing["overdue_percent"] = Decimal(overdue) / Decimal(arr) * 100
    if renewal:
        today = dt.date(1970, 1, 1) + dt.timedelta(days=hour // 24)
        billing["days_to_renewal"] = (dt.date.fromisoformat(renewal) - today).days
    return all(condition.holds(data) for condition in rule.when)


@settings(max_examples=60)
@given(RULES, CUSTOMERS, st.sampled_from([0, 20]))
def test_what_rules_did_is_what_an_hour_by_hour_replay_says(rules, customers, since):
    named = [{**rule, "name": f"Rule {number}"} for number, rule in enumerate(rules)]
    policy = compile_policy(parse_configuration({**FULL, "risk_rules": named}), 1)
    period = Period(since * DAY, 100 * DAY)
    replayed = []
    for changes, moves in customers:
        ordered = {path: sorted(rows, key=lambda row: row[0]) for path, rows in changes.items()}
        # A later row of the same hour takes the place of the one before, as in the history.
        replayed.append((ordered, sorted(dict(sorted(moves, key=lambda move: move[0])).items())))
    expected = by_brute_force(policy.configuration.risk_rules, replayed, period, policy.category)
    watches = [Watch(rule, policy.category) for rule in policy.configuration.risk_rules]
    parts = []
    for changes, moves in replayed:
        past = Past(
            {path: [(hour * HOUR, value) for hour, value in rows] for path, rows in changes.items()},
            stays(*((hour * HOUR, stage) for hour, stage in moves)) if moves else [],
        )
        churns = [hour * HOUR for hour, stage in moves if stage == "Churned"]
        tally = Tally.of(len(watches))
        judge_customer(watches, past, churns, period, tally)
        parts.append(tally)
    total = Tally.of(len(watches))
    for part in parts:
        total.add(Tally.from_json(part.to_json()))
    assert total == expected


def test_leads_have_a_median_and_quartiles():
    tally = RuleTally(leads=Counter({3: 1, 10: 2, 40: 1}))
    assert [tally.lead_at(share) for share in (0.25, 0.5, 0.75)] == [3, 10, 10]
    assert RuleTally().lead_at(0.5) is None
