"""``manage.py seal_audit``: signs the history rows that no seal covers yet."""

import base64
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from audit.services.seals import START, public_key_of, seal_rows
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from tenants.actors import TenantRef
from tenants.context import tenant_context


class Command(BaseCommand):
    """Seal once, or every so often until told to stop."""

    help = "Seal the history of every tenant with AUDIT_SIGNING_KEY. With --every SECONDS it goes on until SIGTERM."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--every", metavar="SECONDS", type=float, help="Go on, and seal this often.")
        parser.add_argument("--new-key", action="store_true", help="Make a key, show both halves, and do nothing else.")

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
        with stop_on_signals() as stop:
            while True:
                try:
                    for tenant in choose_tenants(options["tenant"]):
                        self._seal(tenant, signing_key, stop)
                except OperationalError as error:
                    if options["every"] is None:
                        raise
                    self.stderr.write(f"database away, trying again: {str(error).strip()}")
                    close_old_connections()
                if stop or options["every"] is None or stop.wait(options["every"]):
                    break
        if stop and options["every"] is None:
            raise CommandError("Stopped. Run it again: it goes on where it was.")

    def _seal(self, tenant: TenantRef, signing_key: bytes, stop: StopRequest) -> None:
        place = START
        while not stop:
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
        self.stdout.write(f"AUDIT_VERIFY_KEYS={base64.b64encode(public_key_of(key)).decode()}")
