"""``manage.py rotate_keys``: everything encrypted goes under the newest key of MASTER_KEYS."""

import sys
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from audit.services.administration import record_administration
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, describe_away
from lifecycle.services.compliance.key_rotation import NAMELESS, count_old, list_keepers, rotate_tenant
from storage import cipher
from storage.away import AwayServers
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.management.choosing import choose_tenant

ACTOR = system_actor("rotate_keys")


class Command(OperatorCommand):
    """Rewrap data keys and encrypted messages; safe to interrupt and to repeat."""

    help = (
        "Rewrap every data key and encrypted message under the first key of MASTER_KEYS. Exit status 0 only when"
        " nothing is left under another key: then the other keys can be removed and destroyed."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate tenant by tenant."""
        left, away = 0, AwayServers()
        with stop_on_signals() as stop:
            for server, tenant in _choose(options["tenant"], away):
                if server in away:
                    continue
                with away.work_on(server):
                    left += self._rotate(tenant, stop)
                if stop:
                    raise CommandError("Stopped. Run it again to continue.")
        sentences = []
        if left:
            sentences.append(
                f"{left:,} are still under an older master key, held by another transaction or waiting to be published:"
                " keep the older keys, and run it again in a moment."
            )
        if away:
            sentences.append(f"{describe_away(away)} Keep the older keys until then.")
        if sentences:
            raise CommandError(" ".join(sentences))

    def _rotate(self, tenant: TenantRef, stop: StopRequest) -> int:
        total, done = count_old(tenant.id), 0
        try:
            with ProgressBar(f"{tenant.slug}: keys", total, stream=self.stderr, terminal=sys.stderr) as bar:
                for rewrapped in rotate_tenant(tenant.id):
                    done += rewrapped
                    bar.update(done)
                    if stop:
                        break
        except cipher.Undecryptable as error:
            raise CommandError(f"{tenant.slug}: {error}") from error
        if done and tenant != NAMELESS:
            with tenant_context(tenant.id):
                record_administration(
                    "rotate_keys",
                    tenant_id=tenant.id,
                    actor=ACTOR,
                    detail={"rewrapped": done, "master_key_id": cipher.newest_master_key_id()},
                    now=timezone.now(),
                )
        left = count_old(tenant.id)
        if tenant != NAMELESS or done or left:
            self.stdout.write(f"{tenant.slug}: {done:,} re-wrapped, {left:,} left")
        return left


def _choose(slug: str | None, away: AwayServers) -> list[tuple[str, TenantRef]]:
    """Server and tenant, of one tenant or of all; one clear line when there is no such tenant."""
    if slug is not None:
        choose_tenant(slug, suspended_too=True)
    return [(server, tenant) for server, tenant in list_keepers(away) if slug in (None, tenant.slug)]
