"""Who was saved by what: counted by hand, and where nothing that is done has any effect, nothing seems to."""

from random import Random

import pytest

from lifecycle.rules.forecast.tables import wilson
from lifecycle.rules.insight.saving import ACTIONS, Episode, compare_actions

NOTED, NONE = (True, False, False, False), (False,) * 4


def test_each_action_is_compared_with_those_alike_for_whom_nothing_was_done():
    episodes = [
        Episode("Price", "0:Risk", 0, NOTED, True, 6),
        Episode("Price", "0:Risk", 0, NOTED, False, 2),
        Episode("Price", "0:Risk", 2, NOTED, True, 1),
        Episode("Price", "0:Risk", 2, NOTED, False, 1),
        Episode("Price", "0:Risk", 0, NONE, True, 1),
        Episode("Price", "0:Risk", 0, NONE, False, 3),
        Episode("Price", "0:Risk", 2, NONE, True, 8),
        Episode("Price", "0:Risk", 2, NONE, False, 2),
        # Of severity 1, and of another stage and reason, there is no one to compare.
        Episode("Price", "0:Risk", 1, NOTED, True, 5),
        Episode("", "0:Watch", 0, (False, True, False, True), False, 1),
    ]
    found = {(one.reason, one.action): one for one in compare_actions(episodes)}
    assert [reason for reason, action in found if action == "nothing"] == [None, "Price", ""]
    noted = found["Price", "note"]
    assert (noted.all.recovered, noted.all.count, noted.comparable) == (12, 15, 10)
    assert noted.matched.share == 0.7
    # 8 of 10 of severity 0, of whom 1 of 4 recovered; 2 of 10 of severity 2, of whom 8 of 10 did.
    assert noted.alike.share == pytest.approx(0.8 * 0.25 + 0.2 * 0.8)
    assert noted.difference == pytest.approx(0.7 - 0.36)
    effective = 1 / (0.8**2 / 4 + 0.2**2 / 10)
    assert (noted.alike.low, noted.alike.high) == pytest.approx(wilson(0.36, effective))
    assert (noted.alike.recovered, noted.alike.count) == (9, 14)
    assert (found["Price", "nothing"].all.recovered, found["Price", "nothing"].all.count) == (9, 14)
    assert found["", "task"].all.count == found["", "contact"].all.count == 1
    assert found["", "task"].alike is None and found["", "task"].difference is None
    assert found[None, "note"].comparable == 10 and found[None, "note"].difference == pytest.approx(0.34)
    assert compare_actions([]) == []


def test_of_one_stratum_the_interval_is_wilson_s():
    episodes = [
        Episode("a", "s", 0, NOTED, True, 3),
        Episode("a", "s", 0, NONE, True, 4),
        Episode("a", "s", 0, NONE, False, 6),
    ]
    noted = compare_actions(episodes)[1]
    assert (noted.alike.low, noted.alike.high) == pytest.approx(wilson(0.4, 10))


def test_where_contact_has_no_effect_the_week_and_the_strata_are_both_needed_to_see_it():
    """Those who recover soon are not called any more, and those who are worst off are called most."""
    random = Random(9)
    naive, late = {True: [0, 0], False: [0, 0]}, []
    for _ in range(30_000):
        severity = random.choice([0, 1, 2])
        recovers = random.expovariate(1 / (40, 90, 250)[severity])
        called_at = random.expovariate(1 / (30, 12, 4)[severity])
        is_called = called_at < min(recovers, 90)
        naive[is_called][0] += recovers < 90
        naive[is_called][1] += 1
        if recovers >= 7:
            late.append(Episode("x", "s", severity, NOTED if called_at < 7 else NONE, recovers < 90, 1))
    by_naive = [recovered / count for recovered, count in (naive[True], naive[False])]
    assert by_naive[1] - by_naive[0] > 0.2
    nothing, noted = compare_actions(late)[:2]
    assert nothing.all.share - noted.all.share > 0.1
    assert abs(noted.difference) < 0.02 and noted.comparable == noted.all.count
    assert noted.action == ACTIONS[0]
