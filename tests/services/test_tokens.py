"""Tokens: what they say, and the one successor of a refresh token."""

import datetime as dt
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from uuid import UUID, uuid4

import jwt
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.tokens import RefreshToken as RefreshJwt

from tenants.context import tenant_context
from tenants.models import RefreshToken, User
from tenants.roles import Role
from tenants.services.accounts import tokens
from tenants.services.accounts.people import deactivate_user, resume_tenant, set_password, set_role, suspend_tenant
from tenants.services.accounts.tokens import (
    TokenRefused,
    issue_access,
    issue_pair,
    read_access,
    revoke_refresh_tokens,
    rotate,
)
from tests.factories import ADMIN_ACTOR, make_issuer, utc_now
from tests.services.threads import Meeting, run_together

# Neither depends on when or how long the tests run.
PAST, FUTURE = dt.datetime(2001, 1, 1, tzinfo=dt.UTC), dt.datetime(2101, 1, 1, tzinfo=dt.UTC)


def make_token(**claims):
    now = int(time.time())
    payload = {
        "sub": str(uuid4()), "roles": ["ROLE_CUSTOMER_VIEWER"], "tenant_id": str(uuid4()), "stamp": "00",
        "iat": now, "exp": now + 60, "jti": uuid4().hex, "token_type": "access",
        "aud": "customer360", "iss": "customer360",
    } | claims  # fmt: skip
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, settings.SECRET_KEY, algorithm="HS256")


def test_an_access_token_says_who_in_which_role_for_which_tenant_until_when(tenant, users):
    issued = issue_access(users.account_manager)
    payload = jwt.decode(issued.token, settings.SECRET_KEY, ["HS256"], audience="customer360", issuer="customer360")
    assert payload["sub"] == str(users.account_manager.id)
    assert payload["roles"] == ["ROLE_ACCOUNT_MANAGER"]
    assert payload["tenant_id"] == str(tenant.id)
    assert payload["exp"] == issued.expires_at.timestamp()
    assert payload["exp"] - payload["iat"] == 900
    assert {"iss", "aud", "jti"} <= payload.keys()


def test_a_super_admin_has_a_token_without_tenant(users):
    claims = read_access(issue_access(users.super_admin).token)
    assert claims.tenant_id is None
    assert claims.roles == {"ROLE_SUPER_ADMIN"}


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "somebody-else"},
        {"iss": None},
        {"exp": int(PAST.timestamp())},
        {"exp": None},
        {"jti": None},
        {"sub": None},
        {"sub": "not-a-uuid"},
        {"roles": None},
        {"roles": "ROLE_TENANT_ADMIN"},
        {"roles": [1]},
        {"tenant_id": "acme"},
        {"tenant_id": 7},
        {"token_type": "refresh"},
        {"token_type": None},
        {"stamp": None},
        {"iat": int(FUTURE.timestamp())},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(claims):
    with pytest.raises(TokenRefused):
        read_access(make_token(**claims))


def test_a_token_signed_with_another_key_or_with_none_is_refused():
    good = jwt.decode(make_token(), options={"verify_signature": False})
    for forged in (
        jwt.encode(good, "another key that is long enough for sha-256", algorithm="HS256"),
        jwt.encode(good, None, algorithm="none"),
        jwt.encode(good, settings.SECRET_KEY + "x" * 64, algorithm="HS512"),
        "x.y.z",
        "é",
        make_token()[:-2],
    ):
        with pytest.raises(TokenRefused):
            read_access(forged)


def test_a_remembered_token_still_expires(monkeypatch):
    token = make_token()
    assert read_access(token).roles == {"ROLE_CUSTOMER_VIEWER"}
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: time.time() + 10**9))
    with pytest.raises(TokenRefused, match="has expired"):
        read_access(token)


def test_a_process_remembers_a_bounded_number_of_tokens(monkeypatch):
    monkeypatch.setattr(tokens, "KEPT", 3)
    for _ in range(10):
        read_access(make_token())
    assert len(tokens._verified) <= 3


def ago(seconds):
    return utc_now() - dt.timedelta(seconds=seconds)


def living(user):
    return RefreshToken.objects.filter(user=user, revoked_at__isnull=True)


def test_a_refresh_token_gives_a_new_pair(users):
    first = issue_pair(users.viewer, now=utc_now())
    second = rotate(first.refresh, now=utc_now())
    assert (second.refresh != first.refresh, second.access != first.access) == (True, True)
    assert second.roles == ("ROLE_CUSTOMER_VIEWER",)
    assert read_access(second.access).user_id == users.viewer.id
    assert rotate(second.refresh, now=utc_now()).refresh not in (first.refresh, second.refresh)


