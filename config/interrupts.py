"""Ctrl-C for a command that a person runs: one line and the status that shells know, whenever it comes."""

import os
import signal
import sys
import threading
from typing import Any, Final, NoReturn

# 128 + SIGINT.
INTERRUPTED: Final = 130
# Until what swallowed it has returned.
SOON: Final = 0.05


def end_interrupted() -> NoReturn:
    """Say it, and end."""
    sys.stderr.write("Interrupted. What was reported as done is saved.\n")
    sys.exit(INTERRUPTED)


def insist_on_interrupts() -> None:
    """From now on a Ctrl-C that Python has swallowed comes again.

    It raises wherever the program is. In what Python calls by itself, as it does all the time while modules are
    imported, the exception goes no further than a note on the screen, and the command would work on.
    """
    otherwise = sys.unraisablehook

    def hear(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            otherwise(unraisable)
        elif not sys.is_finalizing():
            again = threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()

    sys.unraisablehook = hear
