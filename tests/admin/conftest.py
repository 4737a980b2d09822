"""An admin of the tenant, and a draft of theirs."""

from typing import Any

import pytest
from django.test import Client

from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tests.admin.drafts import new_draft
from tests.admin.test_walk import browser


@pytest.fixture
def admin_browser(users: Any) -> Client:
    return browser(users.tenant_admin)


@pytest.fixture
def draft(tenant: TenantRef) -> ConfigurationVersion:
    return new_draft(tenant)
