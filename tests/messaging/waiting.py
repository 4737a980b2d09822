"""Waiting until something is so; for what runs without Django as well."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0


def await_that(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.02)
