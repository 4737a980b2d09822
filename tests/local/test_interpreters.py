"""Which Python the virtual environment is made with: what PATH names, unless the system's is built for more speed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.folders import PROJECT

OPTIMIZED, PLAIN = "'--prefix=/usr' '--enable-optimizations' '--with-lto'", "'--prefix=/home/olga/.pyenv'"


class Machine:
    """Its interpreters: scripts that have this process's one say of itself what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.path, self.system = folder / "bin", folder / "system" / "python3"
        self.path.mkdir()
        self.system.parent.mkdir()

    def install(self, *, at: Path, built: str, version: tuple[int, int] = (3, 11), can_make: bool = True) -> None:
        """One with these arguments of its configuration. Debian's is without ``ensurepip`` until python3-venv comes."""
        pretended = f"import sys, sysconfig; sys.version_info = {version}; sysconfig.get_config_var = lambda _: BUILT"
        missing = "" if can_make else "; sys.modules['ensurepip'] = None"
        at.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "BUILT = \\"{built}\\"; {pretended}{missing}; $2"\n')
        at.chmod(0o755)

    def choose(self, *given: str) -> str:
        """What make takes."""
        make = shutil.which("make")
        assert make is not None
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
        ran = subprocess.run(
            [
                *(make, "-f", str(PROJECT / "Makefile"), "--eval=chosen: ; @: $(info $(PYTHON))", "chosen"),
                *(f"SYSTEM_PYTHON={self.system}", *given),
            ],
            env={**env, "PATH": str(self.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_path_names_is_taken_if_it_is_built_for_speed(machine: Machine) -> None:
    machine.install(at=machine.path / "python3", built=OPTIMIZED)
    machine.install(at=machine.system, built=OPTIMIZED)
    assert machine.choose() == "python3"


def test_the_systems_own_is_taken_before_one_that_was_compiled_without_a_profile(machine: Machine) -> None:
    machine.install(at=machine.path / "python3", built=PLAIN)
    machine.install(at=machine.system, built=PLAIN)
    assert machine.choose() == str(machine.system)


@pytest.mark.parametrize("system", [{"can_make": False}, {"version": (3, 9)}])
def test_a_system_that_is_too_old_or_without_venv_is_passed_over(machine: Machine, system: dict[str, object]) -> None:
    machine.install(at=machine.path / "python3", built=PLAIN)
    machine.install(at=machine.system, built=PLAIN, **system)  # type: ignore[arg-type]
    assert machine.choose() == "python3"


def test_where_python3_is_too_old_a_newer_one_by_its_name_is_taken(machine: Machine) -> None:
    machine.install(at=machine.path / "python3", built=OPTIMIZED, version=(3, 10))
    machine.install(at=machine.path / "python3.13", built=PLAIN, version=(3, 13))
    assert machine.choose() == "python3.13"


def test_who_names_one_gets_that_one(machine: Machine) -> None:
    machine.install(at=machine.path / "python3", built=OPTIMIZED)
    machine.install(at=machine.system, built=OPTIMIZED)
    assert machine.choose("PYTHON=python3.14") == "python3.14"


def test_where_there_is_none_none_is_taken(machine: Machine) -> None:
    assert machine.choose() == ""
