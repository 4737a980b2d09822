"""``manage.py run_effects``: delivers what stage changes start: e-mails, alerts, webhooks. Several may run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.db.utils import InterfaceError, OperationalError

from audit.management.reporting import ServiceCommand
from lifecycle.delivery.worker import PAUSE_SECONDS, EffectWorker
from lifecycle.management.arguments import read_port
from lifecycle.management.stopping import stop_on_signals
from lifecycle.messaging import metrics
from lifecycle.messaging.process import HealthFile, Progress, check_databases, end_in_time, serve_metrics
from lifecycle.models import EffectRun
from lifecycle.services.effects.digests import KIND as DIGEST
from lifecycle.services.effects.kinds import ESCALATION
from lifecycle.services.effects.queue import Job, Result
from tenants.rules.configuration.effect_kinds import EFFECT_KINDS
from tenants.services.directory import PLATFORM

# What is being delivered may end within this time when the process is asked to stop.
CLOSE_SECONDS = 6.0
ONCE_SECONDS = 120.0


class Command(ServiceCommand):
    """Run effects until asked to stop."""

    help = "Deliver the e-mails, alerts and webhooks that stage changes start. Several may run at once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("--once", action="store_true", help="End when nothing is due.")
        parser.add_argument("--health-file", help="touched while the loop turns, for a container probe")
        parser.add_argument("--metrics-port", type=read_port, help="answer Prometheus there")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself."""
        return not options["once"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until SIGTERM; with --once until nothing is due."""
        once = options["once"]
        health = HealthFile(options["health_file"])
        serve_metrics(options["metrics_port"], metrics.EFFECTS)
        metrics.effects_round.set_to_current_time()
        # Shown as 0 before the first: a series that begins with a value has not increased for Prometheus, and the alarm
        # about what fails would miss a hundred that fail together.
        for kind in (*EFFECT_KINDS, ESCALATION, DIGEST):
            for outcome in (EffectRun.FAILED, EffectRun.UNKNOWN):
                metrics.effects.labels(kind=kind, outcome=outcome)
        outcomes: Counter[str] = Counter()
        progress = Progress("effects", output=self.stdout, describe=lambda: _list_outcomes(outcomes))

        def note(job: Job, result: Result, seconds: float) -> None:
            metrics.effects.labels(kind=job.kind, outcome=result.state).inc()
            metrics.effect_seconds.labels(kind=job.kind).observe(seconds)
            outcomes[result.state] += 1
            progress.advance(1)

        worker = EffectWorker(finished=note)
        try:
            with stop_on_signals() as stop:
                if not once:
                    end_in_time(stop)
                check_databases(DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=health, waits=not once)
                if not once:
                    self.stdout.write("looking for effects to run")
                while not stop:
                    health.touch()
                    try:
                        busy = worker.work()
                        metrics.effects_oldest.set(worker.oldest_seconds)
                        metrics.effects_breaker_open.set(worker.open_breakers)
                        metrics.effects_round.set_to_current_time()
                    except (OperationalError, InterfaceError) as error:
                        if once:
                            raise
                        self.stderr.write(f"database away, trying again: {str(error).strip()}")
                        close_old_connections()
                        busy = False
                    if once and not busy and worker.drain(ONCE_SECONDS) and not worker.work():
                        break
                    if busy:
                        worker.wait(PAUSE_SECONDS)
                    else:
                        stop.wait(PAUSE_SECONDS)
        finally:
            worker.close(CLOSE_SECONDS)
            health.remove()
            progress.close()
        if once and stop:
            raise CommandError("Stopped; what has not run waits. Run it again to go on.")


def _list_outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in sorted(outcomes.items()))
