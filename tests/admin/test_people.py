"""Tenant admins invite, demote and shut out their people and make keys; nobody raises himself."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AdministrationEntry
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ApiKey, Tenant, User
from tenants.rules.configuration import parse_configuration
from tenants.rules.starters import STARTERS
from tenants.services.api_keys import verify_key
from tenants.services.directory import PLATFORM
from tenants.services.invitations import find_invited
from tenants.services.policies import live_policy
from tests.admin.test_walk import browser, choose
from tests.factories import PASSWORD, utc_now

LOOKUPS = [
    "password__startswith=argon2",
    "secret_hash__startswith=a",
    "user__password__startswith=a",
    "username__regex=(",
    "created_at__year=99999999999999999",
    "tenant__slug=acme",
    "is_active__exact=%00",
]


def stages_of_starter(key: str) -> tuple[str, ...]:
    return parse_configuration(STARTERS[key].document).stages


def actions_of(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", flat=True))


def messages_of(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_an_admin_invites_a_person_who_then_sets_a_password(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    name = f"new-{tenant.slug}@acme.example"
    answer = client.post(
        reverse("admin:tenants_user_add"),
        {"username": name, "full_name": "New Person", "role": "account_manager", "external_subject": ""},
        follow=True,
    )
    assert answer.status_code == 200
    link = re.search(r"https?://\S+/invitation/([^/\s]+)/(\S+)", messages_of(answer))
    assert link is not None, messages_of(answer)
    invited = find_invited(link[1], link[2])
    assert invited is not None
    assert (invited.username, invited.role, invited.tenant_id) == (name, "account_manager", tenant.id)
    assert not invited.has_usable_password()
    assert "invite_user" in actions_of(tenant)


def test_a_taken_user_name_is_refused_without_saying_where(tenant: TenantRef, users: Any, other_users: Any) -> None:
    client = browser(users.tenant_admin)
    before = actions_of(tenant)
    answer = client.post(
        reverse("admin:tenants_user_add"),
        {"username": other_users.viewer.username, "full_name": "X", "role": "viewer"},
        follow=True,
    )
    assert "cannot be used" in messages_of(answer) + answer.content.decode()
    assert actions_of(tenant) == before


def test_an_admin_demotes_and_shuts_out_his_people(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    address = reverse("admin:tenants_user_change", args=[users.account_manager.pk])
    client.post(address, {"role": "viewer", "is_active": "on"})
    with tenant_context(tenant.id):
        assert User.objects.get(pk=users.account_manager.pk).role == "viewer"
    client.post(address, {"role": "viewer"})
    with tenant_context(tenant.id):
        assert not User.objects.get(pk=users.account_manager.pk).is_active
    assert actions_of(tenant)[-2:] == ["set_role", "deactivate_user"]


def test_nobody_raises_himself_or_a_super_admin(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    own = reverse("admin:tenants_user_change", args=[users.tenant_admin.pk])
    assert client.post(own, {"role": "viewer", "is_active": "on"}).status_code == 403
    staff = reverse("admin:tenants_user_change", args=[users.super_admin.pk])
    assert client.post(staff, {"role": "viewer", "is_active": "on"}).status_code in (302, 404)
    other = reverse("admin:tenants_user_change", args=[users.viewer.pk])
    answer = client.post(other, {"role": "super_admin", "is_active": "on"})
    assert answer.status_code == 200, "the form is shown again: there is no such choice"
    with tenant_context(tenant.id):
        assert User.objects.get(pk=users.viewer.pk).role == "viewer"


def test_the_secret_of_a_key_is_shown_once(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    answer = client.post(
        reverse("admin:tenants_apikey_add"),
        {"user": str(users.service.pk), "name": "sync", "scopes": ["view_lifecycle"], "valid_days": "30"},
        follow=True,
    )
    shown = re.search(r"c360_sk_\S+", messages_of(answer))
    assert shown is not None
    assert verify_key(shown[0], now=utc_now()).name == "sync"
    again = client.get(reverse("admin:tenants_apikey_changelist")).content.decode()
    assert "c360_sk_" not in again
    with tenant_context(tenant.id):
        key = ApiKey.objects.get()
    client.post(
        reverse("admin:tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]}, follow=True
    )
    with tenant_context(tenant.id):
        assert ApiKey.objects.get().revoked_at is not None


def test_a_key_cannot_be_made_for_another_tenants_account(tenant: TenantRef, users: Any, other_users: Any) -> None:
    client = browser(users.tenant_admin)
    answer = client.post(
        reverse("admin:tenants_apikey_add"),
        {"user": str(other_users.service.pk), "name": "x", "scopes": ["view_lifecycle"], "valid_days": "30"},
    )
    assert answer.status_code == 200
    with tenant_context(tenant.id):
        assert not ApiKey.objects.exists()


def test_a_super_admin_opens_suspends_and_resumes_a_tenant(users: Any, other_tenant: TenantRef) -> None:
    client: Client = browser(users.super_admin)
    slug = f"n-{other_tenant.slug}"
    client.post(reverse("admin:tenants_tenant_add"), {"slug": slug, "name": "Newcomer", "starter": "saas-subscription"})
    made = Tenant.objects.using(PLATFORM).get(slug=slug)
    assert made.configuration_version == 1
    with tenant_context(made.pk):
        assert live_policy(made.pk).stages == stages_of_starter("saas-subscription")
    assert actions_of(TenantRef(made.pk, slug)) == ["create_tenant", "publish_configuration"]
    for action, suspended in (("suspend", True), ("resume", False)):
        client.post(reverse("admin:tenants_tenant_changelist"), {"action": action, "_selected_action": [str(made.pk)]})
        assert Tenant.objects.using(PLATFORM).get(pk=made.pk).is_suspended is suspended


def test_a_tenant_may_begin_without_a_configuration(users: Any, other_tenant: TenantRef) -> None:
    slug = f"e-{other_tenant.slug}"
    browser(users.super_admin).post(reverse("admin:tenants_tenant_add"), {"slug": slug, "name": "Empty", "starter": ""})
    assert Tenant.objects.using(PLATFORM).get(slug=slug).configuration_version == 0


@pytest.mark.parametrize("page", ["user", "apikey"])
@pytest.mark.parametrize("query", LOOKUPS)
def test_no_column_is_compared_but_those_of_the_filters(users: Any, tenant: TenantRef, page: str, query: str) -> None:
    address = reverse(f"admin:tenants_{page}_changelist")
    answer = browser(users.tenant_admin).get(f"{address}?{query}")
    assert answer.status_code in (302, 400), query


@pytest.mark.parametrize("chosen", ["x", "\x00", "5"])
@pytest.mark.parametrize(("page", "action"), [("apikey", "revoke"), ("apikey", "rotate"), ("user", "make_invitation")])
def test_what_is_no_row_is_said_and_nothing_is_done(
    users: Any, tenant: TenantRef, page: str, action: str, chosen: str
) -> None:
    before = actions_of(tenant)
    answer = browser(users.tenant_admin).post(
        reverse(f"admin:tenants_{page}_changelist"), {"action": action, "_selected_action": [chosen]}, follow=True
    )
    assert "nothing was done" in messages_of(answer)
    assert actions_of(tenant) == before


def test_a_tenant_admin_cannot_touch_tenants(users: Any, tenant: TenantRef) -> None:
    client = browser(users.tenant_admin)
    assert client.get(reverse("admin:tenants_tenant_add")).status_code == 403
    client.post(reverse("admin:tenants_tenant_changelist"), {"action": "suspend", "_selected_action": [str(tenant.id)]})
    assert not Tenant.objects.using(PLATFORM).get(pk=tenant.id).is_suspended


@pytest.mark.parametrize("good", [True, False])
def test_working_for_a_tenant_a_super_admin_invites_its_first_admin(
    users: Any, tenant: TenantRef, other_tenant: TenantRef, good: bool
) -> None:
    client = browser(users.super_admin)
    if good:
        choose(client, tenant)
    answer = client.post(
        reverse("admin:tenants_user_add"),
        {"username": f"first-{tenant.slug}@acme.example", "full_name": "First", "role": "tenant_admin"},
    )
    assert answer.status_code == (302 if good else 403)


def test_changing_ones_own_password_ends_every_token_at_once(tenant: TenantRef, users: Any, api_client: Any) -> None:
    token_client = api_client("tenant_admin")
    assert token_client.get("/api/v1/lifecycle/summary").status_code == 200
    client = browser(users.tenant_admin)
    new = "an altogether different staple"
    answer = client.post(
        reverse("admin:password_change"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert answer.status_code == 302, answer.content
    assert token_client.get("/api/v1/lifecycle/summary").status_code == 401
    assert client.get(reverse("admin:index")).status_code == 200, "the session that changed it goes on"
    assert actions_of(tenant)[-1] == "set_password"
