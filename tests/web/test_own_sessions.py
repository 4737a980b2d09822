"""The sessions of one's own: seen, and ended."""

import datetime as dt
import re
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from redis.exceptions import RedisError

from audit.models import AdministrationEntry
from storage import redis
from tenants.context import tenant_context
from tenants.models import OpenSession, User
from tenants.services.accounts import open_sessions, tokens
from tenants.services.accounts.open_sessions import list_sessions
from tenants.services.accounts.people import deactivate_user
from tenants.services.accounts.tokens import TokenRefused, issue_pair, rotate
from tests.conftest import Browser
from tests.factories import ADMIN_ACTOR, PASSWORD, utc_now
from tests.services.threads import Meeting, run_together
from tests.statements import statements_of
from tests.web.conftest import text_of
from tests.web.test_own_account import change, fresh_guard, is_logged_in

__all__ = ["fresh_guard"]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) Version/26.0 Mobile/15E148 Safari/604.1"
SUMMARY = "/api/v1/lifecycle/summary"


def log_in(user, agent=FIREFOX, address="203.0.113.77"):
    client = Browser(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    assert client.post("/login", {"username": user.username, "password": PASSWORD}).status_code == 302
    return client


def program_of(user):
    """A program that logged in over the API: its tokens."""
    answer = Browser(headers={"User-Agent": "python-requests/2.32.5"}).post(
        "/api/v1/auth/token",
        {"username": user.username, "password": PASSWORD},
        content_type="application/json",
        REMOTE_ADDR="198.51.100.9",
    )
    assert answer.status_code == 200
    return answer.json()


def status_of(tokens, path=SUMMARY):
    return Browser().get(path, headers={"Authorization": f"Bearer {tokens['access']}"}).status_code


def buttons_of(client):
    """The addresses by which the page ends one session."""
    return re.findall(r"/account/sessions/[0-9a-f-]{36}/end", client.get("/account").content.decode())


def end(client, session_id):
    return client.post(f"/account/sessions/{session_id}/end")


def id_of(user, *, is_program=False):
    (row,) = OpenSession.objects.filter(user_id=user.id, session_key__isnull=is_program)
    return row.id


def entries_about(user):
    rows = AdministrationEntry.objects.using("platform").filter(subject=str(user.id)).order_by("id")
    return [(row.action, row.actor, row.detail) for row in rows]


def test_a_person_sees_where_they_are_logged_in_and_which_session_is_this_one(users):
    user = users.account_manager
    here = log_in(user)
    log_in(user, SAFARI, "2001:db8:7:8::1")
    program_of(user)
    log_in(users.viewer)
    text = text_of(here.get("/account"))
    assert "Firefox on Windows This session 203.0.••• · Since" in text
    assert "Safari on iPhone 2001:db8:••• · Since" in text
    assert "Python API 198.51.••• · Since" in text
    assert "203.0.113.77" not in text
    assert len(buttons_of(here)) == 2


@pytest.mark.parametrize("entry_point", ["/logout", "/admin/logout/"])
def test_who_logs_out_in_the_pages_or_in_the_administration_is_no_longer_in_the_list(users, entry_point):
    here, there = log_in(users.tenant_admin), log_in(users.tenant_admin, SAFARI)
    assert there.post(entry_point).status_code == 302
    assert not is_logged_in(there)
    assert "Safari" not in text_of(here.get("/account"))
    (row,) = OpenSession.objects.filter(user_id=users.tenant_admin.id)
    assert row.id == id_of(users.tenant_admin)


def test_a_super_admin_has_such_a_list_too(users):
    here = log_in(users.super_admin)
    log_in(users.super_admin, SAFARI)
    (button,) = buttons_of(here)
    assert here.post(button).status_code == 302
    assert buttons_of(here) == []


def test_ending_one_session_acts_on_its_next_request_and_on_no_other(users):
    user = users.viewer
    here, phone, office = log_in(user), log_in(user, SAFARI), log_in(user)
    row = OpenSession.objects.get(user_id=user.id, program="Safari/iPhone")
    answer = end(here, row.id)
    assert (answer.status_code, answer["Location"]) == (302, "/account")
    assert "The session has ended." in text_of(here.get("/account"))
    assert [is_logged_in(client) for client in (here, phone, office)] == [True, False, True]
    assert entries_about(user) == [("end_session", str(user.id), {"session": str(row.id), "kind": "pages"})]


def test_ending_a_program_s_session_ends_its_tokens_at_once_and_no_others(users):
    user = users.account_manager
    here, program, other = log_in(user), program_of(user), program_of(user)
    assert [status_of(program), status_of(other)] == [200, 200]
    session_id = OpenSession.objects.filter(user_id=user.id, session_key=None).earliest("began_at").id
    end(here, session_id)
    # The membership was in Redis, with nothing in it that had ended.
    assert [status_of(program), status_of(other)] == [401, 200]
    with pytest.raises(TokenRefused):
        rotate(program["refresh"], now=utc_now())
    assert rotate(other["refresh"], now=utc_now()).access
    assert is_logged_in(here)
    assert entries_about(user) == [("end_session", str(user.id), {"session": str(session_id), "kind": "program"})]


def test_without_redis_it_acts_at_once_as_well(users, monkeypatch):
    user = users.viewer
    here, phone, program = log_in(user), log_in(user, SAFARI), program_of(user)
    assert status_of(program) == 200

    def away(call):
        raise RedisError

    for module in ("storage.copies.ask", "tenants.services.accounts.session_news.ask"):
        monkeypatch.setattr(module, away)
    monkeypatch.setattr(redis, "_away_until", float("inf"))
    for button in buttons_of(here):
        here.post(button)
    assert (is_logged_in(here), is_logged_in(phone), status_of(program)) == (True, False, 401)


def test_the_tokens_that_a_program_renewed_end_too(users):
    user = users.viewer
    here, program = log_in(user), program_of(user)
    renewed = rotate(program["refresh"], now=utc_now())
    end(here, id_of(user, is_program=True))
    assert [status_of(program), status_of({"access": renewed.access})] == [401, 401]
    with pytest.raises(TokenRefused):
        rotate(renewed.refresh, now=utc_now())


def test_a_program_that_renews_its_tokens_while_its_session_is_ended_is_in_no_one_s_way(users, monkeypatch):
    """They would wait for each other, and the database would refuse one of them after a second."""
    user, meeting = users.viewer, Meeting()
    here, program = log_in(user), program_of(user)
    session_id = id_of(user, is_program=True)
    monkeypatch.setattr(tokens, "see_program_session", meeting.hold(tokens.see_program_session))
    renewed, ended = run_together(
        [
            lambda: rotate(program["refresh"], now=utc_now()),
            meeting.second(lambda: end(here, session_id).status_code),
        ]
    )
    assert ended == 302
    assert [status_of(program), status_of({"access": renewed.access})] == [401, 401]
    with pytest.raises(TokenRefused):
        rotate(renewed.refresh, now=utc_now())
    assert not OpenSession.objects.filter(id=session_id).exists()


def test_what_was_ended_is_remembered_no_longer_than_its_tokens_live(users):
    user = users.viewer
    here = log_in(user)
    program_of(user)
    first = id_of(user, is_program=True)
    end(here, first)
    with tenant_context(user.tenant_id):
        kept = User.objects.get(id=user.id).ended_sessions
        assert list(kept) == [str(first)]
        User.objects.filter(id=user.id).update(ended_sessions={str(first): utc_now().isoformat()})
    program_of(user)
    second = id_of(user, is_program=True)
    end(here, second)
    with tenant_context(user.tenant_id):
        assert list(User.objects.get(id=user.id).ended_sessions) == [str(second)]


@pytest.mark.parametrize("whose", ["colleague's", "other tenant's", "no one's"])
def test_another_person_s_session_does_not_exist(whose, users, other_users):
    here = log_in(users.tenant_admin)
    victim = {"colleague's": users.viewer, "other tenant's": other_users.viewer}.get(whose)
    there = log_in(victim) if victim else None
    answer = end(here, id_of(victim) if victim else uuid4())
    assert answer.status_code == 404
    assert there is None or is_logged_in(there)
    assert entries_about(users.tenant_admin) == []


def test_a_session_that_has_ended_already_does_not_exist_either(users):
    here, phone = log_in(users.viewer), log_in(users.viewer, SAFARI)
    (button,) = buttons_of(here)
    assert here.post(button).status_code == 302
    assert here.post(button).status_code == 404
    assert not is_logged_in(phone)


def test_ending_this_very_session_leads_to_the_log_in(users):
    here = log_in(users.viewer)
    answer = end(here, id_of(users.viewer))
    assert (answer.status_code, answer["Location"]) == (302, "/login")
    assert not is_logged_in(here)


def test_no_one_ends_anything_by_following_a_link(users):
    here, phone = log_in(users.viewer), log_in(users.viewer, SAFARI)
    (button,) = buttons_of(here)
    assert here.get(button).status_code == 405
    assert here.get("/account/sessions/others/end").status_code == 405
    assert Browser().post(button)["Location"] == "/login?next=/account"
    assert is_logged_in(phone)


def test_ending_all_others_leaves_this_session_and_nothing_else(users, api_client):
    user = users.account_manager
    here, phone, program = log_in(user), log_in(user, SAFARI), program_of(user)
    unlisted = api_client(user)
    colleague = log_in(users.viewer)
    answer = here.post("/account/sessions/others/end")
    assert (answer.status_code, answer["Location"]) == (302, "/account")
    assert "All your other sessions have ended." in text_of(here.get("/account"))
    assert [is_logged_in(client) for client in (here, phone, colleague)] == [True, False, True]
    assert (status_of(program), unlisted.get(SUMMARY).status_code) == (401, 401)
    with pytest.raises(TokenRefused):
        rotate(program["refresh"], now=utc_now())
    assert len(list_sessions(user.id, now=utc_now())) == 1
    assert [entry[0] for entry in entries_about(user)] == ["end_other_sessions"]
    # It goes on as one that can be ended.
    again = log_in(user)
    (button,) = buttons_of(again)
    again.post(button)
    assert not is_logged_in(here)


def test_a_new_password_ends_the_others_and_this_one_stays_in_the_list(users):
    user = users.viewer
    here, phone = log_in(user), log_in(user, SAFARI)
    program_of(user)
    change(here)
    assert not is_logged_in(phone)
    text = text_of(here.get("/account"))
    assert "Firefox on Windows This session" in text
    assert ("Safari" in text, "Python" in text) == (False, False)


def test_logging_out_takes_the_session_from_the_list(users):
    here, phone = log_in(users.viewer), log_in(users.viewer, SAFARI)
    phone.post("/logout")
    assert buttons_of(here) == []
    assert OpenSession.objects.filter(user_id=users.viewer.id).count() == 1


def test_who_was_deactivated_has_no_sessions_left(users, tenant):
    here = log_in(users.viewer)
    program_of(users.viewer)
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert not OpenSession.objects.filter(user_id=users.viewer.id).exists()
    assert not is_logged_in(here)


def test_the_list_says_when_and_from_where_a_session_was_used_last(users, monkeypatch):
    user = users.viewer
    client = log_in(user)
    ago = utc_now() - dt.timedelta(minutes=6)
    OpenSession.objects.filter(user_id=user.id).update(seen_at=ago, began_at=ago)
    monkeypatch.setattr(open_sessions, "_seen", {})
    client.get("/", REMOTE_ADDR="192.0.2.44", headers={"User-Agent": SAFARI})
    row = OpenSession.objects.get(user_id=user.id)
    assert (row.began_at, row.address, row.program) == (ago, "192.0.•••", "Safari/iPhone")
    assert row.seen_at > ago
    # Not with each page.
    client.get("/", REMOTE_ADDR="203.0.113.1")
    assert OpenSession.objects.get(user_id=user.id).address == "192.0.•••"


def test_a_database_that_is_only_to_be_read_shows_pages_and_keeps_no_time(users, monkeypatch):
    user = users.viewer
    client = log_in(user)
    ago = utc_now() - dt.timedelta(minutes=6)
    OpenSession.objects.filter(user_id=user.id).update(seen_at=ago, began_at=ago)
    monkeypatch.setattr(open_sessions, "_seen", {})
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        assert client.get("/customers").status_code == 200
    finally:
        connection.close()
    assert OpenSession.objects.get(user_id=user.id).seen_at == ago


def test_a_program_was_seen_when_it_renewed_its_token(users):
    tokens = program_of(users.viewer)
    before = utc_now() - dt.timedelta(days=1)
    OpenSession.objects.filter(user_id=users.viewer.id).update(seen_at=before)
    Browser(headers={"User-Agent": "curl/8.5.0"}).post(
        "/api/v1/auth/token/refresh", {"refresh": tokens["refresh"]}, content_type="application/json"
    )
    row = OpenSession.objects.get(user_id=users.viewer.id)
    assert (row.program, row.seen_at > before) == ("curl", True)


def test_what_has_expired_is_not_shown(users):
    user, now = users.viewer, utc_now()
    log_in(user)
    issue_pair(user, now=now)
    assert len(list_sessions(user.id, now=now)) == 2
    assert list_sessions(user.id, now=now + dt.timedelta(days=8)) == []
    Session.objects.filter(
        session_key=OpenSession.objects.get(user_id=user.id, session_key__isnull=False).session_key
    ).delete()
    (left,) = list_sessions(user.id, now=now)
    assert left.is_program


def test_the_oldest_of_too_many_sessions_ends(users, monkeypatch):
    monkeypatch.setattr(open_sessions, "MOST_PAGES", 2)
    clients = [log_in(users.viewer) for _ in range(3)]
    assert [is_logged_in(client) for client in clients] == [False, True, True]
    assert OpenSession.objects.filter(user_id=users.viewer.id).count() == 2


def test_a_session_from_before_they_were_noted_is_noted_when_its_owner_looks(users, page_client):
    client = page_client("viewer")
    assert "This session" in text_of(client.get("/account"))
    assert OpenSession.objects.filter(user_id=users.viewer.id).count() == 1


def test_the_list_takes_the_same_statements_however_long_it_is(users):
    here = log_in(users.viewer)
    program_of(users.viewer)
    few = len(statements_of(here, "/account"))
    for _ in range(4):
        log_in(users.viewer)
        program_of(users.viewer)
    assert len(statements_of(here, "/account")) == few < 8


def test_admins_end_the_sessions_of_their_people(users, other_users, page_client):
    admin = page_client("tenant_admin")
    victim, program = log_in(users.viewer), program_of(users.viewer)
    stays = log_in(other_users.viewer)
    sent = {"action": "end_sessions", "_selected_action": [str(users.viewer.id), str(other_users.viewer.id)]}
    page = admin.post("/admin/tenants/user/", sent)
    assert "They have to log in again" in text_of(page)
    assert is_logged_in(victim)
    done = admin.post("/admin/tenants/user/", {**sent, "confirmed": "end_sessions"}, follow=True)
    assert "Sessions of 1 user ended." in text_of(done)
    assert (is_logged_in(victim), status_of(program), is_logged_in(stays)) == (False, 401, True)
    assert entries_about(users.viewer) == [("log_out_everywhere", str(users.tenant_admin.id), {})]
