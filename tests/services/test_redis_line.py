"""The line to Redis of the hot path: one a thread, for as many threads as ever come and go."""

import gc
import threading
import time
from typing import Any
from uuid import uuid4

import pytest
from django_redis import get_redis_connection
from redis.exceptions import RedisError

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
        patch.setattr(line.connection, "read_response", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            redis_line.call(client, "GET", key)
    assert redis_line.call(client, "PING") == b"PONG"


def script(client: Any) -> redis_line.Script:
    return redis_line.Script(client, "if ARGV[1] == 'fail' then return redis.error_reply('bad') end return ARGV[1]")


def test_what_is_posted_is_answered_in_order_and_before_what_is_called() -> None:
    client = get_redis_connection("default")
    echo = script(client)
    first = echo.post(keys=[], args=["0"])
    assert first.wait() == b"0", "the first time nobody knows whether Redis has the script"
    replies = [echo.post(keys=[], args=[str(number)]) for number in range(1, 200)]
    assert redis_line.call(client, "ECHO", "called") == b"called"
    assert [reply.wait() for reply in reversed(replies)] == [b"%d" % number for number in reversed(range(1, 200))]


def test_a_failure_belongs_to_what_was_posted_and_to_nothing_else() -> None:
    client = get_redis_connection("default")
    echo, told = script(client), []
    echo.post(keys=[], args=["0"])
    echo.post(keys=[], args=["fail"], on_failure=told.append)
    good = echo.post(keys=[], args=["good"], on_failure=told.append)
    assert good.wait() == b"good"
    assert [str(error) for error in told] == ["bad"]


def test_when_the_line_breaks_everything_that_was_posted_has_failed() -> None:
    client = get_redis_connection("default")
    echo, told = script(client), []
    echo.post(keys=[], args=["0"])
    replies = [echo.post(keys=[], args=[str(number)], on_failure=told.append) for number in range(3)]
    redis_line._line_of(client).connection.disconnect()
    for reply in replies:
        with pytest.raises(RedisError):
            reply.wait()
    assert len(told) == 3
    # A new line is opened, on which the script is called until Redis is known to have it.
    assert echo.post(keys=[], args=["again"]).wait() == b"again"


def test_a_line_that_redis_closed_is_noticed_before_anything_is_posted() -> None:
    client = get_redis_connection("default")
    echo, told = script(client), []
    echo.post(keys=[], args=["0"])
    number = redis_line.call(client, "CLIENT", "ID")
    client.client_kill_filter(_id=str(number))
    time.sleep(0.1)
    assert echo.post(keys=[], args=["again"], on_failure=told.append).wait() == b"again"
    assert told == []
