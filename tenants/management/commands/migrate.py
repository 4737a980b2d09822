"""``manage.py migrate``, on the role that owns the schema: the application's own role may not change it."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from tenants.services.database import version_fault


class Command(migrate.Command):
    """Django's migrate with the ``owner`` connection as its default."""

    def add_arguments(self, parser: Any) -> None:
        """Change the default of --database."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, or say in one line why not."""
        if options["database"] not in settings.DATABASES:
            raise CommandError("Migrations run as c360_owner: set DATABASE_OWNER_URL.")
        try:
            connections[options["database"]].ensure_connection()
        except OperationalError as error:
            raise CommandError(f"PostgreSQL cannot be reached: {' '.join(str(error).split())}") from error
        if fault := version_fault(connections[options["database"]].connection.info.server_version):
            raise CommandError(fault)
        super().handle(*args, **options)
