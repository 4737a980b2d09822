"""The guard: a second process that outlives a supervisor's kill -9 by a moment, to end and tidy what it left.

The kernel's signal at the parent's death reaches each child, but not the child's own children, and no kernel but
Linux has it. The guard reads a channel whose only writer is the supervisor; its end means that the supervisor is gone.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NoReturn

# More than the five seconds after which PostgreSQL kills what does not end at once. To kill the postmaster before that
# leaves processes in sessions of their own, which keep the next server from its data.
GRACE = 10.0
LARGEST, MOST_DESCRIPTORS = 1 << 16, 16


class Guard:
    """The supervisor's end of the channel: names what is to be ended and removed if the supervisor dies."""

    def __init__(self) -> None:
        theirs, self._channel = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            _run(theirs)
        theirs.close()

    def watch(self, group: int, death_signal: int) -> None:
        """End this process group with the supervisor: first by ``death_signal``, then by SIGKILL."""
        self._tell(f"watch {group} {int(death_signal)}")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._tell(f"forget {group}")

    def remove(self, path: Path) -> None:
        """Remove this file or folder when the supervisor is gone, in whatever way."""
        self._tell(f"remove {path}")

    def keep(self, descriptor: int) -> None:
        """Have this file open, and the lock on it taken, until all is tidied: the guard was there before it."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._channel, [b"keep\n"], [descriptor])

    def dismiss(self) -> None:
        """Everything has been stopped in order: let the guard go and wait for its end."""
        self._channel.close()
        os.waitpid(self._pid, 0)

    def _tell(self, line: str) -> None:
        # A broken pipe: someone killed the guard; the kernel's own signal still covers the children.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # Without a signal: in a process that is about to be another one SIGPIPE is not ignored.
            self._channel.sendall(os.fsencode(f"{line}\n"), getattr(socket, "MSG_NOSIGNAL", 0))


def _run(channel: socket.socket) -> NoReturn:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    groups: dict[int, int] = {}
    paths: list[Path] = []
    try:
        for line in _read_lines(channel):
            verb, _, rest = line.partition(" ")
            if verb == "watch":
                group, death_signal = rest.split()
                groups[int(group)] = int(death_signal)
            elif verb == "forget":
                groups.pop(int(rest), None)
            elif verb == "remove":
                paths.append(Path(rest))
        _end(groups)
        for path in paths:
            path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    finally:
        os._exit(0)


def _read_lines(channel: socket.socket) -> Iterator[str]:
    """What the supervisor says until it is gone. Descriptors that come with it stay open until this process ends."""
    begun = b""
    while True:
        heard, _, _, _ = socket.recv_fds(channel, LARGEST, MOST_DESCRIPTORS)
        if not heard:
            return
        *whole, begun = (begun + heard).split(b"\n")
        yield from map(os.fsdecode, whole)


def _end(groups: dict[int, int]) -> None:
    for group, death_signal in groups.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, death_signal)
    await_end(groups, within=GRACE)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def await_end(groups: Collection[int], *, within: float) -> None:
    """Wait until none of these process groups has a live member, for so many seconds at most."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not find_live_groups().isdisjoint(groups):
        time.sleep(0.05)


def find_live_groups() -> set[int]:
    """The process groups that have a live member: one that has ended and waits for its parent does not count."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-axo", "pgid=,stat="], capture_output=True, text=True, check=False).stdout
        rows = [line.split() for line in listing.splitlines()]
        return {int(row[0]) for row in rows if len(row) == 2 and not row[1].startswith("Z")}
    live = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # "pid (name) state parent group ...", where the name may hold spaces and brackets.
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if state not in "ZX":
                    live.add(int(group))
    return live
