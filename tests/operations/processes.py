"""The product as production runs it: every process, on the test database, with what each of them writes."""

import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.forking import Forked, Started
from tests.messaging.kafka import command_env

READY_SECONDS = 400
HOST = "c360.example"
# What the proxy in front says: the request came over TLS, from this client.
PROXY_HEADERS = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}


def production_env(folder: Path, *, prefix: str, **more: str) -> dict[str, str]:
    """Production's settings: no DEBUG, so every default is production's."""
    given = command_env()
    for name in ("DEBUG", "LOG_FORMAT", "EVENT_STREAM_URL", "PROMETHEUS_MULTIPROC_DIR"):
        given.pop(name, None)
    return given | {
        "DATA_AT_REST": "luks",
        "ALLOWED_HOSTS": HOST,
        "CSRF_TRUSTED_ORIGINS": f"https://{HOST}",
        "TRUSTED_PROXY_TLS": "true",
        "KAFKA_TOPIC_PREFIX": prefix,
        "STATIC_ROOT": str(folder / "static"),
        "TMPDIR": str(folder),
        **more,
    }


@dataclass
class Process:
    """One process, and everything it has written to standard output and standard error. It is started, or forked of one
    that has loaded the product in the environment ``loaded_in``.
    """

    name: str
    arguments: list[str]
    env: Mapping[str, str]
    log: Path
    probe: str
    metrics: str
    loaded_in: Mapping[str, str] | None = None
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        streams: dict[str, Any] = {"env": dict(self.env), "stderr": subprocess.STDOUT}
        with self.log.open("ab") as log:
            if self.loaded_in is None:
                self.process = Started(self.arguments, stdout=log, **streams)
            else:
                self.process = Forked(self.arguments, stdout=log, loaded_in=self.loaded_in, **streams)

    def await_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.probe, timeout=30):
                    return
            except OSError:
                assert self.process.poll() is None, f"{self.name} ended: {self.text()[-2000:]}"
                time.sleep(0.1)
        raise AssertionError(f"{self.name} did not become ready: {self.text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """What it wrote, each line as the JSON object that it must be."""
        is_running = self.process is not None and self.process.poll() is None
        *lines, rest = self.log.read_bytes().split(b"\n")
        # The system writes page by page: of a line over two of them the first part may be there alone for a while.
        if rest and not is_running:
            lines.append(rest)
        written = []
        for line in lines:
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise AssertionError(f"{self.name} wrote a line that is not JSON: {line[:300]!r}") from None
            assert isinstance(record, dict), line
            written.append(record)
        return written

    def scrape(self) -> dict[str, Metric]:
        """Its figures by family, as Prometheus reads them."""
        with urllib.request.urlopen(self.metrics, timeout=120) as answer:
            page: str = answer.read().decode()
        return {family.name: family for family in text_string_to_metric_families(page)}


def server(
    name: str, port: int, folder: Path, env: Mapping[str, str], *, loaded_in: Mapping[str, str] | None = None
) -> Process:
    """The server of a kind, ``web`` or ``stream``."""
    probe = "/live/healthz" if name == "stream" else "/healthz/live"
    address = f"http://127.0.0.1:{port}"
    argv = ["-m", "config.serve", name, "--port", str(port)]
    return Process(name, argv, env, folder / f"{name}.log", f"{address}{probe}", f"{address}/metrics", loaded_in)


def command(name: str, port: int, folder: Path, env: Mapping[str, str], *arguments: str) -> Process:
    """A process of ``manage.py``, forked of one that has loaded the product in this environment."""
    address = f"http://127.0.0.1:{port}/metrics"
    argv = ["manage.py", *arguments, "--metrics-port", str(port)]
    return Process(name, argv, env, folder / f"{name}.log", address, address, loaded_in=env)


def run_forked(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What becomes of ``python ARGUMENTS`` in an environment, by a process that has loaded the product in it."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Forked(list(arguments), env=dict(env), loaded_in=env, text=True, **streams) as process:
        output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(list(arguments), process.returncode, output, errors)


def collect_static(env: Mapping[str, str]) -> None:
    """What the image holds already: pages name their files by their content."""
    done = run_forked(env, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    assert done.returncode == 0, done.stderr


def workers_of(process: Process) -> list[int]:
    """The process ids of a server's workers, which are forks of it."""
    assert process.process is not None
    server = process.process.pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [int(pid) for pid in children if _command_line(pid) == _command_line(server) != b""]


def _command_line(pid: int | str) -> bytes:
    """Empty of a process that has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
