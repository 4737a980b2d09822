"""``manage.py create_tenant``: a new tenant with its role groups, and its first configuration if one is given."""

import re
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.reading import read_json
from lifecycle.services.configuration.publication import publish_configuration
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import Configuration, read_configuration
from tenants.sentences import describe_finding
from tenants.services.accounts.people import PersonChangeRefused, create_tenant

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LONGEST_NAME = 200
ACTOR = system_actor("create_tenant")


class Command(OperatorCommand):
    """Make a tenant; people are added by a super admin in the admin."""

    help = "Create a tenant, with --configuration its lifecycle as well."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("slug", help="Its short name in addresses and events: lower case, digits and hyphens.")
        parser.add_argument("name", help="The company's name.")
        first = parser.add_mutually_exclusive_group()
        first.add_argument("--configuration", type=Path, help="A JSON file to publish as version 1.")
        first.add_argument(
            "--sandbox",
            action="store_true",
            help="For trying things out: filled with made-up customers, and emptied and filled again every night"
            " (reset_sandboxes). It cannot be changed later.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything first: a tenant is not easily removed."""
        slug, name = options["slug"], options["name"].strip()
        if not _SLUG.fullmatch(slug):
            raise CommandError(
                f"{slug!r} is not a slug: use lower-case letters, digits and hyphens, at most 63 characters."
            )
        if not 0 < len(name) <= LONGEST_NAME:
            raise CommandError(f"The name must have 1 to {LONGEST_NAME} characters.")
        configuration = None
        if options["configuration"] is not None:
            configuration, findings = read_configuration(read_json(options["configuration"]))
            for finding in findings:
                self.stderr.write(f"{finding.severity} at {finding.path or '/'}: {describe_finding(finding)}")
            if configuration is None:
                raise CommandError("No tenant was created. Fix the errors above.")
        tenant = self._create(slug, name, configuration, is_sandbox=options["sandbox"])
        if tenant.is_sandbox:
            self.stdout.write(
                f"{tenant.slug}: made, a sandbox; `manage.py reset_sandboxes --tenant {slug}` fills it now"
            )
            return
        self.stdout.write(f"{tenant.slug}: made{' with version 1 of its configuration' if configuration else ''}")

    def _create(self, slug: str, name: str, configuration: Configuration | None, *, is_sandbox: bool) -> TenantRef:
        now = timezone.now()
        try:
            tenant = create_tenant(slug=slug, name=name, actor=ACTOR, now=now, is_sandbox=is_sandbox)
        except IntegrityError as error:
            raise CommandError(f"Tenant {slug!r} already exists.") from error
        except PersonChangeRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        if configuration is not None:
            with tenant_context(tenant.id), transaction.atomic():
                publish_configuration(configuration, tenant=tenant, actor=ACTOR, now=now, comment="First version.")
        return tenant
