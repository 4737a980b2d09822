"""A forgotten password: one link by e-mail, and the same answer for every name. The mail server is a real one."""

import datetime as dt
import re
from unittest.mock import Mock

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from tenants.context import tenant_context
from tenants.models import QueuedMail, User
from tenants.roles import Role
from tenants.services.accounts import login_guard, password_resets
from tenants.services.accounts.password_resets import MOST_AN_HOUR, reset_path
from tenants.services.accounts.people import deactivate_user, suspend_tenant
from tenants.services.accounts.tokens import TokenRefused, issue_pair, rotate
from tests.conftest import ApiClient, Browser
from tests.factories import ADMIN_ACTOR, PASSWORD, UserFactory, utc_now
from tests.web.conftest import text_of

NEW = "a quiet harbour in autumn"
PAGE, BY_API = "/password-reset", "/api/v1/auth/password-reset"
# Headers that differ from one answer to the next.
DRAWN = {"Content-Security-Policy", "Expires", "X-Request-ID", "traceparent"}
GONE = "This link has expired"


@pytest.fixture(autouse=True)
def fresh_guard(monkeypatch):
    """Each test asks from an address of its own."""
    hash_, salt = login_guard._hash, utc_now()
    monkeypatch.setattr(login_guard, "_hash", lambda value: hash_(f"{salt}{value}"))


def capture(alias):
    return CaptureQueriesContext(connections[alias])


def ask(username, client=None):
    return (client or Browser()).post(PAGE, {"username": username})


def set_new(path, password=NEW):
    return Browser().post(path, {"password": password, "again": password})


def entries_about(user, using="default"):
    with tenant_context(user.tenant_id):
        rows = AdministrationEntry.objects.filter(subject=str(user.id)).order_by("id")
        return list(rows.values_list("action", "actor"))


def password_of(user):
    return User.objects.using("platform").get(id=user.id).password


def test_a_person_who_forgot_the_password_sets_a_new_one_by_the_link_in_their_mail(
    users, mailbox, page_client, api_client
):
    user = users.account_manager
    elsewhere, program = page_client(user), api_client(user)
    pair = issue_pair(user, now=utc_now())
    page = ask(user.username.upper())
    assert (page.status_code, "Check your e-mail" in text_of(page)) == (200, True)
    mailbox.deliver()
    path = mailbox.link_to(user.username)
    assert path.startswith("/password-reset/")
    form = Browser().get(path)
    assert (form.status_code, form["Referrer-Policy"]) == (200, "strict-origin")
    assert user.username in text_of(form)
    assert elsewhere.get("/").status_code == 200, "asking alone ends nothing"

    done = set_new(path)
    assert (done.status_code, done["Location"]) == (302, "/login")
    assert elsewhere.get("/").status_code == 302
    assert program.get("/api/v1/lifecycle/summary").status_code == 401
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())
    assert Browser().post("/login", {"username": user.username, "password": PASSWORD}).status_code == 200
    assert Browser().post("/login", {"username": user.username, "password": NEW}).status_code == 302
    assert entries_about(user) == [("send_password_reset", "system:password_reset"), ("reset_password", str(user.id))]
    mailbox.deliver()
    assert [message["Subject"] for message in mailbox.to(user.username)] == [
        "Set a new password for Customer 360",
        "Your password for Customer 360 was changed",
    ]


def test_the_link_works_once(users, mailbox):
    path = reset_path(users.viewer)
    assert set_new(path).status_code == 302
    again = set_new(path, "another quiet harbour")
    assert (again.status_code, GONE in text_of(again)) == (404, True)
    assert Browser().post("/login", {"username": users.viewer.username, "password": NEW}).status_code == 302


def test_two_who_use_the_link_at_once_do_not_both_set_a_password(users, mailbox, in_threads):
    path = reset_path(users.viewer)
    answers = in_threads(2, lambda number: (number, set_new(path, f"a quiet harbour {number}").status_code))
    (won,) = [number for number, status in answers if status == 302]
    assert {status for _, status in answers} <= {302, 400, 404}
    form = {"username": users.viewer.username, "password": f"a quiet harbour {won}"}
    assert Browser().post("/login", form).status_code == 302


@pytest.mark.parametrize(("minutes", "status"), [(29, 302), (31, 404)])
def test_the_link_is_good_for_half_an_hour(users, mailbox, monkeypatch, minutes, status):
    path, before = reset_path(users.viewer), password_of(users.viewer)
    later = dt.datetime.now() + dt.timedelta(minutes=minutes)  # noqa: DTZ005  as Django's generator counts
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _: later)
    assert set_new(path).status_code == status
    assert (password_of(users.viewer) == before) is (status == 404)


def test_an_invitation_is_no_reset_and_a_reset_no_invitation(users, mailbox):
    path = reset_path(users.viewer)
    assert set_new(path.replace("password-reset", "invitation")).status_code == 404


@pytest.mark.parametrize("password", ["short1!", "12345678901", "password123", ""])
def test_a_weak_password_is_refused_and_the_link_stays_good(users, mailbox, password):
    path, before = reset_path(users.viewer), password_of(users.viewer)
    assert set_new(path, password).status_code == 400
    assert password_of(users.viewer) == before
    assert set_new(path).status_code == 302


