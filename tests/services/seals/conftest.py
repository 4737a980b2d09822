"""A key that signs, and a customer with a history to be sealed."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from lifecycle.models import Customer
from tenants.actors import TenantRef
from tests.factories import CustomerFactory
from tests.services.audit_chain import tampering as attacks
from tests.services.seals.sealing import KEY


@pytest.fixture(autouse=True)
def signing_key() -> Iterator[None]:
    """The sealing process has the key."""
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        yield


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with five rows of history."""
    customer = CustomerFactory(tenant=tenant)
    attacks.move(customer, tenant, *attacks.MOVES, note="a note")
    return customer
