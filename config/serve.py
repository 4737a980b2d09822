"""``python -m config.serve web|stream``: how the two HTTP processes are started, wherever they are.

The image, compose.yaml, the demo, the tests and the benchmarks all start them by this command. It looks at the settings
first, so that an error in them is one line and not a crash of every worker.
"""

import argparse
import logging
import os
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from granian._internal import load_target
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.mp import MPServer

from config.environment import stop_start
from config.metrics import share_metrics
from config.processes import declare

KIB = 1024
# Until the headers of a request are there, and how long an idle connection is kept.
HEADER_MILLISECONDS = 10_000
# A worker that dies is replaced; one that keeps dying ends the server, so that whatever supervises it notices.
MOST_DEATHS, WITHIN_SECONDS, PAUSE_SECONDS = 10, 60.0, 0.5


# What requests are answered from.
WEB_DATABASES = ("default", "platform", "replica")


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the two."""

    target: str
    port: int
    # Connections of one worker; more wait in the kernel's queue.
    connections: int
    # What runs when SIGTERM comes is given so many seconds. Open event streams would use all of them.
    stop_seconds: int


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "web": Kind("config.serving.web:application", 8000, connections=2_000, stop_seconds=10),
        "stream": Kind("config.stream:application", 8001, connections=10_000, stop_seconds=2),
    }
)


class Server(MPServer):
    """Granian, except that a worker may be killed more than once in a while."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def _respawn_workers(self, workers: Sequence[int], *args: Any, **options: Any) -> None:
        """Granian gives up when a worker dies twice within seconds. Here it is MOST_DEATHS within a minute."""
        now = time.monotonic()
        self._deaths.append(now)
        time.sleep(PAUSE_SECONDS)
        super()._respawn_workers(workers, *args, **options)
        if len(self._deaths) < MOST_DEATHS or now - self._deaths[0] > WITHIN_SECONDS:
            self.respawned_wrks.clear()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m config.serve", description="Serve pages and API, or the stream.")
    parser.add_argument("kind", choices=KINDS, help="web: pages and API. stream: events to open pages.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, help="default: 8000 for web, 8001 for the stream")
    options = parser.parse_args(arguments)
    server = build_server(options.kind, options.host, options.port)
    os.register_at_fork(after_in_child=end_by_signals)
    server.serve(target_loader=load)


def end_by_signals() -> None:
    """A worker is a fork: until granian listens for signals in it, the server's own handlers would swallow them, and a
    stop would wait for it until it is killed.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def load(target: str) -> Any:
    """The application, in a worker. One that cannot be loaded is a line of the log, like everything else."""
    try:
        return load_target(target)
    except Exception:
        logging.getLogger(__name__).critical("the application cannot be loaded", exc_info=True)
        raise SystemExit(1) from None


def build_server(kind_name: str, host: str, port: int | None) -> Server:
    """The server of a kind, not started yet. Ends the process with one line when the settings are invalid."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    declare(kind_name)
    share_metrics()
    from django.conf import settings

    # Read here, and not first in each worker: an error in them ends this process with its one line.
    workers = {"web": settings.WEB_WORKERS, "stream": 1}
    kind = KINDS[kind_name]
    raise_file_limit()
    server = Server(
        kind.target,
        address=host,
        port=kind.port if port is None else port,
        interface=Interfaces.ASGI,
        workers=workers[kind_name],
        websockets=False,
        http=HTTPModes.auto,
        backlog=1024,
        backpressure=kind.connections,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=64 * KIB),
        http2_settings=HTTP2Settings(
            max_concurrent_streams=100,
            max_headers_size=64 * KIB,
            keep_alive_interval=20_000,
            keep_alive_timeout=10,
            initial_connection_window_size=256 * KIB,
            initial_stream_window_size=64 * KIB,
            max_send_buffer_size=64 * KIB,
        ),
        log_dictconfig=settings.LOGGING,
        respawn_failed_workers=True,
        workers_kill_timeout=kind.stop_seconds,
    )
    if kind_name == "web":
        check_databases()
    return server


def check_databases() -> None:
    """End the process with one line when its role is one that row-level security does not bind, or the server too old.

    A database that is away ends nothing: requests are answered 503 until it is there, and then the workers look at each
    connection before it is used (``config.serving.web``).
    """
    from django.db import connections

    from tenants import checks

    errors = checks.check_databases(databases=[alias for alias in WEB_DATABASES if alias in connections])
    # Workers are forked: they make their own.
    connections.close_all()
    if any(error.id != checks.UNREACHABLE for error in errors):
        stop_start(checks.describe_errors(errors))
    if errors:
        logging.getLogger(__name__).warning("database unavailable at the start: %s", checks.describe_errors(errors))


def raise_file_limit() -> None:
    """As many open files as this process may have: every connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if most == resource.RLIM_INFINITY else min(most, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main(sys.argv[1:])
