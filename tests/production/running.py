"""The services of compose.yaml as processes of this machine: their commands, their environments, the image's files.

Nothing is changed but addresses: hosts, ports, and the folders /app and /tmp.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.processes import find_free_port, with_parent
from tests.endings import Ending
from tests.production.compose import PROJECT, Service, load, read_dockerfile, read_env

# .env.example's password -> the role whose password of this test run it becomes.
LOGINS = {
    "POSTGRES_PASSWORD": "DATABASE_ADMIN_URL",
    "C360_OWNER_PASSWORD": "DATABASE_OWNER_URL",
    "C360_APP_PASSWORD": "DATABASE_URL",
    "C360_PLATFORM_PASSWORD": "DATABASE_PLATFORM_URL",
    "C360_RELAY_PASSWORD": "DATABASE_RELAY_URL",
    "VALKEY_PASSWORD": "REDIS_URL",
}
PATIENCE_SECONDS = 120.0


def make_env(folder: Path) -> dict[str, str]:
    """A .env for localhost as an operator makes it, with the passwords that the services of this run have."""
    path = folder / ".env"
    subprocess.run(
        [sys.executable, "-I", "docs/deploy/make_env.py", "localhost", "--to", str(path)], cwd=PROJECT, check=True
    )
    text = path.read_text()
    # Without it provisioning would close the role of backups, which is that of the whole cluster, to other tests.
    backup = urlsplit(os.environ["DATABASE_BACKUP_URL"])
    login = f"postgres://{backup.username}:{backup.password}@postgres:5432/c360?sslmode=disable"
    text = re.sub(r"^DATABASE_BACKUP_URL=.*$", f"DATABASE_BACKUP_URL={login}", text, flags=re.M)
    for name, variable in LOGINS.items():
        password = urlsplit(os.environ[variable]).password
        text = re.sub(rf"^{name}=.*$", f"{name}={password}", text, flags=re.M)
    path.write_text(text)
    return read_env(path)


def lay_image(folder: Path) -> Path:
    """What the Dockerfile copies into /app, and nothing else of the repository, but compiled where it was already."""
    app = folder / "app"
    app.mkdir()
    text = (PROJECT / "Dockerfile").read_text()
    for sources, target in re.findall(r"^COPY (?!--from)(.+) (\S+)$", text[text.rindex("\nFROM ") :], flags=re.M):
        for source in sources.split():
            if (PROJECT / source).is_dir():
                shutil.copytree(PROJECT / source, app / target, ignore=shutil.ignore_patterns("*.pyc.*"))
            else:
                shutil.copy(PROJECT / source, app / target)
    return app


class Installation:
    """One installation: its services by name, and the processes that were started of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = load(make_env(folder))
        self.app = lay_image(folder)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[tuple[str, str], int] = {}
        # What the story finds out on its way.
        self.customer = self.live = ""

    def port(self, name: str, number: int | str) -> int:
        """The port of this machine that stands for a port of a service's container."""
        return self._ports.setdefault((name, str(number)), find_free_port())

    def environment(self, name: str) -> dict[str, str]:
        """Exactly what the container would have, at the addresses of this run."""
        service = self.services[name]
        made = {variable: self._readdress(value) for variable, value in service.environment.items()}
        return {**made, "PATH": self._path, "HOME": str(self.app)}

    def _readdress(self, value: str) -> str:
        database, redis = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
        value = value.replace("@postgres:5432/", f"@{database.hostname}:{database.port}/")
        value = value.replace("@valkey:6379/", f"@{redis.hostname}:{redis.port}/")
        value = re.sub(r"^kafka:9092$", os.environ["KAFKA_BOOTSTRAP_SERVERS"], value)
        return value.replace("/app/", f"{self.app}/")

    def localize(self, name: str, command: list[str]) -> list[str]:
        """A command of a service at the addresses of this run."""
        private = self.folder / name
        private.mkdir(exist_ok=True)

        def readdress(part: str) -> str:
            part = part.replace("/tmp/", f"{private}/").replace("0.0.0.0", "127.0.0.1")
            return re.sub(r"(?<=:)[89]\d{3}\b|^[89]\d{3}$", lambda found: str(self.port(name, found[0])), part)

        return [readdress(part) for part in command]

    def start(self, name: str) -> None:
        """Start a service as compose would."""
        with self._log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.localize(name, self.services[name].command),
                env=self.environment(name),
                cwd=self.app,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=with_parent(),
            )

    def run(self, name: str, *command: str) -> str:
        """Run a command in a service's environment to its end, as ``docker compose run`` does; what it printed."""
        run = subprocess.run(
            self.localize(name, list(command) or self.services[name].command),
            env=self.environment(name),
            cwd=self.app,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_SECONDS,
        )
        assert run.returncode == 0, f"{name}: {run.stdout[-1500:]} {run.stderr[-3000:]}"
        return run.stdout

    def collect_static(self) -> None:
        """The Dockerfile's own line."""
        environment, _, runs = read_dockerfile()
        (line,) = (run for run in runs if "collectstatic" in run)
        subprocess.run(
            ["sh", "-ec", line.partition("&& chown")[0]],
            env={**{name: self._readdress(value) for name, value in environment.items()}, "PATH": self._path},
            cwd=self.app,
            check=True,
            capture_output=True,
        )

    @property
    def _path(self) -> str:
        return f"{Path(sys.executable).parent}:/usr/bin:/bin"

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The end of what a service wrote."""
        return self._log(name).read_text(errors="replace")[-3000:]

    def await_healthy(self, name: str) -> None:
        """Wait until the service's own health check passes. A service that has ended is never healthy."""
        probe = self._probe(self.services[name])
        process = self.running[name]

        def healthy() -> bool:
            assert process.poll() is None, f"{name} ended with {process.returncode}: {self.last_words(name)}"
            command = self.localize(name, probe)
            return subprocess.run(command, env=self.environment(name), capture_output=True).returncode == 0

        await_that(healthy, f"{name} is not healthy", lambda: self.last_words(name))

    def _probe(self, service: Service) -> list[str]:
        """The command of a health check: the service's own, or the image's."""
        given: Mapping[str, Any] = service.document.get("healthcheck") or {}
        test = given.get("test")
        if test is None:
            text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
            found = re.search(r"^HEALTHCHECK .*?CMD (\[.*\])$", text, flags=re.M)
            assert found
            test = ["CMD", *json.loads(found[1])]
        kind, *rest = test
        return ["sh", "-c", *rest] if kind == "CMD-SHELL" else rest

    def end(self, name: str) -> tuple[int, float]:
        """SIGTERM, as a container gets it: the status, and the seconds it took (``tests.endings``)."""
        process = self.running.pop(name)
        try:
            with Ending(process.pid) as ending:
                process.terminate()
                status = process.wait(timeout=PATIENCE_SECONDS)
        finally:
            self._sweep(process)
        return status, ending.seconds

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.running.values():
            self._sweep(process)
        self.running.clear()

    def _sweep(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            process.wait()


def await_that(condition: Callable[[], Any], what: str, explain: Callable[[], str] = str) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"{what}: {explain()}"
        time.sleep(0.1)
