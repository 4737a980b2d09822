"""Logging in with a password, and how often it may be tried."""

import time
from unittest.mock import Mock

import pytest
from django.contrib.auth import hashers
from django.db import OperationalError
from django.db.models import F
from django.test import RequestFactory, override_settings
from redis.exceptions import ConnectionError as RedisGone
from uuid_utils.compat import uuid7

from storage.redis import get_client
from tenants.context import tenant_context
from tenants.models import TokenIssuer, User
from tenants.services.accounts import login_guard, logins
from tenants.services.accounts.login_guard import LoginsLimited, take_attempt
from tenants.services.accounts.logins import LoginRefused, check_login
from tenants.services.accounts.people import deactivate_user, suspend_tenant
from tenants.services.proxies import client_address
from tests.factories import ADMIN_ACTOR, PASSWORD, UserFactory, make_issuer, utc_now


@pytest.fixture
def address():
    """An address that no one has tried a password from yet."""
    return f"test-{uuid7()}"


def log_in(user_or_name, password, address):
    username = user_or_name if isinstance(user_or_name, str) else user_or_name.username
    return check_login(username, password, address=address, now=utc_now())


@pytest.fixture
def without_redis(monkeypatch):
    def ask(_call):
        raise RedisGone("connection refused")

    monkeypatch.setattr(login_guard, "ask", ask)
    login_guard._local.clear()
    yield
    login_guard._local.clear()


def test_the_right_password_lets_in_and_is_remembered_as_last_login(tenant, users, address):
    user = log_in(users.viewer, PASSWORD, address)
    assert user.id == users.viewer.id
    with tenant_context(tenant.id):
        assert (utc_now() - User.objects.get(id=user.id).last_login).total_seconds() < 60


def test_a_super_admin_without_tenant_logs_in_too(users, address):
    assert log_in(users.super_admin, PASSWORD, address).tenant_id is None


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "x" * 2000])
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(users, address, password):
    with pytest.raises(LoginRefused) as wrong:
        log_in(users.viewer, password, address)
    with pytest.raises(LoginRefused) as unknown:
        log_in(f"no-one-{uuid7()}@tenant.example", password, address)
    assert str(wrong.value) == str(unknown.value) == "The username or the password is wrong."


@pytest.mark.parametrize("name", ["", "\x00", "a" * 5000, "O'Brien; DROP TABLE tenants_user", "\u202e"])
def test_a_strange_name_is_just_a_wrong_name(db, address, name):
    with pytest.raises(LoginRefused, match="wrong"):
        log_in(name, PASSWORD, address)


def test_a_deactivated_user_learns_so_only_with_the_right_password(tenant, users, address):
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(LoginRefused, match="wrong"):
        log_in(users.viewer, "wrong", address)
    with pytest.raises(LoginRefused, match="deactivated"):
        log_in(users.viewer, PASSWORD, address)


def test_no_one_of_a_suspended_tenant_logs_in(tenant, users, address):
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(LoginRefused, match="suspended"):
        log_in(users.tenant_admin, PASSWORD, address)


def test_a_password_from_before_somebody_signed_in_through_the_provider_opens_nothing(tenant, users, address):
    with tenant_context(tenant.id):
        User.objects.filter(id__in=[users.viewer.id, users.service.id]).update(external_subject=F("username"))
        # The tenant has named its people, and accepts no provider: passwords are all there is.
        assert log_in(users.viewer, PASSWORD, address).id == users.viewer.id
        issuer = make_issuer(tenant)
    with pytest.raises(LoginRefused, match="wrong"):
        log_in(users.viewer, "wrong", address)
    with pytest.raises(LoginRefused, match="sign in through your company's identity provider"):
        log_in(users.viewer, PASSWORD, address)
    # Who is not linked to the provider still comes in, whatever happens to it.
    assert log_in(users.tenant_admin, PASSWORD, address).id == users.tenant_admin.id
    with tenant_context(tenant.id):
        TokenIssuer.objects.filter(id=issuer.id).update(is_active=False)
    assert log_in(users.viewer, PASSWORD, address).id == users.viewer.id


def test_the_provider_of_another_company_changes_nothing(tenant, other_tenant, users, address):
    with tenant_context(tenant.id):
        User.objects.filter(id=users.viewer.id).update(external_subject="sso-1")
    with tenant_context(other_tenant.id):
        make_issuer(other_tenant)
    assert log_in(users.viewer, PASSWORD, address).id == users.viewer.id


