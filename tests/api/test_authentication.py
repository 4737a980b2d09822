"""Who is let into the API, as whom, and for which tenant."""

import datetime as dt

import pytest
from redis.exceptions import ConnectionError as RedisGone

from config import page_middleware
from tenants.models import RefreshToken
from tenants.roles import Role
from tenants.services.accounts import tokens
from tenants.services.accounts.people import deactivate_user, set_password, set_role, suspend_tenant
from tenants.services.accounts.tokens import issue_access
from tests.conftest import ApiClient
from tests.factories import ADMIN_ACTOR, PASSWORD, utc_now

pytestmark = pytest.mark.urls("tests.api.probes")
LOOK = "/api/v1/probe/look"


@pytest.fixture
def anonymous(db):
    return ApiClient(raise_request_exception=False)


def log_in(client, user, password=PASSWORD):
    return client.post("/api/v1/auth/token", {"username": user.username, "password": password})


def test_a_person_logs_in_and_looks_at_their_tenant(tenant, users, anonymous):
    answer = log_in(anonymous, users.account_manager)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access", "refresh", "roles", "tenant_id", "expires"}
    assert body["roles"] == ["ROLE_ACCOUNT_MANAGER"]
    assert body["tenant_id"] == str(tenant.id)
    expires = dt.datetime.fromisoformat(body["expires"])
    assert dt.timedelta(minutes=14) < expires - utc_now() <= dt.timedelta(minutes=15)
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    seen = anonymous.get(LOOK).json()
    assert seen["tenant"] == str(tenant.id)
    assert seen["stages"] == ["Active", "At-Risk", "Churned", "Onboarded", "Prospect"]
    assert seen["permissions"] == ["reveal_contacts", "update_lifecycle", "view_history", "view_lifecycle"]


def refresh(client, token):
    return client.post("/api/v1/auth/token/refresh", {"refresh": token})


@pytest.fixture
def slow_tabs(monkeypatch):
    """A busy machine may take longer from one request to the next than tabs of one browser do."""
    monkeypatch.setattr(tokens, "RACE", dt.timedelta(minutes=10))


@pytest.mark.usefixtures("slow_tabs")
def test_a_refresh_gives_a_new_pair_and_the_same_one_to_a_second_tab(users, anonymous):
    first = log_in(anonymous, users.viewer).json()
    second = refresh(anonymous, first["refresh"])
    assert second.status_code == 200
    assert second.json()["refresh"] != first["refresh"]
    again = refresh(anonymous, first["refresh"])
    assert (again.status_code, again.json()) == (200, second.json())
    assert again.headers["Cache-Control"] == "no-store"
    assert refresh(anonymous, second.json()["refresh"]).status_code == 200


def test_a_refresh_token_that_comes_back_later_kills_its_family(users, anonymous):
    first = log_in(anonymous, users.viewer).json()
    second = refresh(anonymous, first["refresh"]).json()
    used = RefreshToken.objects.filter(user=users.viewer, used_at__isnull=False)
    used.update(used_at=utc_now() - dt.timedelta(seconds=11))
    again = refresh(anonymous, first["refresh"])
    assert (again.status_code, again.json()["code"]) == (401, "not_authenticated")
    # The late use has killed the family although its request was refused.
    assert refresh(anonymous, second["refresh"]).status_code == 401


