"""A database that has not answered in time is not asked again at once: one waits once, not once a statement."""

import time
from typing import Final

# For how long no new connection is tried after one has failed in silence.
PAUSE_SECONDS: Final = 2.0

_until = 0.0


def note_silence() -> None:
    """Something was waited for in vain."""
    global _until
    _until = time.monotonic() + PAUSE_SECONDS


def is_silent() -> bool:
    """Whether the database has just been waited for in vain, by any thread of this process."""
    return time.monotonic() < _until
