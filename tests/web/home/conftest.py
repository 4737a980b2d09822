"""A tenant whose customers need somebody."""

import pytest

from tests.factories import SAAS, TenantFactory
from tests.services.conftest import admin  # noqa: F401


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)
