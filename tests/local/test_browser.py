"""The browser tests need a chromium: it is installed where that is possible, and missed loudly elsewhere."""

import os
from pathlib import Path

import pytest

from local.browser import find_browser
from tests.local.scene import Project

APT = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
*install*)
    [ -z "$APT_IS_BROKEN" ] || { echo "E: no network" >&2; exit 100; }
esac
case "$*" in
*install*headless*)
    [ -z "$APT_IS_OLD" ] || { echo "E: Unable to locate package" >&2; exit 100; }
    /bin/cp "$0" "{bin}/chromium-headless-shell"
    ;;
*install*) /bin/cp "$0" "{bin}/chromium" ;;
esac
"""
MISSING = (
    "*** Install it (Debian: apt-get install chromium-headless-shell) or name one: CHROMIUM=/path/to/chromium make test"
)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH on which there is an apt-get of ours and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "apt-get"
    script.write_text(APT.replace("{log}", str(tmp_path / "log")).replace("{bin}", str(folder)))
    script.chmod(0o755)
    return folder


def test_chromium_is_installed_by_root_only(project: Project, programs: Path) -> None:
    status, lines = project.run("browser", PATH=str(programs), CHROMIUM="")
    assert status == 0
    if os.geteuid() == 0:
        assert lines == ["installing chromium for the browser tests"]
        update, install = (programs.parent / "log").read_text().splitlines()
        assert update.endswith(" update")
        assert install.endswith(" install --no-install-recommends chromium-headless-shell fonts-liberation")
        assert (programs / "chromium-headless-shell").exists()
    else:
        why = "no chromium was found, and only root may install it."
        assert lines == ["", f"*** THE BROWSER TESTS CANNOT RUN: {why}", MISSING, ""]
        assert not (programs.parent / "log").exists()


def test_where_there_is_no_chromium_without_a_window_a_whole_one_is_installed(project: Project, programs: Path) -> None:
    status, lines = project.run("browser", PATH=str(programs), CHROMIUM="", APT_IS_OLD="1")
    assert status == 0
    assert (programs / "chromium").exists() == (os.geteuid() == 0)
    if os.geteuid() == 0:
        assert lines == ["installing chromium for the browser tests"]
        *_, install = (programs.parent / "log").read_text().splitlines()
        assert install.endswith(" install --no-install-recommends chromium fonts-liberation")


def test_a_failed_installation_is_not_overlooked(project: Project, programs: Path) -> None:
    status, lines = project.run("browser", PATH=str(programs), CHROMIUM="", APT_IS_BROKEN="1")
    why = "apt-get install failed (E: no network)" if os.geteuid() == 0 else "only root may install it"
    assert status == 0
    assert lines[-4:] == [
        "",
        f"*** THE BROWSER TESTS CANNOT RUN: no chromium was found, and {why}.",
        MISSING,
        "",
    ]


def test_a_chromium_that_is_there_or_named_is_taken(project: Project, programs: Path) -> None:
    assert project.run("browser", PATH=str(programs), CHROMIUM="/opt/chromium") == (0, [])
    (programs / "google-chrome").symlink_to(programs / "apt-get")
    assert project.run("browser", PATH=str(programs), CHROMIUM="") == (0, [])
    assert not (programs.parent / "log").exists()


@pytest.mark.parametrize("error", [{}, {"APT_IS_OLD": "1"}, {"APT_IS_BROKEN": "1"}], ids=["", "old", "broken"])
def test_beside_debians_chromium_the_one_without_a_window_is_installed(
    project: Project, programs: Path, error: dict[str, str]
) -> None:
    """It takes half the time. Where it is not to be had, what is there does."""
    (programs / "chromium").symlink_to(programs / "apt-get")
    is_root = os.geteuid() == 0
    said = ["installing chromium for the browser tests"] if is_root else []
    assert project.run("browser", PATH=str(programs), CHROMIUM="", **error) == (0, said)
    assert (programs / "chromium-headless-shell").exists() == (is_root and not error)
    assert (programs.parent / "log").exists() == is_root


def test_of_two_browsers_the_one_without_a_window_is_taken(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("CHROMIUM", raising=False)
    (programs / "chromium").symlink_to(programs / "apt-get")
    assert find_browser() == str(programs / "chromium")
    (programs / "chromium-headless-shell").symlink_to(programs / "apt-get")
    assert find_browser() == str(programs / "chromium-headless-shell")
