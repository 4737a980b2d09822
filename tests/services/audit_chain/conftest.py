"""A customer with a history, and another beside it."""

import pytest

from lifecycle.models import Customer
from tenants.actors import TenantRef
from tests.factories import CustomerFactory
from tests.services.audit_chain.tampering import MOVES, move


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with five rows of history."""
    customer = CustomerFactory(tenant=tenant)
    move(customer, tenant, *MOVES, note="a note")
    return customer


@pytest.fixture
def neighbour(tenant: TenantRef) -> Customer:
    """Another customer of the same tenant, with two rows, whom no attack concerns."""
    neighbour = CustomerFactory(tenant=tenant)
    move(neighbour, tenant, ("Active", None))
    return neighbour
