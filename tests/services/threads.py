"""Several people at once: real threads, each with its own connection and its own transactions."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db import connection, connections

Result = TypeVar("Result")


def run_together(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Start all jobs at the same moment; their results in order. The first failure of a job is raised here."""
    gate = threading.Barrier(len(jobs))
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def run(number: int, job: Callable[[], Result]) -> None:
        try:
            connections["default"].ensure_connection()
            gate.wait(120)
            results[number] = job()
        except BaseException as failure:
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert not any(thread.is_alive() for thread in threads), "somebody is still waiting"
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(jobs))]


class Meeting:
    """Two in whose way the other is: the first is held at a step until the second waits for what the first has locked.

    ``hold(step)`` takes the step's place; ``second(job)`` is a job that begins once the first is there.
    """

    def __init__(self) -> None:
        self._is_there = threading.Event()

    def hold(self, step: Callable[..., Result]) -> Callable[..., Result]:
        """The step, held when it is done for the first time."""

        def held(*args: Any, **options: Any) -> Result:
            if not self._is_there.is_set():
                self._is_there.set()
                _await_one_behind()
            return step(*args, **options)

        return held

    def second(self, job: Callable[[], Result]) -> Callable[[], Result]:
        """The job of the second."""

        def run() -> Result:
            assert self._is_there.wait(60), "the first has not come"
            return job()

        return run


def _await_one_behind() -> None:
    """Until someone waits for what this thread's transaction has locked."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("no one waits")
