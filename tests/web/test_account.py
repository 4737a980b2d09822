"""Logging in and out."""

import pytest
from django.test import Client

from tests.factories import PASSWORD
from tests.web.conftest import markup_of, text_of


@pytest.fixture
def client(users):
    return Client(raise_request_exception=False)


def log_in(client, user, password=PASSWORD, **more):
    return client.post("/login", {"username": user.username, "password": password, **more})


def test_a_person_logs_in_and_comes_to_the_overview(client, users):
    response = log_in(client, users.account_manager)
    assert (response.status_code, response["Location"]) == (302, "/")
    page = text_of(client.get("/"))
    for word in (users.account_manager.full_name, users.account_manager.username, "Account Manager"):
        assert word in page


def test_after_the_login_a_person_is_where_they_wanted_to_go(client, users):
    assert log_in(client, users.viewer, next="/customers?stage=Active")["Location"] == "/customers?stage=Active"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example"])
def test_the_login_never_leads_to_another_site(client, users, target):
    assert log_in(client, users.viewer, next=target)["Location"] == "/"


def test_a_wrong_password_is_refused_without_saying_which_of_the_two_is_wrong(client, users):
    pages = [log_in(client, users.viewer, "wrong"), client.post("/login", {"username": "x@y", "password": "wrong"})]
    for page in pages:
        assert page.status_code == 200
        assert "The username or the password is wrong." in text_of(page)
        assert "wrong" not in [tag.get("value") for tag in markup_of(page).all("input")]
    assert client.get("/").status_code == 302


def test_too_many_attempts_learn_when_to_come_back(client, users, settings):
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 2
    for _ in range(2):
        log_in(client, users.viewer, "wrong")
    page = log_in(client, users.viewer)
    assert page.status_code == 429
    assert int(page["Retry-After"]) > 0
    assert "Too many log-in attempts" in text_of(page)
    assert client.get("/").status_code == 302


def test_logging_out_takes_a_post_and_ends_the_session(page_client):
    client = page_client("viewer")
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/").status_code == 302


def test_who_is_logged_in_is_not_asked_again(page_client):
    assert page_client("viewer").get("/login")["Location"] == "/"


def test_a_login_form_that_is_sent_again_leads_on(page_client, users):
    """Pressed while the first page is on its way, or from another tab: the log-in gave the browser another token."""
    given = {"enforce_csrf_checks": True, "HTTP_REFERER": "https://testserver/login"}
    client, other = page_client(None, **given), page_client(None, **given)
    inputs = markup_of(client.get("/login?next=/customers")).all("input")
    sent = {tag["name"]: tag["value"] for tag in inputs if tag.get("name") in ("next", "csrfmiddlewaretoken")}
    assert log_in(client, users.viewer, **sent)["Location"] == "/customers"
    again = log_in(client, users.viewer, **sent)
    assert (again.status_code, again.get("Location")) == (302, "/login?next=/customers")
    assert client.get(again["Location"])["Location"] == "/customers"
    # No one is logged in by it who was not.
    other.get("/login")
    refused = log_in(other, users.viewer, **sent)
    assert (refused.status_code, "The form has expired" in text_of(refused)) == (403, True)
    assert other.get("/customers").status_code == 302


def test_a_session_that_no_page_accepts_any_more_ends_at_the_login_instead_of_going_in_circles(
    page_client, monkeypatch
):
    client = page_client("viewer")
    for module in ("tenants.pages", "lifecycle.web.views.account"):
        monkeypatch.setattr(f"{module}.identify_page", lambda _: None)
    assert client.get("/")["Location"] == "/login?next=/"
    page = client.get("/login?next=/")
    assert page.status_code == 200
    assert "Log in" in text_of(page)


def test_only_staff_is_shown_the_way_to_the_admin(page_client):
    assert "Admin" in text_of(page_client("tenant_admin").get("/")).split("Log out")[0].split("API docs")[1]
    assert "/admin/" not in page_client("account_manager").get("/").content.decode()


@pytest.mark.parametrize(("debug", "shown"), [(True, True), (False, False)])
def test_the_demo_logins_are_named_in_development_only(client, settings, debug, shown):
    settings.DEBUG = debug
    page = client.get("/login")
    assert ("manager@acme.example" in text_of(page)) is shown
    assert ("super@wiseapp.example" in text_of(page)) is shown
    assert "workflow@acme.example" not in text_of(page)
