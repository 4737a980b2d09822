"""The real processes of the product, on the test database: pages and API, and the event stream beside them."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from django.db import connections

from local.processes import find_free_port
from tests.forking import Forked

READY_SECONDS = 120
DATABASE_URLS = ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_RELAY_URL", "DATABASE_OWNER_URL")


find_port = find_free_port


class Server:
    """The server of one kind, ``web`` or ``stream``, with its log. ``process`` is Forked, or Started where loading it
    is what a test looks at.
    """

    def __init__(self, kind, port, environment, log, *, process=Forked):
        self.port, self.log, self._start = port, log, process
        self.arguments = ["-m", "config.serve", kind, "--port", str(port)]
        self.environment = environment
        self.process = None

    def start(self, probe):
        """Start it and wait until ``probe`` answers."""
        with self.log.open("ab") as log:
            self.process = self._start(self.arguments, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{probe}", timeout=10):
                    return
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise AssertionError(f"the server did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def stop(self):
        """Stop it as an operator does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=READY_SECONDS)
        self.process = None


def environment_of(stream_port):
    """The environment of the tests, but with the test database and an event stream of their own."""
    environment = {
        **os.environ,
        "DEBUG": "true",
        "WEB_WORKERS": "1",
        "EVENT_STREAM_URL": f"http://127.0.0.1:{stream_port}/live",
    }
    database = connections["default"].settings_dict["NAME"]
    for name in DATABASE_URLS:
        if name in environment:
            environment[name] = urlsplit(environment[name])._replace(path=f"/{database}").geturl()
    return environment
