"""``manage.py forecast_churn``: learns each tenant's churn forecast, proves it, and forecasts every customer."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from lifecycle.management.daily import DailyCommand
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest
from lifecycle.management.tenants import choose_tenants
from lifecycle.messaging import metrics
from lifecycle.models import ForecastFit
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.services.insight.forecasting import find_age, forecast_churn, is_done
from lifecycle.services.insight.forecasts import read_learned
from tenants.actors import TenantRef
from tenants.context import tenant_context


class Command(DailyCommand[TenantRef]):
    """Make the churn forecasts of one tenant or of all, once or each day."""

    help = (
        f"Learn how likely customers are to churn within {HORIZON_DAYS} days from each tenant's own past, prove it on"
        " the last months, and forecast every customer where it beats the baseline of stage and time in stage. Tenants"
        " that are done today (UTC) are left out. With --every SECONDS it runs until SIGTERM, and looks so often for"
        " tenants that are not done."
    )
    registry, round_at, oldest_at = metrics.FORECAST, metrics.forecast_round, metrics.forecast_oldest
    tenant_help = "The slug of one tenant. Default: every tenant."
    doing, done_today = "forecasting", "tenants that are done today"
    failure = "No forecast was made for {names}; those of the day before stay."
    failure_line = "no forecast"

    def handle(self, *args: Any, **options: Any) -> None:
        """Work through the tenants, and say what was found of each."""
        self._ages: dict[TenantRef, dt.datetime | None] = {}
        super().handle(*args, **options)

    def choose(self, slug: str | None) -> list[TenantRef]:
        """The tenants; one clear line when there is none of that name."""
        return choose_tenants(slug, self.away)

    def tenant_of(self, subject: TenantRef) -> TenantRef:
        """Itself."""
        return subject

    def work_once(self, subject: TenantRef, stop: StopRequest, *, again: bool) -> None:
        """Learn and forecast; say why not, where there is nothing to do."""
        if not again and is_done(subject, now=timezone.now()):
            self.stdout.write(f"{subject.slug}: done today")
        elif find_age(subject) is None:
            self.stdout.write(f"{subject.slug}: no configuration yet")
        elif not self._work(subject, stop):
            raise self.stopped()

    def look_up(self, subject: TenantRef) -> None:
        """How old its forecasts are."""
        self._ages[subject] = find_age(subject)

    def work_today(self, subject: TenantRef, stop: StopRequest) -> None:
        """Learn and forecast, unless it was done today."""
        # Without an age it has no customers, or that could not be looked up.
        if self._ages.get(subject) is None or is_done(subject, now=timezone.now()):
            return
        self._work(subject, stop)
        self.look_up(subject)

    def note_oldest(self, subjects: Sequence[TenantRef]) -> None:
        """An age that could not be looked up is that of the round before: forecasts grow no younger by an error."""
        known = [age for age in map(self._ages.get, subjects) if age is not None]
        self.oldest_at.set(min(known, default=timezone.now()).timestamp())

    def _work(self, tenant: TenantRef, stop: StopRequest) -> bool:
        """Whether it came to its end before the request to stop."""
        bar: ProgressBar | None = None
        for progress in forecast_churn(tenant, now=timezone.now()):
            self.health.touch()
            if bar is None:
                bar = ProgressBar(
                    tenant.slug, progress.total, stream=self.stdout, terminal=self.stderr, unit="customers"
                )
            bar.update(progress.done)
            if stop:
                break
        if bar is not None:
            bar.__exit__(None, None, None)
        if stop:
            return False
        self.stdout.write(f"{tenant.slug}: {self._describe(tenant)}")
        return True

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
