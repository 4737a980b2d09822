"""``manage.py load_demo``: two tenants with people, customers and two years of history. Safe to repeat."""

import sys
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import stop_on_signals
from lifecycle.services.customers.statistics import LARGE_LOAD, refresh_statistics
from lifecycle.services.demo.loading import (
    DemoRefused,
    count_customers,
    load_customers,
    people_of,
    prepare_staff,
    prepare_tenant,
)
from lifecycle.services.demo.scenarios import GLOBEX, PASSWORD, SCENARIOS
from storage.servers import on_server
from tenants.homes import AwayFromHome, server_to_work_on

GLOBEX_CUSTOMERS = 300


def read_count(text: str) -> int:
    """A whole number of customers, no more than there are names for."""
    if not text.isdecimal() or int(text) > 200_000:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to 200000.")
    return int(text)


class Command(OperatorCommand):
    """Load the demo, for development only."""

    help = "Load the demo tenants acme and globex. Refused when DEBUG is off. Repeating it adds only what is missing."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument(
            "--customers",
            type=read_count,
            default=settings.DEMO_CUSTOMERS,
            help="Customers of acme (default: DEMO_CUSTOMERS, or 2000).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing, then say what there is."""
        if not settings.DEBUG:
            raise CommandError("load_demo makes logins with a known password: it is refused when DEBUG is off.")
        now = timezone.now()
        try:
            with stop_on_signals() as stop:
                prepare_staff(now=now)
                for scenario in SCENARIOS:
                    wanted = options["customers"]
                    if scenario is GLOBEX:
                        wanted = min(GLOBEX_CUSTOMERS, wanted)
                    with on_server(server_to_work_on(scenario.slug)):
                        self._load(scenario, wanted, stop, now=now)
                    if stop:
                        raise CommandError("Stopped. Run it again to continue.")
        except (DemoRefused, AwayFromHome) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Logins, password {PASSWORD!r}:")
        for username, role in people_of(SCENARIOS).items():
            self.stdout.write(f"  {username:<32} {role}")

    def _load(self, scenario: Any, wanted: int, stop: Any, *, now: Any) -> None:
        tenant, cast = prepare_tenant(scenario, now=now)
        before = count_customers(tenant)
        with ProgressBar(f"{scenario.slug}: customers", wanted, stream=self.stderr, terminal=sys.stderr) as bar:
            for progress in load_customers(scenario, wanted, tenant=tenant, cast=cast, now=now):
                bar.update(progress.done)
                if stop:
                    break
        after = count_customers(tenant)
        if after - before >= LARGE_LOAD:
            refresh_statistics()
        added = f"{after - before:,} added" if after > before else "nothing to add"
        self.stdout.write(f"{scenario.slug}: {after:,} customers, {added}")
