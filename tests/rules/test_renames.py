"""In which order stages are renamed, so that no name is ever held twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.rules.configuration.renames import name_replaced, order_renames

NAMES = ["Prospect", "Onboarded", "Active", "At-Risk", "Churned", "Straße"]


def rename(names: dict[str, str]) -> tuple[dict[str, str], int]:
    """What each stage is called afterwards, and the number of steps; fails as the database would."""
    called = {name: name for name in names}
    steps = 0
    for now, then in order_renames(names):
        (first,) = (stage for stage, name in called.items() if name == now)
        called[first] = then
        steps += 1
        held = [name.casefold() for name in called.values()]
        assert len(set(held)) == len(held), called
    return called, steps


@given(order=st.permutations([*NAMES, "Lead", "Won", "Lost"]), upper=st.lists(st.booleans(), min_size=6, max_size=6))
def test_any_new_names_are_reached(order: list[str], upper: list[bool]) -> None:
    wanted = [name.upper() if loud else name for name, loud in zip(order, upper, strict=False)]
    names = dict(zip(NAMES, wanted, strict=True))
    assert rename(names)[0] == names


def test_a_chain_takes_one_step_a_stage_and_a_cycle_one_more() -> None:
    assert rename({"A": "B", "B": "C", "C": "D"})[1] == 3
    assert rename({"C": "D", "B": "C", "A": "B"})[1] == 3
    assert rename({"A": "B", "B": "C", "C": "A", "D": "D"})[1] == 4
    assert rename({"a": "A", "B": "B"})[1] == 1


def test_a_name_that_stays_with_its_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="'B'"):
        list(order_renames({"A": "B", "B": "B"}))


def test_a_stage_whose_name_another_takes_is_emptied_under_a_name_of_its_own() -> None:
    stages, new_stages = ["A", "B", "C", "c (Former)"], ["b", "C", "B (former 2)"]
    assert name_replaced({"A": "b"}, stages=stages, new_stages=new_stages) == {"B": "B (former)"}
    assert name_replaced({"A": "C"}, stages=stages, new_stages=new_stages) == {"C": "C (former 2)"}
    assert name_replaced({"A": "b", "B": "C"}, stages=stages, new_stages=new_stages) == {"C": "C (former 2)"}
    assert name_replaced({"A": "Nowhere", "B": 7}, stages=stages, new_stages=new_stages) == {}
    long = "x" * 100
    (name,) = name_replaced({"A": long}, stages=["A", long], new_stages=[long]).values()
    assert (len(name), name[-10:]) == (100, "x (former)")
