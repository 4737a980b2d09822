"""``manage.py describe_events``: the files that describe the events, from the registries of fields and event types."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lifecycle.messaging.describing import describe_files


class Command(BaseCommand):
    """Write docs/events/asyncapi.yaml and the JSON Schemas of a customer's profile."""

    help = "Write the AsyncAPI document and the generated JSON Schemas of events, or check that they are up to date."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Write or check."""
        parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the files that differ, and name them."""
        stale = {path: text for path, text in describe_files().items() if path.read_bytes() != text}
        names = ", ".join(path.name for path in stale)
        if stale and options["check"]:
            raise CommandError(f"Out of date: {names}. Run manage.py describe_events.")
        for path, text in stale.items():
            path.write_bytes(text)
        self.stdout.write(f"Written: {names}" if stale else "Everything is up to date.")