@pytest.mark.usefixtures("slow_tabs")
def test_a_refresh_needs_no_redis(users, anonymous, monkeypatch):
    first = log_in(anonymous, users.viewer).json()
    monkeypatch.setattr("redis.client.Redis.execute_command", lambda *_, **__: (_ for _ in ()).throw(RedisGone))
    answers = [refresh(anonymous, first["refresh"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize("value", [5, 1.5, True, None, [], {}])
def test_a_username_and_a_password_are_texts(anonymous, field, value):
    answer = anonymous.post("/api/v1/auth/token", {"username": "a", "password": "b"} | {field: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{field}"]


@pytest.mark.parametrize("value", [5, 1.5, True, None, [], {}])
def test_a_refresh_token_is_a_text(anonymous, value):
    answer = anonymous.post("/api/v1/auth/token/refresh", {"refresh": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/refresh"]


def test_a_wrong_password_is_a_401_that_tells_nothing(users, anonymous):
    answer = log_in(anonymous, users.viewer, "wrong")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.json()["detail"] == "The username or the password is wrong."


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"#/username", "#/password"}),
        ({"username": "a"}, {"#/password"}),
        ({"username": "a", "password": "b", "tenant": "acme"}, {"#/tenant"}),
        ({"username": {"$ne": ""}, "password": "b"}, {"#/username"}),
        ({"username": "a" * 151, "password": "b"}, {"#/username"}),
    ],
)
def test_a_login_that_is_malformed_names_each_field(anonymous, body, pointers):
    answer = anonymous.post("/api/v1/auth/token", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers


def test_too_many_wrong_passwords_are_a_429_that_says_when(users, anonymous):
    answers = [log_in(anonymous, users.viewer, "wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_without_a_token_nothing_is_shown(anonymous):
    answer = anonymous.get(LOOK)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"
    assert "POST /api/v1/auth/token" in answer.json()["detail"]


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer a b", "Bearer not-a-token", "bearer x.y.z", "Basic dXNlcjpwYXNz", "Token x"]
)
def test_a_malformed_authorization_is_a_401(anonymous, header):
    answer = anonymous.get(LOOK, HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_is_read_in_any_case(users, anonymous):
    token = issue_access(users.viewer).token
    assert anonymous.get(LOOK, HTTP_AUTHORIZATION=f"bearer {token}").status_code == 200


def test_a_demotion_acts_on_the_next_request(tenant, users, api_client):
    client = api_client("account_manager")
    assert client.post(LOOK, {"stage": "Active"}).status_code == 200
    set_role(users.account_manager.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    refused = client.post(LOOK, {"stage": "Active"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert client.get(LOOK).status_code == 200


def test_a_promotion_needs_a_new_token(tenant, users, api_client):
    client = api_client("viewer")
    set_role(users.viewer.id, Role.ACCOUNT_MANAGER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    refused = client.post(LOOK, {"stage": "Active"})
    assert refused.status_code == 403
    assert refused.json()["detail"] == (
        "Your token was issued before you became Account Manager and does not hold the permission update_lifecycle"
        " yet: log in again or refresh it."
    )
    users.viewer.role = Role.ACCOUNT_MANAGER
    assert api_client(users.viewer).post(LOOK, {"stage": "Active"}).status_code == 200


def test_anyone_who_is_deactivated_is_out_at_once(tenant, users, api_client):
    client = api_client("viewer")
    assert client.get(LOOK).status_code == 200
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    answer = client.get(LOOK)
    assert answer.status_code == 401
    assert "deactivated" in answer.json()["detail"]


def test_a_suspended_tenant_s_people_are_out_at_once(tenant, users, api_client):
    clients = [api_client(role) for role in ("viewer", "tenant_admin", "super_admin")]
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert [client.get(LOOK).status_code for client in clients] == [401, 401, 404]


def test_a_new_password_ends_the_old_tokens(tenant, users, api_client):
    client = api_client("viewer")
    set_password(users.viewer.id, "something else", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert client.get(LOOK).status_code == 401


def test_a_token_for_another_tenant_than_the_user_s_is_a_401(tenant, other_tenant, users, anonymous):
    users.viewer.tenant_id = other_tenant.id
    token = issue_access(users.viewer).token
    assert anonymous.get(LOOK, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401


def test_a_token_of_somebody_who_never_existed_is_a_401(tenant, anonymous):
    from tenants.models import User

    ghost = User(username="ghost", tenant_id=tenant.id, role=Role.TENANT_ADMIN, password="")
    assert anonymous.get(LOOK, HTTP_AUTHORIZATION=f"Bearer {issue_access(ghost).token}").status_code == 401


def test_a_token_that_claims_a_higher_role_grants_no_more_than_the_member_has(users, anonymous):
    users.viewer.role = Role.TENANT_ADMIN
    token = issue_access(users.viewer).token
    seen = anonymous.get(LOOK, HTTP_AUTHORIZATION=f"Bearer {token}").json()
    assert seen["permissions"] == ["view_lifecycle"]


def test_a_super_admin_names_the_tenant(tenant, other_tenant, api_client):
    client = api_client("super_admin", tenant=None)
    answer = client.get(LOOK)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "X-Tenant" in answer.json()["detail"]
    for named in (tenant, other_tenant):
        assert client.get(LOOK, HTTP_X_TENANT=named.slug).json()["tenant"] == str(named.id)
    for unknown in ("no-such-tenant", "'; --", "x" * 300):
        answer = client.get(LOOK, HTTP_X_TENANT=unknown)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_super_admin_must_name_it_even_where_no_context_is_opened(api_client):
    assert api_client("super_admin", tenant=None).get("/api/v1/probe/lazy").status_code == 400


@pytest.mark.parametrize("role", ["viewer", "account_manager", "tenant_admin", "service"])
def test_for_everybody_else_no_other_tenant_exists(role, tenant, other_tenant, api_client):
    client = api_client(role)
    other = client.get(LOOK, HTTP_X_TENANT=other_tenant.slug)
    nowhere = client.get(LOOK, HTTP_X_TENANT="no-such-tenant")
    assert other.status_code == nowhere.status_code == 404
    assert other.json() == nowhere.json()
    assert client.get(LOOK, HTTP_X_TENANT=tenant.slug).json()["tenant"] == str(tenant.id)


def test_a_session_may_read_and_needs_the_csrf_token_to_write(page_client):
    client = page_client("account_manager", enforce_csrf_checks=True, HTTP_REFERER="https://testserver/")
    assert client.get(LOOK).status_code == 200
    refused = client.post(LOOK, {"stage": "Active"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    client.cookies["csrftoken"] = token = "a" * 32
    allowed = client.post(LOOK, {"stage": "Active"}, content_type="application/json", HTTP_X_CSRFTOKEN=token)
    assert allowed.status_code == 200


def test_a_session_ends_with_deactivation_and_with_a_new_password(tenant, users, page_client):
    viewer, manager = page_client("viewer"), page_client("account_manager")
    assert viewer.get(LOOK).status_code == manager.get(LOOK).status_code == 200
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    set_password(users.account_manager.id, "another", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert viewer.get(LOOK).status_code == manager.get(LOOK).status_code == 401


def test_a_bad_token_is_not_saved_by_a_good_session(page_client):
    assert page_client("viewer").get(LOOK, HTTP_AUTHORIZATION="Bearer nonsense").status_code == 401


def test_the_context_is_left_after_the_request_and_never_opened_without_need(tenant, api_client):
    from django.db import connection

    from tenants.context import current_tenant_id

    client = api_client("viewer")
    assert client.get(LOOK).json()["in_transaction"] is True
    assert current_tenant_id() is None
    assert not connection.in_atomic_block
    lazy = client.get("/api/v1/probe/lazy").json()
    assert lazy == {"tenant": None, "in_transaction": False}


def test_a_warm_request_that_opens_no_context_costs_no_statement(api_client, django_assert_num_queries):
    client = api_client("viewer")
    client.get("/api/v1/probe/lazy")
    with django_assert_num_queries(0), django_assert_num_queries(0, using="platform"):
        assert client.get("/api/v1/probe/lazy").status_code == 200


def test_a_token_needs_no_session_and_a_session_needs_its_cookie(monkeypatch, api_client, page_client):
    asked = []
    load = page_middleware.SessionMiddleware.process_request

    def note(self, request):
        asked.append(request.path)
        load(self, request)

    monkeypatch.setattr(page_middleware.SessionMiddleware, "process_request", note)
    answer = api_client("viewer").get(LOOK)
    assert (answer.status_code, asked) == (200, [])
    assert answer.headers["Content-Security-Policy"] == page_middleware.API_POLICY
    assert (answer.headers["X-Frame-Options"], answer.headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert (page_client("viewer").get(LOOK).status_code, asked) == (200, [LOOK])


def test_no_one_is_somebody_without_a_token_and_without_a_cookie(anonymous):
    answer = anonymous.get(LOOK)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("cookie", ["c360=1", "sessionid=nonsense", "__Host-session=x"])
def test_a_cookie_that_is_no_session_opens_nothing(anonymous, cookie):
    assert anonymous.get(LOOK, HTTP_COOKIE=cookie).status_code == 401
    assert anonymous.post(LOOK, {"stage": "Active"}, HTTP_COOKIE=cookie).status_code == 401
