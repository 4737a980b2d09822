"""Load over HTTP from a compiled generator, so that what is measured is the server: wrk, or k9 where wrk is missing.

wrk comes from the system's packages; k9 (a Rust engine) is fetched as a wheel the first time that wrk is missing. Both
keep their connections open and send the next request when the answer is there.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from bench.world import CannotMeasure

CONNECTIONS: Final = 8
# How long a generator may take beyond the time it was given.
GRACE_SECONDS: Final = 30
FETCHED: Final = Path(__file__).resolve().parent.parent / ".local" / "k9"


class Request(NamedTuple):
    """One request; ``token`` is a bearer token. Without a body there is none."""

    method: str
    path: str
    token: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """What came back in one slice: answers, all of them good, and the milliseconds of the 50th and 99th percentile."""

    answers: int
    rate: float
    p50: float
    p99: float


class Generator(Protocol):
    """A load generator."""

    name: str

    def run(self, port: int, requests: Sequence[Request], seconds: float) -> Slice:
        """Send the requests in their order, over and over, on CONNECTIONS connections. Raises CannotMeasure."""


def find_generator(folder: Path) -> Generator:
    """wrk if it is installed, else k9. ``folder`` takes the files of the requests."""
    if found := shutil.which("wrk"):
        return Wrk(found, folder)
    return K9(folder)


class Wrk:
    """wrk, one thread: a Lua script hands out the requests, so their order is kept."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        self.name = " ".join(version.split()[:2]) or "wrk"

    def run(self, port: int, requests: Sequence[Request], seconds: float) -> Slice:
        """See Generator."""
        file = self._folder / "requests.tsv"
        file.write_text("".join("\t".join(request) + "\n" for request in requests))
        # wrk takes whole seconds.
        arguments = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        script = str(Path(__file__).with_name("load.lua"))
        output = _run([self._program, *arguments, "-s", script, f"http://127.0.0.1:{port}", "--", str(file)], seconds)
        found: dict[str, Any] = json.loads(output.rstrip().rpartition("\n")[2])
        _refuse_failures(found["refused"] + found["failed"], found["answers"], output)
        return Slice(found["answers"], found["answers"] / found["seconds"], found["p50"], found["p99"])


class K9:
    """k9, a declarative plan: its engine reads the requests from a table, and no Python runs in the meantime."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = os.environ | {"PYTHONPATH": str(FETCHED)}
        self._program = FETCHED / "bin" / "k9"
        if not self._program.exists():
            self._fetch()
        command = [str(self._program), "--version"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        self.name = done.stdout.strip() or "k9"

    @staticmethod
    def _fetch() -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--require-hashes", "--only-binary", ":all:", "--target", str(FETCHED)]
        command += ["--requirement", str(Path(__file__).with_name("requirements.txt"))]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise CannotMeasure("Neither is wrk installed, nor can k9 be fetched: install wrk.")

    def run(self, port: int, requests: Sequence[Request], seconds: float) -> Slice:
        """See Generator."""
        table, plan, summary = (self._folder / name for name in ("requests.csv", "plan.json", "summary.json"))
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([Request._fields, *requests])
        plan.write_text(json.dumps(_plan(port, requests[0], table.name)))
        arguments = ["-u", str(CONNECTIONS), "-d", f"{seconds:g}s", "--discard-response-bodies", "--quiet"]
        arguments += ["--summary-trend-stats", "med,p(99)", "--summary-export", str(summary)]
        output = _run([str(self._program), "run", *arguments, str(plan)], seconds, self._environment)
        metrics: dict[str, Any] = json.loads(summary.read_text())["metrics"]
        count, failed = metrics["http_reqs"]["count"], metrics["http_req_failed"]
        _refuse_failures(failed["passes"], count, output)
        times = metrics["http_req_duration"]
        return Slice(int(count), metrics["http_reqs"]["rate"], times["med"], times["p(99)"])


def _plan(port: int, sample: Request, table: str) -> dict[str, Any]:
    """All requests of a slice have one method, and either all or none of them a token and a body."""
    headers = {"X-Forwarded-Proto": "https"}
    request: dict[str, Any] = {
        "method": sample.method,
        "url": f"http://127.0.0.1:{port}{{{{ requests.path }}}}",
        "headers": headers,
    }
    if sample.token:
        headers["Authorization"] = "Bearer {{ requests.token }}"
    if sample.body:
        headers["Content-Type"] = "application/json"
        request["body"] = "{{ requests.body }}"
    return {
        "feeders": {"requests": {"file": table, "mode": "sequential"}},
        "flows": {"default": [{"request": request}]},
    }


def _run(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str:
    most = seconds + GRACE_SECONDS
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=most)
    except subprocess.TimeoutExpired as trouble:
        raise CannotMeasure(f"{trouble.cmd[0]} did not end.") from trouble
    if done.returncode:
        raise CannotMeasure(f"{done.args[0]} ended with status {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def _refuse_failures(failures: int, answers: int, output: str) -> None:
    if failures or not answers:
        raise CannotMeasure(f"{failures} of {answers} requests failed: {output}")
