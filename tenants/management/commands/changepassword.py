"""``manage.py changepassword``: a new password for someone, set by an operator at the prompt and logged."""

from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from storage.servers import current_server, has_servers, on_server
from tenants.actors import TenantRef, system_actor
from tenants.models import User
from tenants.rules.values import InvalidValue, read_username
from tenants.services.accounts.people import PersonChangeRefused, set_password
from tenants.services.directory import find_login
from tenants.services.finding import server_of

ACTOR = system_actor("changepassword")
ATTEMPTS = 3


class Command(OperatorCommand):
    """In place of Django's, which knows neither tenants nor the log."""

    help = "Set a new password for a person of any tenant, or for a super admin. All their sessions and tokens end."

    def add_arguments(self, parser: Any) -> None:
        """Whose."""
        parser.add_argument("username", help="the name they log in with")

    def handle(self, *args: Any, **options: Any) -> str:
        """Ask twice, and set it where they are; or say in one line why not."""
        with on_server(server_of("username", _read(options["username"])) if has_servers() else current_server()):
            return self._change(options)

    def _change(self, options: dict[str, Any]) -> str:
        user = find_login(options["username"])
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}. Nothing was changed.")
        if user.uses_provider:
            raise CommandError(
                f"{user.username} signs in through their company's identity provider and has no password here."
                " Nothing was changed."
            )
        self.stdout.write(f"A new password for {user.username} ({user.tenant or 'super admin'})")
        password = self._ask(user)
        tenant = TenantRef(user.tenant.id, user.tenant.slug) if user.tenant else None
        try:
            set_password(user.id, password, tenant=tenant, actor=ACTOR, now=timezone.now())
        except PersonChangeRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        return f"The password of {user.username} was changed; all their sessions and tokens have ended."

    def _ask(self, user: User) -> str:
        for _ in range(ATTEMPTS):
            password = getpass("New password: ")
            if password != getpass("Confirm password: "):
                self.stderr.write("The passwords do not match. Enter them again.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
                continue
            return password
        raise CommandError(f"No password after {ATTEMPTS} attempts. Nothing was changed.")


def _read(username: str) -> str:
    try:
        return read_username(username)
    except InvalidValue:
        return ""
