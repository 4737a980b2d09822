"""A developer starts the services, uses them, replaces one, and finds them again the next day."""

import json
import os
import pwd
import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from local import secrets
from tests.local.scene import Project, Run, answers, find_descendants, find_owners, new_project


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The services of a developer, who only looks at them; in a folder that no other account may enter."""
    with new_project(tmp_path_factory.mktemp("looked at") / "project", mode=0o700) as project:
        run = project.start("services")
        run.await_line("to use them")
        yield run
        run.process.terminate()
        assert run.end()[0] == 0
        assert not (project.kept / "env").exists()


def test_a_developer_gets_three_services_and_their_addresses(running: Run) -> None:
    names = [re.fullmatch(r"(\w+) [0-9.]+ ready in [0-9.]+ s \(port \d+\)", line) for line in running.lines[:3]]
    assert [name and name[1] for name in names] == ["postgresql", "valkey", "tansu"]
    env = running.project.read_env()
    assert sorted(env) == [
        "DATABASE_ADMIN_URL",
        "DATABASE_BACKUP_URL",
        "DATABASE_OWNER_URL",
        "DATABASE_PLATFORM_URL",
        "DATABASE_RELAY_URL",
        "DATABASE_URL",
        "DEBUG",
        "INDEX_KEY",
        "KAFKA_BOOTSTRAP_SERVERS",
        "MASTER_KEYS",
        "REDIS_URL",
        "SECRET_KEY",
    ]
    assert env["DEBUG"] == "true"
    for private in ("env", "secrets"):
        assert stat.S_IMODE((running.project.kept / private).stat().st_mode) == 0o600


def test_kept_data_are_as_durable_as_real_ones(running: Run) -> None:
    with psycopg.connect(running.project.read_env()["DATABASE_ADMIN_URL"]) as admin:
        durability = admin.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
        locale = admin.execute(
            "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding)"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert durability == ("on", "on")
    assert locale == ("b", "C.UTF-8", "UTF8")


def test_no_one_enters_without_the_password(running: Run) -> None:
    env = running.project.read_env()
    port = find_port(env["DATABASE_URL"])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{port}/postgres")
    with socket.create_connection(("127.0.0.1", find_port(env["REDIS_URL"]))) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(64).startswith(b"-NOAUTH")


def test_the_services_listen_on_this_machine_only(running: Run) -> None:
    env = running.project.read_env()
    addresses = (env["DATABASE_URL"], env["REDIS_URL"], f"tcp://{env['KAFKA_BOOTSTRAP_SERVERS']}")
    ports = {find_port(address) for address in addresses}
    assert len(ports) == 3
    listening = set()
    for table in ("tcp", "tcp6"):
        for row in Path("/proc/net", table).read_text().splitlines()[1:]:
            (host, port), state = row.split()[1].split(":"), row.split()[3]
            if state == "0A" and int(port, 16) in ports:
                listening.add((host, int(port, 16)))
    assert listening == {("0100007F", port) for port in ports}


def test_the_server_runs_as_somebody_ordinary(running: Run) -> None:
    below = find_descendants(running.process.pid)
    owners = find_owners(pid for pid, name in below.items() if name == "postgres")
    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    assert owners == {expected}
    assert (running.project.kept / "postgres").stat().st_uid == expected
    assert stat.S_IMODE(running.project.folder.stat().st_mode) == 0o700


def test_the_next_day_the_data_are_still_there(project: Project) -> None:
    run = project.start("services")
    run.await_line("to use them")
    monday = project.read_env()
    with psycopg.connect(monday["DATABASE_ADMIN_URL"]) as admin:
        admin.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    (guard,) = (pid for pid, name in find_descendants(run.process.pid).items() if name.startswith("python"))
    os.kill(guard, signal.SIGSTOP)  # it has not come to tidy when the next one begins
    try:
        run.process.kill()  # not even asked to stop
        run.process.wait()
        holder = f"another demo or services run (process {run.process.pid})"
        assert project.run("services") == (1, [f"services: {project.kept} is in use by {holder}; stop it first"])
    finally:
        os.kill(guard, signal.SIGCONT)
    run = project.start("services")
    while "in use" in (line := run.await_line("")):  # the guard of the killed one is still tidying
        run = project.start("services")
    assert line.startswith("postgresql 18.6 ready")
    run.await_line("to use them")
    tuesday = project.read_env()
    with psycopg.connect(tuesday["DATABASE_ADMIN_URL"]) as admin:
        assert admin.execute("SELECT answer FROM kept").fetchone() == (42,)
    secrets = ("SECRET_KEY", "MASTER_KEYS", "INDEX_KEY")
    assert [monday[name] for name in secrets] == [tuesday[name] for name in secrets]


def test_a_service_with_an_address_is_not_started(project: Project) -> None:
    with socket.socket() as real:
        real.bind(("127.0.0.1", 0))
        real.listen()
        address = f"redis://127.0.0.1:{real.getsockname()[1]}/3"
        status, lines = project.run("exec", "--", "sh", "-c", 'echo "REDIS=$REDIS_URL"', REDIS_URL=address)
    assert status == 0
    assert [line for line in lines if "valkey" in line] == ["valkey not started: REDIS_URL is set"]
    assert f"REDIS={address}" in lines
    assert [line.split()[0] for line in lines if " ready in " in line] == ["postgresql", "tansu"]


def test_a_database_given_by_halves_is_named(project: Project) -> None:
    status, lines = project.run("services", DATABASE_URL="postgresql://c360_app:x@db.example/c360")
    assert status == 1
    assert lines == [
        "services: DATABASE_URL is set, so DATABASE_OWNER_URL, DATABASE_PLATFORM_URL, DATABASE_RELAY_URL must be set "
        "as well (DATABASE_ADMIN_URL too, where the roles are not made yet); unset DATABASE_URL to use the embedded "
        "PostgreSQL"
    ]


def test_an_address_where_no_one_answers_is_named(project: Project) -> None:
    status, lines = project.run("exec", "--", "true", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert status == 1
    assert lines[-1] == (
        "exec: KAFKA_BOOTSTRAP_SERVERS is set, and nothing answers at 127.0.0.1:1 (Connection refused); "
        "unset it to use the embedded service"
    )


def test_a_data_folder_of_another_postgresql_is_left_alone(project: Project) -> None:
    data = project.kept / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    refusal = (
        f"services: {data} was made by PostgreSQL 17, and this is PostgreSQL 18.6; "
        "move it away (mv .local/postgres .local/postgres-17) and a new one is made"
    )
    assert project.run("services") == (1, [refusal])
    assert (data / "PG_VERSION").read_text() == "17\n"


def test_a_folder_that_is_no_data_folder_is_left_alone(project: Project) -> None:
    data = project.kept / "postgres"
    data.mkdir(parents=True)
    (data / "diary").write_text("mine")
    assert project.run("services") == (1, [f"services: {data} is no PostgreSQL data folder; move it away"])
    assert (data / "diary").read_text() == "mine"


def test_data_whose_secrets_are_lost_are_left_alone(project: Project) -> None:
    data = project.kept / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    kept = project.kept / "secrets"
    lost = f"services: {kept} is missing, and {data} is encrypted with it; put it back or move {data} away"
    assert project.run("services") == (1, [lost])
    kept.write_text("{}")
    # The passwords of the other roles are set at each start, and can be made again.
    lacking = "INDEX_KEY, MASTER_KEYS, SECRET_KEY, postgres, valkey"
    refusal = f"services: {kept} lacks {lacking}; put it back or move .local away"
    assert project.run("services") == (1, [refusal])


def test_a_role_that_is_new_gets_its_password_beside_the_kept_secrets(tmp_path: Path) -> None:
    kept = secrets.make()
    path = tmp_path / "secrets"
    path.write_text(json.dumps({name: value for name, value in kept.items() if name != "c360_backup"}))
    loaded = secrets.load_or_make(path, data=tmp_path)
    assert loaded.keys() == kept.keys()
    assert {**loaded, "c360_backup": ""} == {**kept, "c360_backup": ""}
    assert secrets.load_or_make(path, data=tmp_path) == loaded


def test_two_on_the_same_folder_do_not_meet(project: Project) -> None:
    first = project.start("services")
    first.await_line("to use them")
    port = find_port(project.read_env()["DATABASE_URL"])
    holder = f"another demo or services run (process {first.process.pid})"
    assert project.run("demo") == (1, [f"demo: {project.kept} is in use by {holder}; stop it first"])
    assert answers(port)


def find_port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
