"""How long a process takes to end, on a machine that has other work too.

A container is killed when its grace is over, so the grace is what counts, and not several of it. But seconds in which
the process wants a processor that others have are no seconds of its own, and are not counted. What it sleeps, waits for
or works counts in full, however busy the machine.
"""

import threading
import time
from pathlib import Path
from types import TracebackType

from tests.local.scene import find_descendants

NANOSECONDS = 1e9
LOOK_SECONDS = 0.1


class Ending:
    """From ``with`` to its end: ``seconds`` without those that were ``waited`` for a processor.

    Waited have all threads of the process and of those below it, together.
    """

    def __init__(self, pid: int) -> None:
        self.seconds = self.waited = 0.0
        self._pid, self._began = pid, 0.0
        # Thread -> what it had waited when it was first seen, and last.
        self._seen: dict[Path, tuple[int, int]] = {}
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Ending":
        self._look()
        self._began = time.monotonic()
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        elapsed = time.monotonic() - self._began
        self._is_over.set()
        self._watch.join()
        self.waited = sum(last - first for first, last in self._seen.values()) / NANOSECONDS
        self.seconds = max(elapsed - self.waited, 0.0)

    def _look_on(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for pid in (self._pid, *find_descendants(self._pid)):
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    _, waited, _ = thread.read_text().split()
                except OSError:
                    continue
                first, _ = self._seen.get(thread, (int(waited), 0))
                self._seen[thread] = first, int(waited)
