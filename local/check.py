"""``make check``: every static check, one after the other; all of them run, and one failure fails the whole."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.commands import started
from local.folders import PROJECT, Folders, open_throwaway
from local.guard import Guard
from local.processes import Child, stop
from local.services import Services, merge, say
from local.trouble import CannotStart, StopRequested

TYPED = ("audit", "bench", "config", "lifecycle", "local", "storage", "tenants", "manage.py")
DESCRIPTION = PROJECT / "docs" / "openapi.yaml"
# So many lines of a failed check are shown, from its end.
SHOWN = 60
# The deploy check looks at the settings as production has them.
PRODUCTION = {"DEBUG": "false", "ALLOWED_HOSTS": "c360.example", "DATA_AT_REST": "luks", "TRUSTED_PROXY_TLS": "true"}


@dataclass(frozen=True, slots=True)
class Step:
    """One check: a command, and what to look at after it ended with 0."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    judge: Callable[[], str] = str  # an empty string: nothing to complain about


def run_checks(guard: Guard, arguments: list[str]) -> int:
    """Run every check and return 0 only if all of them passed."""
    if arguments:
        raise CannotStart("check takes no arguments")
    folders = open_throwaway(guard, durable=False)
    with started(Services(folders, guard, given=os.environ, fast=True)) as services:
        failed = [step.name for step in steps(folders) if not run_step(step, folders, guard, services.env)]
    if failed:
        say(f"\nfailed: {', '.join(failed)}")
        return 1
    return 0


def steps(folders: Folders) -> Iterator[Step]:
    """The checks, the quick ones first."""
    templates = tuple(str(path.relative_to(PROJECT)) for path in sorted((PROJECT / "templates").rglob("*.html")))
    written = folders.runtime / "openapi.yaml"

    def manage(*arguments: str, name: str, env: Mapping[str, str] | None = None) -> Step:
        return Step(name, (sys.executable, "manage.py", *arguments), env or {})

    yield Step("format", (program("ruff"), "format", "--check", "--output-format", "concise", "."))
    yield Step("lint", (program("ruff"), "check", "--output-format", "concise", "."))
    if templates:
        yield Step("templates", (program("djade"), "--target-version", "5.2", "--check", *templates))
    yield Step("translations", (sys.executable, "-m", "local", "messages", "--check"))
    yield Step("import contracts", (sys.executable, program("lint-imports"), "--no-cache"))
    yield manage("provision_database", name="database roles")
    yield manage("migrate", "--verbosity", "0", name="migrations apply")
    yield manage("makemigrations", "--check", "--dry-run", name="missing migrations")
    databases = ("--database", "default", "--database", "owner")
    yield manage("check", "--deploy", "--fail-level", "WARNING", *databases, name="deploy check", env=PRODUCTION)
    yield Step(
        "openapi",
        (sys.executable, "manage.py", "spectacular", "--fail-on-warn", "--validate", "--file", str(written)),
        judge=lambda: compare_descriptions(DESCRIPTION, written),
    )
    yield Step("types", (sys.executable, "-m", "mypy", *(name for name in TYPED if (PROJECT / name).exists())))


def program(name: str) -> str:
    """The path of a program beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def compare_descriptions(kept: Path, written: Path) -> str:
    """What to say when the kept OpenAPI description is not the one that the code gives; empty when it is."""
    if kept.exists() and kept.read_text() == written.read_text():
        return ""
    return f"{kept.relative_to(PROJECT)} is not what the code says; run make openapi and look at the difference"


def run_step(step: Step, folders: Folders, guard: Guard, env: Mapping[str, str]) -> bool:
    """Run one check, say how it went, show its output when it failed."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile(dir=folders.logs, suffix=".log") as log:
        child = Child(
            step.name,
            step.command,
            guard,
            env=merge({**env, **step.env}),
            cwd=PROJECT,
            log=Path(log.name),
        )
        try:
            child.start()
            passed = child.wait() == 0
        except StopRequested:
            stop([child])
            raise
        output = Path(log.name).read_text(errors="replace").strip()
    if passed and (complaint := step.judge()):
        passed, output = False, complaint
    say(f"{'ok' if passed else 'FAILED':6} {step.name} ({time.monotonic() - began:.1f} s)")
    if not passed:
        lines = output.splitlines()
        left_out = [f"... {len(lines) - SHOWN} lines left out"] if len(lines) > SHOWN else []
        say("".join(f"    {line}\n" for line in [*left_out, *lines[-SHOWN:]]))
    return passed
