"""The product's processes, started by forking one that has loaded them: a start costs no second of importing.

``Forked(arguments, ...)`` is ``Popen([sys.executable, *arguments], ...)`` in all that a test can see: a child of this
process with its own environment, standard streams and process id, which is waited for, signalled and killed as any
other, and which reads its settings from its own environment. ``network`` names a namespace that it is to be in. Its
modules alone were loaded before: in the environment of the tests, or in the one that is given as ``loaded_in``. A test
of the start itself starts Python; one of what the start of a process says before it works takes ``Bare``, which loads
and runs all of the product's own code.
"""

import atexit
import copy
import ctypes
import functools
import gc
import importlib.util
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config import processes
from local.processes import die_with_parent, with_parent

ROOT = Path(__file__).resolve().parents[1]
METRICS = "PROMETHEUS_MULTIPROC_DIR"
# What the modules of the two servers import, which are themselves made for a process of that kind.
WEB = ("config.urls", "config.health", "config.serving.server", "config.serving.threads", "granian.server.mp")
# What others wrote of all that the product imports until its settings are read.
BARE = (
    *("csp.constants", "dj_database_url", "django.conf.locale", "django.core.management", "django.db", "django.http"),
    *("django.utils.translation", "ecs_logging", "environs", "granian.http", "granian.server.mp", "redis.connection"),
    "structlog",
)
SET_CHILD_SUBREAPER = 36
NEW_NETWORK = 0x40000000
LARGEST = 1 << 20
# The settings of the process that has loaded the product.
as_read: dict[str, Any] = {}
# What a process may be given otherwise than the tests: settings and libraries look at it when they are used, and at
# other variables, it may be, when they are loaded.
FREE = (
    *("DATABASE_", "KAFKA_", "LOG_", "WEB_", "REDIS_URL", "EVENT_STREAM_URL", "REQUEST_BODY_SECONDS", "STATIC_ROOT"),
    *("AUDIT_SIGNING_KEY", "DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED", "PYTEST_", "DJANGO_ALLOW_ASYNC_UNSAFE"),
    *("EMAIL_URL", "TMPDIR"),
)


class Started(subprocess.Popen[Any]):
    """A process of the product that ends with this one. ``arguments`` are Python's: ``["manage.py", ...]``, ``["-m",
    "config.serve", ...]`` or ``["-c", program]``.
    """

    def __init__(self, arguments: list[str], *, env: Mapping[str, str], **streams: Any) -> None:
        super().__init__([sys.executable, *arguments], cwd=ROOT, env=env, preexec_fn=with_parent(), **streams)


class Forked(Started):
    """The same, of a process that has loaded the product; where the kernel cannot give children away, started."""

    def __init__(
        self,
        arguments: list[str],
        *,
        env: Mapping[str, str],
        loaded_in: Mapping[str, str] | None = None,
        network: str = "",
        **streams: Any,
    ) -> None:
        self._network = network
        self._loaded_in = None if loaded_in is None else frozenset(loaded_in.items())
        super().__init__(arguments, env=env, **streams)

    def _kind(self, arguments: list[str]) -> str:
        return "web" if "config.serve" in arguments else "command"

    if sys.platform == "linux":

        def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *options: Any) -> None:
            """In the place of Popen's own ``fork`` and ``exec``."""
            _, _, _, env, _, _, _, *pipes = options[:13]
            ends = (pipes[0], pipes[3], pipes[5])
            streams = [end if end >= 0 else number for number, end in enumerate(ends)]
            _, *arguments = args
            # What Popen calls ``process_group``: that of the parent, or its own.
            apart = {"network": self._network, "has_own_group": options[-1] == 0}
            try:
                self.pid = _loaded(self._kind(arguments), self._loaded_in).fork(arguments, dict(env), streams, **apart)
                self._child_created = True
            finally:
                self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


class Bare(Forked):
    """The same, of a process that has loaded what others wrote and nothing of the product: each variable of ``env`` may
    be what it likes, and all of the product that runs was loaded in it.
    """

    def __init__(self, arguments: list[str], *, env: Mapping[str, str], **streams: Any) -> None:
        super().__init__(arguments, env=env, loaded_in={"PATH": os.environ["PATH"]}, **streams)

    def _kind(self, arguments: list[str]) -> str:
        return "bare"


