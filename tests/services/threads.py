"""Several people at once: real threads, each with its own connection and its own transactions."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import connections

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
