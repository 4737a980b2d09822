"""``manage.py load_configuration``: publish a tenant's lifecycle configuration from a JSON file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.reading import read_json, read_json_object
from lifecycle.services.configuration.publication import MappingNeeded, Publication, publish_configuration
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import (
    ERROR,
    Fault,
    InvalidConfiguration,
    check_configuration,
    parse_configuration,
)
from tenants.services.configuration.versions import ConfigurationConflict, live_version
from tenants.services.directory import find_tenant


class Command(OperatorCommand):
    """Check and publish a configuration; every fault is printed with its place."""

    help = "Publish a lifecycle configuration as the tenant's next version. Publishing the live one again does nothing."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", required=True, help="The slug of the tenant.")
        parser.add_argument("--renamed", type=Path, help='JSON: {"stage as it is called now": "its new name"}.')
        parser.add_argument(
            "--mapping", type=Path, help='JSON: where the customers of removed stages go: {"stage": "stage"}.'
        )
        parser.add_argument("--comment", default="", help="Why; kept with the version.")
        parser.add_argument("--dry-run", action="store_true", help="Check it and publish nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, publish, say which version it is."""
        tenant = find_tenant(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        document = read_json(options["file"])
        faults = check_configuration(document)
        self._show(faults)
        if any(fault.severity == ERROR for fault in faults):
            raise CommandError(f"{options['file']} was not published. Fix the errors above.")
        if options["dry_run"]:
            self.stdout.write(f"{options['file']} has no errors; nothing was published")
            return
        try:
            with tenant_context(tenant.id):
                self._publish(document, tenant, options)
        except InvalidConfiguration as error:
            self._show(error.faults)
            raise CommandError("Nothing was published. Fix the errors above.") from error
        except (MappingNeeded, ConfigurationConflict) as error:
            raise CommandError(str(error)) from error

    def _publish(self, document: Any, tenant: TenantRef, options: dict[str, Any]) -> None:
        live = live_version(tenant)
        if live is not None and live.document == parse_configuration(document).to_document():
            self.stdout.write(f"{tenant.slug}: version {live.number} has this configuration already")
            return
        publication = publish_configuration(
            document,
            tenant=tenant,
            actor=system_actor("load_configuration"),
            now=timezone.now(),
            renamed=read_json_object(options["renamed"]),
            mapping=read_json_object(options["mapping"]),
            comment=options["comment"],
        )
        self._tell(publication, tenant)

    def _tell(self, publication: Publication, tenant: TenantRef) -> None:
        self.stdout.write(f"{tenant.slug}: version {publication.version.number} is live")
        for move in publication.moves:
            self.stdout.write(f"{move}: `manage.py move_customers` moves them")

    def _show(self, faults: "list[Fault] | tuple[Fault, ...]") -> None:
        for fault in faults:
            self.stderr.write(f"{fault.severity} at {fault.path or '/'}: {fault.sentence}")