def run_bare(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What becomes of ``python ARGUMENTS`` in an environment."""
    with Bare(list(arguments), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        output, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(list(arguments), process.returncode, output, errors)


class Loaded:
    """A process that has loaded the product, as the one that wants children of it sees it."""

    def __init__(self, kind: str, env: Mapping[str, str]) -> None:
        self._env, self._is_bare = dict(env), kind == "bare"
        self._folder = tempfile.TemporaryDirectory()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", kind, str(theirs.fileno())],
                cwd=ROOT,
                # The library decides when it is loaded that there are several workers.
                env={**self._env, METRICS: self._folder.name} if kind == "web" else self._env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                preexec_fn=with_parent(signal.SIGKILL),
            )
        atexit.register(self.end)

    def fork(self, arguments: list[str], env: dict[str, str], streams: list[int], **apart: Any) -> int:
        """A child of this process with these standard streams; its process id. ``apart``: the ``network`` namespace
        that it is in, if not in this one, and whether it ``has_own_group``.

        The loaded process forks one that forks it and ends: the kernel then gives it to this process.
        """
        other = {name for name in env.keys() | self._env.keys() if env.get(name) != self._env.get(name)}
        strange = sorted(name for name in other if not self._is_bare and not name.startswith(FREE))
        assert not strange, f"{strange} may have been read when the product was loaded: start Python"
        message = json.dumps({"arguments": arguments, "env": env, "parent": os.getpid(), **apart}).encode()
        _adopt(True)
        try:
            socket.send_fds(self._socket, [message], streams)
            answer = self._socket.recv(LARGEST)
        finally:
            _adopt(False)
        assert answer, "the process that has loaded the product is gone"
        return int(answer)

    def end(self) -> None:
        """No more children."""
        self._socket.close()
        self._process.wait()
        self._folder.cleanup()


@functools.cache
def _loaded(kind: str, env: frozenset[tuple[str, str]] | None) -> Loaded:
    return Loaded(kind, os.environ if env is None else dict(env))


def _adopt(wanted: bool) -> None:
    """Whether descendants whose parents end become children of this process."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def main() -> None:
    """Load the product, then fork a process for each message. Only such a process returns from here."""
    load(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    channel = socket.socket(fileno=int(sys.argv[2]))
    while True:
        message, streams, _, _ = socket.recv_fds(channel, LARGEST, 3)
        if not message:
            os._exit(0)
        reader, writer = os.pipe()
        if between := os.fork():
            os.close(writer)
            os.waitpid(between, 0)
            channel.send(os.read(reader, 100))
            for one in (*streams, reader):
                os.close(one)
            continue
        between, wanted = os.getpid(), json.loads(message)
        if child := os.fork():
            if wanted["has_own_group"]:
                os.setpgid(child, child)
            os.write(writer, str(child).encode())
            os._exit(0)
        for one in (channel.detach(), reader, writer):
            os.close(one)
        return begin(wanted, streams, between)


def load(kind: str) -> None:
    """Import what a start would."""
    if kind == "bare":
        for name in BARE:
            importlib.import_module(name)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    import config.settings

    # Some applications change them once they are ready.
    as_read.update(
        copy.deepcopy({name: getattr(config.settings, name) for name in dir(config.settings) if name.isupper()})
    )
    django.setup()
    if kind == "web":
        for name in WEB:
            importlib.import_module(name)
        importlib.import_module("config.serving.loaded").load_everything()
        return
    folder = importlib.import_module("lifecycle.management.commands")
    for module in pkgutil.iter_modules(folder.__path__):
        # The one that loads numpy.
        if module.name != "forecast_churn":
            importlib.import_module(f"{folder.__name__}.{module.name}")


def begin(wanted: dict[str, Any], streams: list[int], between: int) -> None:
    """Be the process that is wanted. What nothing was loaded for finds its name and its settings itself."""
    is_bare = not as_read
    while os.getppid() == between:
        time.sleep(0.0005)
    die_with_parent(signal.SIGTERM, parent=wanted["parent"])
    if wanted["network"]:
        enter(wanted["network"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(wanted["env"])
    tempfile.tempdir = None
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=unbuffered)  # type: ignore[union-attr]
    first, *more = wanted["arguments"]
    if first == "-m":
        module, *more = more
        found = importlib.util.find_spec(module)
        assert found is not None and found.origin is not None
        sys.argv = [found.origin, *more]
        if not is_bare:
            processes.declare(more[0])
            read_settings()
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif first == "-c":
        program, *more = more
        sys.argv = [first, *more]
        if not is_bare:
            read_settings()
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *more]
        if not is_bare:
            processes.declare_command(more)
            read_settings()
        runpy.run_path(first, run_name="__main__")


def enter(network: str) -> None:
    """Be in a network namespace that iproute2 has made."""
    libc = ctypes.CDLL(None, use_errno=True)
    space = os.open(f"/run/netns/{network}", os.O_RDONLY)
    if libc.setns(space, NEW_NETWORK):
        raise OSError(ctypes.get_errno(), f"no way into {network}")
    os.close(space)


def read_settings() -> None:
    """Read the environment as this process does, and take what is not as it was when the product was loaded."""
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connections

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.modules.pop("config.settings")
    module = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    for name in filter(str.isupper, dir(module)):
        if name not in as_read or as_read[name] != getattr(module, name):
            setattr(settings, name, getattr(module, name))
    for handler in (connections, caches):
        for alias in [alias for alias in handler if hasattr(handler._connections, alias)]:
            del handler[alias]
        handler._settings = None
        vars(handler).pop("settings", None)


if __name__ == "__main__":
    main()
