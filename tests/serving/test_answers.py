"""Answers reach those who read them, whole or visibly broken off, and those who do not read cost little."""

import json
import select
import time
from pathlib import Path

from tests.serving.application import MEGABYTE
from tests.serving.conftest import PATIENCE
from tests.serving.http import ask, connected, get, head, receive


def find_listener(port: int) -> Path:
    """The process that listens at ``port``, in /proc."""
    inode = next(
        row.split()[9]
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
    )
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                targets = [link.readlink() for link in (process / "fd").iterdir()]
            except OSError:
                continue
            if Path(f"socket:[{inode}]") in targets:
                return process
    raise AssertionError("no one listens there")


def resident_megabytes(process: Path) -> float:
    """What a process holds in memory."""
    return int((process / "statm").read_text().split()[1]) * 4 / 1024


def dechunk(body: bytes) -> tuple[int, bool]:
    """The length of a body in chunks, and whether its end was there."""
    length = position = 0
    while (line := body.find(b"\r\n", position)) >= 0:
        size = int(body[position:line], 16)
        if size == 0:
            return length, True
        length += min(size, len(body) - line - 2)
        position = line + 2 + size + 2
    return length, False


def test_a_large_answer_arrives_whole(small: int) -> None:
    reply = get(small, "/large/8")
    assert "content-length: 8388608" in reply.head
    assert reply.body == MEGABYTE * 8


def test_a_streamed_answer_is_never_in_memory(small: int) -> None:
    # Found before: a reader who looks for it among all processes, and reads nothing until then, is hung up on.
    process = find_listener(small)
    before = resident_megabytes(process)
    with connected(small) as connection:
        connection.sendall(head("GET", "/stream/200", "Connection: close"))
        first = receive(connection, until=b"\r\n\r\n")
        assert first.status == 200
        time.sleep(1)  # it goes on being made
        assert resident_megabytes(process) - before < 48
        reply = receive(connection)
    assert dechunk((first.raw + reply.raw).partition(b"\r\n\r\n")[2]) == (200 * len(MEGABYTE), True)


def test_a_streamed_answer_that_breaks_off_does_not_look_whole(small: int) -> None:
    length, is_whole = dechunk(get(small, "/broken/3").body)
    assert not is_whole
    assert length <= 3 * len(MEGABYTE)
    assert get(small, "/echo").status == 200


def test_a_streamed_answer_that_breaks_off_before_it_begins_is_an_error(small: int) -> None:
    reply = get(small, "/api/broken/0")
    assert (reply.status, json.loads(reply.body)["code"]) == (500, "internal_error")


def test_who_hangs_up_ends_what_was_made_for_them(small: int) -> None:
    with connected(small) as connection:
        connection.sendall(head("GET", "/endless"))
        receive(connection, until=b"\r\n\r\n")
    assert get(small, "/closed/10").body == b"True"


def test_readers_who_do_not_read_hold_no_thread_and_are_hung_up_on(small: int) -> None:
    paths = ["/stream/3", "/large/3"] * 10
    lazy = [connected(small, window=2048) for _ in paths]
    connections = [each.__enter__() for each in lazy]
    try:
        for connection, path in zip(connections, paths, strict=True):
            connection.sendall(head("GET", path))
            # It is being answered. Were the threads held, it would be sent away.
            assert select.select([connection], [], [], PATIENCE)[0], path
        assert get(small, "/echo").status == 200
        time.sleep(10)
        # Hung up on: what was on its way comes, and never the whole of it.
        for connection in connections:
            reply = receive(connection)
            assert (reply.status, reply.ended) == (200, True)
            assert len(reply.raw) < 3 * len(MEGABYTE)
    finally:
        for each in lazy:
            each.__exit__(None, None, None)


def test_two_requests_on_one_connection_are_answered_in_order(small: int) -> None:
    request = head("GET", "/echo/1") + head("GET", "/large/1") + head("GET", "/echo/3", "Connection: close")
    reply = ask(small, request)
    assert reply.raw.count(b"HTTP/1.1 200 OK") == 3
    assert reply.raw.index(b"/echo/1") < reply.raw.index(MEGABYTE) < reply.raw.index(b"/echo/3")
