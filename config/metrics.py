"""The figures of a server with several workers: each writes its own to files, and whichever is asked adds all up.

Without this ``/metrics`` of two workers gives the figures of one, turn by turn, and Prometheus sees counters go back.
The folder is made by the server (``config.serve``) and belongs to that process alone, so a restart begins at 0.
``PROMETHEUS_MULTIPROC_DIR`` names another folder; anyone who sets it empties it before the start.
"""

import os
import shutil
import tempfile
from pathlib import Path

from django.http import HttpRequest, HttpResponse

from config.environment import stop_start

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "customer360-metrics-"


def share_metrics() -> None:
    """Let the workers of this server share their figures; called in the server before it has any.

    To be called before ``prometheus_client`` is imported, which decides at its import where values are kept.
    """
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = str(_folder_of(os.getpid()))
        _remove_left_over()
    folder = Path(os.environ[VARIABLE])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        stop_start(f"{folder} belongs to another user; set {VARIABLE} to another one")


def forget_dead_workers() -> None:
    """Take out the live gauges of workers that are gone; what they had counted stays in the sums."""
    from prometheus_client import multiprocess

    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_running(int(pid)):
            multiprocess.mark_process_dead(int(pid), folder)  # type: ignore[no-untyped-call]


def render_metrics() -> tuple[bytes, str]:
    """What Prometheus is answered, and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

    registry = REGISTRY
    if os.environ.get(VARIABLE):
        forget_dead_workers()
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def show_metrics(_: HttpRequest) -> HttpResponse:
    """``/metrics`` of the web process. Not for the outside: the proxy answers 404."""
    page, content_type = render_metrics()
    return HttpResponse(page, content_type=content_type)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _folder_of(server: int) -> Path:
    """A process id comes again; together with the moment of its start it does not."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{server}-{_started(server)}"


def _started(pid: int) -> str:
    """When a process was started, in clock ticks since boot; empty when there is no such process."""
    try:
        # Behind the program's name, which may hold anything but ends with the last parenthesis.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _remove_left_over() -> None:
    """Remove the folders of servers that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid, _, started = folder.name.removeprefix(PREFIX).partition("-")
        if pid.isdecimal() and started != _started(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
