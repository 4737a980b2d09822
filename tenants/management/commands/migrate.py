"""``manage.py migrate``, on the role that owns the schema: the application's own role may not change it."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate


class Command(migrate.Command):
    """Django's migrate with the ``owner`` connection as its default."""

    def add_arguments(self, parser: Any) -> None:
        """Change the default of --database."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, or say which variable is missing."""
        if options["database"] not in settings.DATABASES:
            raise CommandError("Migrations run as c360_owner: set DATABASE_OWNER_URL.")
        super().handle(*args, **options)
