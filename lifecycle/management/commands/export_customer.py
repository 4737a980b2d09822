"""``manage.py export_customer``: everything that is kept about one customer, as JSON on standard output."""

from typing import Any

import orjson
from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.services.compliance.erasure import ErasureRefused
from lifecycle.services.compliance.exports import export_customer
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.homes import at_home


class Command(OperatorCommand):
    """Hand out a customer's data [SEC-7]."""

    help = "Write everything that is kept about a customer, personal data in clear, to standard output."

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("external_id", help="The customer's id in the tenant's own systems.")
        add_tenant_argument(parser, required=True)
        parser.add_argument("--reason", default="", help="Why; kept in the administration log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, or say in one line why not."""
        (tenant,) = choose_tenants(options["tenant"])
        try:
            with at_home(tenant.id), tenant_context(tenant.id):
                exported = export_customer(
                    options["external_id"],
                    tenant=tenant,
                    actor=system_actor("export_customer"),
                    now=timezone.now(),
                    reason=options["reason"],
                )
        except ErasureRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(orjson.dumps(exported, default=str, option=orjson.OPT_INDENT_2).decode())