@pytest.mark.parametrize("entry_point", [PAGE, BY_API])
def test_the_answer_and_the_work_are_the_same_whether_the_account_exists(tenant, users, mailbox, entry_point):
    provider = UserFactory(tenant=tenant, external_subject=f"sso-{users.viewer.id}")
    names = [users.viewer.username, "no one-at-all@tenant.example", provider.username, users.service.username]
    seen = []
    for name in names:
        client = Browser() if entry_point == PAGE else ApiClient()
        with capture("default") as written, capture("platform") as read:
            answer = client.post(entry_point, {"username": name})
        statements = [query["sql"].partition(" ")[0] for query in (*written.captured_queries, *read.captured_queries)]
        # Drawn again for each page, whatever is on it.
        content = re.sub(rb'nonce="[^"]+"', b"", answer.content)
        headers = {key: value for key, value in answer.headers.items() if key not in DRAWN}
        seen.append((answer.status_code, content, headers, statements))
    for one in seen[1:]:
        assert one == seen[0]
    assert seen[0][0] == (200 if entry_point == PAGE else 202)
    assert "INSERT" in seen[0][3]


def test_no_link_goes_to_those_who_have_no_password_here_or_were_shut_out(tenant, other_tenant, other_users, mailbox):
    now = utc_now()
    provider = UserFactory(tenant=tenant, external_subject="sso-42")
    gone = UserFactory(tenant=tenant, role=Role.VIEWER)
    service = UserFactory(tenant=tenant, username=f"sync-{tenant.slug}@tenant.example", is_service_account=True)
    deactivate_user(gone.id, tenant=tenant, actor=ADMIN_ACTOR, now=now)
    suspend_tenant(tenant=other_tenant, actor=ADMIN_ACTOR, now=now)
    people = [provider, gone, service, other_users.viewer]
    before = {user.id: entries_about(user) for user in people}
    for user in people:
        assert ask(user.username).status_code == 200
        assert set_new(reset_path(user)).status_code == 404, "and no link of theirs is good"
    mailbox.deliver()
    assert [mailbox.to(user.username) for user in people] == [[], [], [], []]
    assert {user.id: entries_about(user) for user in people} == before
    assert not QueuedMail.objects.filter(user_id__in=before).exists()


def test_a_super_admin_resets_a_password_too(users, mailbox):
    staff = users.super_admin
    ask(staff.username)
    mailbox.deliver()
    assert set_new(mailbox.link_to(staff.username)).status_code == 302
    actions = AdministrationEntry.objects.using("platform").filter(subject=str(staff.id)).order_by("id")
    assert list(actions.values_list("tenant_id", "action")) == [
        (None, "send_password_reset"),
        (None, "reset_password"),
    ]


@pytest.mark.parametrize("exists", [True, False])
def test_asking_again_and_again_is_refused_for_every_name(users, mailbox, settings, exists):
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 3
    name = users.viewer.username if exists else "no one-at-all@tenant.example"
    assert [ask(name).status_code for _ in range(4)] == [200, 200, 200, 429]
    page, answer = ask(name), ApiClient().post(BY_API, {"username": name})
    assert int(page["Retry-After"]) > 0
    assert "Too many requests for a new password: try again in" in text_of(page)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer["Retry-After"]) > 0
    # Logging in is counted by itself.
    assert Browser().post("/login", {"username": name, "password": "wrong"}).status_code == 200


def test_asking_while_the_database_is_away_uses_up_nothing(users, mailbox, settings, monkeypatch):
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 3
    with monkeypatch.context() as away:
        away.setattr(password_resets, "find_login", Mock(side_effect=OperationalError("the database is away")))
        for _ in range(4):
            with pytest.raises(OperationalError):
                ask(users.viewer.username)
    assert ask(users.viewer.username).status_code == 200


def test_a_mailbox_is_not_filled_by_others(users, mailbox):
    for _ in range(MOST_AN_HOUR + 3):
        ask(users.viewer.username)
    mailbox.deliver()
    assert len(mailbox.to(users.viewer.username)) == MOST_AN_HOUR
    assert [action for action, _ in entries_about(users.viewer)] == ["send_password_reset"] * MOST_AN_HOUR


def test_the_link_leads_where_the_installation_is_and_not_where_a_request_says(users, mailbox, settings):
    settings.ALLOWED_HOSTS = ["*"]
    Browser(headers={"host": "evil.example"}).post(PAGE, {"username": users.viewer.username})
    mailbox.deliver()
    assert mailbox.link_to(users.viewer.username).startswith("/password-reset/")


def test_without_a_mail_server_the_page_says_whom_to_ask(users):
    for page in (Browser().get(PAGE), ask(users.viewer.username)):
        assert page.status_code == 200
        assert "This installation does not send e-mail" in text_of(page)
        assert "Ask your administrator" in text_of(page)
    answer = ApiClient().post(BY_API, {"username": users.viewer.username})
    assert answer.status_code == 202
    assert "nothing was sent" in answer.json()["detail"]
    assert not QueuedMail.objects.filter(user_id=users.viewer.id).exists()


@pytest.mark.parametrize(
    "path", ["/password-reset/x/y", "/password-reset/%FF/-", "/password-reset/MQ/abc-def", "/password-reset/==/=="]
)
def test_a_link_that_is_none_says_so(db, path):
    page = Browser().get(path)
    assert (page.status_code, GONE in text_of(page)) == (404, True)


@pytest.mark.parametrize("name", ["", " ", "x" * 151])
def test_a_name_that_is_none_is_refused(db, mailbox, name):
    assert ask(name).status_code == 400
    assert ApiClient().post(BY_API, {"username": name}).status_code == 400
