"""``manage.py``: Django's command line, which ends in words where a person runs it."""

import sys
from collections.abc import Sequence
from typing import Final

from django.core.management import execute_from_command_line

from config.interrupts import end_interrupted
from config.processes import declare_command, is_service

# As other programs say "try again later" (sysexits.h).
TRY_AGAIN: Final = 75


def run(arguments: Sequence[str]) -> None:
    """Run a command. One that a person runs shows no traceback of a database that is away, or of Ctrl-C.

    The services of the product raise: their log has it all, and what supervises them starts them again.
    """
    declare_command(arguments[1:])
    try:
        execute_from_command_line(list(arguments))
    except KeyboardInterrupt:
        if is_service():
            raise
        end_interrupted()
    except Exception as error:
        # Only now: it needs the settings.
        from config.outages import find_outage

        if is_service() or "--traceback" in arguments or not (outage := find_outage(error)):
            raise
        why = str(error).partition("\n")[0]
        _end(f"{outage} What was reported as done is saved; run the command again later. ({why})", TRY_AGAIN)


def _end(sentence: str, status: int) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(status)
