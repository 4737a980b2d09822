"""``manage.py move_customers``: works off what runs in the background: the moves that publications left behind, undos,
changes of many customers, the files that were uploaded, and rules and health played over the past. Beside that it
keeps the figures of Insight and the revenue kept by past months up to date, and lets at-risk rules propose and move.

While there is nothing to do it forgets, once a minute, what is over: refused attempts, kept answers, effects, pins,
uploads, selections, sessions, refresh tokens, mail and update budgets.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from audit.management.reporting import ServiceCommand
from audit.services.refusals import forget_refusals
from lifecycle.management.arguments import read_port
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.messaging import metrics
from lifecycle.messaging.process import HealthFile, check_databases, end_in_time, serve_metrics
from lifecycle.models import StageMigration
from lifecycle.services.bulk.working import find_tenants_with_changes, work_off_changes
from lifecycle.services.compliance.retention import (
    FORGET_ENDED,
    forget_answers,
    forget_bulk_changes,
    forget_ended,
    forget_old_effects,
    forget_old_uploads,
    release_pins,
)
from lifecycle.services.configuration.stage_migrations import (
    BATCH,
    BatchFailed,
    find_tenants_with_moves,
    move_customers,
)
from lifecycle.services.imports.working import UploadWorker
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.health_plays import find_tenants_with_health_plays, work_off_health_plays
from lifecycle.services.insight.working import CountedEffects, FactWorker
from lifecycle.services.risk.playing import find_tenants_with_plays, work_off_plays
from lifecycle.services.risk.watching import watch_rules
from lifecycle.services.transitions.undo import find_tenants_with_undos, work_off_undos
from lifecycle.services.work.kept_revenue import RevenueKeeper
from storage.failures import concerns_every_tenant, describe
from tenants.actors import TenantRef
from tenants.services.directory import PLATFORM, list_every_tenant, list_tenants

PAUSE_SECONDS = 1.0
FORGET_SECONDS = 60.0
# A play of rules takes minutes: the others wait no longer than this for their turn.
PLAY_SECONDS = 1.0
# What fails is left alone for so long, while everything else goes on.
PUT_OFF_SECONDS = 60.0
MOVES, CUSTOMER = "moves", "customer"
BEGUN = (
    "looking for customers to move, undos, bulk changes, files to import, plays, figures to bring up to date, "
    "at-risk rules and what is over"
)

log = structlog.get_logger(__name__)


class Command(ServiceCommand):
    """Work off what runs in the background, and forget what is over, until asked to stop."""

    help = (
        "Work off what runs in the background: moves of a published configuration, undos, bulk changes, uploaded files "
        "and plays; keep the figures of Insight and the revenue of past months; let at-risk rules propose and move; "
        "forget what is over. Several may run at once."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("--once", action="store_true", help="Exit when nothing is left to move.")
        parser.add_argument("--health-file", help="file touched while the loop runs, for a container probe")
        parser.add_argument("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return not options["once"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until SIGTERM; with --once until nothing is left. Exit status 0 only when everyone was moved."""
        self._forget_at = time.monotonic()
        # What of which tenant, or which customer's move -> when to try it again.
        self._put_off: dict[tuple[str, UUID], float] = {}
        self._uploads = UploadWorker()
        self._facts = FactWorker(list_every_tenant)
        self._episodes = FactWorker(list_every_tenant, keep_episodes)
        self._effects = CountedEffects(self._facts, self._episodes)
        self._revenue = FactWorker(list_every_tenant, RevenueKeeper().keep_revenue)
        self._rules = FactWorker(list_tenants, watch_rules)
        self._health = HealthFile(options["health_file"])
        serve_metrics(options["metrics_port"], metrics.MOVER)
        metrics.last_round.set_to_current_time()
        try:
            self._run(once=options["once"])
        finally:
            self._uploads.close()
            self._health.remove()

    def _run(self, *, once: bool) -> None:
        with stop_on_signals() as stop:
            if not once:
                end_in_time(stop)
            check_databases(DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=self._health, waits=not once)
            if not once:
                self.stdout.write(BEGUN)
            while not stop:
                self._health.touch()
                try:
                    busy = self._work(stop)
                    busy |= self._work_off("undo", find_tenants_with_undos(), work_off_undos, stop)
                    changing = find_tenants_with_changes(now=timezone.now())
                    busy |= self._work_off("bulk change", changing, work_off_changes, stop)
                    plays = find_tenants_with_plays()
                    busy |= self._work_off("rules", plays, work_off_plays, stop, seconds=PLAY_SECONDS)
                    plays = find_tenants_with_health_plays()
                    busy |= self._work_off("health", plays, work_off_health_plays, stop, seconds=PLAY_SECONDS)
                    busy |= self._uploads.work(enough=lambda: stop)
                    busy |= not once and self._facts.work(enough=lambda: bool(stop))
                    busy |= not once and self._episodes.work(enough=lambda: bool(stop))
                    busy |= not once and self._revenue.work(enough=lambda: bool(stop))
                    busy |= not once and self._rules.work(enough=lambda: bool(stop))
                    if not busy and not stop:
                        self._forget(stop, once=once)
                    metrics.last_round.set_to_current_time()
                except (OperationalError, InterfaceError) as error:
                    if once:
                        raise
                    self.stderr.write(f"database away, trying again: {str(error).strip()}")
                    close_old_connections()
                    busy = False
                if once and not busy:
                    break
                if not busy:
                    stop.wait(PAUSE_SECONDS)
        if once and stop:
            raise CommandError("Stopped. Run it again to go on.")
        if once and self._put_off:
            raise CommandError(
                f"{len(self._put_off):,} could not be moved (the log says why); they stay where they are. Correct the"
                " cause, and run this again."
            )

    def _work(self, stop: StopRequest) -> bool:
        now = time.monotonic()
        self._put_off = {key: until for key, until in self._put_off.items() if until > now}
        busy = False
        for tenant in find_tenants_with_moves():
            if (MOVES, tenant.id) in self._put_off:
                continue
            try:
                busy |= self._move(tenant, stop)
            except Exception as error:
                if concerns_every_tenant(error):
                    raise
                # One tenant's customers must not hold up those of the others.
                log.error("moves put off", tenant=tenant.slug, error=describe(error))
                self._put_off[MOVES, tenant.id] = time.monotonic() + PUT_OFF_SECONDS
            if stop:
                break
        return busy

    def _work_off(
        self,
        what: str,
        tenants: Sequence[TenantRef],
        work: Callable[[TenantRef], Iterator[object]],
        stop: StopRequest,
        *,
        seconds: float = math.inf,
    ) -> bool:
        """Go on with the jobs that people have started, a batch at a time; so many seconds for each tenant."""
        busy = False
        for tenant in tenants:
            if (what, tenant.id) in self._put_off:
                continue
            until = time.monotonic() + seconds
            try:
                for job in work(tenant):
                    busy = True
                    self._health.touch()
                    # A job of very many customers may take longer than the alarm waits for a round to end.
                    metrics.last_round.set_to_current_time()
                    self.stdout.write(f"{tenant.slug}: {job}")
                    if stop:
                        return busy
                    if time.monotonic() > until:
                        break
            except Exception as error:
                if concerns_every_tenant(error):
                    raise
                log.error(f"{what} put off", tenant=tenant.slug, error=describe(error))
                self._put_off[what, tenant.id] = time.monotonic() + PUT_OFF_SECONDS
        return busy

    def _move(self, tenant: TenantRef, stop: StopRequest) -> bool:
        """Work off the moves of one tenant; a batch that fails is halved down to the customer it fails for."""
        busy, size = False, BATCH
        while not stop:
            self._health.touch()
            try:
                for move in move_customers(tenant, size=size, skip=self._skipped()):
                    busy = True
                    self._note(move)
                    self.stdout.write(f"{tenant.slug}: {move}")
                    if size < BATCH:
                        size = min(2 * size, BATCH)
                        break
                    if stop:
                        break
                else:
                    return busy
            except BatchFailed as failure:
                if len(failure.customer_ids) > 1:
                    size = len(failure.customer_ids) // 2
                    continue
                cause = failure.__cause__ or failure
                for customer_id in failure.customer_ids:
                    log.error(
                        "customer not moved", tenant=tenant.slug, customer=str(customer_id), error=describe(cause)
                    )
                    self._put_off[CUSTOMER, customer_id] = time.monotonic() + PUT_OFF_SECONDS
                if not failure.customer_ids:
                    raise cause from failure
        return busy

    def _skipped(self) -> set[UUID]:
        return {key for kind, key in self._put_off if kind == CUSTOMER}

    def _note(self, move: StageMigration) -> None:
        """A batch is done."""
        self._health.touch()
        metrics.last_round.set_to_current_time()
        metrics.customers_moved.inc(move.last_batch)

    def _forget(self, stop: StopRequest, *, once: bool) -> None:
        """Delete what is old when its minute has come. What fails is tried again in the next.

        Effects not before Insight has counted them; with --once it counts nothing.
        """
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_SECONDS
        chores: dict[str, Callable[[], int]] = {
            "periods of refused attempts": forget_refusals,
            "kept answers": lambda: forget_answers(now=timezone.now(), stop=lambda: stop),
            "effects": lambda: forget_old_effects(now=timezone.now(), stop=lambda: stop),
            "pins that expired": lambda: release_pins(now=timezone.now(), stop=lambda: stop),
            "bulk changes": lambda: forget_bulk_changes(now=timezone.now(), stop=lambda: stop),
            "uploads": lambda: forget_old_uploads(now=timezone.now(), stop=lambda: stop),
            **{what: partial(forget_ended, what, now=timezone.now(), stop=lambda: stop) for what in FORGET_ENDED},
        }
        if not once and not self._effects.are_counted():
            del chores["effects"]
        for what, forget in chores.items():
            try:
                count = forget()
            except Exception as error:
                if concerns_every_tenant(error):
                    raise
                log.error("not forgotten", what=what, error=describe(error))
            else:
                if count:
                    self.stdout.write(f"forgot {count:,} {what}")
