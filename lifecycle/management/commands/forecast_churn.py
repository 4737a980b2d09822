"""``manage.py forecast_churn``: learns each tenant's churn forecast, proves it, and forecasts every customer."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.utils import timezone

from audit.management.reporting import ServiceCommand
from lifecycle.management.arguments import read_port
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.messaging import metrics
from lifecycle.messaging.process import HealthFile, check_databases, end_in_time, serve_metrics
from lifecycle.models import ForecastFit
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.services.events.failures import concerns_everybody, describe, is_transient
from lifecycle.services.insight.forecasting import find_age, forecast_churn, is_done
from lifecycle.services.insight.forecasts import read_learned
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import at_home
from tenants.services.directory import PLATFORM

log = structlog.get_logger(__name__)


class Command(ServiceCommand):
    """Make the churn forecasts of one tenant or of all, once or each day."""

    help = (
        f"Learn how likely customers are to churn within {HORIZON_DAYS} days from each tenant's own past, prove it on"
        " the last months, and forecast every customer where it beats the baseline of stage and time in stage. Tenants"
        " that are done today (UTC) are left out. With --every SECONDS it runs until SIGTERM, and looks so often for"
        " tenants that are not done."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--again", action="store_true", help="Also tenants that are done today.")
        parser.add_argument("--every", metavar="SECONDS", type=float, help="Keep running, and look this often.")
        parser.add_argument("--health-file", help="file touched while the loop runs, for a container probe")
        parser.add_argument("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return options["every"] is not None

    def handle(self, *args: Any, **options: Any) -> None:
        """Work through the tenants, and say what was found of each. One that fails does not hold up the others."""
        every = options["every"]
        if every is not None and every <= 0:
            raise CommandError("--every needs a number of seconds above 0.")
        if every is not None and options["again"]:
            raise CommandError("--again is for a single run: leave it out, or leave --every out.")
        self._health = HealthFile(options["health_file"])
        serve_metrics(options["metrics_port"], metrics.FORECAST)
        self._ages: dict[TenantRef, dt.datetime | None] = {}
        metrics.forecast_round.set_to_current_time()
        metrics.forecast_oldest.set_to_current_time()
        with stop_on_signals() as stop:
            if every is None:
                self._run_once(options["tenant"], stop, again=options["again"])
            else:
                end_in_time(stop)
                check_databases(DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=self._health, waits=True)
                self.stdout.write("forecasting once a day")
                while not stop:
                    self._run_round(options["tenant"], stop)
                    self._health.wait(stop, every)
        self._health.remove()

    def _run_once(self, slug: str | None, stop: StopRequest, *, again: bool) -> None:
        failed: list[str] = []
        for tenant in choose_tenants(slug):
            try:
                with at_home(tenant.id):
                    self._work_once(tenant, stop, again=again)
            except Exception as error:
                if slug:
                    raise
                self.stderr.write(f"{tenant.slug}: {type(error).__name__}: {error}")
                failed.append(tenant.slug)
            if stop:
                raise CommandError("Stopped. Run it again; tenants that are done today are left out.")
        if failed:
            raise CommandError(f"No forecast was made for {', '.join(failed)}; those of the day before stay.")

    def _work_once(self, tenant: TenantRef, stop: StopRequest, *, again: bool) -> None:
        if not again and is_done(tenant, now=timezone.now()):
            self.stdout.write(f"{tenant.slug}: done today")
        elif find_age(tenant) is None:
            self.stdout.write(f"{tenant.slug}: no configuration yet")
        else:
            self._work(tenant, stop)

    def _run_round(self, slug: str | None, stop: StopRequest) -> None:
        """Make what is not made today. What fails is tried again in the next round."""
        try:
            tenants = choose_tenants(slug)
            for tenant in tenants:
                self._try(tenant, self._look_up_age)
            self._note_oldest(tenants)
            for tenant in tenants:
                self._health.touch()
                if stop:
                    return
                self._try(tenant, lambda tenant: self._make_todays(tenant, stop))
            self._note_oldest(tenants)
            metrics.forecast_round.set_to_current_time()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("database away, trying again", error=describe(error))
            close_old_connections()

    def _try(self, tenant: TenantRef, work: Callable[[TenantRef], None]) -> None:
        """Do something for one tenant. What fails for it alone does not hold up the others."""
        try:
            with at_home(tenant.id):
                work(tenant)
        except Exception as error:
            if concerns_everybody(error):
                raise
            log.error("no forecast", tenant=tenant.slug, error=describe(error))

    def _look_up_age(self, tenant: TenantRef) -> None:
        self._ages[tenant] = find_age(tenant)

    def _make_todays(self, tenant: TenantRef, stop: StopRequest) -> None:
        # Without an age it has no customers, or that could not be looked up.
        if self._ages.get(tenant) is None or is_done(tenant, now=timezone.now()):
            return
        self._work(tenant, stop)
        self._look_up_age(tenant)

    def _note_oldest(self, tenants: Sequence[TenantRef]) -> None:
        """An age that could not be looked up is that of the round before: forecasts grow no younger by an error."""
        known = [age for age in map(self._ages.get, tenants) if age is not None]
        metrics.forecast_oldest.set(min(known, default=timezone.now()).timestamp())

    def _work(self, tenant: TenantRef, stop: StopRequest) -> None:
        bar: ProgressBar | None = None
        for progress in forecast_churn(tenant, now=timezone.now()):
            self._health.touch()
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
