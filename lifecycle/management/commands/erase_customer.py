"""``manage.py erase_customer``: the personal data of one customer, gone for good."""

from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.tenants import add_tenant_argument, choose_tenants
from lifecycle.services.compliance.erasure import ErasureRefused, erase_customer
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.homes import at_home


class Command(OperatorCommand):
    """Erase what names people at a customer; the history stays, and cannot be read where it named them."""

    help = (
        "Erase what names people at a customer, wherever it is kept: contacts, notes, messages, uploaded files. "
        "This cannot be undone."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("external_id", help="The customer's id in the tenant's own systems.")
        add_tenant_argument(parser, required=True)
        parser.add_argument("--reason", required=True, help="Why; kept in the administration log.")
        parser.add_argument("--company", action="store_true", help="Erase the company's name as well.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, or say in one line why not."""
        (tenant,) = choose_tenants(options["tenant"])
        try:
            with at_home(tenant.id), tenant_context(tenant.id):
                erased = erase_customer(
                    options["external_id"],
                    tenant=tenant,
                    actor=system_actor("erase_customer"),
                    reason=options["reason"],
                    now=timezone.now(),
                    company=options["company"],
                )
        except ErasureRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        key = "data key destroyed" if erased.key_destroyed else "there was no data key"
        self.stdout.write(
            f"{options['external_id']}: {key}, {erased.contacts:,} contacts and {erased.messages:,} messages deleted"
        )
        if erased.answers:
            self.stdout.write(f"{erased.answers:,} answers kept for repeated requests deleted")
        if erased.uploads:
            self.stdout.write(
                f"{erased.uploads:,} uploaded files destroyed: what was not imported is to be uploaded again"
            )
        if erased.unreadable:
            self.stdout.write(
                f"{erased.unreadable:,} dead letters could not be looked into: they lie under a master key that is not"
                " in MASTER_KEYS, or were altered. Restore the key and erase again, or discard them."
            )
