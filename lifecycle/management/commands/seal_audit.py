"""``manage.py seal_audit``: signs the history rows that no seal covers yet."""

import base64
import os
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from audit.management.reporting import ServiceCommand
from audit.services.seals import START, public_key_of, seal_rows
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import (
    add_tenant_argument,
    at_home_unless_away,
    choose_tenants,
    describe_away,
    is_away,
)
from lifecycle.messaging.process import HealthFile, check_databases, end_in_time
from storage.away import AwayServers
from storage.failures import concerns_every_tenant, describe
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM


class Command(ServiceCommand):
    """Seal once, or every so often until asked to stop."""

    help = "Seal the history of every tenant with AUDIT_SIGNING_KEY. With --every SECONDS it runs until SIGTERM."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--every", metavar="SECONDS", type=float, help="Keep running, and seal this often.")
        parser.add_argument("--health-file", help="file touched while the loop runs, for a container probe")
        parser.add_argument("--new-key", action="store_true", help="Generate a key pair, print both halves, and exit.")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return options["every"] is not None

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal, or say in one line why not."""
        if options["new_key"]:
            self._make_key()
            return
        signing_key = settings.AUDIT_SIGNING_KEY
        if signing_key is None:
            raise CommandError("Set AUDIT_SIGNING_KEY; `manage.py seal_audit --new-key` makes one.")
        if options["every"] is not None and options["every"] <= 0:
            raise CommandError("--every needs a number of seconds above 0.")
        self._health = HealthFile(options["health_file"])
        goes_on = options["every"] is not None
        with stop_on_signals() as stop:
            if goes_on:
                end_in_time(stop)
            check_databases(
                DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=self._health, waits=goes_on, without_others=True
            )
            if goes_on:
                self.stdout.write(f"sealing; AUDIT_VERIFY_KEYS={self._verify_key(signing_key)} verifies these seals")
            while True:
                try:
                    self._seal_all(options["tenant"], signing_key, stop, goes_on=goes_on)
                except (OperationalError, InterfaceError) as error:
                    if options["every"] is None:
                        raise
                    self.stderr.write(f"database away, trying again: {str(error).strip()}")
                    close_old_connections()
                if stop or options["every"] is None or self._health.wait(stop, options["every"]):
                    break
            self._health.remove()
        if stop and options["every"] is None:
            raise CommandError("Stopped. Run it again to continue.")

    def _seal_all(self, slug: str | None, signing_key: bytes, stop: StopRequest, *, goes_on: bool) -> None:
        """A server that is away holds up the tenants of no other, nor does a tenant whose rows cannot be written at the
        moment, because it is being moved. A single run names them at its end.
        """
        away = AwayServers()
        left = []
        for tenant in choose_tenants(slug, away):
            if is_away(tenant.id, away):
                continue
            try:
                with at_home_unless_away(tenant.id, away):
                    self._seal(tenant, signing_key, stop)
            except OperationalError as error:
                if concerns_every_tenant(error):
                    raise
                self.stderr.write(f"{tenant.slug}: not sealed now: {describe(error)}")
                left.append(tenant.slug)
        if away and goes_on:
            self.stderr.write(f"server away, trying again: {away}")
        if goes_on or stop:
            return
        sentences = [f"Not sealed: {', '.join(left)}. Run it again in a moment."] if left else []
        if away:
            sentences.append(describe_away(away))
        if sentences:
            raise CommandError(" ".join(sentences))

    def _seal(self, tenant: TenantRef, signing_key: bytes, stop: StopRequest) -> None:
        place = START
        while not stop:
            self._health.touch()
            with tenant_context(tenant.id):
                sealed = seal_rows(
                    tenant.id,
                    signing_key=signing_key,
                    now=timezone.now(),
                    after=place,
                    topic=settings.AUDIT_SEAL_TOPIC,
                )
            if sealed is None:
                return
            self.stdout.write(f"{tenant.slug}: seal {sealed.seal.number} over {sealed.seal.leaves:,} rows")
            place = sealed.place

    def _make_key(self) -> None:
        key = os.urandom(32)
        self.stdout.write(f"AUDIT_SIGNING_KEY={base64.b64encode(key).decode()}")
        self.stdout.write(f"AUDIT_VERIFY_KEYS={self._verify_key(key)}")

    def _verify_key(self, signing_key: bytes) -> str:
        return base64.b64encode(public_key_of(signing_key)).decode()
