"""The guard: a second process that outlives a supervisor's kill -9 by a moment, to end and tidy what it left.

The kernel's signal at the parent's death reaches each child, but not the child's own children, and no kernel but
Linux has it. The guard reads a pipe whose only writer is the supervisor; its end means that the supervisor is gone.
"""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import NoReturn

GRACE = 3.0


class Guard:
    """The supervisor's end of the pipe: names what is to be ended and removed if the supervisor dies."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(writer)
            _run(reader)
        os.close(reader)
        self._writer = writer

    def watch(self, group: int, death_signal: int) -> None:
        """End this process group with the supervisor: first by ``death_signal``, then by SIGKILL."""
        self._tell(f"watch {group} {int(death_signal)}")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._tell(f"forget {group}")

    def remove(self, folder: Path) -> None:
        """Remove this folder when the supervisor is gone."""
        self._tell(f"remove {folder}")

    def dismiss(self) -> None:
        """Everything has been stopped in order: let the guard go and wait for its end."""
        os.close(self._writer)
        os.waitpid(self._pid, 0)

    def _tell(self, line: str) -> None:
        # A broken pipe: somebody killed the guard; the kernel's own signal still covers the children.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, f"{line}\n".encode())


def _run(reader: int) -> NoReturn:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    groups: dict[int, int] = {}
    folders: list[str] = []
    try:
        with os.fdopen(reader) as lines:
            for line in lines:
                verb, _, rest = line.rstrip("\n").partition(" ")
                if verb == "watch":
                    group, death_signal = rest.split()
                    groups[int(group)] = int(death_signal)
                elif verb == "forget":
                    groups.pop(int(rest), None)
                elif verb == "remove":
                    folders.append(rest)
        _end(groups)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _end(groups: dict[int, int]) -> None:
    for group, death_signal in groups.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, death_signal)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(_is_alive(group) for group in groups):
        time.sleep(0.05)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
