"""Two PostgreSQL servers with one directory, Valkey and a broker; and processes of the product on them."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local.commands import started
from local.folders import PROJECT, Folders, open_throwaway
from local.guard import Guard
from local.postgresql import LOGICAL, PostgreSQL
from local.processes import stop
from local.services import DATABASE_ROLES, Services, merge

ROLES = {
    "app": "DATABASE_URL",
    "platform": "DATABASE_PLATFORM_URL",
    "relay": "DATABASE_RELAY_URL",
    "owner": "DATABASE_OWNER_URL",
    "admin": "DATABASE_ADMIN_URL",
}


# What was committed outlives the crash of a server, though not of the machine.
SETTINGS = (*LOGICAL, "synchronous_commit=on")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the product, and how to start it again."""

    command: tuple[str, ...]
    server: str
    child: "subprocess.Popen[bytes]"


@dataclass(slots=True)
class World:
    """The environment of the product on both servers, and what runs on it."""

    env: dict[str, str]
    folders: Folders
    servers: dict[str, PostgreSQL]
    processes: dict[str, "Process"] = field(default_factory=dict)

    def manage(self, *arguments: str, server: str = "", **environment: str) -> str:
        """What a command of manage.py prints. Raises CalledProcessError when it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=merge(self.env | environment | {"DATABASE_SERVER": server}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout[-2000:]}")
        return done.stdout

    def start(self, *command: str, server: str = "", log: str) -> None:
        """A process of the product, in a group of its own, on one server or, without a name, on main with the others
        in reach. ``log`` names it.
        """
        with (self.folders.logs / f"{log}.log").open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT,
                env=merge(self.env | {"DATABASE_SERVER": server}),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes[log] = Process(command, server, child)

    def kill(self, name: str) -> None:
        """End a process, or ``postgresql-`` and a server with all its sessions, as a crash does: nothing is written."""
        if name.startswith("postgresql-"):
            child = self.servers[name.removeprefix("postgresql-")].child
            assert child is not None
            # Not SIGKILL: what the postmaster leaves behind then keeps the next one from starting.
            child.signal(signal.SIGQUIT)
            child.wait()
        else:
            os.killpg(self.processes[name].child.pid, signal.SIGKILL)
            self.processes[name].child.wait()

    def start_again(self, name: str) -> None:
        """What was killed."""
        if name.startswith("postgresql-"):
            self.servers[name.removeprefix("postgresql-")].launch()
        else:
            process = self.processes[name]
            self.start(*process.command, server=process.server, log=name)

    def end(self) -> None:
        """Stop what was started here."""
        children = [process.child for process in self.processes.values()]
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(12)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)

    def errors(self) -> list[str]:
        """What the second server has complained of: why a subscription stopped is said there alone."""
        log = (self.servers["b"].folders.logs / "postgresql.log").read_text(errors="replace").splitlines()
        return [line for line in log if "ERROR" in line or "DETAIL" in line][-20:]

    def address(self, server: str, role: str = "admin") -> str:
        """The address of a role on a server, in the product's database."""
        urls = {role: self.env[variable] for role, variable in ROLES.items()}
        if server != "main":
            urls = json.loads(self.env["DATABASE_SERVERS"])[server]
        return urlunsplit(urlsplit(urls[role])._replace(path=urlsplit(urls["app"]).path))


@contextmanager
def two_servers(guard: Guard, *, durable: bool = False) -> Iterator[World]:
    """Both servers provisioned and migrated; ``main`` is the directory, ``b`` the other one.

    ``durable``: as in production, what is committed waits for the disk.
    """
    folders = open_throwaway(guard, durable=durable)
    with started(Services(folders, guard, given={}, fast=not durable, postgresql=SETTINGS)) as services:
        first = services.running[0]
        assert isinstance(first, PostgreSQL)
        second_folders = open_throwaway(guard, durable=durable)
        second = PostgreSQL(second_folders, guard, first.password, fast=not durable, settings=SETTINGS)
        second.prepare()
        second.launch()
        world = World(dict(services.env), folders, {"main": first, "b": second})
        world.env["DATABASE_SERVERS"] = json.dumps({"b": _addresses(services.env, second.port)})
        key = Ed25519PrivateKey.generate()
        world.env["AUDIT_SIGNING_KEY"] = base64.b64encode(key.private_bytes_raw()).decode()
        # With it a move verifies seals, too.
        world.env["AUDIT_VERIFY_KEYS"] = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        world.env["STATIC_ROOT"] = str(_made(folders.data / "static"))
        try:
            for server in ("main", "b"):
                world.manage("provision_database", server=server)
                world.manage("migrate", server=server)
            yield world
        finally:
            world.end()
            if second.child is not None:
                stop([second.child])


def _addresses(env: dict[str, str], port: int) -> dict[str, str]:
    addresses = {}
    for role, variable in ROLES.items():
        assert variable in DATABASE_ROLES
        parts = urlsplit(env[variable])
        addresses[role] = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    return addresses


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def ask(address: str, query: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
    """The rows of one query on a server."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(query, parameters).fetchall()
