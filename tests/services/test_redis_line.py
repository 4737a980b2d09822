"""The line to Redis of the hot path: one a thread, for as many threads as ever come and go."""

import gc
import threading
import time
from typing import Any
from uuid import uuid4

import pytest
from django_redis import get_redis_connection

from storage import redis_line

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


ECHO = "if ARGV[1] == 'fail' then return redis.error_reply('bad') end return ARGV[1]"


class Posted:
    """A script that answers what it was given, posted; and what was told of it."""

    def __init__(self) -> None:
        self.client = get_redis_connection("default")
        self.script = redis_line.Script(self.client, ECHO)
        self.answers: list[bytes] = []
        self.failures: list[str] = []
        redis_line._line_of(self.client).scripts.clear()
        self.post("first")
        assert self.answers == [b"first"], "the first time nobody knows whether Redis has the script"

    def post(self, text: str, **options: Any) -> None:
        """Post it."""
        self.script.post(
            keys=[],
            args=[text],
            answered=self.answers.append,
            failed=lambda error: self.failures.append(str(error)),
            **options,
        )

    def call(self) -> None:
        """Any command reads what is owed."""
        assert redis_line.call(self.client, "ECHO", "called") == b"called"


@pytest.fixture
def posted() -> Posted:
    """Nothing is owed yet."""
    return Posted()


@pytest.mark.parametrize("more_follows", [False, True])
def test_what_is_posted_is_answered_in_order_and_before_what_is_called(posted: Posted, more_follows: bool) -> None:
    for number in range(200):
        posted.post(str(number), more_follows=more_follows)
    posted.call()
    assert posted.answers == [b"first", *(b"%d" % number for number in range(200))]
    assert posted.failures == []


def test_nobody_waits_for_what_the_kernel_holds_back(posted: Posted) -> None:
    line = redis_line._line_of(posted.client)
    posted.post("held", more_follows=True)
    assert line.is_holding is bool(redis_line.MORE_FOLLOWS)
    posted.call()
    assert not line.is_holding
    # Its answer cannot be read while it is held back: the second is what it was waiting for.
    posted.post("held", more_follows=True)
    posted.post("pushed", more_follows=True)
    assert not line.is_holding
    posted.post("held", more_follows=True)
    posted.post("pushed")
    assert not line.is_holding
    posted.call()
    assert len(posted.answers) == 6


def test_a_failure_belongs_to_what_was_posted_and_to_nothing_else(posted: Posted) -> None:
    for text in ("fail", "good", "fail"):
        posted.post(text)
    posted.call()
    assert posted.answers == [b"first", b"good"]
    assert posted.failures == ["bad", "bad"]


def test_what_redis_does_not_know_any_more_fails_and_is_called_the_next_time(posted: Posted) -> None:
    posted.client.script_flush()
    posted.post("lost")
    posted.call()
    assert len(posted.failures) == 1
    posted.post("again")
    assert posted.answers == [b"first", b"again"]


def test_when_the_line_breaks_everything_that_was_posted_has_failed(posted: Posted) -> None:
    line = redis_line._line_of(posted.client)
    ours = line.connection._sock.getsockname()
    # Held back, so that Redis never hears of it.
    posted.post("0", more_follows=True)
    posted.client.client_kill(f"{ours[0]}:{ours[1]}")
    posted.call()
    assert len(posted.failures) == 1
    posted.post("again")
    assert posted.answers == [b"first", b"again"]


def test_a_line_that_redis_closed_is_noticed_before_anything_is_posted(posted: Posted) -> None:
    number = redis_line.call(posted.client, "CLIENT", "ID")
    posted.client.client_kill_filter(_id=str(number))
    time.sleep(0.1)
    posted.post("again")
    assert posted.answers == [b"first", b"again"]
    assert posted.failures == []
