"""Whatever runs for long does not work as a role that row-level security does not bind, and waits for its database."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings

from tests.browser.servers import Server, environment_of, find_port
from tests.conftest import People
from tests.forking import Forked
from tests.serving.gate import OPEN, REFUSED, Gate, lead_through
from tests.serving.http import get

UNBOUND = "connects as a role that row-level security does not bind: it is a superuser"
KEY = "AUDIT_SIGNING_KEY"
PATIENCE = 90.0
COMMANDS = {
    "consumer": ("consume_events", "--group", f"g{uuid4().hex}"),
    "relay": ("relay_events",),
    "mover": ("move_customers",),
    "seal": ("seal_audit", "--every", "60", "--tenant", "no one-of-this-name"),
    "forecast": ("forecast_churn", "--every", "60"),
    "sandbox": ("reset_sandboxes", "--every", "60"),
}
ADDRESSES = {"relay": "DATABASE_RELAY_URL"}


@pytest.fixture
def gate(db: None) -> Iterator[Gate]:
    address = urlsplit(settings.DATABASE_URL)
    gate = Gate(address.hostname or "127.0.0.1", address.port or 5432)
    yield gate
    gate.close()


@pytest.fixture
def environment(gate: Gate) -> dict[str, str]:
    """Production's logs, and the test database behind the gate."""
    made = {**environment_of(find_port()), "LOG_FORMAT": "ecs", KEY: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    return lead_through(gate, {**made, "KAFKA_TOPIC_PREFIX": f"t{uuid4().hex[:10]}."})


def as_superuser(environment: dict[str, str], name: str) -> dict[str, str]:
    login = urlsplit(settings.DATABASE_ADMIN_URL).netloc.rpartition("@")[0]
    parts = urlsplit(environment[name])
    return {**environment, name: parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()}


def await_that(happened: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_PLATFORM_URL"])
def test_the_server_does_not_start_as_a_role_that_sees_every_tenant(environment: dict[str, str], name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "config.serve", "web", "--port", str(find_port())],
        env=as_superuser(environment, name),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (run.returncode, run.stdout) == (78, "")
    line = json.loads(run.stderr)
    assert line["message"].startswith(f"configuration error: {name} {UNBOUND}. ")
    assert "Use the role c360_" in line["message"]
    assert line["log.level"] == "critical"


@pytest.fixture
def server(gate: Gate, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``server(environment)``: one that is started while the database is away."""
    started: list[Server] = []

    def start(chosen: dict[str, str]) -> Server:
        gate.be(REFUSED)
        server = Server("web", find_port(), chosen, tmp_path / "log")
        started.append(server)
        server.start("/healthz/live")
        return server

    yield start
    for one in started:
        one.stop()


def bearer(users: People) -> str:
    from tenants.services.accounts.tokens import issue_access

    return f"Authorization: Bearer {issue_access(users.account_manager).token}"


def test_a_server_that_is_started_before_its_database_serves_once_it_is_there(
    server: Callable[..., Server], gate: Gate, environment: dict[str, str], users: People
) -> None:
    header = bearer(users)
    started = server(environment)
    assert get(started.port, "/api/v1/customers", header).status == 503
    gate.be(OPEN)
    await_that(lambda: get(started.port, "/api/v1/customers", header).status == 200, started.log)


def test_a_server_that_was_started_before_its_database_serves_nothing_as_a_superuser(
    server: Callable[..., Server], gate: Gate, environment: dict[str, str], users: People
) -> None:
    header = bearer(users)
    started = server(as_superuser(environment, "DATABASE_URL"))
    gate.be(OPEN)
    for _ in range(3):
        assert get(started.port, "/api/v1/customers", header).status == 503
        assert get(started.port, "/healthz").status == 503
    assert f"DATABASE_URL {UNBOUND}" in started.log.read_text()


class Started:
    """A command at work, with its log and its health file."""

    def __init__(self, name: str, environment: dict[str, str], folder: Path) -> None:
        self.log, self.health = folder / "log", folder / "health"
        with self.log.open("wb") as log:
            self.process = Forked(
                ["manage.py", *COMMANDS[name], "--health-file", str(self.health)],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
        await_that(lambda: "database unavailable at the start" in self.text(), self.log)

    def text(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        self.process.terminate()
        # What compose.yaml gives such a process.
        return self.process.wait(60)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_started_before_its_database_waits_and_then_works(
    gate: Gate, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    gate.be(REFUSED)
    started = Started(name, environment, tmp_path)
    await_that(started.health.exists, started.log)
    gate.be(OPEN)
    begun = {"consumer": "", "relay": "leading", "mover": "looking for customers to move", "seal": "sealing; "}
    begun["forecast"] = "forecasting once a day"
    begun["sandbox"] = "resetting sandboxes once a day"
    if name == "seal":  # there is no tenant of this name, which it finds out once it works
        assert started.process.wait(PATIENCE) == 1
    else:
        await_that(lambda: begun[name] in started.text(), started.log)
        time.sleep(1)
        assert started.process.poll() is None
        assert started.stop() == 0
    assert begun[name] in started.text()
    assert "Traceback" not in started.text()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_waited_for_its_database_does_not_work_as_a_superuser(
    gate: Gate, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    gate.be(REFUSED)
    variable = ADDRESSES.get(name, "DATABASE_URL")
    started = Started(name, as_superuser(environment, variable), tmp_path)
    gate.be(OPEN)
    assert started.process.wait(PATIENCE) == 1
    last = json.loads(started.text().splitlines()[-1])
    assert f"{variable} {UNBOUND}. " in last["message"] and "Use the role c360_" in last["message"]
    assert last["log.level"] == "error"


@pytest.mark.parametrize("name", ["consumer", "mover"])
def test_a_command_that_waits_for_its_database_ends_when_it_is_asked_to(
    gate: Gate, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    gate.be(REFUSED)
    started = Started(name, environment, tmp_path)
    assert started.stop() == 0
