"""A project folder of its own for each test, so that neither the demo of this project nor its services are touched."""

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from local.processes import with_parent

PROJECT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0
# What was asked to stop has ended: within ten seconds on a machine that has nothing else to do.
ENDS_WITHIN = 60.0
# What the surrounding test run exports about its own services must not reach the ones under test.
FOREIGN = ("DATABASE_", "REDIS_", "KAFKA_", "EVENT_STREAM_URL", "MAKELEVEL", "MAKEFLAGS", "PORT", "DEBUG")
FOREIGN_SECRETS = ("SECRET_KEY", "MASTER_KEYS", "INDEX_KEY")


def addresses() -> dict[str, str]:
    """Of the services of the surrounding test run: a verb that is given them starts none of its own."""
    return {name: value for name, value in os.environ.items() if name.startswith(("DATABASE_", "REDIS_", "KAFKA_BOOT"))}


class Run:
    """A supervisor at work: its lines as they come, its descendants, its end."""

    def __init__(self, process: subprocess.Popen[str], project: "Project") -> None:
        self.process = process
        self.project = project
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        # Closed by who reads it: for anyone else to close it would take until the last that holds it has ended.
        with self.process.stdout as lines:
            for line in lines:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def await_line(self, part: str) -> str:
        """The first line from here on that contains this."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            self.lines.append(line)
            if part in line:
                return line
        raise AssertionError(f"no line with {part!r}; said so far: {self.lines}")

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end: exit status and every line it said."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while (line := self._queue.get_nowait()) is not None:
            self.lines.append(line)
        return status, self.lines


class Project:
    """A copy of ``local`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(PROJECT / "local", folder / "local", ignore=shutil.ignore_patterns("__pycache__"))
        self.python: Sequence[str] = [sys.executable]
        self.env: dict[str, str] = {}
        self.uid: int | None = None
        self.started: list[subprocess.Popen[str]] = []

    @property
    def kept(self) -> Path:
        """Its ``.local``."""
        return self.folder / ".local"

    def start(self, *arguments: str, **env: str) -> Run:
        """Start a verb."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(FOREIGN) and name not in FOREIGN_SECRETS
        }
        process = subprocess.Popen(
            [*self.python, "-m", "local", *arguments],
            cwd=self.folder,
            env={**clean, **self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
            preexec_fn=with_parent(),
        )
        self.started.append(process)
        return Run(process, self)

    def run(self, *arguments: str, **env: str) -> tuple[int, list[str]]:
        """Run a verb to its end."""
        return self.start(*arguments, **env).end()

    def read_env(self) -> dict[str, str]:
        """The variables of ``.local/env``, as a shell understands them."""
        script = "set -a; . .local/env; exec env -0 -u PWD -u SHLVL -u _"
        done = subprocess.run(["sh", "-c", script], cwd=self.folder, env={}, capture_output=True, text=True, check=True)
        return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)

    def close(self) -> None:
        """End whatever a failed test left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def new_project(folder: Path, *, mode: int = 0o755) -> Iterator[Project]:
    """A project in a new folder, closed at the end."""
    folder.mkdir(mode=mode)
    project = Project(folder)
    try:
        yield project
    finally:
        project.close()


def find_descendants(pid: int) -> dict[int, str]:
    """Process id -> name of every live process below this one."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            name = text[text.index("(") + 1 : text.rindex(")")]
            state, parent = text[text.rindex(")") + 1 :].split()[:2]
            if state not in "ZX":
                parents[int(entry.name)] = (int(parent), name)
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        above = todo.pop()
        below = {child: name for child, (parent, name) in parents.items() if parent == above}
        found |= below
        todo += below
    return found


def find_owners(pids: Iterable[int]) -> set[int]:
    """Whom these processes run as. One that has ended since it was found is left out: PostgreSQL has some that come and
    go by themselves.
    """
    owners = set()
    for pid in pids:
        with suppress(FileNotFoundError):
            owners.add(Path(f"/proc/{pid}").stat().st_uid)
    return owners


def is_alive(pid: int) -> bool:
    """Whether this process runs (one that ended and waits for its parent does not)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 1 :].split()[0] not in "ZX"


def await_end(pids: dict[int, str], *, within: float) -> None:
    """Wait until none of these processes is left, or fail naming those that are."""
    deadline = time.monotonic() + within
    while left := {pid: name for pid, name in pids.items() if is_alive(pid)}:
        assert time.monotonic() < deadline, f"after {within} s there is still {left} of {pids}"
        time.sleep(0.05)


def wait_until(happened: Callable[[], bool], *, within: float, what: str) -> None:
    """Wait for something, or fail naming it."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not come within {within} s"
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]
