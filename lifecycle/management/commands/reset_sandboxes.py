"""``manage.py reset_sandboxes``: empties each sandbox and tells its story again, once a day."""

from collections.abc import Sequence

from django.core.management.base import CommandError
from django.utils import timezone

from lifecycle.management.daily import DailyCommand
from lifecycle.management.stopping import StopRequest
from lifecycle.messaging import metrics
from lifecycle.services.demo.sandboxes import reset_sandbox
from lifecycle.services.insight.reading import midnight
from storage.servers import server_names
from tenants.actors import TenantRef
from tenants.homes import AwayFromHome, server_to_work_on
from tenants.services.directory import Sandbox, find_tenant_everywhere, list_sandboxes


class Command(DailyCommand[Sandbox]):
    """Reset the sandboxes, once or each day."""

    help = (
        "Empty each sandbox and fill it with its made-up customers again; people, keys, identity providers and webhook"
        " endpoints stay. Each is one transaction: interrupted, it is as it was, and the next run begins again. Those"
        " that were reset today (UTC) are left out. With --every SECONDS it runs until SIGTERM, and looks so often."
    )
    registry, round_at, oldest_at = metrics.SANDBOX, metrics.sandbox_round, metrics.sandbox_oldest
    tenant_help = "The slug of one sandbox. Default: all of them."
    doing, done_today = "resetting sandboxes", "sandboxes that were reset today"
    failure = "Not reset: {names}. They are as they were; run it again."
    failure_line = "sandbox not reset"

    def choose(self, slug: str | None) -> list[Sandbox]:
        """The sandboxes of all servers that this process may go to; one clear line when there is none of that name."""
        found: list[Sandbox] = []
        try:
            # For one that is named no other server than its own need be there.
            names = server_names() if slug is None else (server_to_work_on(slug),)
        except AwayFromHome as error:
            raise CommandError(f"{error}.") from error
        for name in names:
            with self.away.work_on(name):
                found += [sandbox for sandbox in list_sandboxes() if slug in (None, sandbox.tenant.slug)]
        if slug is not None and not found and not self.away:
            tenant = find_tenant_everywhere(slug)
            what = "is no sandbox: nothing of it is ever deleted" if tenant else "is no active tenant"
            raise CommandError(f"{slug!r} {what}.")
        return found

    def tenant_of(self, subject: Sandbox) -> TenantRef:
        """The tenant that it is."""
        return subject.tenant

    def work_once(self, subject: Sandbox, stop: StopRequest, *, again: bool) -> None:
        """Reset it, in one transaction: a request to stop comes before it or after it."""
        if not self._reset(subject, again=again):
            self.stdout.write(f"{subject.tenant.slug}: reset today, or at this moment by another run")

    def work_today(self, subject: Sandbox, stop: StopRequest) -> None:
        """Reset it, unless it was today."""
        self._reset(subject, again=False)

    def note_oldest(self, subjects: Sequence[Sandbox]) -> None:
        """When the sandbox was filled that was not for the longest time."""
        now = timezone.now()
        self.oldest_at.set(min((sandbox.filled_at for sandbox in subjects), default=now).timestamp())

    def _reset(self, sandbox: Sandbox, *, again: bool) -> bool:
        now = timezone.now()
        done = reset_sandbox(sandbox.tenant, now=now, since=None if again else midnight(now.date()))
        if done is None:
            return False
        self.stdout.write(
            f"{sandbox.tenant.slug}: {done.customers_before:,} customers and {done.history_rows_before:,} history"
            f" rows emptied, {done.customers:,} customers filled in"
        )
        return True
