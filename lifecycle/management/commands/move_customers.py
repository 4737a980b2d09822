"""``manage.py move_customers``: works off the moves that publications of configurations left behind.

While there is nothing to move it forgets, once an hour, refused attempts whose time is over.
"""

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from lifecycle.management.stopping import stop_on_signals
from lifecycle.services.retention import forget_refusals
from lifecycle.services.stage_moves import find_tenants_with_moves, move_customers

PAUSE_SECONDS = 1.0
FORGET_SECONDS = 3600.0


class Command(BaseCommand):
    """Move the customers of stages that a configuration took away, batch by batch, until told to stop."""

    help = "Move customers out of stages that a published configuration removed. Several may run at once."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("--once", action="store_true", help="End when nothing is left to move.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until SIGTERM; with --once until nothing is left."""
        self._forget_at = time.monotonic()
        with stop_on_signals() as stop:
            while not stop:
                try:
                    busy = self._work(stop)
                    if not busy and not stop:
                        self._forget()
                except (OperationalError, InterfaceError) as error:
                    if options["once"]:
                        raise
                    self.stderr.write(f"database away, trying again: {str(error).strip()}")
                    close_old_connections()
                    busy = False
                if options["once"] and not busy:
                    return
                if not busy:
                    stop.wait(PAUSE_SECONDS)

    def _work(self, stop: Any) -> bool:
        busy = False
        for tenant in find_tenants_with_moves():
            for move in move_customers(tenant, now=timezone.now()):
                busy = True
                self.stdout.write(f"{tenant.slug}: {move}")
                if stop:
                    return busy
        return busy

    def _forget(self) -> None:
        """Delete old refused attempts when the hour has come."""
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_SECONDS
        if count := forget_refusals(now=timezone.now()):
            self.stdout.write(f"forgot {count:,} refused attempts")
