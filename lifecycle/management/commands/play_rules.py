"""``manage.py play_rules``: what at-risk rules would have done, played over a tenant's own past."""

import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.services.risk.past import KNOWN
from lifecycle.services.risk.playing import (
    PLAYED_DAYS,
    RuleResult,
    choose_known,
    count_scope,
    describe_results,
    play_rules,
)
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import at_home
from tenants.rules.configuration.document import Configuration, InvalidConfiguration, parse_configuration
from tenants.rules.strict_json import InvalidJson, parse_object
from tenants.sentences import describe_invalid, describe_json
from tenants.services.configuration.versions import live_version


class Command(BaseCommand):
    """Test the rules of the live configuration, or of a file, over a tenant's past."""

    help = (
        "Say what at-risk rules would have done in the tenant's own past: churns caught, days before them, value, "
        "false alarms a manager a week. Plays the rules of the live configuration, or with --configuration those of a "
        "file. Nothing is written."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser, required=True)
        parser.add_argument("--configuration", metavar="FILE", help="a configuration as JSON instead of the live one")
        parser.add_argument("--days", type=int, default=PLAYED_DAYS, help=f"how far back (default {PLAYED_DAYS})")
        parser.add_argument("--known", choices=KNOWN, help="figures as they were recorded here then, or as they were")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play on the tenant's own server, and print what each rule did."""
        (tenant,) = choose_tenants(options["tenant"])
        with at_home(tenant.id):
            self._play(tenant, options)

    def _play(self, tenant: TenantRef, options: dict[str, Any]) -> None:
        if not 1 <= options["days"] <= 3650:
            raise CommandError("--days must be from 1 to 3650.")
        now = timezone.now()
        since = now - dt.timedelta(days=options["days"])
        with tenant_context(tenant.id):
            configuration = self._read(options["configuration"], tenant)
            known = options["known"] or choose_known(tenant, now=now)
            managers = count_scope(tenant).managers
        if not configuration.risk_rules:
            raise CommandError("The configuration has no at-risk rules.")
        played = None
        with stop_on_signals() as stop:
            steps = play_rules(configuration, tenant=tenant, since=since, until=now, known=known)
            played = next(steps)
            with ProgressBar(
                tenant.slug, played.total, stream=self.stdout, terminal=self.stderr, unit="customers"
            ) as bar:
                for played in steps:
                    bar.update(played.done)
                    if stop:
                        raise CommandError("Stopped; nothing was written.")
        tally = played.tally
        self.stdout.write(f"{tenant.slug}: {tally.customers:,} customers, {tally.churns:,} churns, as {known}")
        for result in describe_results(configuration, tally, since=since, until=now, managers=managers):
            self._print(result)

    def _read(self, path: str | None, tenant: TenantRef) -> Configuration:
        try:
            if path is not None:
                return parse_configuration(parse_object(Path(path).read_bytes()))
            live = live_version(tenant)
            if live is None:
                raise CommandError(f"{tenant.slug} has no live configuration.")
            return parse_configuration(live.document)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}.") from error
        except InvalidJson as error:
            raise CommandError(describe_json(error, subject=str(path))) from error
        except InvalidConfiguration as error:
            raise CommandError(describe_invalid(error)) from error

    def _print(self, result: RuleResult) -> None:
        first, median, third = result.leads
        leads = f"{median} days before (half: {first} to {third})" if result.caught else "none in time"
        value = ", ".join(f"{amount:,.0f} {currency or '(no currency)'}" for currency, amount in result.value.items())
        off = "" if result.enabled else " (off)"
        self.stdout.write(
            f"{result.name}{off}: caught {result.caught:,} of {result.churns:,} churns, {leads}; "
            f"by no other rule {result.added:,}; revenue caught {value or 'none'}; {result.alarms:,} alarms, "
            f"{result.false:,} false ({result.false_a_week:.2f} a manager a week), {result.undecided:,} undecided; "
            f"would fire now for {result.due:,} customers"
        )
