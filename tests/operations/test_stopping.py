"""SIGTERM ends a command wherever it comes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lifecycle.management.stopping import StopRequest
from local.folders import PROJECT

# Always a moment later, while the main thread begins to wait, over and over.
ASKED = """
import signal
from lifecycle.management.stopping import StopRequest
for number in range(400):
    request = StopRequest()
    signal.signal(signal.SIGALRM, lambda *_: request.set())
    signal.setitimer(signal.ITIMER_REAL, 0.0005 + number % 100 / 100_000)
    while not request.wait(0.000001):
        pass
    assert request and request.wait(60)
request = StopRequest()
assert not request.wait(0.01) and not request
"""


def test_a_command_that_begins_to_wait_as_it_is_asked_to_end_ends() -> None:
    subprocess.run([sys.executable, "-c", ASKED], cwd=PROJECT, check=True, timeout=180)


@pytest.mark.parametrize("command", ["consume_events", "relay_events", "run_effects", "move_customers"])
def test_a_single_run_that_is_stopped_before_all_is_done_ends_with_an_error(
    db: None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that waits for its end would take what is left for done; a process that runs on ends with success."""
    request = StopRequest()
    request.set()

    @contextmanager
    def asked() -> Iterator[StopRequest]:
        yield request

    module = import_module(f"lifecycle.management.commands.{command}")
    monkeypatch.setattr(module, "stop_on_signals", asked)
    # It would end the tests with the command.
    monkeypatch.setattr(module, "end_in_time", lambda _stop: None)
    monkeypatch.setattr(module, "bounded_waits", nullcontext, raising=False)
    with pytest.raises(CommandError, match=r"^Stopped.*Run it again to go on\.$"):
        call_command(command, "--once", stdout=StringIO(), stderr=StringIO())
    call_command(command, stdout=StringIO(), stderr=StringIO())
