"""``manage.py provision_database``: roles, database and extensions, from DATABASE_ADMIN_URL. Safe to repeat."""

from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.management.base import CommandError

from audit.management.reporting import ServiceCommand
from tenants.services import database


class Command(ServiceCommand):
    """Make the roles that row-level security rests on, and the database."""

    help = "Create or update the database roles, the database and its extensions. Needs DATABASE_ADMIN_URL."

    def handle(self, *args: Any, **options: Any) -> None:
        """Provision, or say in one line why not."""
        if not settings.DATABASE_ADMIN_URL or not settings.DATABASE_OWNER_URL:
            raise CommandError("Set DATABASE_ADMIN_URL (a superuser) and DATABASE_OWNER_URL (the role c360_owner).")
        try:
            logins = database.read_logins({name: getattr(settings, name) for name in database.LOGIN_VARIABLES})
            name = urlsplit(settings.DATABASE_OWNER_URL).path.lstrip("/")
            database.provision(settings.DATABASE_ADMIN_URL, logins, database=name)
        except database.ProvisioningRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        except psycopg.Error as error:
            raise CommandError(f"PostgreSQL refused: {str(error).strip()}") from error
        self.stdout.write(f"database {name}: roles, extensions and privileges are in place")
