"""Health in the configuration: what is accepted, what is refused where, what is warned of, what has changed."""

import pytest

from tenants.rules.configuration.diff import diff_configurations
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.health_formula import USUAL_HEALTH, write_health
from tenants.sentences import describe_change, describe_finding
from tests.rules.documents import SMALLEST, check

CSAT = {"name": "Satisfaction", "measure": "csat", "points": 30, "from": 4.5, "to": 2}
NOTES = {
    "name": "Silence",
    "measure": "days_since_note",
    "steps": [{"at_least": 90, "points": 40}, {"at_least": 30, "points": 10}],
    "if_missing": 20,
}
STAGE = {"name": "Stage", "measure": "category", "categories": {"risk": 20, "renewal": 5}, "weight": 10}


def own(*parts, **more):
    return {**SMALLEST, "health": {"parts": list(parts), **more}}


def test_a_document_without_health_has_the_usual_one_and_says_nothing_of_it():
    configuration = parse_configuration(SMALLEST)
    assert configuration.health == USUAL_HEALTH
    assert "health" not in configuration.to_document()
    written_out = parse_configuration({**SMALLEST, "health": write_health(USUAL_HEALTH)})
    assert written_out == configuration


def test_an_own_formula_is_kept_as_it_is_written():
    document = own(CSAT, NOTES, STAGE, start=90, good_from=80, watch_from=50)
    configuration = parse_configuration(document)
    assert configuration.to_document()["health"] == {
        "start": 90,
        "good_from": 80,
        "watch_from": 50,
        "parts": [CSAT, NOTES, {**STAGE, "categories": {"risk": 20, "renewal": 5}}],
    }
    assert parse_configuration(configuration.to_document()) == configuration


@pytest.mark.parametrize(
    ("health", "path", "code"),
    [
        ([], "/health", "wrong_type"),
        ({}, "/health/parts", "missing_key"),
        ({"parts": []}, "/health/parts", "empty"),
        ({"parts": [{**CSAT, "name": f"Part {number}"} for number in range(21)]}, "/health/parts", "too_many"),
        ({"parts": [CSAT, CSAT]}, "/health/parts/1/name", "duplicate"),
        ({"parts": [{**CSAT, "measure": "nps"}]}, "/health/parts/0/measure", "unknown_value"),
        ({"parts": [{**CSAT, "colour": 1}]}, "/health/parts/0/colour", "unknown_key"),
        ({"parts": [{**CSAT, "points": 101}]}, "/health/parts/0/points", "out_of_range"),
        ({"parts": [{**CSAT, "to": 4.5}]}, "/health/parts/0/to", "bounds_equal"),
        ({"parts": [{**CSAT, "to": "low"}]}, "/health/parts/0/to", "wrong_type"),
        ({"parts": [{**CSAT, "to": float("nan")}]}, "/health/parts/0/to", "out_of_range"),
        ({"parts": [{**CSAT, "to": None}]}, "/health/parts/0/to", "missing_key"),
        ({"parts": [{**CSAT, "steps": NOTES["steps"]}]}, "/health/parts/0/steps", "steps_or_points"),
        ({"parts": [{**CSAT, "categories": {"risk": 1}}]}, "/health/parts/0/categories", "key_of_other_measure"),
        ({"parts": [{**NOTES, "steps": [{"points": 3}]}]}, "/health/parts/0/steps/0", "one_bound"),
        ({"parts": [{**STAGE, "points": 3}]}, "/health/parts/0/points", "key_of_other_measure"),
        ({"parts": [{**STAGE, "categories": {"angry": 3}}]}, "/health/parts/0/categories/angry", "unknown_value"),
        ({"parts": [{**STAGE, "categories": {}}]}, "/health/parts/0/categories", "empty"),
        ({"parts": [{**STAGE, "if_missing": 3}]}, "/health/parts/0/if_missing", "measure_never_missing"),
        ({"parts": [CSAT], "start": 101}, "/health/start", "out_of_range"),
        ({"parts": [CSAT], "good_from": 40}, "/health/watch_from", "bands_crossed"),
    ],
)
def test_what_is_wrong_with_health_is_refused_at_its_place(health, path, code):
    errors = [one for one in check({**SMALLEST, "health": health}) if one.severity == "error"]
    assert [(one.path, one.code) for one in errors] == [(path, code)]
    assert describe_finding(errors[0])


def test_what_a_formula_cannot_do_is_warned_of():
    late = {"name": "Late", "measure": "days_over", "points": 30, "from": 0, "to": 9}
    steps = [{"at_least": 3, "points": 5}, {"at_least": 10, "points": 50}]
    document = own({**CSAT, "points": 0}, late, {"name": "Tasks", "measure": "overdue_tasks", "steps": steps})
    found = {(one.path, one.code): describe_finding(one) for one in check(document) if one.path.startswith("/health")}
    assert set(found) == {
        ("/health/parts/0", "part_takes_nothing"),
        ("/health/parts/1", "no_expected_days"),
        ("/health/parts/2/steps/1", "step_behind_another"),
    }
    (warning,) = [one for one in check(own(CSAT)) if one.code == "never_poor"]
    assert describe_finding(warning) == (
        "No customer's health can be poor: the lowest score is 70, and “watch_from” is 40."
    )


def test_a_changed_formula_is_said_part_by_part():
    before = parse_configuration(own(CSAT, NOTES))
    after = parse_configuration(own(STAGE, {**NOTES, "if_missing": 30}, start=90, good_from=60))
    assert [describe_change(one) for one in diff_configurations(before, after)] == [
        "Health is good from 60 and to be watched from 40.",
        "The health of a customer begins at 90 instead of 100.",
        "“Satisfaction” is no longer a part of health.",
        "Health has a new part, “Stage” (category of the stage), which takes up to 20 points.",
        "The part “Silence” of health is changed: days since the latest note takes up to 40 points.",
    ]
    (reordered,) = diff_configurations(before, parse_configuration(own(NOTES, CSAT)))
    assert describe_change(reordered) == "The parts of health are listed in another order."