def test_a_user_without_password_cannot_log_in_with_any(tenant, address):
    user = UserFactory(tenant=tenant, password=None)
    for guess in ("", "None", "!"):
        with pytest.raises(LoginRefused):
            log_in(user, guess, address)


def test_an_unknown_name_costs_the_time_of_a_wrong_password(tenant, address, monkeypatch):
    # An eighth of the memory is still most of what a log-in takes.
    monkeypatch.setattr(hashers.Argon2PasswordHasher, "memory_cost", hashers.Argon2PasswordHasher.memory_cost // 8)
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        user = UserFactory(tenant=tenant)
        assert user.password.startswith("argon2$argon2id$")

        def measure(name):
            """Of the processor, which a busy machine does not make much longer."""
            began = time.process_time()
            with pytest.raises(LoginRefused):
                log_in(name, "wrong", address)
            return time.process_time() - began

        names = user.username, f"no-one-{uuid7()}"
        # In turns, so that whatever slows the machine down slows both.
        rounds = [[measure(name) for name in names] for _ in range(5)]
        known, unknown = map(min, zip(*rounds, strict=True))
    assert 0.5 < unknown / known < 2


def test_production_hashes_passwords_with_argon2_alone():
    from config import settings as production

    assert production.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def test_forty_parallel_guesses_are_ten(users, address, in_threads, monkeypatch):
    checked = []
    check = hashers.check_password
    monkeypatch.setattr(logins, "check_password", lambda *a: checked.append(1) or check(*a))
    results = in_threads(40, lambda number: log_in(users.viewer, f"guess {number}", address))
    assert sum(isinstance(result, LoginRefused) for result in results) == 10
    assert sum(isinstance(result, LoginsLimited) for result in results) == 30
    assert len(checked) == 10
    with pytest.raises(LoginsLimited) as limited:
        log_in(users.viewer, PASSWORD, address)
    assert 1 <= limited.value.retry_after <= 60


def test_an_address_that_tries_many_names_is_stopped(db, address):
    for number in range(100):
        take_attempt(username=f"{address}-{number}", address=address)
    with pytest.raises(LoginsLimited):
        take_attempt(username=f"{address}-last", address=address)
    take_attempt(username=f"{address}-last", address=f"{address}-other")


def test_who_is_stopped_by_their_address_is_not_charged_for_their_name(users, address):
    for number in range(100):
        take_attempt(username=f"{address}-{number}", address=address)
    for _ in range(15):
        with pytest.raises(LoginsLimited):
            log_in(users.viewer, "wrong", address)
    assert log_in(users.viewer, PASSWORD, f"{address}-other").id == users.viewer.id


def fail(user, address, times, **options):
    for _ in range(times):
        with pytest.raises((LoginRefused, LoginsLimited)):
            check_login(user.username, "wrong", address=address, now=utc_now(), **options)


def test_the_owner_gets_in_from_where_they_were_known_while_others_guess(users, address):
    home = f"{address}-home"
    log_in(users.viewer, PASSWORD, home)
    for number in range(4):
        fail(users.viewer, f"{address}-{number}", 12)
    assert log_in(users.viewer, PASSWORD, home).id == users.viewer.id
    with pytest.raises(LoginsLimited):
        log_in(users.viewer, PASSWORD, f"{address}-abroad")


def test_one_who_guesses_from_many_addresses_is_slowed_down(users, address, monkeypatch):
    checked = []
    check = hashers.check_password
    monkeypatch.setattr(logins, "check_password", lambda *a: checked.append(1) or check(*a))
    for number in range(30):
        fail(users.viewer, f"{address}-{number}", 1)
    assert len(checked) == 10


def test_a_known_address_is_limited_too(users, address):
    log_in(users.viewer, PASSWORD, address)
    fail(users.viewer, address, 10)
    with pytest.raises(LoginsLimited):
        log_in(users.viewer, PASSWORD, address)


def test_the_owner_s_browser_has_a_count_of_its_own_at_the_address_of_one_who_guesses(users, address):
    fail(users.viewer, address, 12)
    with pytest.raises(LoginsLimited):
        log_in(users.viewer, PASSWORD, address)
    known = {"address": address, "now": utc_now(), "device": "browser-1"}
    assert check_login(users.viewer.username, PASSWORD, **known).id == users.viewer.id
    fail(users.viewer, address, 10, device="browser-1")
    with pytest.raises(LoginsLimited):
        check_login(users.viewer.username, PASSWORD, **known)


def test_an_hour_allows_no_more_than_fifty_guesses(users, address, monkeypatch):
    monkeypatch.setattr(login_guard, "WINDOW_SECONDS", 0)
    fail(users.viewer, address, 50)
    with pytest.raises(LoginsLimited) as limited:
        log_in(users.viewer, PASSWORD, address)
    assert 3500 < limited.value.retry_after <= 3600


def test_logging_in_rightly_uses_up_nothing(users, address):
    for _ in range(25):
        log_in(users.viewer, PASSWORD, address)


@pytest.mark.parametrize("step", ["find_login", "is_provider_only"])
def test_an_outage_of_the_database_uses_up_nothing(users, address, monkeypatch, step):
    with monkeypatch.context() as away:
        away.setattr(logins, step, Mock(side_effect=OperationalError("the database is away")))
        for _ in range(15):
            with pytest.raises(OperationalError):
                log_in(users.viewer, PASSWORD, address)
    assert log_in(users.viewer, PASSWORD, address).id == users.viewer.id


def test_the_name_counts_whatever_its_case(users, address):
    for _ in range(10):
        with pytest.raises(LoginRefused):
            log_in(users.viewer.username, "wrong", address)
    with pytest.raises(LoginsLimited):
        log_in(users.viewer.username.upper(), "wrong", address)


def test_the_name_counts_however_it_is_spelled(users, address):
    """A dot above a letter that has none with it is left out when the name is looked up."""
    name = users.viewer.username
    spelled = [name.replace("@", "@" + "\u0307" * number) for number in range(1, 11)]
    assert log_in(spelled[0], PASSWORD, f"{address}-home").id == users.viewer.id
    for one in spelled:
        with pytest.raises(LoginRefused):
            log_in(one, "wrong", address)
    for one in (name, spelled[0]):
        with pytest.raises(LoginsLimited):
            log_in(one, PASSWORD, address)


def test_without_redis_logging_in_still_works_and_guessing_is_stopped_sooner(users, address, without_redis, in_threads):
    assert log_in(users.viewer, PASSWORD, address).id == users.viewer.id
    results = in_threads(20, lambda number: log_in(users.viewer, f"guess {number}", address))
    assert sum(isinstance(result, LoginRefused) for result in results) == 3
    assert sum(isinstance(result, LoginsLimited) for result in results) == 17


def test_without_redis_memory_stays_bounded_and_fails_closed(address, without_redis, monkeypatch):
    monkeypatch.setattr(login_guard, "MOST_KEYS_WITHOUT_REDIS", 4)
    for number in range(4):
        try:
            take_attempt(username=f"{address}-{number}", address=f"{address}-{number}")
        except LoginsLimited:
            break
    with pytest.raises(LoginsLimited):
        take_attempt(username=f"{address}-last", address=f"{address}-last")


def test_redis_keeps_no_names_and_no_addresses(users, address):
    with pytest.raises(LoginRefused):
        log_in(users.viewer, "wrong", address)
    for key in get_client().scan_iter("c360:login:*"):
        assert users.viewer.username.encode() not in key
        assert address.encode() not in key


@pytest.mark.parametrize(
    ("meta", "proxy", "expected"),
    [
        ({"REMOTE_ADDR": "203.0.113.7"}, False, "203.0.113.7"),
        ({"REMOTE_ADDR": "203.0.113.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}, False, "203.0.113.7"),
        ({"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 198.51.100.1"}, True, "198.51.100.1"),
        ({"REMOTE_ADDR": "10.0.0.2"}, True, "10.0.0.2"),
        ({"REMOTE_ADDR": "2001:db8:1:2:3:4:5:6"}, False, "2001:db8:1:2::"),
        ({"REMOTE_ADDR": "::ffff:203.0.113.7"}, False, "203.0.113.7"),
        ({"REMOTE_ADDR": "unix:"}, False, "unknown"),
    ],
)
def test_the_address_is_the_connection_s_or_the_declared_proxy_s_word(meta, proxy, expected):
    with override_settings(TRUSTED_PROXY_TLS=proxy):
        request = RequestFactory().get("/")
        request.META.pop("REMOTE_ADDR")
        request.META.update(meta)
        assert client_address(request) == expected


def test_the_password_of_the_demo_opens_nothing_in_production(tenant, address, settings):
    with tenant_context(tenant.id):
        user = UserFactory(tenant=tenant, password=logins.DEMO_PASSWORD)
    with pytest.raises(LoginRefused, match=str(logins.WRONG)):
        log_in(user, logins.DEMO_PASSWORD, address)
    settings.DEBUG = True
    assert log_in(user, logins.DEMO_PASSWORD, address).pk == user.pk
