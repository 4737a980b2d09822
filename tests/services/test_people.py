"""Tenants and people, as the services make them."""

import pytest
from guardian.shortcuts import get_perms

from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.services.directory import find_tenant


def test_each_role_is_granted_its_row_of_the_matrix(tenant, users):
    with tenant_context(tenant.id):
        row = Tenant.objects.get(id=tenant.id)
        for role in (Role.VIEWER, Role.ACCOUNT_MANAGER, Role.TENANT_ADMIN):
            assert set(get_perms(users.of(role), row)) == ROLE_PERMISSIONS[role]


def test_a_customer_of_the_fixture_stands_in_its_first_stage(tenant, customer):
    with tenant_context(tenant.id):
        assert customer.status.stage == "Prospect"
        assert customer.status.version == 1


@pytest.mark.parametrize("slug", ["\x00", "\ud800", "a" * 64, "", " acme"])
def test_what_is_no_slug_names_no_tenant(db, slug):
    assert find_tenant(slug) is None
