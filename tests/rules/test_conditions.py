"""A rule is tried on the data of an event: when its conditions hold."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.rules.configuration.conditions import OPERATORS, Condition
from tests.rules.documents import any_json, relaxed


@pytest.mark.parametrize(
    ("op", "value", "data", "holds"),
    [
        ("eq", 0, {"open_issues": 0}, True),
        ("eq", 0, {"open_issues": 0.0}, True),
        ("eq", 0, {"open_issues": "0.00"}, True),
        ("eq", 0, {"open_issues": False}, False),
        ("eq", 1, {"open_issues": True}, False),
        ("eq", True, {"open_issues": True}, True),
        ("eq", True, {"open_issues": 1}, False),
        ("eq", 0, {"open_issues": None}, False),
        ("eq", 0, {}, False),
        ("eq", 0, None, False),
        ("eq", 0, [], False),
        ("eq", 0.1, {"open_issues": "0.1"}, True),
        ("eq", 0.1, {"open_issues": Decimal("0.10")}, True),
        ("eq", "high", {"open_issues": "high"}, True),
        ("eq", "high", {"open_issues": "High"}, False),
        ("eq", "0", {"open_issues": 0}, False),
        ("ne", 0, {"open_issues": 2}, True),
        ("ne", 0, {"open_issues": 0}, False),
        ("ne", 0, {}, False),
        ("ne", 0, {"open_issues": "many"}, False),
        ("lt", 3, {"open_issues": 2}, True),
        ("lt", 3, {"open_issues": 3}, False),
        ("le", 3, {"open_issues": 3}, True),
        ("gt", 3, {"open_issues": "1e2"}, True),
        ("gt", 3, {"open_issues": "NaN"}, False),
        ("gt", 3, {"open_issues": float("inf")}, False),
        ("ge", 3, {"open_issues": [3]}, False),
        ("ge", "2025-01-01", {"open_issues": "2025-02-01"}, True),
        ("ge", "2025-01-01", {"open_issues": "2024-12-31"}, False),
        ("in", ("low", 1), {"open_issues": 1}, True),
        ("in", ("low", 1), {"open_issues": "low"}, True),
        ("in", ("low", 1), {"open_issues": True}, False),
        ("exists", True, {"open_issues": 0}, True),
        ("exists", True, {"open_issues": None}, False),
        ("exists", True, {}, False),
        ("exists", False, {}, True),
        ("exists", False, {"open_issues": 0}, False),
    ],
)
def test_a_condition_holds(op: str, value: Any, data: object, holds: bool) -> None:
    assert Condition("open_issues", op, value).holds(data) is holds


def test_a_field_inside_a_part_of_the_event_is_found_by_its_path() -> None:
    condition = Condition("billing.arr", "ge", 1000)

    assert condition.holds({"billing": {"arr": "1200.00"}})
    assert not condition.holds({"billing": {"arr": "999.99"}})
    assert not condition.holds({"billing": "1200.00"})
    assert not condition.holds({"billing.arr": 1200})


@relaxed
@given(
    op=st.sampled_from([op for op in OPERATORS if op not in ("in", "exists")]),
    value=st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    found=any_json | st.sampled_from(["sNaN", "-Infinity", "1e999999999", "_1", "1" * 5000, 10**5000, Decimal("sNaN")]),
)
def test_whatever_an_event_brings_a_condition_only_holds_or_not(op: str, value: Any, found: object) -> None:
    assert Condition("a", op, value).holds({"a": found}) in (True, False)
    assert Condition("a", "in", (value, 1)).holds({"a": found}) in (True, False)
    assert Condition("a.b.c", op, value).holds({"a": found}) in (True, False)
