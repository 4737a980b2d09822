"""The world that is shaken: its own PostgreSQL, Valkey and broker behind proxies, and workers forked by a zygote."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import signals
from local.folders import PROJECT, open_throwaway
from local.guard import Guard
from local.kafka.cluster import Cluster
from local.postgresql import PostgreSQL
from local.processes import Child, stop
from local.secrets import make
from local.services import DATABASE, DATABASE_ROLES
from local.tansu import Tansu
from local.valkey import Valkey
from tests.kafka.brokers import Brokers
from tests.messaging.chaos.proxy import Proxy

GROUP = "chaos"
SESSION_MS = "2000"


@dataclass(slots=True)
class ProxiedTansu(Tansu):
    """A broker that sends its clients to a proxy."""

    advertised: int = 0

    def launch(self) -> None:
        """Start it; everything but the address it names is as in ``local``."""
        from local import tansu as module

        inner = module.Child

        def child(**options: Any) -> Child:
            argv = list(options.pop("argv"))
            place = argv.index("--advertised-listener-url") + 1
            argv[place] = f"tcp://127.0.0.1:{self.advertised}"
            return inner(argv=argv, **options)

        module.Child = child  # type: ignore[assignment,misc]
        try:
            super(ProxiedTansu, self).launch()
        finally:
            module.Child = inner  # type: ignore[misc]


@dataclass
class World:
    """Services, proxies, and the variables that lead a process to them."""

    postgresql: PostgreSQL
    database: Proxy
    # The embedded broker is never stopped, as it would forget everything: its clients are cut off. Apache Kafka's are.
    broker: Proxy | None
    kafka: Brokers | None
    env: dict[str, str]
    logs: Path
    direct: dict[str, str] = field(default_factory=dict)

    def restart_postgresql(self, *, crash: bool) -> None:
        """Stop the server, in order or by a crash, and start it again on its data."""
        child = self.postgresql.child
        assert child is not None
        if crash:
            child.signal(signal.SIGQUIT)
            while child.is_running():
                time.sleep(0.02)
            child.sweep()
        else:
            stop([child])
        self.postgresql.launch()


@contextlib.contextmanager
def build_world(*, kafka: bool = False) -> Iterator[World]:
    """Start everything, with three brokers of Apache Kafka if asked to; stop it at the end."""
    guard = Guard()
    signals.install()
    folders = open_throwaway(guard, durable=True)
    secrets = make()
    # Durable: a commit that was acknowledged must survive the crash of the server.
    postgresql = PostgreSQL(folders, guard, secrets["postgres"], fast=False)
    valkey = Valkey(folders, guard, secrets["valkey"])
    broker = None if kafka else Proxy()
    started: list[Any] = []
    cluster = Cluster(folders, guard)
    brokers = None
    try:
        services: list[Any] = [postgresql, valkey]
        if broker is not None:
            services.append(ProxiedTansu(folders, guard, advertised=broker.port))
        for service in services:
            service.prepare()
            service.launch()
            started.append(service)
        if broker is not None:
            broker.target = started[-1].port
            servers = f"127.0.0.1:{broker.port}"
        else:
            cluster.start()
            brokers, servers = Brokers(cluster.folder), cluster.servers
        database = Proxy(postgresql.port)
        env = {
            "DEBUG": "true",
            "LOG_FORMAT": "ecs",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "REDIS_URL": f"redis://:{secrets['valkey']}@127.0.0.1:{valkey.port}/0",
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "KAFKA_SESSION_TIMEOUT_MS": SESSION_MS,
            "KAFKA_PARTITIONS": "3",
            **{name: secrets[name] for name in ("SECRET_KEY", "MASTER_KEYS", "INDEX_KEY")},
        }
        direct = {}
        for variable, role in DATABASE_ROLES.items():
            name = "postgres" if role == "postgres" else DATABASE
            for target, port in ((env, database.port), (direct, postgresql.port)):
                target[variable] = f"postgresql://{role}:{secrets[role]}@127.0.0.1:{port}/{name}"
        yield World(postgresql, database, broker, brokers, env, folders.logs, direct)
    finally:
        signals.take()
        cluster.stop()
        if brokers is not None:
            brokers.end()
        for service in reversed(started):
            if service.child is not None:
                stop([service.child])
        guard.dismiss()


class Zygote:
    """The process that forks workers."""

    def __init__(self, world: World) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.messaging.chaos.zygote"],
            env={**os.environ, **world.env},
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        self._logs = world.logs
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, **command: Any) -> int:
        """One command, one answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def start(self, name: str, *arguments: str, **options: Any) -> int:
        """Fork a worker; its process id."""
        return self.ask(start=list(arguments), log=str(self._logs / f"{name}.log"), **options)

    def end(self) -> None:
        """Let it go, and its children with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(120)


class Post:
    """A place that is always manned: a worker that dies is replaced."""

    def __init__(self, zygote: Zygote, name: str, *arguments: str, mutant: str = "", patch: str = "") -> None:
        self.zygote = zygote
        self.name = name
        self.arguments = arguments
        self.mutant = mutant
        self.patch = patch
        self.pid = 0
        self.fuse: tuple[str, int] | None = None

    def man(self, fuse: tuple[str, int] | None = None) -> None:
        """Start a worker, with a fuse if one is given."""
        self.fuse = fuse
        self.pid = self.zygote.start(self.name, *self.arguments, fuse=fuse, mutant=self.mutant, patch=self.patch)

    def is_alive(self) -> bool:
        """Whether the worker runs (a zombie does not)."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        return state != "Z"

    def kill(self, signum: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.is_alive():
            os.kill(self.pid, signum)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; the exit status, negative for a signal."""
        return self.zygote.ask(wait=self.pid)
