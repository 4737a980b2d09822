"""A tenant with effects and its people."""

import pytest

from tenants.actors import TenantRef
from tests.conftest import People, make_people
from tests.factories import TenantFactory
from tests.services.bulk.changing import DOCUMENT


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def people(tenant: TenantRef) -> People:
    return make_people(tenant)
