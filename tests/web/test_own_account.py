"""Everybody's own account: another password, and logging out everywhere."""

import pytest
from django.conf import settings

from audit.models import AdministrationEntry
from tenants.context import tenant_context
from tenants.services.accounts import login_guard
from tenants.services.accounts.tokens import TokenRefused, issue_pair, rotate
from tests.conftest import Browser
from tests.factories import PASSWORD, UserFactory, utc_now
from tests.web.conftest import markup_of, text_of

NEW = "an altogether different staple"
ROLES = ["viewer", "account_manager", "tenant_admin", "super_admin"]
every_role = pytest.mark.parametrize("role", ROLES)


@pytest.fixture(autouse=True)
def fresh_guard(monkeypatch):
    """What other tests got wrong from the same address counts for nothing here."""
    hash_, salt = login_guard._hash, utc_now()
    monkeypatch.setattr(login_guard, "_hash", lambda value: hash_(f"{salt}{value}"))


def change(client, present=PASSWORD, password=NEW, again=None):
    return client.post(
        "/account/password", {"present": present, "password": password, "again": password if again is None else again}
    )


def can_log_in(user, password):
    return Browser().post("/login", {"username": user.username, "password": password}).status_code == 302


def is_logged_in(client):
    return client.get("/account").status_code == 200


def actions_about(user):
    rows = AdministrationEntry.objects.using("platform").filter(subject=str(user.id), actor=str(user.id))
    return list(rows.order_by("id").values_list("action", flat=True))


@pytest.mark.parametrize("press", [change, lambda client: client.post("/account/sessions/others/end")])
def test_a_look_that_is_answered_late_does_not_log_out_who_has_a_new_session(press, users, page_client):
    """It was sent with the cookie of before, and comes when the browser has the new one."""
    here = page_client(users.viewer)
    before = here.cookies[settings.SESSION_COOKIE_NAME].value
    assert press(here).status_code == 302
    late = Browser()
    late.cookies[settings.SESSION_COOKIE_NAME] = before
    answer = late.get("/customers")
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=/customers")
    assert "Cookie" in answer["Vary"]
    here.cookies.update(answer.cookies)
    assert is_logged_in(here)
    assert here.post("/logout").cookies[settings.SESSION_COOKIE_NAME].value == ""


@every_role
def test_everybody_finds_their_account_and_changes_their_password(role, users, page_client, api_client, mailbox):
    user = users.of(role)
    here, elsewhere = page_client(user), page_client(user)
    program = api_client(user)
    pair = issue_pair(user, now=utc_now())
    page = here.get("/account")
    assert (page.status_code, user.username in text_of(page)) == (200, True)
    done = change(here)
    assert (done.status_code, done["Location"]) == (302, "/account")
    assert "Your password has been changed, and you are logged out everywhere else." in text_of(here.get("/account"))
    assert is_logged_in(here)
    assert not is_logged_in(elsewhere)
    assert program.get("/api/v1/lifecycle/summary").status_code == 401
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())
    assert (can_log_in(user, PASSWORD), can_log_in(user, NEW)) == (False, True)
    assert actions_about(user) == ["set_password"]
    mailbox.deliver()
    (message,) = mailbox.to(user.username)
    assert message["Subject"] == "Your password for Customer 360 was changed"
    assert NEW not in message.as_string()


@every_role
def test_logging_out_everywhere_ends_every_session_and_token_and_keeps_the_password(
    role, users, page_client, api_client
):
    user = users.of(role)
    here, elsewhere = page_client(user), page_client(user)
    program = api_client(user)
    pair = issue_pair(user, now=utc_now())
    answer = here.post("/account/log-out-everywhere")
    assert (answer.status_code, answer["Location"]) == (302, "/login")
    assert "You are logged out everywhere." in text_of(here.get("/login"))
    assert not is_logged_in(here)
    assert not is_logged_in(elsewhere)
    assert program.get("/api/v1/lifecycle/summary").status_code == 401
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())
    assert can_log_in(user, PASSWORD)
    assert actions_about(user) == ["log_out_everywhere"]
    # What is opened afterwards goes on, and can be ended again.
    again = page_client(None)
    again.post("/login", {"username": user.username, "password": PASSWORD})
    assert is_logged_in(again)
    again.post("/account/log-out-everywhere")
    assert not is_logged_in(again)


