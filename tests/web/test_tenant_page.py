"""The gate before every page: who is asked to log in, who is shown out, and whose rows a page shows."""

import datetime as dt

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.db import connection

from audit.models import RefusedAttempt
from tenants.authentication import Impersonation
from tenants.context import current_tenant_id, tenant_context
from tenants.models import User
from tenants.pages import choose_tenant
from tenants.roles import Role
from tenants.services.accounts import login_devices
from tenants.services.accounts.people import deactivate_user, set_role, suspend_tenant
from tests.factories import ADMIN_ACTOR, PASSWORD, look_at, utc_now

pytestmark = pytest.mark.urls("tests.api.probes")


def choose(client, slug):
    """The super admin behind a client chooses a tenant."""
    session = client.session
    session["tenant"] = look_at(slug)
    session.save()


@pytest.mark.parametrize("role", ["viewer", "account_manager", "tenant_admin"])
def test_a_page_shows_the_rows_of_its_reader_s_tenant(role, tenant, other_tenant, page_client):
    answer = page_client(role).get("/page")
    assert answer.content.decode() == f"{tenant.slug}: Prospect,Onboarded,Active,At-Risk,Churned,"
    assert current_tenant_id() is None
    assert not connection.in_atomic_block


def test_anyone_who_is_not_logged_in_goes_to_the_login_and_comes_back(page_client):
    answer = page_client(None).get("/page?stage=At-Risk")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/page%3Fstage%3DAt-Risk")


def test_a_fragment_sends_the_whole_page_to_the_login(page_client):
    answer = page_client(None).get(
        "/page", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="https://testserver/customers?stage=Active"
    )
    assert answer.headers["HX-Redirect"] == "/login?next=/customers%3Fstage%3DActive"


def test_a_role_without_the_right_learns_why_and_it_is_on_record(tenant, users, page_client):
    answer = page_client("viewer").post("/move")
    assert answer.status_code == 403
    with tenant_context(tenant.id):
        attempt = RefusedAttempt.objects.get(tenant_id=tenant.id)
    assert (attempt.source, attempt.code, attempt.actor) == ("UI", "permission_denied", str(users.viewer.id))
    assert page_client("account_manager").post("/move").content == b"moved"


