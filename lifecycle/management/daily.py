"""What is done once a day (UTC) for each of many: by a single run, or by a process that looks every so often."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import structlog
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from prometheus_client import CollectorRegistry, Gauge

from audit.management.reporting import ServiceCommand
from lifecycle.management.arguments import read_port
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import at_home_unless_away, describe_away, is_away
from lifecycle.messaging.process import HealthFile, check_databases, end_in_time, serve_metrics
from storage.away import AwayServers
from storage.failures import concerns_every_tenant, describe, is_transient
from tenants.actors import TenantRef
from tenants.services.directory import PLATFORM

log = structlog.get_logger(__name__)

Subject = TypeVar("Subject")


class DailyCommand(ServiceCommand, Generic[Subject]):
    """Does its work for each subject once a day. One that fails does not hold up the others, nor does a server that is
    away those of other servers.

    A single run names those that failed and ends with status 1. With ``--every SECONDS`` it runs until SIGTERM, and
    what failed is tried again in the next round, as is everything while the database is away.
    """

    registry: ClassVar[CollectorRegistry]
    # When the last round ended, and when the oldest of what the work makes was made.
    round_at: ClassVar[Gauge]
    oldest_at: ClassVar[Gauge]
    tenant_help: ClassVar[str]
    # "... once a day": what the process says at its start.
    doing: ClassVar[str]
    # "sandboxes that were reset today": what another run leaves out.
    done_today: ClassVar[str]
    # "Not reset: {names}." and what is to be known of them.
    failure: ClassVar[str]
    # The line of the log about one that failed in a round; docs/operations.md names it.
    failure_line: ClassVar[str]

    @abstractmethod
    def choose(self, slug: str | None) -> list[Subject]:
        """What to work on, or the one of that name. Raises CommandError when there is none of it."""

    @abstractmethod
    def tenant_of(self, subject: Subject) -> TenantRef:
        """Whose it is: all that is done for it is done on that tenant's server."""

    @abstractmethod
    def work_once(self, subject: Subject, stop: StopRequest, *, again: bool) -> None:
        """The work of a single run: says what became of it. ``again``: also when it was done today.

        Raises ``stopped()`` when the request to stop came before its end.
        """

    @abstractmethod
    def work_today(self, subject: Subject, stop: StopRequest) -> None:
        """The work of a round, unless it was done today."""

    @abstractmethod
    def note_oldest(self, subjects: Sequence[Subject]) -> None:
        """Set ``oldest_at``."""

    def look_up(self, subject: Subject) -> None:
        """What must be known of all before the work on the first begins. Nothing, where no command says otherwise."""

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("--tenant", metavar="SLUG", help=self.tenant_help)
        parser.add_argument("--again", action="store_true", help=f"Also {self.done_today}.")
        parser.add_argument("--every", metavar="SECONDS", type=float, help="Keep running, and look this often.")
        parser.add_argument("--health-file", help="file touched while the loop runs, for a container probe")
        parser.add_argument("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return options["every"] is not None

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was not done today."""
        every = options["every"]
        if every is not None and every <= 0:
            raise CommandError("--every needs a number of seconds above 0.")
        if every is not None and options["again"]:
            raise CommandError("--again is for a single run: leave it out, or leave --every out.")
        self.health = HealthFile(options["health_file"])
        self.away = AwayServers()
        serve_metrics(options["metrics_port"], self.registry)
        self.round_at.set_to_current_time()
        self.oldest_at.set_to_current_time()
        with stop_on_signals() as stop:
            if every is None:
                self._run_once(options["tenant"], stop, again=options["again"])
            else:
                end_in_time(stop)
                check_databases(
                    DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=self.health, waits=True, without_others=True
                )
                self.stdout.write(f"{self.doing} once a day")
                while not stop:
                    self._run_round(options["tenant"], stop)
                    self.health.wait(stop, every)
        self.health.remove()

    def stopped(self) -> CommandError:
        """The end of a single run that was asked to stop before all was done."""
        return CommandError(f"Stopped. Run it again; {self.done_today} are left out.")

    def _run_once(self, slug: str | None, stop: StopRequest, *, again: bool) -> None:
        failed: list[str] = []
        for subject in self.choose(slug):
            if stop:
                raise self.stopped()
            if is_away(self.tenant_of(subject).id, self.away):
                continue
            try:
                with at_home_unless_away(self.tenant_of(subject).id, self.away):
                    self.work_once(subject, stop, again=again)
            except CommandError:
                raise
            except Exception as error:
                if slug or concerns_every_tenant(error):
                    raise
                self.stderr.write(f"{self.tenant_of(subject).slug}: {describe(error)}")
                failed.append(self.tenant_of(subject).slug)
        sentences = [self.failure.format(names=", ".join(failed))] if failed else []
        if self.away:
            sentences.append(describe_away(self.away))
        if sentences:
            raise CommandError(" ".join(sentences))

    def _run_round(self, slug: str | None, stop: StopRequest) -> None:
        self.away = AwayServers()
        try:
            subjects = self.choose(slug)
            for subject in subjects:
                # Of thousands it takes longer than a process is given to end, and than its health may be silent.
                self.health.touch()
                if stop:
                    return
                self._try(subject, self.look_up)
            self._note_oldest(subjects)
            for subject in subjects:
                self.health.touch()
                if stop:
                    return
                self._try(subject, lambda subject: self.work_today(subject, stop))
            self._note_oldest(self.choose(slug))
            if self.away:
                log.warning("server away, trying again", servers=str(self.away))
            else:
                self.round_at.set_to_current_time()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("database away, trying again", error=describe(error))
            close_old_connections()

    def _note_oldest(self, subjects: Sequence[Subject]) -> None:
        """Nothing, where some could not be looked at: what they have may be the oldest."""
        if not self.away:
            self.note_oldest(subjects)

    def _try(self, subject: Subject, work: Callable[[Subject], None]) -> None:
        """Do something for one. What fails for it alone does not hold up the others."""
        if is_away(self.tenant_of(subject).id, self.away):
            return
        try:
            with at_home_unless_away(self.tenant_of(subject).id, self.away):
                work(subject)
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            log.error(self.failure_line, tenant=self.tenant_of(subject).slug, error=describe(error))
