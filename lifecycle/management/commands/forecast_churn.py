"""``manage.py forecast_churn``: learns each tenant's churn forecast, proves it, and forecasts every customer."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.models import ForecastFit
from lifecycle.services.insight.forecasting import forecast_churn, is_done
from lifecycle.services.insight.forecasts import read_learned
from tenants.actors import TenantRef
from tenants.context import tenant_context


class Command(BaseCommand):
    """Make the churn forecasts of one tenant or of all."""

    help = (
        "Learn how likely customers are to churn within 90 days from each tenant's own past, prove it on the last"
        " months, and forecast every customer where it beats the baseline of stage and time in stage. To be run once a"
        " night; stopped, or run again, it goes on with the tenants that are not done today."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--again", action="store_true", help="Also tenants that are done today.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work through the tenants, and say what was found of each. One that fails does not hold up the others."""
        failed: list[str] = []
        with stop_on_signals() as stop:
            for tenant in choose_tenants(options["tenant"]):
                if not options["again"] and is_done(tenant, now=timezone.now()):
                    self.stdout.write(f"{tenant.slug}: done today")
                    continue
                try:
                    self._work(tenant, stop)
                except Exception as error:
                    if options["tenant"]:
                        raise
                    self.stderr.write(f"{tenant.slug}: {type(error).__name__}: {error}")
                    failed.append(tenant.slug)
                if stop:
                    raise CommandError("Stopped. Run it again; tenants that are done today are left out.")
        if failed:
            raise CommandError(f"No forecast was made for {', '.join(failed)}; those of the day before stay.")

    def _work(self, tenant: TenantRef, stop: StopRequest) -> None:
        bar: ProgressBar | None = None
        for progress in forecast_churn(tenant, now=timezone.now()):
            if bar is None:
                bar = ProgressBar(
                    tenant.slug, progress.total, stream=self.stdout, terminal=self.stderr, unit="customers"
                )
            bar.update(progress.done)
            if stop:
                break
        if bar is not None:
            bar.__exit__(None, None, None)
        if not stop:
            self.stdout.write(f"{tenant.slug}: {self._describe(tenant)}")

    def _describe(self, tenant: TenantRef) -> str:
        with tenant_context(tenant.id):
            learned = read_learned(tenant)
        if learned is None:
            return "no forecast"
        found, proof = learned.found, learned.proof
        if learned.state == ForecastFit.TOO_LITTLE or proof is None:
            return (
                f"too little past: {found['fit']:,} of {found['needed_to_fit']:,} churned customers to learn from,"
                f" {found['test']:,} of {found['needed_to_test']:,} to test on"
            )
        verdict = "shown" if learned.is_shown else "hidden, no better than stage and time in stage"
        return (
            f"{verdict} (z {proof.z:.2f}, Brier {proof.brier:.4f} against {proof.brier_baseline:.4f}, churners among"
            f" the first ten calls {proof.calls:.1f} against {proof.calls_baseline:.1f})"
        )
