"""The three services together: started in order, replaced where an address is set, stopped in order."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from local import signals
from local.folders import Folders
from local.guard import Guard
from local.postgresql import PostgreSQL, check_data
from local.processes import Child, find_port_error, stop
from local.secrets import load_or_make, make, write_private
from local.tansu import Tansu
from local.trouble import CannotStart
from local.valkey import Valkey

ATTEMPTS = 3
REVIVALS_A_MINUTE = 3
ANSWER_WITHIN = 3.0
DATABASE = "c360"
# Variable -> the role it connects as. The first decides whether a server of our own is started.
DATABASE_ROLES = {
    "DATABASE_URL": "c360_app",
    "DATABASE_OWNER_URL": "c360_owner",
    "DATABASE_PLATFORM_URL": "c360_platform",
    "DATABASE_RELAY_URL": "c360_relay",
    "DATABASE_BACKUP_URL": "c360_backup",
    "DATABASE_ADMIN_URL": "postgres",
}
# What works without: roles that are made already, a database that someone else backs up.
NOT_NEEDED = ("DATABASE_ADMIN_URL", "DATABASE_BACKUP_URL")


class Service(Protocol):
    """What the three have in common."""

    name: str
    port: int
    child: Child | None

    @property
    def version(self) -> str:
        """The version that runs."""

    def prepare(self) -> None:
        """Make what it needs on disk."""

    def launch(self) -> None:
        """Start it (on its port, if it has one) and wait until it is ready."""


class Services:
    """Starts what is not replaced; ``env`` holds every variable that a child process needs."""

    def __init__(
        self,
        folders: Folders,
        guard: Guard,
        *,
        given: Mapping[str, str],
        fast: bool,
        postgresql: Sequence[str] = (),
        host: str = "",
    ) -> None:
        """``host``: an address of this machine at which others beside it reach the services."""
        self.folders, self.guard, self.fast, self.host = folders, guard, fast, host
        self.postgresql_settings = postgresql
        self.given = given
        self.env: dict[str, str] = {}
        self.running: list[Service] = []
        self._revived: list[float] = []

    def start(self) -> None:
        """Start PostgreSQL, Valkey and Tansu in this order. Raises CannotStart or StopRequested."""
        check_given(self.given)
        secrets = self._find_secrets()
        self.env["DEBUG"] = self.given.get("DEBUG", "true")
        self.env |= {name: self.given.get(name) or secrets[name] for name in ("SECRET_KEY", "MASTER_KEYS", "INDEX_KEY")}
        postgresql = PostgreSQL(self.folders, self.guard, secrets["postgres"], fast=self.fast)
        postgresql.settings, postgresql.host = self.postgresql_settings, self.host
        address = self.host or "127.0.0.1"
        if self._is_given("DATABASE_URL", "postgresql"):
            self.env |= {name: self.given[name] for name in DATABASE_ROLES if self.given.get(name)}
        else:
            self._start(postgresql)
            for variable, role in DATABASE_ROLES.items():
                name = "postgres" if role == "postgres" else DATABASE
                self.env[variable] = f"postgresql://{role}:{secrets[role]}@{address}:{postgresql.port}/{name}"
        if not self._is_given("REDIS_URL", "valkey"):
            valkey = Valkey(self.folders, self.guard, secrets["valkey"], host=self.host)
            self._start(valkey)
            self.env["REDIS_URL"] = f"redis://:{secrets['valkey']}@{address}:{valkey.port}/0"
        if not self._is_given("KAFKA_BOOTSTRAP_SERVERS", "tansu"):
            tansu = Tansu(self.folders, self.guard, host=address)
            self._start(tansu)
            self.env["KAFKA_BOOTSTRAP_SERVERS"] = f"{address}:{tansu.port}"

    def stop(self) -> None:
        """Stop them in the opposite order."""
        while self.running:
            if child := self.running.pop().child:
                stop([child])

    def revive(self) -> None:
        """Start again, on the same port, what has ended by itself. Raises CannotStart when that does not help."""
        for service in self.running:
            child = service.child
            if child is not None and not child.is_running():
                self._revived.append(time.monotonic())
                if sum(at > time.monotonic() - 60 for at in self._revived) > REVIVALS_A_MINUTE:
                    raise CannotStart(f"{service.name} keeps ending ({child.describe_end()}: {child.last_words(2)})")
                say(f"{service.name} {child.describe_end()}; starting it again")
                child.sweep()
                service.launch()

    def _find_secrets(self) -> dict[str, str]:
        if not self.folders.kept:
            return make()
        data = self.folders.data / "postgres"
        if not self.given.get("DATABASE_URL"):
            check_data(data)
        return load_or_make(self.folders.data / "secrets", data=data)

    def _is_given(self, variable: str, name: str) -> bool:
        if value := self.given.get(variable):
            self.env[variable] = value
            say(f"{name} not started: {variable} is set")
            return True
        return False

    def _start(self, service: Service) -> None:
        began = time.monotonic()
        self.running.append(service)
        service.prepare()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                service.launch()
                break
            except CannotStart:
                # Someone else may have taken the port between our look and its start.
                if attempt == ATTEMPTS or not find_port_error(service.port):
                    raise
                service.port = 0
        took = time.monotonic() - began
        say(f"{service.name} {service.version} ready in {took:.1f} s (port {service.port})")


def say(line: str) -> None:
    """One line of progress for the person at the terminal."""
    print(line, flush=True)


def check_given(given: Mapping[str, str]) -> None:
    """Raise CannotStart when a database is given by halves or a given address does not answer."""
    needed = [name for name in DATABASE_ROLES if name not in NOT_NEEDED]
    missing = [name for name in needed if not given.get(name)]
    if given.get("DATABASE_URL") and missing:
        raise CannotStart(
            f"DATABASE_URL is set, so {', '.join(missing)} must be set as well (DATABASE_ADMIN_URL too, where the "
            "roles are not made yet); unset DATABASE_URL to use the embedded PostgreSQL"
        )
    for variable in ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        if value := given.get(variable):
            await_given(variable, value)


def await_given(variable: str, value: str) -> None:
    """Wait a moment until something listens at a given address. Raises CannotStart when nothing does."""
    first = value.split(",")[0]
    try:
        parts = urlsplit(first if "://" in first else f"tcp://{first}")
        port = parts.port or {"redis": 6379, "rediss": 6379, "tcp": 9092}.get(parts.scheme, 5432)
    except ValueError as error:
        raise CannotStart(f"{variable} is not an address: {error}") from error
    host = parts.hostname
    if not host:  # a Unix socket
        return
    deadline = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            socket.create_connection((host, port), timeout=ANSWER_WITHIN).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline:
                why = error.strerror or str(error)
                raise CannotStart(
                    f"{variable} is set, and nothing answers at {host}:{port} ({why}); "
                    "unset it to use the embedded service"
                ) from error
        signals.pause(0.2)


def quote(value: str) -> str:
    """A value between single quotes, for a shell."""
    return "'" + value.replace("'", "'\\''") + "'"


def render_env(env: Mapping[str, str]) -> str:
    """The variables as lines that a shell can source."""
    return "".join(f"export {name}={quote(value)}\n" for name, value in sorted(env.items()))


def merge(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process: our own and these variables over it."""
    return {**os.environ, **env}


def write_env(env: Mapping[str, str], folders: Folders, guard: Guard) -> None:
    """Write the variables to ``.local/env`` for people and programs beside the running services, until they end."""
    path = folders.data / "env"
    write_private(path, render_env(env))
    guard.remove(path)