def test_every_use_within_ten_seconds_gets_the_same_pair(users):
    first = issue_pair(users.viewer, now=ago(60))
    at = ago(30)
    second = rotate(first.refresh, now=at)
    for later in (0, 1, 9.9, 10):
        assert rotate(first.refresh, now=at + dt.timedelta(seconds=later)) == second
    # Another server's clock may be behind.
    assert rotate(first.refresh, now=at - dt.timedelta(seconds=2)) == second
    assert living(users.viewer).count() == 2


def test_a_use_after_ten_seconds_is_a_theft_and_kills_the_whole_family(users):
    first = issue_pair(users.viewer, now=ago(60))
    at = ago(30)
    second = rotate(first.refresh, now=at)
    another_login = issue_pair(users.viewer, now=utc_now())
    with pytest.raises(TokenRefused, match="used or revoked"):
        rotate(first.refresh, now=at + dt.timedelta(seconds=10, milliseconds=1))
    for dead in (first, second):
        # The time of the first use does not matter any more.
        with pytest.raises(TokenRefused, match="used or revoked"):
            rotate(dead.refresh, now=at)
    assert rotate(another_login.refresh, now=utc_now()).roles == ("ROLE_CUSTOMER_VIEWER",)


def test_a_latecomer_follows_the_tab_that_is_one_refresh_ahead(users):
    first = issue_pair(users.viewer, now=ago(60))
    at = ago(30)
    second = rotate(first.refresh, now=at)
    third = rotate(second.refresh, now=at + dt.timedelta(seconds=3))
    assert rotate(first.refresh, now=at + dt.timedelta(seconds=6)) == second
    assert rotate(second.refresh, now=at + dt.timedelta(seconds=6)) == third
    assert rotate(third.refresh, now=at + dt.timedelta(seconds=20)).refresh != third.refresh


def test_eight_parallel_uses_of_a_refresh_token_get_one_pair(users, in_threads):
    pair = issue_pair(users.viewer, now=utc_now())
    results = in_threads(8, lambda _: rotate(pair.refresh, now=utc_now()))
    assert [result for result in results if isinstance(result, Exception)] == []
    assert len(set(results)) == 1
    assert living(users.viewer).count() == 2, "the one that was used, and one successor"
    assert rotate(results[7].refresh, now=utc_now()).refresh != results[0].refresh


def test_a_rotation_that_was_killed_before_its_commit_has_not_used_the_token(users):
    pair = issue_pair(users.viewer, now=ago(3600))
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        rotate(pair.refresh, now=ago(1800))
        raise KeyboardInterrupt
    assert rotate(pair.refresh, now=utc_now()).roles == ("ROLE_CUSTOMER_VIEWER",)


def test_a_process_that_knows_only_the_database_gives_the_same_pair(users):
    """The one that made the pair was killed before it could answer."""
    pair = issue_pair(users.viewer, now=utc_now())
    now = utc_now()
    code = (
        "import django; django.setup()\n"
        "import datetime, os, signal, sys\n"
        "from django.db import connections\n"
        f"for each in connections.all(): each.settings_dict['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "from tenants.services.accounts.tokens import rotate\n"
        f"now = datetime.datetime.fromisoformat({now.isoformat()!r})\n"
        f"print(rotate({pair.refresh!r}, now=now).refresh, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert rotate(pair.refresh, now=now + dt.timedelta(seconds=5)).refresh == killed.stdout.strip()


@pytest.mark.parametrize("action", ["password", "deactivated", "suspended", "provider", "revoked"])
def test_nothing_is_given_again_when_the_user_was_shut_out_in_between(tenant, users, action):
    pair = issue_pair(users.viewer, now=utc_now())
    now = utc_now()
    successor = rotate(pair.refresh, now=now)
    if action == "password":
        set_password(users.viewer.id, "a new one", tenant=tenant, actor=ADMIN_ACTOR, now=now)
    elif action == "deactivated":
        deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=now)
    elif action == "suspended":
        suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=now)
    elif action == "provider":
        with tenant_context(tenant.id):
            User.objects.filter(id=users.viewer.id).update(external_subject="sso-1")
            make_issuer(tenant)
    else:
        assert revoke_refresh_tokens(users.viewer.id, now=now) == 2
    for dead in (pair, successor):
        with pytest.raises(TokenRefused, match="used or revoked"):
            rotate(dead.refresh, now=now)


