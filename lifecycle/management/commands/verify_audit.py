"""``manage.py verify_audit``: recomputes the history's hash chains and names the first break of each broken one.

It is here and not in audit because a chain ends at the customer's status, and because only tenants know who they
are.
"""

import argparse
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from audit.services.published_seals import PublishedSeals
from audit.services.seal_verification import SealBreak
from audit.services.seals import public_key_of
from audit.services.verification import Verified
from lifecycle.management.progress import ProgressBar
from lifecycle.management.published import TOPIC, NotCompared, read_published
from lifecycle.management.stopping import StopRequest, stop_on_signals
from lifecycle.management.tenants import (
    add_tenant_argument,
    at_home_unless_away,
    choose_tenants,
    describe_away,
    is_away,
)
from lifecycle.services.compliance.verification import (
    MISSING_TENANT,
    UNREACHED_TENANT,
    count_customers,
    count_seals,
    find_missing_tenants,
    read_emptied,
    verify_tenant,
    verify_tenant_seals,
)
from storage.away import AwayServers
from tenants.actors import TenantRef

# Breaks that are listed for a tenant; the number of all of them is always said.
LISTED: Final = 1000
NOT_A_SEAL: Final = "not_a_seal"


def read_uuid(text: str) -> UUID:
    """The id of a customer."""
    try:
        return UUID(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID.") from error


class Command(OperatorCommand):
    """Verify the audit trail."""

    help = (
        "Recompute the hash chains of the history, and the seals over it. Exit status 0 when all are whole, 1 when one"
        " is broken or something that was asked for could not be verified."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        add_tenant_argument(parser)
        parser.add_argument("--customer", metavar="ID", type=read_uuid, help="The UUID of one customer.")
        parser.add_argument(
            "--published",
            metavar="FILE",
            nargs="?",
            const=TOPIC,
            help="Seals as they were published: the database must still have each of them, and their tenants. A file"
            " with one per line (NDJSON), - for standard input, or without FILE the topic AUDIT_SEAL_TOPIC.",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify tenant by tenant, say what was found, and end with 1 when something is broken or was left out."""
        started = timezone.now()
        as_text = options["format"] == "text"
        if options["published"] and options["customer"]:
            raise CommandError("--published compares the seals of whole tenants: leave --customer out.")
        reports: list[dict[str, Any]] = []
        away = AwayServers()
        with stop_on_signals() as stop:
            published, not_compared = self._read_published(options["published"], stop)
            for tenant in choose_tenants(options["tenant"], away):
                if is_away(tenant.id, away):
                    continue
                with at_home_unless_away(tenant.id, away):
                    report = self._verify(tenant, options["customer"], stop)
                    if not options["customer"]:
                        report |= self._verify_seals(tenant, published, stop)
                    reports.append(report)
                    if as_text and (report["customers"] or not options["customer"]):
                        self._write(report)
        missing = [] if options["tenant"] or options["customer"] else self._find_missing(published, away)
        broken = sum(report["broken"] for report in reports)
        broken_seals = sum(len(report.get("seal_breaks", ())) for report in reports)
        absent = Counter(error.code for error in missing)
        broken_seals += absent.total() - absent[MISSING_TENANT] - absent[UNREACHED_TENANT]
        if options["customer"] and not any(report["customers"] for report in reports) and not away:
            raise CommandError(f"There is no customer {options['customer']}.")
        if as_text:
            for error in missing[:LISTED]:
                self.stdout.write(f"{error.sentence} ({error.code})")
        else:
            whole = {
                "verified_at": started,
                "intact": not (broken or broken_seals or missing or not_compared or away),
                "not_compared": not_compared,
                "away": str(away),
                "missing": [asdict(error) for error in missing],
                "tenants": reports,
            }
            self.stdout.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())
        errors = [
            f"{count:,} {thing}{'s are' if count > 1 else ' is'} {state}."
            for count, thing, state in (
                (broken, "chain", "broken"),
                (broken_seals, "seal", "broken"),
                (absent[MISSING_TENANT], "tenant", "missing"),
                (absent[UNREACHED_TENANT], "tenant", "elsewhere and not compared"),
            )
            if count
        ]
        if not_compared:
            errors.append(f"Nothing was compared with published seals: {not_compared}")
        if away:
            errors.append(describe_away(away))
        if errors:
            raise CommandError(" ".join(errors))

    def _read_published(self, source: str | None, stop: StopRequest) -> tuple[PublishedSeals | None, str]:
        """The published seals, and why there are none to compare with, if they were asked for."""
        if source is None:
            return None, ""
        try:
            return read_published(source, stop=lambda: bool(stop)), ""
        except NotCompared as reason:
            return None, str(reason)

    def _find_missing(self, published: PublishedSeals | None, away: AwayServers) -> list[SealBreak]:
        unreadable = published.unreadable if published else []
        return [
            *find_missing_tenants(public_keys=_public_keys(), published=published, away=away),
            *(SealBreak(0, NOT_A_SEAL, f"{place}: this is not a seal.") for place in unreadable),
        ]

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

    def _verify_seals(self, tenant: TenantRef, published: PublishedSeals | None, stop: StopRequest) -> dict[str, Any]:
        seals, breaks = 0, []
        found = verify_tenant_seals(tenant, public_keys=_public_keys(), published=published, now=timezone.now())
        total = count_seals(tenant)
        with ProgressBar(f"{tenant.slug}: seals", total, stream=self.stderr, terminal=sys.stderr) as bar:
            for number, error in found:
                seals += number > 0
                if error is not None:
                    breaks.append(asdict(error))
                bar.update(seals)
                if stop:
                    raise CommandError("Stopped before everything was verified.")
        emptied = read_emptied(tenant)
        report = {"seals": seals, "seal_breaks": breaks, "emptied": asdict(emptied) if emptied else None}
        return report if published is None else {**report, "published_seals": len(published.of(tenant.id))}

    def _write(self, report: dict[str, Any]) -> None:
        found = f"{report['broken']:,} broken" if report["broken"] else "unbroken"
        if report.get("seals") or report.get("seal_breaks"):
            found += f"; {report['seals']:,} seals, {len(report['seal_breaks']):,} broken"
        elif report["rows"] and "seals" in report:
            found += "; no seals"
        if "published_seals" in report and report["rows"]:
            found += f"; {report['published_seals']:,} published"
        self.stdout.write(f"{report['tenant']}: {report['customers']:,} customers, {report['rows']:,} rows, {found}")
        if emptied := report.get("emptied"):
            times = f"{emptied['times']:,} time{'s' if emptied['times'] > 1 else ''}"
            self.stdout.write(
                f"  a sandbox: emptied {times}, last at {emptied['at'].isoformat(timespec='seconds')}; seals up to"
                f" {emptied['seals_to']:,} have no rows"
            )
        for error in report.get("seal_breaks", ())[:LISTED]:
            self.stdout.write(f"  {error['sentence']} ({error['code']})")
        for one in report["breaks"]:
            row = f" row {one['sequence']}" if one["sequence"] else ""
            self.stdout.write(f"  customer {one['customer_id']}{row}: {one['sentence']} ({one['code']})")
        if report["broken"] > LISTED:
            self.stdout.write(f"  and {report['broken'] - LISTED:,} more")


def _public_keys() -> list[bytes]:
    keys = list(settings.AUDIT_VERIFY_KEYS)
    if settings.AUDIT_SIGNING_KEY is not None:
        keys.append(public_key_of(settings.AUDIT_SIGNING_KEY))
    return keys


def _describe(verified: Verified) -> dict[str, Any]:
    assert verified.broken is not None  # noqa: S101  asked before
    return {"customer_id": verified.customer_id, **asdict(verified.broken)}
