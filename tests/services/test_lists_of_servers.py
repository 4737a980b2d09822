"""The admin's lists for internal staff, where there are several servers: they have the rows of all of them."""

import re
from collections.abc import Callable

import pytest
from django.urls import reverse

from lifecycle.models import NO_TENANT, DeadLetter
from storage.servers import on_server
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.conftest import Browser, People
from tests.factories import PASSWORD, utc_now

MoveHome = Callable[[TenantRef, str], None]


@pytest.fixture
def staff(second_server: None, users: People) -> Browser:
    """A super admin who has chosen no tenant."""
    client = Browser()
    assert client.post("/login", {"username": users.super_admin.username, "password": PASSWORD}).status_code == 302
    return client


def listed(client: Browser, **query: str) -> list[str]:
    """The slugs on the page of tenants, in its order."""
    page = client.get(reverse("admin:tenants_tenant_changelist"), query)
    assert page.status_code == 200
    return re.findall(r'class="field-slug">([^<]+)<', page.content.decode())


def test_the_list_of_tenants_has_those_of_every_server_once(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    move_home(tenant, "b")
    for one in (tenant, other_tenant):
        assert listed(staff, q=one.slug) == [one.slug]
    found = listed(staff, q=tenant.slug[:4], o="2")
    assert found == sorted(found)
    assert len(found) == len(set(found))
    assert staff.get(reverse("admin:tenants_tenant_changelist"), {"p": "9999"}).status_code == 302


def test_a_tenant_of_another_server_is_shown_suspended_and_resumed(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    move_home(tenant, "b")
    page = staff.get(reverse("admin:tenants_tenant_change", args=[tenant.id]))
    assert page.status_code == 200
    assert tenant.slug in page.content.decode()
    address = reverse("admin:tenants_tenant_changelist")
    for action, is_suspended in (("suspend", True), ("resume", False)):
        form = {"action": action, "_selected_action": [str(tenant.id), str(other_tenant.id)]}
        asked = staff.post(address, form)
        assert asked.status_code == 200
        assert tenant.slug in asked.content.decode()
        done = staff.post(address, {**form, "confirmed": action, "reason": "Ticket 12"}, follow=True)
        assert "Done for 2 tenants." in done.content.decode()
        with on_server("b"), tenant_context(tenant.id):
            assert Tenant.objects.get().is_suspended is is_suspended
        with tenant_context(other_tenant.id):
            assert Tenant.objects.get().is_suspended is is_suspended


def test_the_list_of_tenants_is_whole_while_staff_works_for_one(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    move_home(tenant, "b")
    chosen = staff.post("/tenants", {"tenant": other_tenant.slug, "next": "/customers", "reason": "Ticket 7"})
    assert chosen["Location"] == "/customers"
    assert listed(staff, q=tenant.slug) == [tenant.slug]
    assert listed(staff, q=other_tenant.slug) == [other_tenant.slug]
    assert staff.get(reverse("admin:tenants_tenant_change", args=[tenant.id])).status_code == 200


def test_dead_letters_of_no_tenant_are_listed_and_discarded_on_every_server(staff: Browser) -> None:
    with on_server("b"), tenant_context(NO_TENANT):
        letter = DeadLetter.objects.create(
            tenant_id=NO_TENANT,
            tenant_slug="gone",
            topic="customer.updated",
            partition=0,
            offset=1,
            code="unknown_tenant",
            sentence="There is no such tenant.",
            failed_at=utc_now(),
        )
    address = reverse("admin:lifecycle_deadletter_changelist")
    page = staff.get(reverse("admin:lifecycle_deadletter_change", args=[letter.id]))
    assert page.status_code == 200
    answer = staff.post(
        address, {"action": "discard", "_selected_action": [str(letter.id)], "reason": "Gone"}, follow=True
    )
    assert "discarded." in answer.content.decode()


def test_an_address_of_no_tenant_is_not_found(staff: Browser) -> None:
    for key in ("nonsense", str(NO_TENANT)):
        assert staff.get(reverse("admin:tenants_tenant_change", args=[key])).status_code == 302
