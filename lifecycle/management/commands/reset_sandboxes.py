"""``manage.py reset_sandboxes``: empties each sandbox and tells its story again, once a day."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.utils import timezone

from audit.management.reporting import ServiceCommand
from lifecycle.management.arguments import read_port
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.messaging import metrics
from lifecycle.messaging.process import HealthFile, check_databases, end_in_time, serve_metrics
from lifecycle.services.demo.sandboxes import reset_sandbox
from lifecycle.services.events.failures import concerns_everybody, describe, is_transient
from lifecycle.services.insight.reading import midnight
from storage.servers import on_server, server_names
from tenants.homes import AwayFromHome, at_home
from tenants.services.directory import PLATFORM, Sandbox, find_tenant_everywhere, list_sandboxes

log = structlog.get_logger(__name__)


class Command(ServiceCommand):
    """Reset the sandboxes, once or each day."""

    help = (
        "Empty each sandbox and fill it with its made-up customers again; people, keys, identity providers and webhook"
        " endpoints stay. Each is one transaction: interrupted, it is as it was, and the next run begins again. Those"
        " that were reset today (UTC) are left out. With --every SECONDS it runs until SIGTERM, and looks so often."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("--tenant", metavar="SLUG", help="The slug of one sandbox. Default: all of them.")
        parser.add_argument("--again", action="store_true", help="Also those that were reset today.")
        parser.add_argument("--every", metavar="SECONDS", type=float, help="Keep running, and look this often.")
        parser.add_argument("--health-file", help="file touched while the loop runs, for a container probe")
        parser.add_argument("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return options["every"] is not None

    def handle(self, *args: Any, **options: Any) -> None:
        """Reset what was not reset today. One that fails does not hold up the others."""
        every = options["every"]
        if every is not None and every <= 0:
            raise CommandError("--every needs a number of seconds above 0.")
        if every is not None and options["again"]:
            raise CommandError("--again is for a single run: leave it out, or leave --every out.")
        self.is_running = every is not None
        self._health = HealthFile(options["health_file"])
        serve_metrics(options["metrics_port"], metrics.SANDBOX)
        metrics.sandbox_round.set_to_current_time()
        metrics.sandbox_oldest.set_to_current_time()
        with stop_on_signals() as stop:
            if every is None:
                self._run_once(options["tenant"], stop, again=options["again"])
            else:
                end_in_time(stop)
                check_databases(DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=self._health, waits=True)
                self.stdout.write("resetting sandboxes once a day")
                while not stop:
                    self._run_round(options["tenant"], stop)
                    self._health.wait(stop, every)
        self._health.remove()

    def _run_once(self, slug: str | None, stop: StopRequest, *, again: bool) -> None:
        failed: list[str] = []
        for sandbox in _choose(slug):
            if stop:
                raise CommandError("Stopped. Run it again; those that were reset today are left out.")
            try:
                self._reset(sandbox, again=again)
            except Exception as error:
                if slug or concerns_everybody(error):
                    raise
                self.stderr.write(f"{sandbox.tenant.slug}: {describe(error)}")
                failed.append(sandbox.tenant.slug)
        if failed:
            raise CommandError(f"Not reset: {', '.join(failed)}. They are as they were; run it again.")

    def _run_round(self, slug: str | None, stop: StopRequest) -> None:
        """Reset what was not reset today. What fails is tried again in the next round."""
        try:
            for sandbox in _choose(slug):
                self._health.touch()
                if stop:
                    return
                self._try(sandbox)
            _note_oldest(_choose(slug))
            metrics.sandbox_round.set_to_current_time()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("database away, trying again", error=describe(error))
            close_old_connections()

    def _try(self, sandbox: Sandbox) -> None:
        try:
            self._reset(sandbox, again=False)
        except Exception as error:
            if concerns_everybody(error):
                raise
            log.error("sandbox not reset", tenant=sandbox.tenant.slug, error=describe(error))

    def _reset(self, sandbox: Sandbox, *, again: bool) -> None:
        now = timezone.now()
        with at_home(sandbox.tenant.id):
            done = reset_sandbox(sandbox.tenant, now=now, since=None if again else midnight(now.date()))
        if done is not None:
            self.stdout.write(
                f"{sandbox.tenant.slug}: {done.customers_before:,} customers and {done.history_rows_before:,} history"
                f" rows emptied, {done.customers:,} customers filled in"
            )
        elif not self.is_running:
            self.stdout.write(f"{sandbox.tenant.slug}: reset today, or at this moment by another run")


def _choose(slug: str | None) -> list[Sandbox]:
    """The sandboxes to work on, of all servers that this process may go to; one clear line when there is none of that
    name.
    """
    found: list[Sandbox] = []
    for name in server_names():
        with on_server(name):
            found += [sandbox for sandbox in list_sandboxes() if slug in (None, sandbox.tenant.slug)]
    if slug is not None and not found:
        try:
            tenant = find_tenant_everywhere(slug)
        except AwayFromHome as error:
            raise CommandError(f"{error}.") from error
        what = "is no sandbox: nothing of it is ever deleted" if tenant else "is no active tenant"
        raise CommandError(f"{slug!r} {what}.")
    return found


def _note_oldest(sandboxes: Sequence[Sandbox]) -> None:
    now = timezone.now()
    metrics.sandbox_oldest.set(min((sandbox.filled_at for sandbox in sandboxes), default=now).timestamp())
