"""The API opens to API keys and to tokens of a configured issuer, and closes at once."""

import datetime as dt
from typing import Any

import pytest
from rest_framework.test import APIClient

from lifecycle.models import Customer
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.services.accounts import jwks, provider_fetching
from tenants.services.accounts.api_keys import create_key, revoke_key
from tenants.services.accounts.issuers import configure_issuer
from tests.factories import utc_now
from tests.services.test_issuers import AUDIENCE, ISSUER, SUBJECT, Provider, provider

__all__ = ["provider"]


def client_with(credential: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {credential}", **{"wsgi.url_scheme": "https"})
    return client


def lifecycle_of(customer: Any) -> str:
    return f"/api/v1/customers/{customer.id}/lifecycle"


def make_key(tenant: TenantRef, users: Any, *scopes: str) -> Any:
    with tenant_context(tenant.id):
        return create_key(
            account=users.service,
            name="k",
            scopes=scopes,
            expires_at=utc_now() + dt.timedelta(days=1),
            tenant=tenant,
            actor=system_actor("tests"),
            now=utc_now(),
        )


def test_an_api_key_moves_a_customer_within_its_scopes(tenant: TenantRef, users: Any, customer: Customer) -> None:
    both = client_with(make_key(tenant, users, "view_lifecycle", "update_lifecycle").secret)
    answer = both.patch(lifecycle_of(customer), {"stage": "Active"}, format="json")
    assert answer.status_code == 200, answer.content
    assert both.get(lifecycle_of(customer)).json()["updated_by"] == str(users.service.id)

    reader = client_with(make_key(tenant, users, "view_lifecycle").secret)
    assert reader.get(lifecycle_of(customer)).status_code == 200
    refused = reader.patch(lifecycle_of(customer), {"stage": "Onboarded"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_a_revoked_key_is_refused_on_the_next_request(tenant: TenantRef, users: Any, customer: Customer) -> None:
    new = make_key(tenant, users, "view_lifecycle")
    client = client_with(new.secret)
    assert client.get(lifecycle_of(customer)).status_code == 200
    with tenant_context(tenant.id):
        revoke_key(new.key.id, tenant=tenant, actor=system_actor("tests"), now=utc_now())
    answer = client.get(lifecycle_of(customer))
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_key_does_not_open_another_tenant(tenant: TenantRef, users: Any, other_customer: Customer) -> None:
    client = client_with(make_key(tenant, users, "view_lifecycle").secret)
    assert client.get(lifecycle_of(other_customer)).status_code == 404


@pytest.fixture
def federated(tenant: TenantRef, users: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> TenantRef:
    # The first token waits for the keys, which come as soon as the provider's thread has a processor.
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", 60.0)
    for bound in ("STEP_SECONDS", "WHOLE_SECONDS"):
        monkeypatch.setattr(provider_fetching, bound, 60.0)
    with tenant_context(tenant.id):
        User.objects.filter(id=users.account_manager.id).update(external_subject=SUBJECT)
        configure_issuer(
            issuer=f"{ISSUER}/{tenant.slug}",
            audience=AUDIENCE,
            jwks_url=provider.url,
            algorithms=["RS256"],
            role_map={"csm": "ROLE_ACCOUNT_MANAGER", "reader": "ROLE_CUSTOMER_VIEWER"},
            tenant=tenant,
            actor=system_actor("tests"),
            now=utc_now(),
        )
    return tenant


def test_an_external_token_opens_with_the_rights_of_both_sides(
    federated: TenantRef,
    users: Any,
    customer: Customer,
    provider: Provider,
) -> None:
    name = f"{ISSUER}/{federated.slug}"
    manager = client_with(provider.token("rsa-1", iss=name))
    answer = manager.patch(lifecycle_of(customer), {"stage": "Active", "updated_by": SUBJECT}, format="json")
    assert answer.status_code == 200, answer.content
    reader = client_with(provider.token("rsa-1", iss=name, roles=["reader"]))
    assert reader.get(lifecycle_of(customer)).status_code == 200
    assert reader.patch(lifecycle_of(customer), {"stage": "Onboarded"}, format="json").status_code == 403
    assert client_with(provider.token("ec-1", iss=name)).get(lifecycle_of(customer)).status_code == 401


def test_an_unreachable_provider_is_not_the_callers_fault(
    federated: TenantRef,
    customer: Customer,
    provider: Provider,
) -> None:
    provider.broken = True
    jwks.forget_keys()
    answer = client_with(provider.token("rsa-1", iss=f"{ISSUER}/{federated.slug}")).get(lifecycle_of(customer))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) >= 2
