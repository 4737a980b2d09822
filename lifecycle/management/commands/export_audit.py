"""``manage.py export_audit``: a part of the audit trail with its proofs, for those who have nothing of the product."""

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from audit.services.administration import record_administration
from audit.services.bundles import Period, find_period, write_bundle
from audit.services.seals import public_key_of
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from storage.timeouts import UNLIMITED, allow_seconds
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.homes import at_home


class Command(OperatorCommand):
    """Write an audit bundle."""

    help = (
        "Write a bundle of a tenant's history: rows, seals, proofs, public keys, a manifest and verify_bundle.py, which"
        " verifies it with Python and the package cryptography alone."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser, required=True)
        parser.add_argument("--from", dest="since", metavar="DATE", required=True, help="The first day (UTC).")
        parser.add_argument("--to", dest="until", metavar="DATE", required=True, help="The last day (UTC).")
        parser.add_argument("--out", metavar="FOLDER", type=Path, help="Default: audit-TENANT-FROM-TO.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it whole, or leave nothing behind and say in one line why."""
        first, last = _read_date("--from", options["since"]), _read_date("--to", options["until"])
        if last < first:
            raise CommandError(f"--to {last} is before --from {first}. Nothing was written.")
        (tenant,) = choose_tenants(options["tenant"])
        keys = _public_keys()
        out = options["out"] or Path(f"audit-{tenant.slug}-{first}-{last}")
        part = out.with_name(f"{out.name}.part")
        for folder in (out, part):
            if folder.exists():
                raise CommandError(f"{folder} exists. Nothing was written: name another folder with --out.")
        since = dt.datetime.combine(first, dt.time(), dt.UTC)
        # Nothing comes after the last day of the calendar, which is a usual way to write that there is no end.
        following = None if last == dt.date.max else last + dt.timedelta(days=1)
        until = dt.datetime.combine(following or last, dt.time() if following else dt.time.max, dt.UTC)
        with stop_on_signals() as stop, at_home(tenant.id), ExitStack() as unfinished, tenant_context(tenant.id):
            # A long history is written for longer than any job may take; its files are digested without a statement.
            allow_seconds(UNLIMITED, idle=3600)
            period = find_period(tenant.id, since=since, until=until)
            if not period.seals:
                waiting = (
                    f" {period.unsealed:,} rows of that time are not sealed: run seal_audit." if period.unsealed else ""
                )
                raise CommandError(f"No seal covers anything from {first} to {last}.{waiting} Nothing was written.")
            unfinished.enter_context(_new_folder(part))
            self._write(part, period, tenant, keys, stop)
            record_administration(
                "export_audit",
                tenant.id,
                tenant_id=tenant.id,
                actor=system_actor("export_audit"),
                detail={"from": str(first), "to": str(last), "rows": period.rows},
                now=timezone.now(),
            )
        part.rename(out)
        numbers = f"seals {period.seals[0].number} to {period.seals[-1].number}"
        self.stdout.write(f"{out}: {period.rows:,} rows under {numbers}. Verify with: python {out}/verify_bundle.py")
        if period.unsealed:
            self.stdout.write(
                f"{period.unsealed:,} rows of that time are not sealed yet, and not in it: run seal_audit."
            )

    def _write(self, folder: Path, period: Period, tenant: TenantRef, keys: list[bytes], stop: StopRequest) -> None:
        bar = ProgressBar("rows", period.rows, stream=self.stdout, terminal=self.stderr, unit="rows")
        try:
            with bar, transaction.atomic():
                for done in write_bundle(folder, period, tenant_id=tenant.id, public_keys=keys):
                    bar.update(done)
                    if stop:
                        raise CommandError("Stopped. Nothing was kept: run it again.")
        except OSError as error:
            raise CommandError(f"The bundle cannot be written: {error.strerror}. Nothing was kept.") from error


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """A folder that is removed again if what it is for does not become whole, and that is noted and committed."""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror}. Nothing was written.") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _read_date(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} needs a day such as 2026-01-31, not {text!r}. Nothing was written.") from None


def _public_keys() -> list[bytes]:
    keys = list(settings.AUDIT_VERIFY_KEYS)
    if settings.AUDIT_SIGNING_KEY is not None:
        keys.append(public_key_of(settings.AUDIT_SIGNING_KEY))
    if not keys:
        raise CommandError(
            "Set AUDIT_VERIFY_KEYS: without a public key no one can verify the bundle. Nothing was written."
        )
    return list(dict.fromkeys(keys))
