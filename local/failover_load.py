"""What people and systems do while PostgreSQL fails over: programs that move customers, and events by Kafka."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.folders import PROJECT
from local.processes import with_parent
from local.services import merge
from local.trouble import CannotStart

Json = dict[str, Any]
LONGEST_WAIT = 30.0
EVENTS_A_SECOND = 20.0
# How an answer ends that promises that nothing was changed (config.outages.UNCHANGED).
UNCHANGED = "Nothing was changed. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One change that a program asked for, and what it was answered: 200 and a version, or a status and a sentence."""

    customer_id: str
    stage: str
    began: float
    took: float
    status: int
    version: int
    request_id: str
    sentence: str


@dataclass(slots=True)
class Program:
    """Moves its customers from stage to stage over the API, one after the other."""

    root: str
    token: str
    customers: Sequence[str]
    attempts: list[Attempt] = field(default_factory=list)
    reads_failed: int = 0

    def run(self, stop: threading.Event) -> None:
        """Until it is stopped."""
        while not stop.is_set():
            for customer_id in self.customers:
                if stop.is_set():
                    return
                self.move(customer_id)

    def move(self, customer_id: str) -> Attempt | None:
        """Move one to the first stage that is open to it; None where there is none, or it could not be read."""
        path = f"/customers/{customer_id}/lifecycle"
        status, body, _ = self.ask("GET", path)
        if status != 200:
            self.reads_failed += 1
            time.sleep(0.05)
            return None
        open_to = [one["stage"] for one in body["transitions"] if one["allowed"] and not one["reason_required"]]
        if not open_to:
            return None
        began = time.monotonic()
        status, body, headers = self.ask("PATCH", path, {"stage": open_to[0]})
        took = time.monotonic() - began
        attempt = Attempt(
            customer_id,
            open_to[0],
            began,
            took,
            status,
            int(headers.get("ETag", '"0"').strip('W/"')) if status == 200 else 0,
            headers.get("X-Request-ID", ""),
            str(body.get("detail", "")),
        )
        self.attempts.append(attempt)
        return attempt

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json, Any]:
        """Status (0: no answer), body and headers."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(
            self.root + path, json.dumps(body).encode() if body else None, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=LONGEST_WAIT) as response:
                return response.status, json.load(response), response.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}"), error.headers
        except OSError as error:
            return 0, {"detail": str(error)}, {}


@contextlib.contextmanager
def working(programs: Sequence[Program]) -> Iterator[None]:
    """The programs at work; each ends with the change that it is about."""
    stop = threading.Event()
    threads = [threading.Thread(target=program.run, args=[stop], daemon=True) for program in programs]
    try:
        for thread in threads:
            thread.start()
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def sending(events: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """The events, one a line, on their way to Kafka; all of them are there afterwards. Raises CannotStart."""
    command = [sys.executable, "manage.py", "send_event", "--file", "-"]
    sender = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=merge(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=with_parent(),
    )
    assert sender.stdin is not None
    pipe, hurry = sender.stdin, threading.Event()

    def feed() -> None:
        for event in events:
            pipe.write(f"{event}\n".encode())
            pipe.flush()
            hurry.wait(1 / EVENTS_A_SECOND)
        pipe.close()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        hurry.set()
        thread.join()
        if sender.wait() != 0:
            raise CannotStart("the events were not all sent")
