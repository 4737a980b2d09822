"""Commands whose process has a parent that starts it again when it dies."""

import sys
from functools import partial

from django.core.management.base import CommandError

from audit.management.reporting import ServiceCommand
from lifecycle.management.supervision import is_supervised, supervise


class SupervisedCommand(ServiceCommand):
    """A service in a parent and a child that may die, unless it is to end by itself soon."""

    def run_from_argv(self, argv: list[str]) -> None:
        """Django's, in the child."""
        self._called_from_command_line = True
        options, _ = self.create_parser(argv[0], argv[1]).parse_known_args(argv[2:])
        if is_supervised() or not self.is_service(vars(options)):
            super().run_from_argv(argv)
            return
        try:
            self.speak_in_log()
            status = supervise(partial(super().run_from_argv, argv), what=argv[1])
        except CommandError as error:
            self.stderr.write(f"CommandError: {error}")
            status = 1
        sys.exit(status)
