"""All processes of the product, started once for these tests. Without promtool its tests are reported as not run."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.servers import find_port
from tests.operations.processes import Process, collect_static, command, production_env, server

NOT_RUN = "NOT RUN: promtool is not installed (Debian: apt-get install prometheus), so the alarms were not played"


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own judge of rules and expressions."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip(NOT_RUN)
    return program


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say it again at the very end, where it cannot be missed."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if NOT_RUN in str(report.longrepr)]
    if skipped:
        terminalreporter.section("alarms", sep="!", red=True)
        terminalreporter.line(f"{NOT_RUN} ({len(skipped)} tests)", red=True)


@dataclass(frozen=True)
class Product:
    """The running product. ``prefix`` is put before the names of its topics."""

    web: Process
    stream: Process
    consumer: Process
    relay: Process
    mover: Process
    effects: Process
    forecast: Process
    sandbox: Process
    prefix: str
    env: dict[str, str]
    folder: Path

    @property
    def processes(self) -> list[Process]:
        workers = [self.consumer, self.relay, self.mover, self.effects, self.forecast, self.sandbox]
        return [self.web, self.stream, *workers]


@pytest.fixture(scope="package")
def product(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    prefix = f"t{uuid4().hex[:10]}."
    env = production_env(folder, prefix=prefix)
    collect_static(env)
    group = ("--group", f"{prefix}group")
    running = Product(
        web=server("web", find_port(), folder, env, loaded_in=env),
        # Of one that has loaded the web too it would have the web's figures.
        stream=server("stream", find_port(), folder, env),
        consumer=command("consumer", find_port(), folder, env, "consume_events", *group),
        relay=command("relay", find_port(), folder, env, "relay_events"),
        mover=command("mover", find_port(), folder, env, "move_customers"),
        effects=command("effects", find_port(), folder, env, "run_effects"),
        forecast=command("forecast", find_port(), folder, env, "forecast_churn", "--every", "600"),
        sandbox=command("sandbox", find_port(), folder, env, "reset_sandboxes", "--every", "600"),
        prefix=prefix,
        env=env,
        folder=folder,
    )
    with ExitStack() as stack:
        for process in running.processes:
            stack.callback(process.stop)
            process.start()
        for process in running.processes:
            process.await_ready()
        yield running
