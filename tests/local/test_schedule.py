"""Which worker gets which tests."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import schedule
from tests.schedule import BROWSER, ByFile, turn, waits
from tests.workers import pytest_collection_modifyitems

FILES = {
    "tests/api/test_customers.py": 40,
    "tests/browser/test_board.py": 20,
    "tests/browser/test_phone.py": 20,
    "tests/delivery/test_chaos.py": 1,
    "tests/local/test_demo.py": 10,
    "tests/messaging/relay/test_relay.py": 15,
    "tests/messaging/test_chaos.py": 1,
    "tests/messaging/test_consumer.py": 15,
    "tests/rules/test_health.py": 9,
    "tests/serving/test_requests.py": 6,
    "tests/serving/test_slow_clients.py": 6,
    "tests/web/test_lists.py": 30,
}


class Worker:
    """A worker that runs what it is sent, in that order, and says so."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.sent: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run(workers: list[Worker]) -> list[list[str]]:
    """Who runs what in which turn: ``[[the test of each worker that has one], ...]``, each test a turn long."""
    tests = [f"{name}::test[{number}]" for name, count in FILES.items() for number in range(count)]
    items: list[Any] = [SimpleNamespace(nodeid=test) for test in tests]
    pytest_collection_modifyitems(items)
    collected = [item.nodeid for item in items]
    options: Any = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(option=options, getvalue=lambda _: ["popen"] * len(workers))
    scheduling = ByFile(config, SimpleNamespace(loadscopesched=lambda *_: None))  # type: ignore[arg-type]
    for worker in workers:
        scheduling.add_node(worker)  # type: ignore[arg-type]
        scheduling.add_node_collection(worker, collected)  # type: ignore[arg-type]
    scheduling.schedule()
    turns = []
    while now := [(worker, worker.sent.pop(0)) for worker in workers if worker.sent]:
        turns.append([collected[index] for _, index in now])
        for worker, index in now:
            scheduling.mark_test_complete(worker, index)  # type: ignore[arg-type]
    assert sorted(test for turn in turns for test in turn) == sorted(tests)
    return turns


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_test_is_run_once_by_any_number_of_workers(count: int) -> None:
    workers = [Worker(number) for number in range(count)]
    turns = run(workers)
    assert turns[0][0].startswith(BROWSER), "the longest begins first"
    assert all(worker.shutting_down for worker in workers)


@pytest.mark.parametrize(
    ("count", "processors", "at_once"), [(2, 2, 1), (3, 2, 1), (4, 2, 2), (5, 2, 3), (6, 4, 3), (6, 2, 4)]
)
def test_a_worker_for_each_processor_has_tests_that_do_not_wait_as_long_as_there_are_such(
    monkeypatch: pytest.MonkeyPatch, count: int, processors: int, at_once: int
) -> None:
    monkeypatch.setattr(schedule, "count_processors", lambda: processors)
    turns = run([Worker(number) for number in range(count)])
    waiting = [sum(waits(test) for test in turn) for turn in turns]
    others = [name for name in FILES if not waits(name)]
    all_begun = max(next(number for number, turn in enumerate(turns) if name in str(turn)) for name in others)
    assert max(waiting[: all_begun + 1]) == at_once
    assert waiting[1] == at_once, "what waits is begun at once"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_worker_begins_to_import_with_another_file_and_imports_all(count: int) -> None:
    files = [Path(name) for name in FILES]
    turns = [turn(files, worker, count) for worker in range(count)]
    assert len({names[0] for names in turns}) == count
    assert all(sorted(names) == files for names in turns)
