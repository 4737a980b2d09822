"""``manage.py migrate``, on the role that owns the schema: the application's own role may not change it."""

from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from audit.management.reporting import ServiceCommand
from tenants.services.database import version_error


class Command(ServiceCommand, migrate.Command):
    """Django's migrate with the ``owner`` connection as its default."""

    def add_arguments(self, parser: Any) -> None:
        """Change the default of --database."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Migrate, or say in one line why not: before the system checks, which take more lines for it."""
        self.speak_in_log()
        database = options["database"]
        if not settings.DATABASES.get(database):
            raise CommandError("Migrations run as c360_owner: set DATABASE_OWNER_URL.")
        try:
            connections[database].ensure_connection()
        except OperationalError as error:
            raise CommandError(f"PostgreSQL cannot be reached: {' '.join(str(error).split())}") from error
        if reason := version_error(connections[database].connection.info.server_version):
            raise CommandError(reason)
        return super().execute(*args, **options)

    def check(self, *args: Any, **options: Any) -> None:
        """Of the database only: audit.management.reporting says why. Django's migrate asks for everything."""
        super().check(*args, **{**options, "tags": [Tags.database]})
