"""An invited person sets a password by the link, once, and logs in with it."""

import datetime as dt

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.test import Client

from audit.models import AdministrationEntry
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import Role
from tenants.services.accounts.invitations import invitation_path, invite_user
from tenants.services.accounts.people import deactivate_user, suspend_tenant
from tests.factories import ADMIN_ACTOR, utc_now
from tests.web.conftest import markup_of, text_of

PASSWORD = "a quiet harbour in autumn"
GONE = "This link has expired"


@pytest.fixture
def invite(tenant):
    """``invite("grace@acme.example")``: the person and the path of her link."""

    def work(name):
        with tenant_context(tenant.id):
            user = invite_user(
                username=f"{tenant.slug}.{name}",
                full_name="Grace Park",
                role=Role.VIEWER,
                tenant=tenant,
                actor=ADMIN_ACTOR,
                now=utc_now(),
            )
        return user, invitation_path(user)

    return work


def send(path, password=PASSWORD, again=None):
    return Client().post(path, {"password": password, "again": password if again is None else again})


def has_password(tenant, user):
    with tenant_context(tenant.id):
        return User.objects.get(id=user.id).has_usable_password()


def test_an_invited_person_sets_a_password_and_logs_in(tenant, invite):
    user, path = invite("grace@acme.example")
    client = Client()
    page = client.get(path)
    assert page.status_code == 200
    assert "Welcome, Grace Park" in text_of(page)
    assert user.username in text_of(page)
    assert page["Referrer-Policy"] == "strict-origin"
    assert "no-store" in page["Cache-Control"]

    done = client.post(path, {"password": PASSWORD, "again": PASSWORD}, follow=True)
    assert done.redirect_chain == [("/login", 302)]
    assert "Your password is set. Log in with it." in text_of(done)
    assert client.post("/login", {"username": user.username, "password": PASSWORD})["Location"] == "/"
    with tenant_context(tenant.id):
        entries = list(AdministrationEntry.objects.order_by("id").values_list("action", "actor"))
    assert entries[-1] == ("set_password", str(user.id))


def test_the_link_works_once(tenant, invite):
    _, path = invite("once@acme.example")
    assert send(path).status_code == 302
    again = send(path, "another quiet harbour")
    assert again.status_code == 404
    assert GONE in text_of(again)
    assert Client().get(path).status_code == 404


def test_two_who_use_the_link_at_once_do_not_both_set_a_password(tenant, invite, in_threads):
    user, path = invite("race@acme.example")
    answers = in_threads(2, lambda number: (number, send(path, f"a quiet harbour {number}").status_code))
    won = [number for number, status in answers if status == 302]
    assert len(won) == 1
    assert {status for _, status in answers} <= {302, 400, 404}
    login = Client().post("/login", {"username": user.username, "password": f"a quiet harbour {won[0]}"})
    assert login.status_code == 302


@pytest.mark.parametrize(
    ("password", "again", "sentence"),
    [
        ("short1!", None, "too short"),
        ("12345678901", None, "entirely numeric"),
        ("password123", None, "too common"),
        (PASSWORD, "something else entirely", "The passwords do not match"),
        ("", "", "This field is required"),
        ("x" * 2000, None, "at most"),
    ],
)
def test_a_password_that_will_not_do_is_refused_with_the_reason(tenant, invite, password, again, sentence):
    user, path = invite("weak@acme.example")
    page = send(path, password, again)
    assert page.status_code == 400
    assert sentence in text_of(page)
    assert not has_password(tenant, user)
    values = [tag.get("value") for tag in markup_of(page).all("input") if tag.get("type") == "password"]
    assert values == [None, None], "nothing that was typed is sent back"


def test_a_password_like_the_name_is_refused(tenant, invite):
    user, path = invite("grace.park.longname@acme.example")
    assert "too similar" in text_of(send(path, user.username))


def test_the_link_of_somebody_who_was_shut_out_is_dead(tenant, invite):
    user, path = invite("gone@acme.example")
    deactivate_user(user.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert send(path).status_code == 404
    assert not has_password(tenant, user)


def test_the_link_into_a_suspended_tenant_is_dead(tenant, invite):
    user, path = invite("asleep@acme.example")
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert send(path).status_code == 404
    assert not has_password(tenant, user)


def test_the_token_of_another_person_does_not_open_the_link(tenant, invite):
    user, path = invite("one@acme.example")
    _, other = invite("two@acme.example")
    mixed = path.rsplit("/", 1)[0] + "/" + other.rsplit("/", 1)[1]
    assert send(mixed).status_code == 404
    assert not has_password(tenant, user)


def test_a_link_is_good_for_three_days(tenant, invite, monkeypatch):
    user, path = invite("late@acme.example")
    later = dt.datetime.now() + dt.timedelta(days=3, seconds=2)  # noqa: DTZ005  as Django's generator counts
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _: later)
    assert send(path).status_code == 404
    assert not has_password(tenant, user)


@pytest.mark.parametrize(
    "path", ["/invitation/x/y", "/invitation/%FF/-", "/invitation/MQ/abc-def", "/invitation/==/=="]
)
def test_a_link_that_is_none_says_so(db, path):
    page = Client().get(path)
    assert page.status_code == 404
    assert GONE in text_of(page)


def test_anyone_who_was_logged_in_is_logged_out(tenant, invite, page_client):
    _, path = invite("fresh@acme.example")
    client = page_client("viewer")
    client.post(path, {"password": PASSWORD, "again": PASSWORD})
    assert client.get("/").status_code == 302


def test_there_is_no_link_into_the_account_of_who_signs_in_by_the_company_s_provider(tenant):
    """Anyone who held one could set a password and be them."""
    with tenant_context(tenant.id):
        user = invite_user(
            username=f"sso@{tenant.slug}.example",
            full_name="Sam Single",
            role=Role.TENANT_ADMIN,
            external_subject="sub-1",
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        )
    path = invitation_path(user)
    assert Client().get(path).status_code == 404
    assert send(path).status_code == 404
    assert not has_password(tenant, user)
