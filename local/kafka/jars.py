"""The broker's jars: fetched once by Maven into ``.local/kafka``, and held against ``checksums.txt`` at every start."""

import hashlib
import re
import shutil
import subprocess
import time
from pathlib import Path

from local import signals
from local.folders import PROJECT
from local.guard import Guard
from local.processes import Child, stop
from local.services import say
from local.trouble import CannotStart, NotAvailable, StopRequested

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
CHECKSUMS = HERE / "checksums.txt"
JARS = PROJECT / ".local" / "kafka" / "jars"
# From an empty repository of Maven's it takes a minute where the registry is near.
FETCH_WITHIN = 420.0
OLDEST_JAVA = 17


def find_version() -> str:
    """The release of Kafka that ``pom.xml`` names."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)</version>", POM.read_text())
    assert found is not None
    return found[1]


def find_java() -> str:
    """The program ``java``. Raises NotAvailable where it is not installed, or too old for the brokers."""
    java = shutil.which("java")
    if java is None:
        raise NotAvailable(
            f"java is not installed, and Apache Kafka needs {OLDEST_JAVA} or newer; on Debian: apt-get install"
            f" openjdk-{OLDEST_JAVA}-jre-headless"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise NotAvailable(f"{java} is not Java {OLDEST_JAVA} or newer: {' '.join(said.split()) or 'it says nothing'}")
    return java


def provide_jars(guard: Guard, *, folder: Path = JARS) -> Path:
    """A folder with exactly the jars of ``checksums.txt``. Raises NotAvailable when they cannot be had, CannotStart
    when they differ.
    """
    pinned = read_checksums()
    if folder.is_dir() and not find_difference(folder, pinned):
        return folder
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _fetch(new, guard)
    if difference := find_difference(new, pinned):
        raise CannotStart(
            f"the jars that Maven brought are not those of {CHECKSUMS.relative_to(PROJECT)}: {difference}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    return folder


def read_checksums(path: Path = CHECKSUMS) -> dict[str, str]:
    """The file name of each jar and its SHA-256."""
    pairs = (line.split() for line in path.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def find_difference(folder: Path, pinned: dict[str, str]) -> str:
    """What is in the folder and should not be, or the other way round; empty when it is as pinned."""
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
    differences = [f"{name} is missing" for name in sorted(pinned.keys() - there.keys())]
    differences += [f"{name} is not expected" for name in sorted(there.keys() - pinned.keys())]
    differences += [
        f"{name} has another content" for name in sorted(pinned.keys() & there.keys()) if there[name] != pinned[name]
    ]
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return ", ".join(differences[:3]) + more


def _fetch(folder: Path, guard: Guard) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NotAvailable("mvn is not installed, and it fetches Apache Kafka; on Debian: apt-get install maven")
    say(f"fetching Apache Kafka {find_version()} with Maven, once")
    child = Child(
        "mvn",
        [
            *(maven, "--batch-mode", "--strict-checksums", "--file", POM, "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={folder}"),
        ],
        guard,
        cwd=folder,
        log=folder.with_name("maven.log"),
    )
    child.start()
    try:
        deadline = child.started_at + FETCH_WITHIN
        while child.is_running() and deadline > time.monotonic():
            signals.pause(0.5)
    except StopRequested:
        stop([child])
        raise
    if child.is_running():
        stop([child])
        raise NotAvailable(f"Maven has not brought Apache Kafka within {FETCH_WITHIN:.0f} s; see {child.log}")
    status = child.poll()
    child.sweep()
    if status != 0:
        raise NotAvailable(
            f"Maven cannot fetch Apache Kafka (is its registry in reach? {child.log} says more):"
            f" {_first_error(child) or child.last_words(1)}"
        )


def _first_error(child: Child) -> str:
    assert child.log is not None
    lines = child.log.read_text(errors="replace").splitlines()
    return next((line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")), "")
