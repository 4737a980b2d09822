"""The token endpoint for programs: OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

import base64
import datetime as dt
from urllib.parse import urlencode

import pytest
from rest_framework.test import APIClient

from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.roles import Role
from tenants.services.accounts.api_keys import create_key, revoke_key
from tenants.services.accounts.people import deactivate_user, set_role
from tests.api.test_credentials import client_with
from tests.factories import ADMIN_ACTOR, utc_now

TOKEN = "/api/v1/auth/oauth/token"
GRANT = {"grant_type": "client_credentials"}
NO_SCOPE = "This needs the scope {}, which your API key, or the token that you got for it, does not have."
READ, WRITE, HISTORY = "view_lifecycle", "update_lifecycle", "view_history"


@pytest.fixture
def make_key(tenant, users):
    def make(*scopes, days=30.0):
        with tenant_context(tenant.id):
            return create_key(
                account=users.service,
                name="k",
                scopes=scopes,
                expires_at=utc_now() + dt.timedelta(days=days),
                tenant=tenant,
                actor=system_actor("tests"),
                now=utc_now(),
            )

    return make


def ask(form, basic=None, raw=None):
    client = APIClient(raise_request_exception=False)
    headers = {"wsgi.url_scheme": "https"}
    if basic is not None:
        headers["HTTP_AUTHORIZATION"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
    body = urlencode(form) if raw is None else raw
    return client.generic("POST", TOKEN, body, content_type="application/x-www-form-urlencoded", **headers)


def test_a_token_is_given_for_a_key_and_works_as_long_as_it_says(make_key, users, customer):
    key = make_key(READ, WRITE)
    in_form = ask({**GRANT, "client_id": users.service.username, "client_secret": key.secret})
    by_basic = ask(GRANT, basic=(str(users.service.id), key.secret))
    for answer in (in_form, by_basic):
        assert answer.status_code == 200, answer.content
        body = answer.json()
        assert (body["token_type"], body["scope"]) == ("Bearer", f"{READ} {WRITE}")
        assert 890 <= body["expires_in"] <= 900
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
        assert "refresh_token" not in body
    client = client_with(in_form.json()["access_token"])
    moved = client.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active"}, format="json")
    assert moved.status_code == 200, moved.content
    # The key may not read history, so the token may not, though the account may.
    assert client.get("/api/v1/lifecycle/history").status_code == 403


@pytest.mark.parametrize(
    ("scope", "granted"),
    [(READ, READ), (f"{WRITE} {READ}", f"{READ} {WRITE}"), ("ROLE_CUSTOMER_VIEWER", READ), ("", f"{READ} {WRITE}")],
)
def test_the_scope_narrows_what_the_token_may(make_key, users, customer, scope, granted):
    form = {**GRANT, "scope": scope}
    token = ask(form, basic=(users.service.username, make_key(READ, WRITE).secret)).json()
    assert token["scope"] == granted
    client = client_with(token["access_token"])
    assert client.get("/api/v1/customers").status_code == 200
    moved = client.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active"}, format="json")
    assert moved.status_code == (200 if WRITE in granted else 403)
    if WRITE not in granted:
        assert moved.json()["detail"] == NO_SCOPE.format(WRITE)


def test_a_key_says_which_scope_it_lacks_and_nothing_of_tokens_and_roles(make_key, users):
    client = client_with(make_key(READ).secret)
    refused = client.get("/api/v1/lifecycle/history")
    assert (refused.status_code, refused.json()["detail"]) == (403, NO_SCOPE.format("view_history"))
    # What the account itself may not do is no matter of scopes.
    refused = client.get("/api/v1/keys")
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Your role cannot manage API keys. Who can: Tenant Admin.",
    )


def refusals(secret, name):
    good = {**GRANT, "client_id": name, "client_secret": secret}
    return [
        (dict(good, grant_type="password"), None, None, 400, "unsupported_grant_type"),
        (dict(good, grant_type=""), None, None, 400, "invalid_request"),
        (dict(good, scope="configure_stages"), None, None, 400, "invalid_scope"),
        (dict(good, scope="ROLE_TENANT_ADMIN"), None, None, 400, "invalid_scope"),
        (dict(good, scope=f"{READ}  {READ}"), None, None, 400, "invalid_scope"),
        (dict(good, client_secret=secret[:-1] + "x"), None, None, 401, "invalid_client"),
        (dict(good, client_id="somebody@else.example"), None, None, 401, "invalid_client"),
        (dict(good, client_id=""), None, None, 401, "invalid_client"),
        (GRANT, None, None, 401, "invalid_client"),
        (GRANT, (name, "c360_sk_x"), None, 401, "invalid_client"),
        (good, (name, secret), None, 400, "invalid_request"),
        (good, None, urlencode(good) + "&scope=a&scope=b", 400, "invalid_request"),
        (good, None, "", 400, "invalid_request"),
        (dict(good, scope="x" * 2000), None, None, 400, "invalid_request"),
    ]


def test_what_is_not_granted_is_refused_in_the_words_of_the_rfc(make_key, users):
    secret = make_key(READ, WRITE).secret
    for form, basic, raw, status, error in refusals(secret, users.service.username):
        answer = ask(form, basic, raw)
        assert (answer.status_code, answer.json()["error"]) == (status, error), (form, basic, raw)
        assert answer.json()["error_description"] and "access_token" not in answer.json()
        assert answer.headers["Content-Type"] == "application/json"
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert secret not in answer.content.decode()


def test_a_request_without_a_body_is_refused_too():
    answer = APIClient(raise_request_exception=False).generic("POST", TOKEN, **{"wsgi.url_scheme": "https"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_token_ends_with_its_key_its_account_and_its_right(make_key, tenant, users, customer):
    key, other = make_key(READ, WRITE), make_key(READ, WRITE)
    first, second = (
        client_with(ask(GRANT, basic=(users.service.username, one.secret)).json()["access_token"])
        for one in (key, other)
    )
    given = {"tenant": tenant, "actor": ADMIN_ACTOR, "now": utc_now()}
    with tenant_context(tenant.id):
        revoke_key(key.key.id, **given)
    assert first.get("/api/v1/customers").status_code == 401
    assert second.get("/api/v1/customers").status_code == 200
    set_role(users.service.id, Role.VIEWER, **given)
    moved = second.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active"}, format="json")
    assert moved.status_code == 403
    assert ask(GRANT, basic=(users.service.username, other.secret)).json()["scope"] == READ
    deactivate_user(users.service.id, **given)
    assert second.get("/api/v1/customers").status_code == 401
    assert ask(GRANT, basic=(users.service.username, other.secret)).json()["error"] == "unauthorized_client"


def test_a_token_lives_no_longer_than_its_key(make_key, users):
    secret = make_key(READ, days=10 / 1440).secret
    # Ten minutes, less what passes in between.
    assert 300 <= ask(GRANT, basic=(users.service.username, secret)).json()["expires_in"] <= 600
