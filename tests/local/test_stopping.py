"""However it ends, nothing of it is left: not a process, not a temporary folder."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import psycopg
import pytest

from local import folders
from local.guard import Guard, find_live_groups
from local.processes import Child
from tests.local.scene import (
    ENDS_WITHIN,
    PATIENCE,
    PROJECT,
    Project,
    Run,
    addresses,
    await_end,
    find_descendants,
    is_alive,
    wait_until,
)

SERVERS = {"postgres", "valkey-server", "tansu"}


def _temporary_folder(below: dict[int, str]) -> Path:
    valkey = next(pid for pid, name in below.items() if name == "valkey-server")
    return Path(f"/proc/{valkey}/cwd").readlink()


def _start_command(project: Project, **env: str) -> tuple[Run, dict[int, str]]:
    """A command on the services that has a child of its own and would stay for ever."""
    run = project.start("exec", "--", "sh", "-c", "sleep 600 & echo at work; wait", **env)
    run.await_line("at work")
    wait_until(lambda: "sleep" in find_descendants(run.process.pid).values(), within=PATIENCE, what="its child")
    below = find_descendants(run.process.pid)
    assert set(below.values()) >= {*SERVERS, "sh", "sleep"}
    return run, below


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_leaves_nothing(project: Project, signum: signal.Signals) -> None:
    run, below = _start_command(project)
    temporary = _temporary_folder(below)
    asked = time.monotonic()
    run.process.send_signal(signum)
    assert run.end()[0] == 128 + signum
    assert time.monotonic() - asked < ENDS_WITHIN
    assert [pid for pid in below if is_alive(pid)] == []
    assert not temporary.exists()


def test_killed_it_leaves_nothing(project: Project) -> None:
    run, below = _start_command(project)
    temporary = _temporary_folder(below)
    run.process.kill()
    run.process.wait()
    await_end(below, within=PATIENCE)
    wait_until(lambda: not temporary.exists(), within=PATIENCE, what="the end of the temporary folder")


def test_the_guard_knows_of_a_process_before_that_can_start_others(tmp_path: Path) -> None:
    supervisor, known = os.getpid(), tmp_path / "known"

    class SlowSupervisor:
        """A guard, to which the supervisor reports late, as on a machine that has much to do."""

        def watch(self, group: int, death_signal: int) -> None:
            if os.getpid() == supervisor:
                time.sleep(2)
            known.write_text(f"{group} {int(death_signal)}")

        def forget(self, group: int) -> None:
            known.unlink()

    script = f'test "$(cat "{known}")" = "$$ 15"'
    child = Child("c", ["sh", "-c", script], cast(Guard, SlowSupervisor()), log=tmp_path / "log")
    child.start()
    assert child.wait() == 0


def test_what_a_process_has_left_is_gone_when_it_is_swept(tmp_path: Path) -> None:
    class Deaf:
        """A guard that hears of nothing: all ends here."""

        def watch(self, group: int, death_signal: int) -> None:
            pass

        def forget(self, group: int) -> None:
            pass

    script = "i=0; while [ $i -lt 20 ]; do sleep 600 & i=$((i + 1)); done"
    child = Child("c", ["sh", "-c", script], cast(Guard, Deaf()), log=tmp_path / "log")
    child.start()
    assert child.wait() == 0
    assert child.pid not in find_live_groups()


WORKER = """
import sys, time
from pathlib import Path
from tests.local.scene import Project
run = Project(Path(sys.argv[1])).start("exec", "--", "sh", "-c", "echo at work; sleep 600")
run.await_line("at work")
print(run.process.pid, flush=True)
time.sleep(600)
"""


def test_a_test_worker_that_is_killed_leaves_nothing_of_what_it_tested(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "project")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        tested = int(worker.stdout.readline())
        below = {tested: "python", **find_descendants(tested)}
        assert set(below.values()) >= {*SERVERS, "sh"}
        worker.kill()
    await_end(below, within=PATIENCE)


@pytest.fixture
def place() -> Iterator[Path]:
    """Where no run but those of one test keeps its temporary folders: any run takes away what others have left."""
    folder = Path(tempfile.mkdtemp(prefix="place-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_killed_together_with_its_guard_it_leaves_no_server(project: Project, place: Path) -> None:
    run, below = _start_command(project, TMPDIR=str(place))
    temporary = _temporary_folder(below)
    guard = next(pid for pid, name in below.items() if name.startswith("python"))
    os.kill(guard, signal.SIGKILL)
    run.process.kill()
    run.process.wait()
    await_end({pid: name for pid, name in below.items() if name in SERVERS}, within=PATIENCE)
    for pid, name in below.items():
        if name == "sleep":  # a grandchild: only the guard could have known it
            os.kill(pid, signal.SIGKILL)
    assert temporary.exists()
    assert temporary.parent == place
    assert project.run("exec", "--", "true", DATABASE_URL="postgresql://by-halves", TMPDIR=str(place))[0] == 1
    assert not temporary.exists(), "the next run takes away what is left"


def test_a_service_that_dies_comes_back_at_its_address_and_stops_with_the_rest(project: Project) -> None:
    run = project.start("services")
    run.await_line("to use them")
    before = project.read_env()
    valkey = next(pid for pid, name in find_descendants(run.process.pid).items() if name == "valkey-server")
    os.kill(valkey, signal.SIGKILL)
    assert run.await_line("valkey") == "valkey was ended by SIGKILL; starting it again"
    wait_until(
        lambda: "valkey-server" in find_descendants(run.process.pid).values(),
        within=PATIENCE,
        what="another valkey-server",
    )
    assert project.read_env() == before

    below = find_descendants(run.process.pid)
    os.killpg(run.process.pid, signal.SIGTERM)
    status, lines = run.end()
    assert (status, lines[-1]) == (0, "stopping")
    assert [pid for pid in below if is_alive(pid)] == []
    assert "database system is shut down" in (project.kept / "log" / "postgresql.log").read_text()


def test_a_database_that_is_killed_at_work_comes_back(project: Project) -> None:
    """What it is about ends with it: while that goes on, no other server gets the data."""
    run = project.start("services")
    run.await_line("to use them")
    address = project.read_env()["DATABASE_ADMIN_URL"]
    with closing(psycopg.connect(address, autocommit=True)) as client:
        # It looks at nothing until it is through.
        client.execute("SET statement_timeout = 0")
        client.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 20000) b")
        with psycopg.connect(address, autocommit=True) as other:
            wait_until(
                lambda: other.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ '^SELECT count'"
                ).fetchone(),
                within=PATIENCE,
                what="its statement",
            )
        lines = (project.kept / "postgres" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), signal.SIGKILL)
        assert run.await_line("postgresql") == "postgresql was ended by SIGKILL; starting it again"

    def is_back() -> bool:
        assert run.process.poll() is None, run.end()
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(is_back, within=PATIENCE, what="another PostgreSQL")
    run.process.terminate()
    assert run.end()[0] == 0


def test_a_run_that_tidies_leaves_a_folder_alone_that_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is a file before it is held."""
    monkeypatch.setattr(folders, "_is_usable", lambda _: True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    real = fcntl.flock
    swept = []

    def take(descriptor: int, operation: int) -> None:
        if not swept:
            swept.append(True)
            folders._sweep(tmp_path)
        real(descriptor, operation)

    monkeypatch.setattr(folders.fcntl, "flock", take)
    guard = Guard()
    try:
        folder = folders.make_throwaway(guard)
        assert swept and (folder / "lock").is_file()
        # It is held: the next one that tidies leaves it alone as well.
        folders._sweep(tmp_path)
        assert folder.is_dir()
    finally:
        guard.dismiss()


def test_the_exit_status_is_that_of_the_command(project: Project) -> None:
    given = addresses()
    assert project.run("exec", "--", "sh", "-c", "exit 7", **given)[0] == 7
    assert project.run("exec", "--", "sh", "-c", "kill -KILL $$", **given)[0] == 128 + signal.SIGKILL
    assert project.run("exec", "--", "no-such-command") == (1, ["exec: there is no command no-such-command"])


def test_make_killed_without_a_word_takes_all_with_it(project: Project) -> None:
    (project.folder / "Makefile").write_text(
        f"run:\n\t@exec {project.python[0]} -m local exec -- sh -c 'echo at work; sleep 600'\n"
    )
    project.python = ["sh", "-c", "exec make run"]
    run = project.start()
    run.await_line("at work")
    below = find_descendants(run.process.pid)
    assert set(below.values()) >= SERVERS
    run.process.kill()
    run.process.wait()
    await_end(below, within=PATIENCE)
