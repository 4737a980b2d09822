"""What a process of the product has to say: lines of the log where logs are collected, plain lines for a person."""

import gc
import io
import logging
import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, OutputWrapper


class LogLines(io.TextIOBase):
    """An output whose every line becomes a record of the log."""

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger = logger
        self._level = level
        self._rest = ""

    def isatty(self) -> bool:
        """No: nothing is drawn here."""
        return False

    def write(self, text: str) -> int:
        """Log what is complete; the rest waits for the end of its line."""
        *lines, self._rest = f"{self._rest}{text}".split("\n")
        for line in lines:
            if line.strip():
                self._logger.log(self._level, "%s", line.strip())
        return len(text)


class OperatorCommand(BaseCommand):
    """A command of the product.

    Django's system checks look at the code, which an operator cannot change. ``make check`` and ``manage.py check`` run
    them; a command starts a second sooner without. What depends on where it runs is looked at each time: the settings
    when they are read, the database by each process that works in it for long (``tenants.checks``).
    """

    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Django's, for a process of its own."""
        # What was imported stays to the end. Looked through at every collection, it is a quarter of what batches cost.
        gc.freeze()
        super().run_from_argv(argv)


class ServiceCommand(OperatorCommand):
    """A command that runs as a process of the product: all it says, and why it ends, is in its log (LOG_FORMAT=ecs)."""

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Whether it is one with these options; otherwise a person, or a script, reads what it prints."""
        return True

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's, with the log as output."""
        if self.is_service(options):
            self.speak_in_log()
        output: str | None = super().execute(*args, **options)
        return output

    def speak_in_log(self) -> None:
        """From now on, unless at a terminal or in development."""
        if settings.LOG_FORMAT == "ecs" and not sys.stdout.isatty():
            logger = logging.getLogger(type(self).__module__)
            said: Any = LogLines(logger, logging.INFO)
            complained: Any = LogLines(logger, logging.ERROR)
            self.stdout, self.stderr = OutputWrapper(said), OutputWrapper(complained)
