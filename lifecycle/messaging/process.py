"""What the long-running commands share: ending in time, a health file, a metrics port, progress."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from prometheus_client import CollectorRegistry, start_http_server
from tqdm import tqdm

from storage.servers import own_connections
from tenants import checks

log = structlog.get_logger(__name__)

# A container is killed ten seconds after it was asked to stop.
DEADLINE_SECONDS = 9.0
PROGRESS_SECONDS = 10.0
LONGEST_START_DELAY = 5.0


class Stop(Protocol):
    """Whether the process was asked to end (``management.stopping`` turns signals into it)."""

    def __bool__(self) -> bool: ...

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the request; True when it has come."""


def end_in_time(stop: Stop, *, seconds: float = DEADLINE_SECONDS) -> None:
    """From the request on, give the process so long; then end it with exit status 1.

    What is unfinished then is rolled back by the database and delivered again by the broker.
    """

    def watch() -> None:
        while not stop.wait(3600):
            pass
        time.sleep(seconds)
        log.error("did not end in time", seconds=seconds)
        os._exit(1)

    threading.Thread(target=watch, name="deadline", daemon=True).start()


HEALTH_SECONDS = 5.0


class HealthFile:
    """A file whose age tells a container probe that the loop turns. Touched once a second at most.

    Raises CommandError when there can be no such file.
    """

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._touched_at = 0.0
        if self._path is not None:
            try:
                # Now, not in the middle of the work. It is gone again until the loop turns.
                self._path.open("ab").close()
                self._path.unlink()
            except OSError as error:
                raise CommandError(
                    f"The health file {path} cannot be written: {error.strerror}. Name a file in a folder that exists "
                    "and may be written to."
                ) from error

    def touch(self) -> None:
        """The loop has come round."""
        now = time.monotonic()
        if self._path is not None and now - self._touched_at >= 1:
            self._touched_at = now
            self._path.touch()

    def wait(self, stop: Stop, seconds: float) -> bool:
        """Sleep, but no longer than until the request, and stay healthy; True when the request has come."""
        until = time.monotonic() + seconds
        while not stop and (left := until - time.monotonic()) > 0:
            self.touch()
            stop.wait(min(left, HEALTH_SECONDS))
        return bool(stop)

    def remove(self) -> None:
        """The loop has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Progress:
    """A bar on a terminal, plain lines elsewhere."""

    def __init__(self, unit: str, *, output: Any, describe: Callable[[], str], total: int | None = None) -> None:
        self._describe = describe
        self._output = output
        self._unit = unit
        self._count = self._shown = 0
        self._shown_at = time.monotonic()
        self._bar: Any = tqdm(unit=unit, total=total, file=sys.stderr) if output.isatty() else None

    def advance(self, count: int) -> None:
        """``count`` more are done."""
        self._count += count
        if self._bar is not None:
            self._bar.update(count)
            self._bar.set_postfix_str(self._describe(), refresh=False)
        elif time.monotonic() - self._shown_at >= PROGRESS_SECONDS and self._count != self._shown:
            self.write_line()

    def write_line(self) -> None:
        """One plain line: how many, how fast since the last line, and what the owner adds."""
        now = time.monotonic()
        rate = (self._count - self._shown) / max(now - self._shown_at, 0.001)
        self._shown, self._shown_at = self._count, now
        self._output.write(f"{self._count:,} {self._unit} ({rate:,.0f}/s) {self._describe()}".rstrip() + "\n")
        self._output.flush()

    def close(self) -> None:
        """The last word."""
        if self._bar is not None:
            self._bar.close()
        self.write_line()


@contextmanager
def bounded_waits() -> Iterator[None]:
    """Let no statement of this process wait longer than the process is given to end, until the block ends.

    Locks: another's long transaction. Statements: anything else. Keep-alives: a server or network that has gone
    without a word, which would otherwise be noticed after hours. Behind a pooler the first two are the role's affair.
    """
    bounds: dict[str, Any] = {"keepalives_idle": 3, "keepalives_interval": 2, "keepalives_count": 2}
    bounds["tcp_user_timeout"] = 8000
    if not settings.DATABASE_POOLER:
        bounds["options"] = "-c lock_timeout=4s -c statement_timeout=8s"
    own = [*(connections[alias] for alias in connections), *own_connections()]
    bounded = [(connection, connection.settings_dict["OPTIONS"]) for connection in own]
    try:
        for connection, options in bounded:
            connection.settings_dict["OPTIONS"] = {**options, **bounds}
            connection.close()
        yield
    finally:
        for connection, options in bounded:
            connection.settings_dict["OPTIONS"] = options
            connection.close()


def check_databases(*aliases: str, stop: Stop, health: HealthFile, waits: bool, without_others: bool = False) -> None:
    """Refuse to work as a role that row-level security does not bind, or on a server that is too old.

    A database that is away is waited for, until it is there or the request to stop comes, if the process ``waits``.
    Raises CommandError. ``without_others``: other servers than the process's own may be away. They are looked at when
    they are there: each connection before it is used.
    """
    delay = 0.5
    while not stop:
        errors = checks.check_databases(databases=aliases)
        if without_others and (away := [error for error in errors if error.id == checks.UNREACHABLE and error.obj]):
            log.warning("server away at the start", reason=checks.describe_errors(away))
            checks.refuse_unbound_roles()
            errors = [error for error in errors if error not in away]
        if not errors:
            return
        if not waits or any(error.id != checks.UNREACHABLE for error in errors):
            raise CommandError(checks.describe_errors(errors))
        log.warning("database unavailable at the start, trying again", reason=checks.describe_errors(errors))
        health.wait(stop, delay)
        delay = min(delay * 2, LONGEST_START_DELAY)


def serve_metrics(port: int | None, registry: CollectorRegistry) -> None:
    """Answer Prometheus on a port of its own, if one is given. Raises CommandError when it is not to be had."""
    if port:
        try:
            start_http_server(port, registry=registry)
        except OSError as error:
            raise CommandError(
                f"Metrics cannot be served on port {port}: {error.strerror}. Give another --metrics-port."
            ) from error
