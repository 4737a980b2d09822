"""``manage.py dumpdata`` is refused: Django's way out would be personal data in clear, or nothing at all."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import dumpdata


class Command(dumpdata.Command):
    """Django's dumpdata, refused in one line."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what to use instead."""
        raise CommandError(
            "dumpdata is refused: row-level security would leave out every tenant's rows, and encrypted fields are"
            " never written in clear. Use pg_dump as c360_backup, or export_customer for one customer."
        )
