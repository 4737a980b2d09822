"""``manage.py load_configuration``: publish a tenant's lifecycle configuration from a JSON file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.reading import read_json, read_json_object
from lifecycle.services.configuration.plans import MappingNeeded
from lifecycle.services.configuration.publication import Publication, publish_configuration
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import Configuration, Finding, InvalidConfiguration, read_configuration
from tenants.sentences import describe_finding, describe_refusal
from tenants.services.configuration.versions import ConfigurationConflict, live_version
from tenants.services.directory import find_tenant


class Command(OperatorCommand):
    """Check and publish a configuration; every error and warning is printed with its place."""

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
        configuration, findings = read_configuration(read_json(options["file"]))
        self._show(findings)
        if configuration is None:
            raise CommandError(f"{options['file']} was not published. Fix the errors above.")
        if options["dry_run"]:
            self.stdout.write(f"{options['file']} has no errors; nothing was published")
            return
        try:
            with tenant_context(tenant.id):
                self._publish(configuration, tenant, options)
        except InvalidConfiguration as error:
            self._show(error.findings)
            raise CommandError("Nothing was published. Fix the errors above.") from error
        except (MappingNeeded, ConfigurationConflict) as error:
            raise CommandError(describe_refusal(error)) from error

    def _publish(self, configuration: Configuration, tenant: TenantRef, options: dict[str, Any]) -> None:
        live = live_version(tenant)
        if live is not None and live.document == configuration.to_document():
            self.stdout.write(f"{tenant.slug}: version {live.number} has this configuration already")
            return
        publication = publish_configuration(
            configuration,
            tenant=tenant,
            actor=system_actor("load_configuration"),
            now=timezone.now(),
            renamed=read_json_object(options["renamed"]),
            mapping=read_json_object(options["mapping"]),
            comment=options["comment"],
        )
        self._report(publication, tenant)

    def _report(self, publication: Publication, tenant: TenantRef) -> None:
        self.stdout.write(f"{tenant.slug}: version {publication.version.number} is live")
        for move in publication.moves:
            self.stdout.write(f"{move}: moved now, or by `manage.py move_customers` where they are many")

    def _show(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.stderr.write(f"{finding.severity} at {finding.path or '/'}: {describe_finding(finding)}")
