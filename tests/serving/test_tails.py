"""What goes on after the beginning of a streamed answer: written in a thread, read on the loop."""

import asyncio
from typing import Any

from config.serving.responses import Tail

PIECE, LAST = b"begun,", b"ended\r\n"


class HurriedTail(Tail):
    """Its thread writes the last piece and ends at the very moment when the loop looks whether it has."""

    last = LAST

    def __getattribute__(self, name: str) -> Any:
        if name == "ended" and self.last:
            piece, self.last = self.last, b""
            self.write(piece)
            self.end(failed=False)
        return super().__getattribute__(name)


async def read_whole(tail: Tail) -> bytes:
    """As the sender does."""
    body = b""
    while piece := await tail.read(len(body), 4):
        body += piece
    tail.close()
    return body


def test_the_last_piece_is_sent_however_close_to_the_end_it_is_written() -> None:
    async def answer() -> bytes:
        tail = HurriedTail(asyncio.get_running_loop())
        tail.write(PIECE)
        return await read_whole(tail)

    assert asyncio.run(answer()) == PIECE + LAST


def test_a_piece_that_comes_while_it_is_waited_for_is_sent() -> None:
    async def answer() -> bytes:
        loop = asyncio.get_running_loop()
        tail = Tail(loop)
        reader = loop.create_task(read_whole(tail))
        for piece in (PIECE, LAST):
            await asyncio.sleep(0)
            await loop.run_in_executor(None, tail.write, piece)
        await loop.run_in_executor(None, lambda: tail.end(failed=False))
        return await reader

    assert asyncio.run(answer()) == PIECE + LAST
