"""Customers are moved; their versions and their history."""

from typing import Any

from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, Outcome, apply
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import utc_now


def move(tenant: TenantRef, *changes: Change, actor: Actor | None = None, **options: Any) -> list[Outcome]:
    """Apply changes in a transaction of their own."""
    with tenant_context(tenant.id):
        return apply(Call(tenant, actor or system_actor("tests"), "API", utc_now()), changes, **options)


def version_of(tenant: TenantRef, customer: Customer) -> tuple[int, str]:
    """The customer's stage."""
    with tenant_context(tenant.id):
        row = CustomerLifecycleStatus.objects.get(customer_id=customer.id)
    return row.version, row.stage
