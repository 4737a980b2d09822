"""The line to Redis of the hot path: one a thread, for as many threads as ever come and go."""

import gc
import threading
from typing import Any
from uuid import uuid4

import pytest
from django_redis import get_redis_connection

from audit import redis_line

THREADS = 250


def in_threads(count: int, work: Any) -> list[Any]:
    """What ``work`` gave in each of so many threads, one after the other."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    for _ in range(count):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    return results


def test_threads_that_come_and_go_use_up_nothing() -> None:
    client = get_redis_connection("default")
    gc.collect()
    before = len(client.client_list())
    assert in_threads(THREADS, lambda: redis_line.call(client, "PING")) == [b"PONG"] * THREADS
    gc.collect()
    assert len(client.client_list()) <= before + 1


def test_a_line_that_was_closed_is_opened_again() -> None:
    client = get_redis_connection("default")
    number = redis_line.call(client, "CLIENT", "ID")
    client.client_kill_filter(_id=str(number))
    assert redis_line.call(client, "PING") == b"PONG"
    assert redis_line.call(client, "CLIENT", "ID") != number


def test_an_answer_that_was_not_read_is_not_taken_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    client = get_redis_connection("default")
    key = f"test:{uuid4()}"
    redis_line.call(client, "SET", key, "mine", "EX", 60)
    line = redis_line._line_of(client)
    with monkeypatch.context() as patch:
        patch.setattr(line, "read_response", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            redis_line.call(client, "GET", key)
    assert redis_line.call(client, "PING") == b"PONG"
