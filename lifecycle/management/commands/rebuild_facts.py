"""``manage.py rebuild_facts``: makes what figures are read from again, out of the history, or checks it against it."""

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import (
    add_tenant_argument,
    at_home_unless_away,
    choose_tenants,
    describe_away,
    is_away,
)
from lifecycle.services.insight.keeping import rebuild_facts
from lifecycle.services.insight.sums import find_wrong_sums, replace_sums
from storage.away import AwayServers
from tenants.actors import TenantRef

# Customers who are being written to are behind until the job has seen it: after so many seconds each they are looked at
# again, before they are said to differ.
AGAIN_SECONDS: Final = (5.0, 10.0, 15.0)


class Command(BaseCommand):
    """Rebuild or check the stays, sums and episodes at risk of one tenant or of all."""

    help = (
        "Make the stays, sums and episodes at risk that Insight and as-of dates read again from the history, with "
        "equal results at any time; move_customers keeps them up to date. With --check nothing is written, who "
        "differs is looked at again up to three times, as move_customers may be about to see it, and the exit status "
        "is 1 if anything differs still."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--check", action="store_true", help="Only compare with the history.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work through the tenants, and say what was found of each."""
        different, away = 0, AwayServers()
        with stop_on_signals() as stop:
            for tenant in choose_tenants(options["tenant"], away):
                if is_away(tenant.id, away):
                    continue
                with at_home_unless_away(tenant.id, away):
                    different += self._work(tenant, stop, check=options["check"])
                if stop:
                    raise CommandError("Stopped. Run it again; what was rebuilt so far is kept.")
        sentences = []
        if options["check"] and different:
            sentences.append("What is kept differs from the history. Run rebuild_facts without --check to rebuild it.")
        if away:
            sentences.append(describe_away(away))
        if sentences:
            raise CommandError(" ".join(sentences))

    def _work(self, tenant: TenantRef, stop: StopRequest, *, check: bool) -> int:
        done = different = 0
        bar: ProgressBar | None = None
        for progress in rebuild_facts(tenant, write=not check, again=AGAIN_SECONDS if check else ()):
            if bar is None:
                bar = ProgressBar(
                    tenant.slug, progress.total, stream=self.stdout, terminal=self.stderr, unit="customers"
                )
            bar.update(progress.done)
            done, different = progress.done, progress.different
            if stop:
                break
        if bar is not None:
            bar.__exit__(None, None, None)
        if stop:
            return different
        wrong = find_wrong_sums(tenant)
        if wrong and not check:
            replace_sums(tenant, wrong)
        sums = ", ".join(f"{count:,} {kind}" for kind, count in wrong.items()) or "none"
        found = ("differ", "sums that differ") if check else ("rebuilt", "sums rebuilt")
        self.stdout.write(f"{tenant.slug}: {done:,} customers, {different:,} {found[0]}; {found[1]}: {sums}")
        return different + sum(wrong.values())
