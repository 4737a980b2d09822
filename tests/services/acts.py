"""What tests have done to a customer through the services, in a word."""

from typing import Any

from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tests.factories import utc_now

ACTOR = system_actor("tests")


def move(tenant: TenantRef, customer: Customer, stage: str) -> None:
    """Move the customer, within the tenant's context."""
    call = Call(tenant=tenant, actor=ACTOR, source="API", now=utc_now())
    (outcome,) = apply(call, [Change(customer_id=customer.id, stage=stage)])
    assert outcome.moved, outcome


def report(tenant: TenantRef, customer: Customer, **facts: Any) -> None:
    """A module reports these facts of the customer, within the tenant's context."""
    fact = CustomerFacts(external_id=customer.external_id, source="/tests", occurred_at=utc_now(), **facts)
    (recorded,) = record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=False)
    assert recorded.changed


def publish(tenant: TenantRef, document: dict[str, Any]) -> None:
    """Another configuration is live, within the tenant's context."""
    publish_configuration(document, tenant=tenant, actor=ACTOR, now=utc_now())
