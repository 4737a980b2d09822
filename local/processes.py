"""Child processes that cannot outlive their supervisor.

Each child leads a session of its own (Ctrl-C in the terminal reaches the supervisor alone) and asks the kernel for a
signal at the supervisor's death (PR_SET_PDEATHSIG). The guard process knows every child as well and ends whatever is
left of their groups when the supervisor is gone (local.guard).
"""

import contextlib
import ctypes
import errno
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import signals
from local.guard import Guard, await_end

PR_SET_PDEATHSIG = 1
# What was killed is gone as soon as it gets a processor.
SWEPT_WITHIN = 10.0
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a child runs as, when not as the supervisor's own user."""

    name: str
    uid: int
    gid: int


def die_with_parent(death_signal: int, *, parent: int | None = None) -> None:
    """Ask the kernel to signal this process when its parent dies; end at once if ``parent`` is already gone.

    Must run after any change of user, which clears the request. Does nothing where the kernel has no such thing.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, death_signal)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def with_parent(death_signal: int = signal.SIGTERM) -> Callable[[], None]:
    """For ``preexec_fn``: the new process dies with the one that calls this, from its main thread."""
    parent = os.getpid()
    return lambda: die_with_parent(death_signal, parent=parent)


@dataclass(slots=True)
class Child:
    """One process of ours: how to start it, how to stop it, where it writes.

    ``stop_steps`` are signals, each with the seconds it is given; what is left after the last is killed. Output goes
    to ``log``, or to the terminal when there is none; ``errors_shown`` leaves standard error on the terminal.
    An ``interactive`` one keeps standard input and gets signals with its whole group, as from a terminal.
    """

    name: str
    argv: Sequence[str | Path]
    guard: Guard
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    log: Path | None = None
    stdin: bytes | None = None
    stop_steps: Sequence[tuple[int, float]] = ((signal.SIGTERM, 4.0),)
    death_signal: int = signal.SIGTERM
    account: Account | None = None
    pass_fds: Sequence[int] = ()
    interactive: bool = False
    errors_shown: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    _swept: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start the process. Raises OSError when it cannot be executed."""
        account = self.account
        stdin = subprocess.DEVNULL if self.stdin is None else subprocess.PIPE
        with self.log.open("wb") if self.log else contextlib.nullcontext() as log:
            self.process = subprocess.Popen(
                [os.fspath(part) for part in self.argv],
                env=None if self.env is None else dict(self.env),
                cwd=self.cwd,
                stdin=None if self.interactive else stdin,
                stdout=log,
                stderr=None if log is None or self.errors_shown else subprocess.STDOUT,
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
                pass_fds=self.pass_fds,
                preexec_fn=self._prepare(),
            )
        self.started_at = time.monotonic()
        self._swept = False
        if self.stdin is not None and self.process.stdin:
            with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
                pipe.write(self.stdin)

    def _prepare(self) -> Callable[[], None]:
        """For ``preexec_fn``. The process itself reports to the guard, before it may start any other: were it for the
        supervisor to do, the guard would not know of what began just before a kill -9.
        """
        stay = with_parent(self.death_signal)

        def prepare() -> None:
            stay()
            self.guard.watch(os.getpid(), self.death_signal)

        return prepare

    @property
    def pid(self) -> int:
        """The process id (also that of its group)."""
        assert self.process is not None
        return self.process.pid

    def poll(self) -> int | None:
        """None while it runs, then its exit status (negative: the signal that ended it)."""
        return None if self.process is None else self.process.poll()

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def wait(self) -> int:
        """Wait for its end and return the exit status. Raises StopRequested when asked to stop in the meantime."""
        while (status := self.poll()) is None:
            signals.pause(1)
        self.sweep()
        return status

    def signal(self, signum: int) -> None:
        """Send it a signal; an interactive one gets it as from a terminal, with its whole group."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if self.interactive else os.kill)(self.pid, signum)

    def sweep(self) -> None:
        """Kill what is left of it and of its process group, once."""
        if self.process is None or self._swept:
            return
        self._swept = True
        is_killed = False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
            is_killed = True
        self.process.wait()
        if is_killed:
            # Each has its port, and its place in memory, until a processor has been given to it for the last time.
            await_end([self.process.pid], within=SWEPT_WITHIN)
        self.guard.forget(self.process.pid)

    def last_words(self, count: int = 1) -> str:
        """The last lines it wrote to its log, joined to one line; empty when it said nothing."""
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 8192))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-count:])

    def describe_end(self) -> str:
        """How it ended, for people: ``ended with status 1`` or ``was ended by SIGKILL``."""
        status = self.poll()
        if status is not None and status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"


def stop(children: Sequence[Child]) -> None:
    """Stop them side by side, each by its own steps, then kill what is left of their groups."""
    for step in range(max((len(child.stop_steps) for child in children), default=0)):
        deadlines: dict[int, float] = {}
        for child in children:
            if child.is_running() and step < len(child.stop_steps):
                signum, grace = child.stop_steps[step]
                child.signal(signum)
                deadlines[child.pid] = time.monotonic() + grace
        while any(child.is_running() and time.monotonic() < deadlines.get(child.pid, 0) for child in children):
            signals.sleep(0.2)
    for child in children:
        child.sweep()


# Below those that the kernel gives away, which someone else might get before a server listens. Each process
# goes through them from a place of its own, so that no two that look at the same time find the same one.
PORTS = range(20_000, 32_000)
_turn = itertools.count(secrets.randbelow(len(PORTS)))
# Of the ports that this process was given last. Those before have a server by now, or are not used any more.
# Descriptors: they are open until the process ends, on purpose, of which Python would warn as of a forgotten socket.
_claims: deque[int] = deque()
MOST_CLAIMS = 200


def find_free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; each time another one.

    No other process that looks for one in this way is given it, be it long until a server listens, or none ever does.
    """
    tried = (PORTS[next(_turn) % len(PORTS)] for _ in PORTS)
    return next(port for port in tried if not find_port_error(port) and claim_port(port))


def claim_port(port: int, *, of: str = "port") -> bool:
    """Have a port for this process as long as it lives, by a name that the kernel gives to one at a time. False if it
    is another's. ``of``: among what it is claimed.
    """
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        # No file, only a name.
        claim.bind(f"\0customer360-{of}-{port}")
    except OSError as error:
        claim.close()
        return error.errno != errno.EADDRINUSE
    _claims.append(claim.detach())
    if len(_claims) > MOST_CLAIMS:
        os.close(_claims.popleft())
    return True


def find_port_error(port: int) -> str:
    """Why no server could listen on this port of 127.0.0.1 now, such as ``is taken``; empty when one could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "needs an account with more rights"
        except OSError:
            return "is taken"
    return ""
