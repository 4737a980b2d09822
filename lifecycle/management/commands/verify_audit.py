"""``manage.py verify_audit``: recomputes the history's hash chains and names the first break of each broken one.

It stands here and not in audit because a chain ends at the customer's status, and because only tenants know who they
are.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.services.seals import public_key_of
from audit.services.verification import Verified
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.services.verification import count_customers, verify_tenant, verify_tenant_seals
from tenants.actors import TenantRef

# Breaks that are listed for a tenant; the number of all of them is always told.
LISTED: Final = 1000


def read_uuid(text: str) -> UUID:
    """The id of a customer."""
    try:
        return UUID(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID.") from error


def read_published(text: str) -> list[Mapping[str, Any]]:
    """Seals as they were published, one JSON object a line."""
    try:
        lines = Path(text).read_bytes().splitlines()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error
    seals = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                seal = orjson.loads(line)
                seal["tenant_id"], seal["number"]
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise argparse.ArgumentTypeError(f"{text}, line {number}: this is not a seal.") from error
            seals.append(seal)
    return seals


class Command(BaseCommand):
    """Verify the audit trail."""

    help = (
        "Recompute the hash chains of the history, and the seals over it. Exit status 0 when all are whole, 1 when one"
        " is broken."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--customer", metavar="ID", type=read_uuid, help="The UUID of one customer.")
        parser.add_argument(
            "--published",
            metavar="FILE",
            type=read_published,
            default=(),
            help="Seals as they were published (NDJSON): the database must still have each of them.",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify tenant by tenant, tell what was found, and end with 1 when something is broken."""
        started = timezone.now()
        as_text = options["format"] == "text"
        reports = []
        with stop_on_signals() as stop:
            for tenant in choose_tenants(options["tenant"]):
                report = self._verify(tenant, options["customer"], stop)
                if not options["customer"]:
                    report |= self._verify_seals(tenant, options["published"], stop)
                if as_text and (report["customers"] or not options["customer"]):
                    self._write(report)
                reports.append(report)
        broken = sum(report["broken"] for report in reports)
        broken_seals = sum(len(report.get("seal_breaks", ())) for report in reports)
        if options["customer"] and not any(report["customers"] for report in reports):
            raise CommandError(f"There is no customer {options['customer']}.")
        if not as_text:
            whole = {"verified_at": started, "intact": not (broken or broken_seals), "tenants": reports}
            self.stdout.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())
        faults = [
            f"{count:,} {thing}{'s are' if count > 1 else ' is'} broken."
            for count, thing in ((broken, "chain"), (broken_seals, "seal"))
            if count
        ]
        if faults:
            raise CommandError(" ".join(faults))

    def _verify(self, tenant: TenantRef, customer_id: UUID | None, stop: StopRequest) -> dict[str, Any]:
        total = 1 if customer_id else count_customers(tenant)
        customers = rows = broken = 0
        breaks: list[dict[str, Any]] = []
        with ProgressBar(f"{tenant.slug}: customers", total, stream=self.stderr, terminal=sys.stderr) as bar:
            for verified in verify_tenant(tenant, customer_id=customer_id):
                customers += 1
                rows += verified.rows
                if verified.broken is not None:
                    broken += 1
                    if len(breaks) < LISTED:
                        breaks.append(_describe(verified))
                bar.update(customers)
                if stop:
                    raise CommandError("Stopped before everything was verified.")
        return {"tenant": tenant.slug, "customers": customers, "rows": rows, "broken": broken, "breaks": breaks}

    def _verify_seals(
        self, tenant: TenantRef, published: Sequence[Mapping[str, Any]], stop: StopRequest
    ) -> dict[str, Any]:
        keys = list(settings.AUDIT_VERIFY_KEYS)
        if settings.AUDIT_SIGNING_KEY is not None:
            keys.append(public_key_of(settings.AUDIT_SIGNING_KEY))
        seals, breaks = 0, []
        for number, fault in verify_tenant_seals(tenant, public_keys=keys, published=published, now=timezone.now()):
            seals += number > 0
            if fault is not None:
                breaks.append(asdict(fault))
            if stop:
                raise CommandError("Stopped before everything was verified.")
        return {"seals": seals, "seal_breaks": breaks}

    def _write(self, report: dict[str, Any]) -> None:
        found = f"{report['broken']:,} broken" if report["broken"] else "unbroken"
        if report.get("seals"):
            found += f"; {report['seals']:,} seals, {len(report['seal_breaks']):,} broken"
        self.stdout.write(f"{report['tenant']}: {report['customers']:,} customers, {report['rows']:,} rows, {found}")
        for fault in report.get("seal_breaks", ())[:LISTED]:
            self.stdout.write(f"  {fault['sentence']} ({fault['code']})")
        for one in report["breaks"]:
            row = f" row {one['sequence']}" if one["sequence"] else ""
            self.stdout.write(f"  customer {one['customer_id']}{row}: {one['sentence']} ({one['code']})")
        if report["broken"] > LISTED:
            self.stdout.write(f"  and {report['broken'] - LISTED:,} more")


def _describe(verified: Verified) -> dict[str, Any]:
    assert verified.broken is not None  # noqa: S101  asked before
    return {"customer_id": verified.customer_id, **asdict(verified.broken)}
