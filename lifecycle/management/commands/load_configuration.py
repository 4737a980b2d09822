"""``manage.py load_configuration``: publish a tenant's lifecycle configuration from a JSON file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.arguments import whole_number
from lifecycle.management.reading import read_json, read_json_object
from lifecycle.sentences import say
from lifecycle.services.configuration.plans import MappingNeeded
from lifecycle.services.configuration.previews import preview_configuration
from lifecycle.services.configuration.publication import Publication, publish_configuration
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.homes import at_home
from tenants.management.choosing import choose_tenant
from tenants.rules.configuration.document import Configuration, Finding, InvalidConfiguration, read_configuration
from tenants.sentences import describe_finding, describe_refusal
from tenants.services.configuration.versions import ConfigurationConflict, live_version

ACTOR: Final = system_actor("load_configuration")


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
        parser.add_argument(
            "--start-effects",
            action="store_true",
            help="The moves of the mapping start what they would by hand. Without it they start nothing.",
        )
        parser.add_argument(
            "--confirm-effects",
            type=whole_number(0),
            help="Publish only if they start as many; --dry-run counts them. Needed above the tenant's number.",
        )
        parser.add_argument("--comment", default="", help="Why; kept with the version.")
        parser.add_argument("--dry-run", action="store_true", help="Check it and publish nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, publish, say which version it is."""
        tenant = choose_tenant(options["tenant"])
        configuration, findings = read_configuration(read_json(options["file"]))
        self._show(findings)
        if configuration is None:
            raise CommandError(f"{options['file']} was not published. Fix the errors above.")
        try:
            with at_home(tenant.id), tenant_context(tenant.id):
                if options["dry_run"]:
                    self._preview(configuration, tenant, options)
                    return
                publication = self._publish(configuration, tenant, options)
            # Behind the commit, which moves the first of them.
            with at_home(tenant.id), tenant_context(tenant.id):
                self._report(publication, tenant)
        except InvalidConfiguration as error:
            self._show(error.findings)
            raise CommandError("Nothing was published. Fix the errors above.") from error
        except (MappingNeeded, ConfigurationConflict) as error:
            raise CommandError(describe_refusal(error)) from error
        except EffectsUnconfirmed as error:
            raise CommandError(say(error.refused.message)) from error

    def _preview(self, configuration: Configuration, tenant: TenantRef, options: dict[str, Any]) -> None:
        preview = preview_configuration(
            configuration, (), tenant=tenant, now=timezone.now(), **_read_plan(options), made_by=(ACTOR.name,)
        )
        if preview.plan_findings:
            raise InvalidConfiguration(preview.plan_findings)
        self.stdout.write(f"{options['file']} has no errors; nothing was published")
        for effect in preview.effects:
            self.stdout.write(f"the moves can start {effect.count:,} {effect.name} ({effect.kind})")

    def _publish(self, configuration: Configuration, tenant: TenantRef, options: dict[str, Any]) -> Publication | None:
        live = live_version(tenant)
        if live is not None and live.document == configuration.to_document():
            self.stdout.write(f"{tenant.slug}: version {live.number} has this configuration already")
            return None
        return publish_configuration(
            configuration,
            tenant=tenant,
            actor=ACTOR,
            now=timezone.now(),
            **_read_plan(options),
            comment=options["comment"],
            starts_effects=options["start_effects"],
            confirm_effects=options["confirm_effects"],
        )

    def _report(self, publication: Publication | None, tenant: TenantRef) -> None:
        if publication is None:
            return
        self.stdout.write(f"{tenant.slug}: version {publication.version.number} is live")
        for move in publication.moves:
            move.refresh_from_db()
            goes_on = (
                "" if move.finished_at or move.moved >= move.total else "; `manage.py move_customers` moves the others"
            )
            self.stdout.write(f"{move} moved{goes_on}")

    def _show(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.stderr.write(f"{finding.severity} at {finding.path or '/'}: {describe_finding(finding)}")


def _read_plan(options: dict[str, Any]) -> dict[str, Any]:
    """What becomes of the stages of today."""
    return {"renamed": read_json_object(options["renamed"]), "mapping": read_json_object(options["mapping"])}
