"""What the runs of fault injection have in common: one line for people, and the doubt of mutants."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings

from local import signals


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def await_all(
    look: Callable[[], tuple[int, int]],
    *,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = signals.pause,
) -> bool:
    """Whether all come to their end: ``look`` says how many have, and of how many. False when none more has for
    ``patience`` seconds: a busy machine is slow, and what is lost never ends.
    """
    most, deadline = -1, 0.0
    while True:
        ended, count = look()
        if ended > most:
            most, deadline = ended, clock() + patience
        if ended == count or clock() > deadline:
            return ended == count
        pause(0.5)


def try_mutants(module: str, names: Iterable[str], *, seed: int, more: Sequence[str] = ()) -> int:
    """A quick run of the module with each mistake; exit status 0 only if every one is found out."""
    survivors = []
    for name in names:
        command = [sys.executable, "-m", module, "--quick", "--seed", str(seed), "--mutant", name, *more]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        found = [line for line in run.stdout.splitlines() if line.startswith("WRONG")]
        say(f"mutant {name}: {'found out' if found else 'SURVIVES'}")
        for line in found[:3]:
            say(f"    {line[:200]}")
        if not found:
            survivors.append(name)
    return 1 if survivors else 0


def run_quickly(module: str, *more: str, seconds: float) -> tuple[int, list[str]]:
    """The quick run, for the test suite: its exit status, and the lines that are for people."""
    run = subprocess.run(
        [sys.executable, "-m", module, "--quick", *more],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return run.returncode, [line for line in run.stdout.splitlines() if not line.startswith("{")]


def summary_of(said: Iterable[str]) -> str:
    """What is worth showing of a run that may have passed."""
    return "\n".join(line for line in said if line.startswith(("  ", "chaos", "WRONG")))
