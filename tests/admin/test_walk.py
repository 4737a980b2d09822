"""Every registered admin page, as each role: who gets in, and that no one sees another tenant's rows."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from django.urls import reverse

from audit.models import LifecycleHistory
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Tenant, User
from tenants.services.accounts.api_keys import create_key
from tenants.services.directory import PLATFORM
from tests.factories import CustomerFactory, look_at, utc_now

# A word that stands in everything the other tenant owns and nowhere else.
CANARY = "Zebrastripe"


def browser(user: User) -> Client:
    client = Client(**{"wsgi.url_scheme": "https"})
    client.force_login(user, backend="tenants.backends.TenantBackend")
    return client


def choose(client: Client, tenant: TenantRef) -> None:
    session = client.session
    session["tenant"] = look_at(tenant.slug)
    session.save()


@pytest.fixture
def canaries(other_tenant: TenantRef, other_users: Any) -> list[str]:
    """Rows of the other tenant with the canary in them; the ids that must not be shown to anybody else."""
    customer = CustomerFactory(tenant=other_tenant, stage="Trial", name=f"{CANARY} Ltd")
    with tenant_context(other_tenant.id):
        apply(
            Call(other_tenant, system_actor("tests"), "API", utc_now()),
            [Change(customer_id=customer.id, stage="Lost", reason_code=CANARY)],
        )
        key = create_key(
            account=other_users.service,
            name=CANARY,
            scopes=["view_lifecycle"],
            expires_at=utc_now() + dt.timedelta(days=1),
            tenant=other_tenant,
            actor=system_actor("tests"),
            now=utc_now(),
        )
        history = [str(row.id) for row in LifecycleHistory.objects.all()]
    return [CANARY, other_tenant.slug, str(customer.id), str(key.key.id), other_users.viewer.username, *history]


def pages() -> Iterator[str]:
    yield reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield f"admin:{model._meta.app_label}_{model._meta.model_name}_add"
        if model_admin.search_fields:
            yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + f"?q={CANARY[:5]}"
    yield reverse("admin:autocomplete") + "?app_label=tenants&model_name=apikey&field_name=user&term=Z"
    yield reverse("admin:jsi18n")


def resolve(page: str) -> str:
    return reverse(page) if page.startswith("admin:") else page


def test_no_page_shows_another_tenants_rows_to_a_tenant_admin(users: Any, customer: Any, canaries: list[str]) -> None:
    client = browser(users.tenant_admin)
    seen = 0
    for page in pages():
        answer = client.get(resolve(page))
        assert answer.status_code in (200, 403, 404), page
        seen += answer.status_code == 200
        body = answer.content.decode()
        assert [word for word in canaries if word in body] == [], page
        assert "style=" not in re.sub(r"<svg.*?</svg>", "", body, flags=re.S), page
    assert seen > 8, "the walk really opened pages"


def test_no_row_of_another_tenant_opens_by_its_address(
    users: Any, other_tenant: TenantRef, canaries: list[str]
) -> None:
    client = browser(users.tenant_admin)
    opened = 0
    admin.autodiscover()
    for model in admin.site._registry:
        for row in model._default_manager.using(PLATFORM).order_by("-pk")[:400]:
            tenant_id = row.pk if model is Tenant else getattr(row, "tenant_id", None)
            if tenant_id != other_tenant.id:
                continue
            opened += 1
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
            for suffix in ("", "history/", "delete/"):
                answer = client.get(address.replace("change/", suffix) if suffix else address)
                assert answer.status_code in (302, 403, 404), (address, suffix)
                assert CANARY not in answer.content.decode()
    assert opened >= 5


@pytest.mark.parametrize("role", ["viewer", "account_manager", "service"])
def test_no_one_below_an_admin_gets_in(users: Any, role: str) -> None:
    client = browser(users.of(role))
    for page in pages():
        answer = client.get(resolve(page))
        assert answer.status_code in (302, 403), (role, page)


def test_no_one_gets_in_without_a_session(db: None) -> None:
    for page in pages():
        assert Client(**{"wsgi.url_scheme": "https"}).get(resolve(page)).status_code == 302, page


def test_a_super_admin_reads_no_tenant_before_its_log_says_so(
    users: Any, other_tenant: TenantRef, canaries: list[str]
) -> None:
    client = browser(users.super_admin)
    shown = []
    for page in pages():
        answer = client.get(resolve(page))
        assert answer.status_code in (200, 302, 403, 404), page
        if answer.status_code == 302:
            assert answer["Location"].startswith("/tenants?next=%2Fadmin%2F"), page
            continue
        shown += [page] * (answer.status_code == 200)
        # The slug and the name of a tenant are what the switcher offers.
        found = [word for word in canaries if word in answer.content.decode() and word != other_tenant.slug]
        assert found == [], page
    assert reverse("admin:tenants_tenant_changelist") in shown
    for row in (LifecycleHistory, User):
        with tenant_context(other_tenant.id):
            key = row.objects.filter(tenant_id=other_tenant.id).values_list("pk", flat=True)[0]
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[key])
        answer = client.get(address)
        assert (answer.status_code, CANARY in answer.content.decode()) == (302, False)


def test_without_a_tenant_internal_staff_sees_what_concerns_itself(users: Any, canaries: list[str]) -> None:
    client = browser(users.super_admin)
    body = client.get(reverse("admin:tenants_user_changelist"), {"q": users.super_admin.username}).content.decode()
    assert users.super_admin.username in body
    assert client.get(reverse("admin:audit_administrationentry_changelist")).status_code == 200


def test_a_super_admin_who_works_for_a_tenant_sees_that_one(
    tenant: TenantRef, users: Any, customer: Any, canaries: list[str]
) -> None:
    client = browser(users.super_admin)
    choose(client, tenant)
    body = client.get(reverse("admin:audit_lifecyclehistory_changelist")).content.decode()
    assert str(customer.id) in body
    assert CANARY not in body


def test_an_error_in_a_page_is_found_by_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    admin.autodiscover()
    monkeypatch.setattr(type(admin.site._registry[Tenant]), "list_display", ["no_such_thing"])
    with pytest.raises(SystemCheckError, match=r"admin\.E108.*no_such_thing|no_such_thing.*admin\.E108"):
        call_command("check")
