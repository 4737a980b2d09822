"""How far a long command is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5.0


class ProgressBar:
    """Progress towards ``total``. On a terminal a tqdm bar, else a line every five seconds and at the end."""

    def __init__(
        self, title: str, total: int, *, stream: Any, terminal: Any, unit: str = "", scale: bool = False
    ) -> None:
        self.title, self.total, self.stream, self.unit = title, total, stream, unit
        self._done = 0
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._bar: Any = None
        if terminal.isatty():
            self._bar = tqdm(
                total=total,
                desc=title,
                file=terminal,
                unit=unit or "it",
                unit_scale=scale,
                leave=False,
                mininterval=0.2,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal clean, whatever happened."""
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int) -> None:
        """``done`` of the total are done."""
        if self._bar is not None:
            self._bar.update(done - self._done)
        elif time.monotonic() >= self._next_line and done < self.total:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            self.stream.write(f"{self.title} {done:,} of {self.total:,}{self.unit and ' '}{self.unit}")
        self._done = done
