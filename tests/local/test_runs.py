"""The run of the tests itself: one that hangs is named and ends alone, and what could not run is said last."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.folders import PROJECT
from tests.late import Late
from tests.workers import pause_before, pytest_report_to_serializable

HUNG = """
import ctypes, threading, pytest

@pytest.mark.timeout(1, func_only=True)
def test_waits_for_ever():
    threading.Event().wait()

@pytest.mark.timeout(1, func_only=True)
def test_waits_in_a_library_that_lets_no_other_thread_run():
    ctypes.PyDLL(None).sleep(60)

def test_works():
    pass
"""
OPTIONS = ("-q", "--ds=config.settings", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:hypothesispytest")


def run(*arguments: str, **more: str) -> list[str]:
    """The lines of a run of pytest on arguments of its own."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *arguments],
        cwd=PROJECT,
        env={**known, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    return done.stdout.splitlines()


def test_a_test_that_hangs_is_named_with_its_place_and_the_others_run(tmp_path: Path) -> None:
    file = tmp_path / "test_hung.py"
    file.write_text(HUNG)
    lines = run("-n1", "-p", "tests.workers", f"--rootdir={tmp_path}", str(file))
    assert lines[-1].startswith("2 failed, 1 passed")
    failed = [line.split(" - ")[0] for line in lines if line.startswith("FAILED")]
    assert [line.rpartition("::")[2] for line in failed] == [
        "test_waits_for_ever",
        "test_waits_in_a_library_that_lets_no_other_thread_run",
    ]
    assert "test_hung.py::test_waits_for_ever did not end within 1 s. It stands here:" in lines
    assert any(line.endswith("line 6 in test_waits_for_ever") for line in lines)
    assert any(line.endswith("line 10 in test_waits_in_a_library_that_lets_no_other_thread_run") for line in lines)


@pytest.mark.parametrize(
    ("asked", "of_passed"),
    [
        ({}, ["call"]),
        ({"verbose": 1}, ["setup", "call", "teardown"]),
        ({"durations": 0}, ["setup", "call", "teardown"]),
        ({"xmlpath": "a.xml"}, ["setup", "call", "teardown"]),
    ],
)
def test_a_worker_sends_the_reports_that_someone_reads(asked: dict[str, Any], of_passed: list[str]) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(**{"verbose": 0, "durations": None, "xmlpath": None, **asked}))

    def sent(outcome: Any) -> list[str]:
        phases: list[Any] = ["setup", "call", "teardown"]
        reports = [pytest.TestReport("a.py::test_a", ("a.py", 1, ""), {}, outcome, None, when) for when in phases]
        return [str(one.when) for one in reports if pytest_report_to_serializable(config, one) is None]

    assert sent("passed") == of_passed
    assert sent("failed") == sent("skipped") == ["setup", "call", "teardown"]


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_browser_tests_that_could_not_run_are_said_last(workers: str, tmp_path: Path) -> None:
    lines = run(workers, "tests/browser", CHROMIUM="", PATH=str(tmp_path))
    title, reason, verdict = lines[-3:]
    assert title.strip("!") == " browser tests "
    assert reason.startswith("NOT RUN: ")
    assert " browser tests need Chromium, and there is none. Install it" in reason
    assert verdict.startswith("1 skipped")


def test_what_a_test_says_of_today_or_of_this_hour_is_not_asked_in_the_next() -> None:
    midnight = 1_798_848_000.0  # 2027-01-02 UTC
    timestamps = {-91: 0, -89: 89.1, -1.5: 1.6, 0: 0, 3500: 0, 3590: 10.1, 3600: 0}
    assert {timestamp: round(pause_before(midnight + timestamp), 1) for timestamp in timestamps} == timestamps


def test_what_a_single_test_imports_late_is_not_imported_by_collecting_it() -> None:
    """Pytest asks each object of a file whether it is a test or a fixture."""
    missing = Late("tests.no_module_of_this_name")
    assert [getattr(missing, name, None) for name in ("__test__", "_pytestfixturefunction", "__wrapped__")] == [
        None
    ] * 3
    with pytest.raises(ModuleNotFoundError):
        _ = missing.anything
    assert Late("json").loads("[1]") == [1]
