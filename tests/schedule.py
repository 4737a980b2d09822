"""Which worker of pytest-xdist gets which tests, and when.

Tests of a file stay together, for the sake of what its fixtures make once. So do those of several files that use one
running product: it is started once for all of them, and not by each worker that gets one of the files.
"""

import os
from typing import Any, TypeVar

from xdist.scheduler import LoadScopeScheduling

T = TypeVar("T")

BROWSER = "tests/browser/"
SERVING = tuple(f"tests/serving/test_{name}.py" for name in ("requests", "slow_clients", "answers"))
# What begins alike stays on one worker. The browser's tests are two halves: one of them all would be the last to end.
TOGETHER = (
    tuple(f"{BROWSER}test_{letter}" for letter in "abcde"),
    (BROWSER,),
    ("tests/operations/",),
    ("tests/clients/",),
    SERVING,
)
# What waits for most of its time: for the browser, for a broker, for processes that are killed, for clients that are
# slow on purpose.
WAITING = (
    BROWSER,
    "tests/load/",
    "tests/messaging/test_chaos.py",
    *SERVING,
    "tests/messaging/",
    "tests/delivery/test_chaos.py",
    "tests/serving/test_database_away.py",
)
# What takes longest begins first, so that no worker is left alone with it at the end.
FIRST = (
    *WAITING,
    "tests/clients/",
    "tests/local/",
    "tests/serving/",
    "tests/operations/",
    "tests/production/",
    "tests/replication/",
)


class ByFile(LoadScopeScheduling):
    """Gives a worker the tests of a whole file at a time, or of all files that share a product."""

    def _split_scope(self, nodeid: str) -> str:
        groups = (group[0] for group in TOGETHER if nodeid.startswith(group))
        return next(groups, nodeid.split("::", 1)[0])

    def _assign_work_unit(self, node: Any) -> None:
        """The next unit. While enough workers have one that waits it is one that does not, as long as there are such:
        with more that wait a processor would have nothing to do.
        """
        others = [units for other, units in self.assigned_work.items() if other is not node]
        waiting = sum(any(waits(name) and not all(unit.values()) for name, unit in units.items()) for units in others)
        is_enough = waiting >= most_that_wait(len(self.assigned_work), count_processors())
        name = next((name for name in self.workqueue if not waits(name)), None) if is_enough else None
        if name is not None:
            self.workqueue.move_to_end(name, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:
        """The test that a worker died of is not tried again; the others that it was to run are."""
        for unit in self.assigned_work[node].values():
            for nodeid, is_done in unit.items():
                if not is_done:
                    unit[nodeid] = True
                    self._hand_on(self.assigned_work.pop(node))
                    return nodeid
        return super().remove_node(node)

    def _hand_on(self, units: dict[str, dict[str, bool]]) -> None:
        self.workqueue.update({name: unit for name, unit in units.items() if not all(unit.values())})
        for node in self.assigned_work:
            self._reschedule(node)


def waits(name: str) -> bool:
    """Whether the tests of a file, or of the unit that is called by it, wait for most of their time."""
    return name.startswith(WAITING)


def count_processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_that_wait(workers: int, processors: int) -> int:
    """How many workers may wait at once: all but one for each processor, or half of them if that is more."""
    return max(1, workers - processors, workers // 2)


def turn(all_of_them: list[T], worker: int, workers: int) -> list[T]:
    """All of them, from where this worker begins."""
    first = len(all_of_them) * worker // workers
    return all_of_them[first:] + all_of_them[:first]
