"""PgBouncer in transaction mode before PostgreSQL, and ``make pooler-test``: isolation and races through it.

PgBouncer is not brought along: Debian's package ``pgbouncer`` has it.
"""

import os
import pwd
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local import signals
from local.commands import run_in, started
from local.folders import open_throwaway
from local.guard import Guard
from local.processes import Account, Child, find_free_port, stop
from local.services import Services, say
from local.trouble import CannotStart

READY_WITHIN = 20.0
# Fewer connections than the races have threads: they change hands all the time.
CONNECTIONS = 4
# The relay listens and leads by a lock of its session, the owner changes the schema: both go to PostgreSQL itself.
POOLED = ("DATABASE_URL", "DATABASE_PLATFORM_URL")
# Where clients of several tenants, or several of one, meet in the database.
TESTS = (
    "tests/services/test_tenant_context.py",
    "tests/services/test_orm_shapes.py",
    "tests/services/test_transitions_concurrency.py",
    "tests/services/test_refused_moves.py",
    "tests/services/test_renames.py",
    "tests/services/test_publication.py",
    "tests/services/test_reverting.py",
    "tests/services/test_idempotency.py",
    "tests/services/test_periods.py",
    "tests/services/test_period_turns.py",
    "tests/services/test_rate_limits.py",
    "tests/services/test_time_limits.py",
    "tests/services/test_prepared_statements.py",
    "tests/services/test_issuers.py",
    "tests/services/cache",
    "tests/replication",
)


def run_pooler_tests(guard: Guard, arguments: list[str]) -> int:
    """Pytest on throw-away services with PgBouncer before PostgreSQL; those tests, or the ones that are named."""
    folders = open_throwaway(guard, durable=False)
    with started(Services(folders, guard, given=os.environ, fast=True)) as services:
        pooler = PgBouncer(guard, folders.runtime / "pgbouncer", [services.env[name] for name in POOLED])
        try:
            pooler.launch()
            services.env |= {name: pooler.lead(services.env[name]) for name in POOLED}
            services.env["DATABASE_POOLER"] = "true"
            named = any(argument.startswith("tests") for argument in arguments)
            command = [sys.executable, "-m", "pytest", "-m", "not direct", *arguments, *(() if named else TESTS)]
            return run_in(services, guard, command)
        finally:
            signals.take()
            if pooler.child:
                stop([pooler.child])


@dataclass(slots=True)
class PgBouncer:
    """One pooler before the server of these addresses, for any of its databases."""

    guard: Guard
    folder: Path
    addresses: list[str]
    port: int = 0
    child: Child | None = None
    # Where it listens and is reached, and how many connections it has for each role and database.
    host: str = "127.0.0.1"
    connections: int = CONNECTIONS

    def lead(self, address: str) -> str:
        """The same address by way of the pooler."""
        parts = urlsplit(address)
        return parts._replace(netloc=f"{parts.username}:{parts.password}@{self.host}:{self.port}").geturl()

    def launch(self) -> None:
        """Start it and wait until it listens. Raises CannotStart or StopRequested."""
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise CannotStart("PgBouncer is not installed: apt-get install pgbouncer")
        self.port = self.port or find_free_port()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        account = self._write_files()
        self.child = Child(
            name="pgbouncer",
            argv=[program, self.folder / "pgbouncer.ini"],
            guard=self.guard,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.folder,
            log=self.folder.parent / "pgbouncer.log",
            # At SIGTERM it ends at once, at SIGINT when its clients have gone.
            stop_steps=((signal.SIGTERM, 2.0),),
            account=account,
        )
        try:
            self.child.start()
        except OSError as error:
            raise CannotStart(f"pgbouncer cannot be started: {error.strerror}") from error
        self._await_ready(self.child)

    def turn_to(self, port: int) -> None:
        """Lead to the server on another port from now on, as an operator does after a failover, by a reload."""
        assert self.child is not None
        self.addresses = [
            parts._replace(netloc=f"{parts.username}:{parts.password}@{parts.hostname}:{port}").geturl()
            for parts in map(urlsplit, self.addresses)
        ]
        self._write_files()
        self.child.signal(signal.SIGHUP)

    def _write_files(self) -> Account | None:
        server = urlsplit(self.addresses[0])
        users = [urlsplit(address) for address in self.addresses]
        (self.folder / "users.txt").write_text("".join(f'"{one.username}" "{one.password}"\n' for one in users))
        (self.folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={server.hostname} port={server.port}
[pgbouncer]
listen_addr = {self.host}
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.folder}/users.txt
pool_mode = transaction
default_pool_size = {self.connections}
max_client_conn = 500
server_login_retry = 1
"""
        )
        if os.geteuid() != 0:
            return None
        # It does not run as root.
        entry = pwd.getpwnam("nobody")
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if not child.is_running():
                raise CannotStart(f"pgbouncer {child.describe_end()}: {child.last_words(3)}")
            try:
                with socket.create_connection((self.host, self.port), timeout=2):
                    say(
                        f"pgbouncer ready (port {self.port}, {self.connections} connections for each role and database)"
                    )
                    return
            except OSError:
                signals.pause(0.05)
        raise CannotStart(f"pgbouncer was not ready within {READY_WITHIN:.0f} s: {child.last_words(3)}")
