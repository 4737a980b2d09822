"""Moves that are taken back: the mover is killed in each step before the switch, and then what takes it back."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from random import Random
from typing import Final
from uuid import UUID

from tests.moving import counting
from tests.moving.chaos import begin_mover
from tests.moving.world import World

# In the copying itself most is under way that has to end: once as it begins, and later and later in it.
KILLED_IN: Final = (("check", 0.0), *(("copy", seconds) for seconds in (0.0, 0.3, 0.6, 1.0, 2.0)), ("calm", 0.0))
KILLED_LATE: Final = tuple((step, 0.02) for step in ("fence", "drain", "compare"))


def take_back(world: World, slug: str, tenant_id: UUID, *, to: str, settle: str, random: Random) -> Iterator[str]:
    """Begin a move, kill it, and take it back, killed as well, in each step; what is wrong."""
    for step, seconds in KILLED_IN + KILLED_LATE:
        mover = begin_mover(world, slug, "--to", to, "--settle", settle)
        _kill_at(mover, f" {step}: ", after=seconds)
        _kill_at(begin_mover(world, slug, "--abort"), random.choice(("works again", "deleting")), after=0)
        if " is being taken back" in world.manage("move_tenant", "--status", slug):
            refused, _ = begin_mover(world, slug, "--to", to, "--settle", settle).communicate()
            if "finish that with --abort" not in refused:
                yield f"a move that was being taken back went on: {refused}"
        said, _ = begin_mover(world, slug, "--abort").communicate()
        # It may have been taken back before it could be killed.
        if " is gone" not in said and " is not being moved" not in said:
            yield f"killed in {step}, it was not taken back: {said}"
        left = [f"killed in {step}: {sentence}" for sentence in counting.count_left(world, to, tenant_id)]
        yield from left
        status = world.manage("move_tenant", "--status", slug).strip()
        if not status.endswith(f"{slug} lives on server main"):
            yield f"killed in {step}, taken back, and its status is: {status}"


def _kill_at(process: "subprocess.Popen[str]", text: str, *, after: float) -> None:
    """Kill it so many seconds after it has said that; nothing, when it ends without."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            time.sleep(after)
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
