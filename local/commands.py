"""The verbs that run one command, or nothing, on the services."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator

from local import signals
from local.browser import find_browser
from local.folders import PROJECT, open_kept, open_throwaway
from local.guard import Guard
from local.processes import Child, stop
from local.services import Services, merge, say, write_env
from local.trouble import CannotStart, StopRequested

# A consumer joins its group after half of this: tests do not wait three seconds each time.
TEST_SESSION_TIMEOUT_MS = "2000"


@contextlib.contextmanager
def started(services: Services) -> Iterator[Services]:
    """The services, started; stopped in order at the end, whatever it is."""
    try:
        services.start()
        yield services
    finally:
        signals.take()
        services.stop()


def run_services(guard: Guard, arguments: list[str]) -> int:
    """Only the services, in the foreground, with the data of the demo."""
    if arguments:
        raise CannotStart("services takes no arguments")
    folders = open_kept(guard)
    with started(Services(folders, guard, given=os.environ, fast=False)) as services:
        write_env(services.env, folders, guard)
        say("to use them: set -a; . .local/env; then for example .venv/bin/python manage.py check. Ctrl-C stops them")
        try:
            while True:
                services.revive()
                signals.pause(5)
        except StopRequested:
            say("stopping")
            return 0


def run_command(guard: Guard, arguments: list[str]) -> int:
    """Any command on throw-away services that do not wait for the disk; its exit status is ours."""
    if not arguments:
        raise CannotStart("name a command: python -m local exec -- COMMAND ...")
    if not shutil.which(arguments[0]):
        raise CannotStart(f"there is no command {arguments[0]}")
    folders = open_throwaway(guard, durable=False)
    return run_on(Services(folders, guard, given=os.environ, fast=True), guard, arguments)


def run_tests(guard: Guard, arguments: list[str]) -> int:
    """Pytest on throw-away services."""
    os.environ.setdefault("KAFKA_SESSION_TIMEOUT_MS", TEST_SESSION_TIMEOUT_MS)
    # The tests start more than a hundred processes, each of which would compile the same files again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if browser := find_browser():
        os.environ["CHROMIUM"] = browser
    return run_command(guard, [sys.executable, "-m", "pytest", *arguments])


def run_benchmarks(guard: Guard, arguments: list[str]) -> int:
    """The benchmarks on services that are as durable as real ones, with data that go away."""
    folders = open_throwaway(guard, durable=True)
    command = [sys.executable, "-m", "bench", *arguments]
    return run_on(Services(folders, guard, given=os.environ, fast=False), guard, command)


def remove_data(guard: Guard, arguments: list[str]) -> int:
    """Remove ``.local`` with all it holds. Raises CannotStart when a demo runs on it."""
    if arguments:
        raise CannotStart("clean takes no arguments")
    guard.remove(open_kept(guard).data)
    return 0


def run_on(services: Services, guard: Guard, command: list[str]) -> int:
    """Start the services, run the command on them and stop them; its exit status."""
    with started(services):
        return run_in(services, guard, command)


def run_in(services: Services, guard: Guard, command: list[str]) -> int:
    """Run the command on services that have been started; its exit status."""
    child = Child(command[0], command, guard, env=merge(services.env), cwd=PROJECT, interactive=True)
    try:
        child.start()
    except OSError as error:
        raise CannotStart(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        status = child.wait()
    except StopRequested as request:
        # Pytest answers Ctrl-C with its summary: pass on what we got.
        child.stop_steps = ((request.signum, 5.0),)
        raise
    finally:
        signals.take()
        stop([child])
    return status if status >= 0 else 128 - status
