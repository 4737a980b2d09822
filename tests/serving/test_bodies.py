"""Bodies that are read at once, and what they may hold together: who gives way, and who does not."""

import asyncio
import time
from typing import Any

import pytest

from config.serving.bodies import Bodies, Body, BodyRefused
from config.serving.limits import Limits

SCOPE: dict[str, Any] = {"http_version": "1.1", "path": "/login", "headers": [(b"transfer-encoding", b"chunked")]}
HELD = 1000


def limits(*, body_seconds: float) -> Limits:
    size = 2 * HELD
    return Limits(
        threads=1,
        api_bytes=size,
        form_bytes=size,
        upload_bytes=size,
        body_seconds=body_seconds,
        database_seconds=60,
        held_bytes=HELD,
        in_memory=size,
    )


class Client:
    """Sends a body in chunks, as it is asked to."""

    def __init__(self, bodies: Bodies) -> None:
        self._chunks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.read: asyncio.Task[Body] = asyncio.create_task(bodies.read(SCOPE, self._chunks.get))

    def send(self, size: int) -> None:
        """A chunk of so many bytes, which is not the last one."""
        self._chunks.put_nowait({"type": "http.request", "body": bytes(size), "more_body": True})

    async def finish(self) -> int:
        """The length of the body that was read. Raises BodyRefused."""
        self._chunks.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        return (await self.read).length


async def settle() -> None:
    """Let everyone come to where they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_where_one_makes_room_for_all_that_come_no_other_goes() -> None:
    async def come() -> None:
        bodies = Bodies(limits(body_seconds=60))
        there = [Client(bodies) for _ in range(4)]
        for client in there:
            client.send(HELD // 4)
        coming = [Client(bodies) for _ in range(3)]
        await settle()
        for client in coming:
            client.send(10)
        await settle()
        with pytest.raises(BodyRefused) as refused:
            await there[0].finish()
        assert refused.value.status == 408
        assert [await client.finish() for client in (*there[1:], *coming)] == [HELD // 4] * 3 + [10] * 3
        for client in (*there[1:], *coming):
            bodies.close(client.read.result())
        assert (bodies.held, bodies._leaving) == (0, 0)

    asyncio.run(come())


def test_a_body_that_comes_as_the_time_of_the_oldest_is_over_is_read() -> None:
    async def come() -> None:
        loop, seconds = asyncio.get_running_loop(), 3.0
        bodies = Bodies(limits(body_seconds=seconds))
        oldest = Client(bodies)
        oldest.send(HELD)
        await settle()
        over = loop.time() + seconds
        await asyncio.sleep(2.0)
        coming = Client(bodies)
        await settle()
        # The loop is late: it comes to the chunk and to the end of the oldest's time in one round.
        time.sleep(max(0.0, over - loop.time()) + 0.05)
        loop.call_soon(coming.send, 10)
        await settle()
        assert await coming.finish() == 10
        with pytest.raises(BodyRefused):
            await oldest.read

    asyncio.run(come())