def test_a_demotion_and_a_deactivation_act_on_the_next_click(tenant, users, page_client):
    client = page_client("account_manager")
    assert client.post("/move").status_code == 200
    set_role(users.account_manager.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert client.post("/move").status_code == 403
    deactivate_user(users.account_manager.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert client.get("/page").status_code == 302


def test_a_super_admin_chooses_a_tenant_first(tenant, other_tenant, page_client):
    client = page_client("super_admin")
    answer = client.get("/page")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/choose?next=%2Fpage")
    for chosen in (tenant, other_tenant):
        choose(client, chosen.slug)
        assert client.get("/page").content.decode().startswith(f"{chosen.slug}: ")


def test_a_chosen_tenant_is_looked_up_again_on_each_click(tenant, page_client):
    client = page_client("super_admin")
    choose(client, tenant.slug)
    assert client.get("/page").status_code == 200
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert client.get("/page").headers["Location"] == "/choose?next=%2Fpage"


def test_no_one_else_can_choose(tenant, other_tenant, users, rf, page_client):
    client = page_client("tenant_admin")
    choose(client, other_tenant.slug)
    assert client.get("/page").content.decode().startswith(f"{tenant.slug}: ")
    request = rf.get("/")
    request.session = {}
    request.user = users.tenant_admin
    assert choose_tenant(request, other_tenant.slug, reason="Ticket 7") is None
    assert request.session == {}
    request.user = users.super_admin
    assert choose_tenant(request, "no-such-tenant", reason="Ticket 7") is None
    assert choose_tenant(request, other_tenant.slug, reason="Ticket 7") == other_tenant


def test_an_impersonation_is_over_after_an_hour(tenant, page_client):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = Impersonation(tenant.slug, utc_now() - dt.timedelta(seconds=1)).to_session()
    session.save()
    assert client.get("/page").headers["Location"] == "/choose?next=%2Fpage"


@pytest.mark.parametrize("kept", ["acme", {"slug": "acme"}, {"slug": "acme", "until": "soon"}, None, 7])
def test_a_session_that_remembers_no_end_has_chosen_no_one(kept, tenant, page_client):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = kept
    session.save()
    assert client.get("/page").headers["Location"] == "/choose?next=%2Fpage"


def test_a_bug_in_a_page_does_not_poison_the_next(tenant, page_client):
    client = page_client("viewer")
    assert client.get("/broken").status_code == 500
    assert client.get("/page").status_code == 200


@pytest.mark.urls("config.urls")
def test_logging_in_with_a_password_opens_a_session(tenant, users, page_client):
    client = page_client(None)
    wrong = client.post("/login", {"username": users.viewer.username, "password": "wrong"})
    assert (wrong.status_code, SESSION_KEY in client.session) == (200, False)
    right = client.post("/login", {"username": users.viewer.username, "password": PASSWORD})
    assert (right.status_code, right.headers["Location"]) == (302, "/")
    assert client.session[SESSION_KEY] == str(users.viewer.id)
    assert client.session[BACKEND_SESSION_KEY] == "tenants.backends.TenantBackend"
    with tenant_context(tenant.id):
        assert User.objects.get(id=users.viewer.id).last_login is not None


@pytest.mark.urls("config.urls")
def test_guessing_at_the_page_is_stopped_before_the_password_is_hashed(users, page_client, monkeypatch):
    from tenants.services.accounts import logins

    checked = []
    monkeypatch.setattr(logins, "check_password", lambda *_: checked.append(1))
    client = page_client(None)
    for _ in range(14):
        client.post("/login", {"username": users.tenant_admin.username, "password": "wrong"})
    assert len(checked) == 10
    assert SESSION_KEY not in client.session


@pytest.mark.urls("config.urls")
def test_anyone_who_keeps_guessing_is_locked_out_for_minutes_and_learns_so(users, page_client, settings):
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 1000
    settings.AXES_FAILURE_LIMIT = 3
    client = page_client(None)
    form = {"username": users.viewer.username, "password": "wrong"}
    assert [client.post("/login", form).status_code for _ in range(3)] == [200, 200, 429]
    answer = client.post("/login", form | {"password": PASSWORD})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert "Too many log-in attempts: try again in 300 seconds." in answer.content.decode()
    assert SESSION_KEY not in client.session
    elsewhere = page_client(None)
    answer = elsewhere.post("/login", form | {"password": PASSWORD}, REMOTE_ADDR="198.51.100.77")
    assert answer.status_code == 302


@pytest.mark.urls("config.urls")
def test_a_browser_in_which_somebody_was_logged_in_is_not_locked_out_by_others(users, page_client):
    own, other = page_client(None), page_client(None)
    form = {"username": users.viewer.username, "password": PASSWORD}
    assert own.post("/login", form).status_code == 302
    mark = own.cookies[login_devices._cookie()]
    assert (mark["httponly"], mark["samesite"]) == (True, "Lax")
    assert users.viewer.username not in mark.value
    own.post("/logout")
    for _ in range(14):
        other.post("/login", form | {"password": "wrong"})
    assert other.post("/login", form).status_code == 429
    assert own.post("/login", form).status_code == 302
    own.post("/logout")
    colleague = {"username": users.account_manager.username, "password": "wrong"}
    assert [own.post("/login", colleague).status_code for _ in range(11)][-1] == 429, "a mark is for its own name"


@pytest.mark.urls("config.urls")
@pytest.mark.parametrize("mark", ["", "x", "W10:1:x", "\x00", "a" * 5000])
def test_a_forged_mark_of_a_browser_is_none(users, page_client, mark):
    client = page_client(None)
    client.cookies[login_devices._cookie()] = mark
    answer = client.post("/login", {"username": users.viewer.username, "password": PASSWORD})
    assert answer.status_code == 302


@pytest.mark.urls("config.urls")
def test_the_administration_has_no_log_in_of_its_own(users, page_client):
    anonymous = page_client(None)
    for method in (anonymous.get, anonymous.post):
        answer = method("/admin/login/?next=/admin/tenants/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/admin/tenants/")
    assert page_client("tenant_admin").get("/admin/login/").headers["Location"] == "/admin/"
    assert page_client("viewer").get("/admin/", follow=True).status_code == 403


@pytest.mark.urls("config.urls")
def test_two_log_ins_are_two_sessions_and_the_first_id_is_not_kept(users, page_client):
    client = page_client(None)
    client.get("/login")
    before = client.session.session_key
    client.post("/login", {"username": users.viewer.username, "password": PASSWORD})
    assert client.session.session_key not in (None, before)


def test_a_session_grants_nothing_through_django_s_own_permissions(tenant, users, page_client):
    """Rights come from the grants on the tenant; a model permission of Django's would be a second way in."""
    for user in (users.viewer, users.tenant_admin):
        with tenant_context(tenant.id):
            assert user.get_all_permissions() == set()
            assert not user.has_perm("tenants.configure_stages")
