"""What ``make kafka-test`` fetches: the release that installations run, byte for byte what was looked at."""

import hashlib
import os
import re
import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest

from local.folders import PROJECT, Folders
from local.kafka import cluster, jars
from local.kafka.verb import find_commands
from local.trouble import CannotStart, NotAvailable


def test_it_is_the_release_that_compose_runs() -> None:
    image = re.search(r"image: apache/kafka:(\S+)", (PROJECT / "compose.yaml").read_text())
    assert image is not None
    assert jars.find_version() == image[1]
    assert f"kafka_2.13-{image[1]}.jar" in jars.read_checksums()


@pytest.mark.parametrize(
    ("there", "difference"),
    [
        ({"a.jar": b"a", "b.jar": b"b"}, ""),
        ({"a.jar": b"a"}, "b.jar is missing"),
        ({"a.jar": b"a", "b.jar": b"b", "c.jar": b"c"}, "c.jar is not expected"),
        ({"a.jar": b"a", "b.jar": b"B"}, "b.jar has another content"),
        ({}, "a.jar is missing, b.jar is missing"),
        (
            {"b.jar": b"", "c.jar": b"", "d.jar": b"", "e.jar": b""},
            "a.jar is missing, c.jar is not expected, d.jar is not expected and 2 more",
        ),
    ],
)
def test_whatever_is_not_as_pinned_is_named(tmp_path: Path, there: dict[str, bytes], difference: str) -> None:
    pinned = {name: hashlib.sha256(name[:1].encode()).hexdigest() for name in ("a.jar", "b.jar")}
    for name, content in there.items():
        (tmp_path / name).write_bytes(content)
    assert jars.find_difference(tmp_path, pinned) == difference


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        (None, "java is not installed, and Apache Kafka needs 17 or newer; on Debian: apt-get install openjdk-17-jre"),
        ('openjdk version "11.0.24" 2024-07-16', '/java is not Java 17 or newer: openjdk version "11.0.24" 2024-07-16'),
        ('java version "1.8.0_392"', '/java is not Java 17 or newer: java version "1.8.0_392"'),
        ("", "/java is not Java 17 or newer: it says nothing"),
    ],
)
def test_a_java_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, refusal: str
) -> None:
    install(tmp_path, monkeypatch, java=None if said is None else f"echo '{said}' >&2")
    with pytest.raises(NotAvailable, match=re.escape(refusal)):
        jars.find_java()


@pytest.mark.parametrize("said", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "25" 2025-09-16'])
def test_a_java_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    install(tmp_path, monkeypatch, java=f"echo '{said}' >&2")
    assert jars.find_java() == str(tmp_path / "java")


def test_a_maven_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    with pytest.raises(NotAvailable, match="mvn is not installed, and it fetches Apache Kafka; on Debian: "):
        jars.provide_jars(guard(), folder=tmp_path / "jars")


def test_a_registry_that_is_away_ends_it_with_what_maven_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, mvn="echo '[ERROR] Could not transfer kafka_2.13'; echo '[ERROR] help'; exit 1")
    with pytest.raises(
        NotAvailable, match=r"registry in reach\? .*maven.log says more\): Could not transfer kafka_2.13"
    ):
        jars.provide_jars(guard(), folder=tmp_path / "jars")
    assert not (tmp_path / "jars").exists()


def test_jars_that_are_others_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The last argument says where to.
    install(tmp_path, monkeypatch, mvn='for last; do :; done; echo evil > "${last#*=}/kafka_2.13-4.1.0.jar"')
    with pytest.raises(CannotStart, match=r"not those of local/kafka/checksums.txt: .* is missing") as refusal:
        jars.provide_jars(guard(), folder=tmp_path / "jars")
    assert not isinstance(refusal.value, NotAvailable)
    assert not (tmp_path / "jars").exists()


def test_what_stops_brokers_runs_alone_and_last() -> None:
    whole = [command[5:] for command in find_commands(["-q"])]
    assert whole == [["--numprocesses", "auto", "-q", "tests/messaging"], ["-q", "tests/kafka"]]
    assert [command[5:] for command in find_commands(["tests/kafka/test_x.py"])] == [["tests/kafka/test_x.py"]]


def test_a_port_that_another_took_in_the_meantime_costs_a_second_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = count(20_000)
    install(tmp_path, monkeypatch, java=f'case "$*" in *StorageTool*) exit 0;; esac; echo {cluster.PORT_TAKEN}; exit 1')
    monkeypatch.setattr(cluster, "find_free_port", lambda: next(ports))
    monkeypatch.setattr(cluster, "find_java", lambda: str(tmp_path / "java"))
    monkeypatch.setattr(cluster, "provide_jars", lambda _: tmp_path)
    monkeypatch.setattr(cluster, "ATTEMPTS", 2)
    folders = Folders(runtime=tmp_path, data=tmp_path, logs=tmp_path, kept=False)
    brokers = cluster.Cluster(folders, guard())  # type: ignore[arg-type]
    with pytest.raises(CannotStart, match=re.escape(cluster.PORT_TAKEN)):
        brokers.start()
    brokers.stop()
    assert next(ports) - 20_000 == 2 * len(cluster.NODES) * len(cluster.LISTENERS)


CI = {"java": "exit 0", "mvn": "exit 0", "make": 'echo "make $*"'}


@pytest.mark.parametrize(
    ("absent", "fetching", "status", "ran"),
    [
        ("", 0, 0, True),
        ("", 69, 0, False),
        ("", 1, 1, None),
        ("java", 0, 0, False),
        ("mvn", 0, 0, False),
    ],
)
def test_ci_runs_it_where_it_can_be_had_and_says_so_where_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str, fetching: int, status: int, ran: bool | None
) -> None:
    for folder in (".ci", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(PROJECT / ".ci" / "run", tmp_path / ".ci" / "run")
    bash, dirname = shutil.which("bash"), shutil.which("dirname")
    assert bash and dirname
    install(tmp_path / ".venv" / "bin", monkeypatch, python=f"exit {fetching}")
    programs = {name: script for name, script in CI.items() if name != absent}
    install(tmp_path, monkeypatch, **programs, dirname=f'exec {dirname} "$@"')
    ci = subprocess.run([bash, tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert ci.returncode == status
    expected = ["make check", "make test", *(["make kafka-test"] if ran else [])]
    assert ci.stdout.splitlines() == expected
    assert ("kafka-test was NOT run" in ci.stderr) == (ran is False)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str | None) -> None:
    """Have these programs and no others, each a few words of shell."""
    for name, script in programs.items():
        if script is not None:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def guard() -> "Watch":
    return Watch()


class Watch:
    """A guard that only listens: no process of these tests lives on."""

    def watch(self, group: int, death_signal: int) -> None:
        os.kill(group, 0)

    def forget(self, group: int) -> None:
        pass
