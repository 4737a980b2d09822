"""``manage.py pause_effects``: nothing that stage changes start is delivered, until it is resumed. For a restore."""

from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.tenants import (
    add_tenant_argument,
    at_home_unless_away,
    choose_tenants,
    describe_away,
    is_away,
)
from lifecycle.services.effects.actions import pause_tenant, resume_tenant
from storage.away import AwayServers
from tenants.actors import system_actor
from tenants.context import tenant_context

ACTOR = system_actor("pause_effects")


class Command(OperatorCommand):
    """Pause the effects of every tenant, or of one."""

    help = (
        "Pause what stage changes start, for every tenant or one: after a restore, before run_effects starts. With"
        " --resume end the pauses that this command has made; those of tenant admins stay."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--reason", required=True, help="Why; kept in the administration log, shown to admins.")
        parser.add_argument("--resume", action="store_true", help="End the pauses that this command has made.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Each tenant in a transaction of its own; a line each."""
        act = resume_tenant if options["resume"] else pause_tenant
        done, not_done = (
            ("resumed", "not resumed: not paused by this command")
            if options["resume"]
            else (
                "paused",
                "is paused already",
            )
        )
        away = AwayServers()
        for tenant in choose_tenants(options["tenant"], away):
            if is_away(tenant.id, away):
                continue
            with at_home_unless_away(tenant.id, away):
                with tenant_context(tenant.id):
                    changed = act(reason=options["reason"], tenant=tenant, actor=ACTOR, now=timezone.now())
                self.stdout.write(f"{tenant.slug}: {done if changed else not_done}")
        if away:
            raise CommandError(describe_away(away))
