"""A tenant whose modules speak."""

import pytest

from tenants.actors import TenantRef
from tests.factories import TenantFactory
from tests.messaging.speaking import RULES, Speaker


@pytest.fixture
def acme(db: None) -> Speaker:
    """The modules of a fresh tenant with event rules."""
    return Speaker(TenantFactory(configuration=RULES))


@pytest.fixture
def globex(db: None) -> Speaker:
    """The modules of another one."""
    tenant: TenantRef = TenantFactory(configuration=RULES)
    return Speaker(tenant)