def test_a_pair_that_is_given_again_says_what_the_user_is_now(tenant, users):
    pair = issue_pair(users.account_manager, now=utc_now())
    now = utc_now()
    first = rotate(pair.refresh, now=now)
    set_role(users.account_manager.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=now)
    again = rotate(pair.refresh, now=now)
    assert again.refresh == first.refresh
    assert read_access(again.access).roles == {"ROLE_CUSTOMER_VIEWER"}


def test_a_revocation_reaches_the_successor_that_is_made_at_the_same_moment(users, in_threads):
    """Whatever the order, no token of before the revocation opens a session afterwards."""
    for _ in range(10):
        pair = issue_pair(users.viewer, now=utc_now())

        def race(number, pair=pair):
            if number == 0:
                return revoke_refresh_tokens(users.viewer.id, now=utc_now())
            return rotate(pair.refresh, now=utc_now())

        in_threads(4, race)
        assert living(users.viewer).count() == 0


def test_a_rotation_does_not_wait_for_a_revocation_that_waits_for_it(users, monkeypatch):
    """Expired ones go with a rotation: those that a revocation has locked already go another time."""
    user, now, meeting = users.viewer, utc_now(), Meeting()
    issue_pair(user, now=now)
    RefreshToken.objects.filter(user=user).update(expires_at=now - dt.timedelta(days=1))
    # As of a day on which the other one had not expired.
    pair = issue_pair(user, now=now - dt.timedelta(days=2))
    monkeypatch.setattr(tokens, "see_program_session", meeting.hold(tokens.see_program_session))
    renewed, revoked = run_together(
        [lambda: rotate(pair.refresh, now=now), meeting.second(lambda: revoke_refresh_tokens(user.id, now=now))]
    )
    assert revoked == 3
    with pytest.raises(TokenRefused):
        rotate(renewed.refresh, now=utc_now())


def test_the_table_of_refresh_tokens_opens_no_session(users):
    pair = issue_pair(users.viewer, now=utc_now())
    row = RefreshToken.objects.filter(user=users.viewer).values().get()
    for value in row.values():
        assert pair.refresh not in str(value)
        assert RefreshJwt(pair.refresh)["jti"] not in str(value)
        with pytest.raises(TokenRefused):
            rotate(bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value), now=utc_now())


def test_a_new_password_ends_refreshing(tenant, users):
    pair = issue_pair(users.viewer, now=utc_now())
    set_password(users.viewer.id, "a new one", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())


def test_a_password_changed_behind_our_back_ends_refreshing_too(tenant, users):
    from tenants.context import tenant_context

    pair = issue_pair(users.viewer, now=utc_now())
    with tenant_context(tenant.id):
        users.viewer.set_password("changed by somebody's script")
        users.viewer.save()
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())


def test_a_deactivated_user_cannot_refresh(tenant, users):
    pair = issue_pair(users.viewer, now=utc_now())
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())


def test_a_suspended_tenant_s_people_cannot_refresh_and_have_to_log_in_again_later(tenant, users):
    pair = issue_pair(users.viewer, now=utc_now())
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())
    resume_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=utc_now())


def test_a_refresh_reads_the_role_again(tenant, users):
    pair = issue_pair(users.viewer, now=utc_now())
    set_role(users.viewer.id, Role.ACCOUNT_MANAGER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert rotate(pair.refresh, now=utc_now()).roles == ("ROLE_ACCOUNT_MANAGER",)


def test_an_expired_refresh_token_is_refused_and_forgotten_at_the_next_login(users):
    pair = issue_pair(users.viewer, now=utc_now())
    later = utc_now() + dt.timedelta(days=8)
    with pytest.raises(TokenRefused):
        rotate(pair.refresh, now=later)
    issue_pair(users.viewer, now=later)
    assert RefreshToken.objects.filter(user=users.viewer).count() == 1


def test_an_access_token_is_no_refresh_token(users):
    token = AccessToken()
    token["sub"] = str(users.viewer.id)
    with pytest.raises(TokenRefused):
        rotate(str(token), now=timezone.now())


def test_a_token_tells_nothing_about_the_person(users):
    payload = jwt.decode(issue_access(users.viewer).token, options={"verify_signature": False})
    assert users.viewer.username not in str(payload)
    assert UUID(payload["sub"]) == users.viewer.id
