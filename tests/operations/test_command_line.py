"""What a person sees of a command that cannot go on."""

import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from config import command_line, processes


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(processes, "_process", processes.COMMAND)

    def raise_it(error: BaseException) -> None:
        def fail(arguments: list[str]) -> None:
            raise error

        monkeypatch.setattr(command_line, "execute_from_command_line", fail)

    return raise_it


def away() -> OperationalError:
    error = OperationalError("connection failed: Connection refused\n\tIs the server running?")
    error.__cause__ = psycopg.OperationalError("connection failed")
    return error


def test_a_database_that_is_away_is_said_in_one_line(interrupt: Any, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt(away())
    with pytest.raises(SystemExit) as end:
        command_line.run(["manage.py", "verify_audit"])
    assert end.value.code == 75
    assert capsys.readouterr().err == (
        "The database cannot be reached at the moment. What was reported as done is saved; run the command again later."
        " (connection failed: Connection refused)\n"
    )


def test_ctrl_c_is_said_in_one_line(interrupt: Any, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt(KeyboardInterrupt())
    with pytest.raises(SystemExit) as end:
        command_line.run(["manage.py", "verify_audit"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "Interrupted. What was reported as done is saved.\n"


SWALLOWED = """
import signal, sys, time, weakref
from config import command_line
from config.interrupts import insist_on_interrupts

class Thing:
    pass

def work(arguments):
    thing = Thing()
    # As the import of a module does when it is done with its lock.
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    time.sleep(120)

insist_on_interrupts()
command_line.execute_from_command_line = work
command_line.run(["manage.py", "verify_audit"])
"""


def test_ctrl_c_that_comes_where_python_swallows_it_ends_the_command_too() -> None:
    ended = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=180, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        130,
        "",
        "Interrupted. What was reported as done is saved.\n",
    )


@pytest.mark.parametrize("arguments", [["consume_events"], ["verify_audit", "--traceback"]])
def test_services_and_who_asks_for_it_get_the_whole_error(interrupt: Any, arguments: list[str]) -> None:
    interrupt(away())
    with pytest.raises(OperationalError):
        command_line.run(["manage.py", *arguments])


def test_a_bug_is_no_outage(interrupt: Any) -> None:
    interrupt(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        command_line.run(["manage.py", "verify_audit"])