def test_others_stay_logged_in(users, page_client):
    colleague = page_client("viewer")
    page_client("account_manager").post("/account/log-out-everywhere")
    assert is_logged_in(colleague)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"present": "wrong"}, "That is not your current password. Nothing was changed."),
        ({"present": "x" * 2000}, "at most 1024"),
        ({"present": ""}, "This field is required"),
        ({"password": "short1!"}, "too short"),
        ({"password": "12345678901"}, "entirely numeric"),
        ({"password": PASSWORD}, "That is your current password. Choose a different one."),
        ({"again": "something else"}, "The passwords do not match"),
    ],
)
def test_what_will_not_do_is_refused_and_changes_nothing(users, page_client, sent, sentence):
    client, elsewhere = page_client("viewer"), page_client("viewer")
    page = change(client, **sent)
    assert (page.status_code, sentence in text_of(page)) == (400, True)
    assert is_logged_in(client) and is_logged_in(elsewhere)
    assert can_log_in(users.viewer, PASSWORD)
    assert actions_about(users.viewer) == []
    values = [tag.get("value") for tag in markup_of(page).all("input") if tag.get("type") == "password"]
    assert values == [None, None, None], "nothing that was typed is sent back"


def test_a_session_that_somebody_else_sits_at_cannot_guess_the_password(users, page_client, settings):
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 2
    client = page_client("viewer")
    assert [change(client, present=f"guess {number}").status_code for number in range(3)] == [400, 400, 429]
    page = change(client)
    assert (page.status_code, int(page["Retry-After"]) > 0) == (429, True)
    assert "Nothing was changed." in text_of(page)
    assert actions_about(users.viewer) == []


def test_who_signs_in_by_the_company_s_provider_has_no_password_to_change(tenant, page_client):
    user = UserFactory(tenant=tenant, external_subject="sso-7")
    client = page_client(user)
    page = client.get("/account")
    assert "You sign in through your company's identity provider" in text_of(page)
    assert not [tag for tag in markup_of(page).all("input") if tag.get("type") == "password"]
    assert "there is no password here" in text_of(client.get("/account"))
    assert change(client).status_code == 400
    assert actions_about(user) == []
    assert client.post("/account/log-out-everywhere").status_code == 302
    assert not is_logged_in(client)


@pytest.mark.parametrize("address", ["/account", "/account/password", "/account/log-out-everywhere"])
def test_who_is_not_logged_in_goes_to_the_login(db, address):
    client = Browser()
    answer = client.get(address) if address == "/account" else client.post(address)
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=/account")


def test_another_site_cannot_log_somebody_out_everywhere(users, page_client):
    client = page_client("viewer", enforce_csrf_checks=True)
    assert client.post("/account/log-out-everywhere").status_code == 403
    assert client.get("/account/log-out-everywhere").status_code == 405
    assert is_logged_in(client)


def test_every_page_leads_to_the_account_and_the_log_in_to_a_forgotten_password(users, page_client):
    assert 'href="/account"' in page_client("viewer").get("/").content.decode()
    assert 'href="/password-reset"' in Browser().get("/login").content.decode()


def test_the_administration_sends_people_to_their_account(users, page_client):
    assert page_client("tenant_admin").get("/admin/password_change/")["Location"] == "/account"


def test_a_tenant_sees_that_its_people_did_it_themselves(users, tenant, page_client):
    change(page_client("viewer"))
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="set_password")
    assert (entry.actor, entry.subject, entry.actor_kind) == (str(users.viewer.id), str(users.viewer.id), "user")
