"""A process of a small run, which costs no second of importing."""

import subprocess
import time
from dataclasses import dataclass
from typing import Any

from local.processes import Child
from tests.forking import Forked


@dataclass(slots=True)
class ForkedChild(Child):
    """One that is forked of a process that has loaded the product in the same environment (``tests.forking``)."""

    network: str = ""

    def start(self) -> None:
        """Fork it, leader of a group of its own."""
        assert self.log is not None
        assert self.env is not None
        _, *arguments = map(str, self.argv)
        apart: dict[str, Any] = {"loaded_in": self.env, "network": self.network, "process_group": 0}
        with self.log.open("wb") as log:
            self.process = Forked(arguments, env=self.env, stdout=log, stderr=subprocess.STDOUT, **apart)
        self.guard.watch(self.process.pid, self.death_signal)
        self.started_at, self._swept = time.monotonic(), False
