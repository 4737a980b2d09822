"""What else may die while a tenant moves: relays, consumer, workers of effects, and either PostgreSQL server."""

import subprocess
import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Final

from local.folders import PROJECT
from local.services import merge
from tests.moving.world import World

VICTIMS: Final = (
    "relay-main",
    "postgresql-main",
    "consumer",
    "effects-b",
    "postgresql-b",
    "relay-b",
    "effects-main",
)
MOST_TRIES: Final = 60


def begin_mover(world: World, slug: str, *arguments: str) -> "subprocess.Popen[str]":
    """``move_tenant`` as a process of its own; what it says comes as text."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "move_tenant", slug, *arguments],
        cwd=PROJECT,
        env=merge(world.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def move_among_crashes(
    world: World, slug: str, to: str, *, steps: Sequence[str], turn: int, settle: str, random: Random
) -> list[str]:
    """Move to the end while in each step something else dies, another thing in each ``turn``; what died in which.

    What died comes back a second later; the mover is run again for as long as it does not end well.
    Raises RuntimeError when it never does.
    """
    left = {step: VICTIMS[(number + turn) % len(VICTIMS)] for number, step in enumerate(steps)}
    died, said = [], ""
    for _ in range(MOST_TRIES):
        process = begin_mover(world, slug, "--to", to, "--settle", settle)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            step = next((one for one in left if f" {one}: " in line), None)
            if step is not None:
                time.sleep(random.choice((0, 0.02, 0.1, 0.3)))
                victim = left.pop(step)
                _crash(world, victim)
                died.append(f"{victim} in {step}")
        said = "".join(lines)
        if process.wait() == 0 and f" lives on server {to};" in said:
            return died
        time.sleep(0.5)
    raise RuntimeError(f"the move to {to} did not end: {said[-1000:]}")


def _crash(world: World, victim: str) -> None:
    """The mover goes on in the meantime, as far as it can. One thing at a time: two at once are no harder."""
    world.kill(victim)
    time.sleep(1)
    world.start_again(victim)
