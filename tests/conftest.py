"""Tests against real services, with real commits.

The suite makes its databases as their owner (tests/workers.py) and then works as the application's own role, so that
row-level security binds every test. Nothing is rolled back or truncated (the history refuses it): each test takes a
tenant of its own and never counts rows of all tenants. The databases go away at the end.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.utils import translation
from faker import Faker
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from rest_framework.test import APIClient

from lifecycle.models.customers import Customer
from storage import copies, redis
from tenants.actors import TenantRef
from tenants.models import User
from tenants.roles import Role
from tenants.services.accounts import membership
from tests.copied_tenants import add_people
from tests.factories import SAAS, CustomerFactory, TenantFactory, UserFactory, forget_names

# The hooks of tests/workers.py work from here: conftest.py is what pytest reads in every process.
pytest_plugins = ["tests.workers", "tests.mailing"]

# The suite asks the same of the same code each time: what it finds is found by the change that brought it, and not by
# the next person's. ``make test ARGS="--hypothesis-profile=explore PATHS"`` looks further.
# How long an example takes to make says how busy the machine is, and nothing about the product.
BUSY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# Half as many as the library makes: more of the same at each run find nothing that these do not.
hypothesis_settings.register_profile("suite", derandomize=True, max_examples=50, **BUSY)
hypothesis_settings.register_profile("explore", derandomize=False, max_examples=2000, print_blob=True, **BUSY)
hypothesis_settings.load_profile("suite")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: who is made up for a test is called the same in each run. Of other names every time, one
    comes some day that has in it what a page must not show, or that goes before the one that is to be the first.
    """
    Faker.seed(item.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Nor do names hang on which files came before: one that was given there would be passed over here."""
    if nextitem is None or nextitem.path != item.path:
        forget_names()


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database, with real commits. A test that leaves a transaction or a tenant open is at fault, and one that
    leaves connections to later tests which are made otherwise.
    """
    with django_db_blocker.unblock():
        before = _options_of_connections()
        yield
        for alias in connections:
            assert not connections[alias].in_atomic_block, "the test left a transaction open"
        assert _options_of_connections() == before, "the test left connections with other options"


@pytest.fixture
def superuser(db: None) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection to the test database. Whatever is done over it is rolled back."""
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name) as connection:
        yield connection
        connection.rollback()


def _options_of_connections() -> dict[str, dict[str, Any]]:
    return {alias: dict(connections[alias].settings_dict["OPTIONS"]) for alias in connections}


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Argon2 is slow on purpose, and hundreds of made-up people need a password. Production settings know no other."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_redis() -> Iterator[None]:
    """A busy test machine is no outage: half a second is what production waits for Redis, not what tests do."""
    caches = {
        name: {**cache, "OPTIONS": {**cache.get("OPTIONS", {}), "SOCKET_CONNECT_TIMEOUT": 20, "SOCKET_TIMEOUT": 20}}
        for name, cache in settings.CACHES.items()
    }
    with override_settings(CACHES=caches):
        yield


@pytest.fixture(scope="session", autouse=True)
def lasting_copies() -> Iterator[None]:
    """Whether a copy is made and found again must not hang on seconds having passed where statements are counted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "LIFETIME_SECONDS", 600)
        patch.setattr(copies, "OFFER_WITHIN_SECONDS", 300.0)
        yield


@pytest.fixture(autouse=True)
def redis_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test before did to Redis is no outage of this one."""
    monkeypatch.setattr(redis, "_away_until", 0.0)
    monkeypatch.setattr(copies, "_missed", Counter())
    monkeypatch.setattr(copies, "_made_good", Counter())


@pytest.fixture(autouse=True)
def no_language_is_left() -> Iterator[None]:
    """The language of the last request of a test stays active in its thread: it is not that of the next test."""
    yield
    translation.deactivate()


@dataclass(frozen=True)
class People:
    """One person for each role of a tenant, and its service account. ``super_admin`` belongs to no tenant, and is made
    when a test asks for one, as few do.
    """

    viewer: User
    account_manager: User
    tenant_admin: User
    service: User

    @cached_property
    def super_admin(self) -> User:
        """A super admin of this test."""
        made: User = UserFactory(tenant=None, role=Role.SUPER_ADMIN)
        return made

    def of(self, role: str) -> User:
        """The person of a role: ``viewer``, ``account_manager``, ``tenant_admin``, ``super_admin``, ``service``."""
        person: User = getattr(self, Role(role).value if role in Role.values else role)
        return person


def make_people(tenant: TenantRef) -> People:
    """People of a tenant, as ``users`` gives them for ``tenant``.

    As ``create_user`` makes them, but all four in one statement: nearly every test wants them.
    """
    members = [
        UserFactory.build(tenant=tenant, role=Role.VIEWER),
        UserFactory.build(tenant=tenant, role=Role.ACCOUNT_MANAGER),
        UserFactory.build(tenant=tenant, role=Role.TENANT_ADMIN),
        UserFactory.build(tenant=tenant, role=Role.ACCOUNT_MANAGER, is_service_account=True),
    ]
    add_people(members)
    return People(*members)


@pytest.fixture(scope="module")
def shared_tenant(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> TenantRef:
    """The one tenant of a file whose tests do not change it: ``pytestmark = pytest.mark.one_tenant`` makes ``tenant``
    and ``users`` lead there. The mark may say what the tenant is made with: ``one_tenant(configuration=...)``.
    """
    mark = request.node.get_closest_marker("one_tenant")
    with django_db_blocker.unblock():
        return TenantFactory(**(mark.kwargs if mark else {}))


@pytest.fixture(scope="module")
def shared_users(shared_tenant: TenantRef, django_db_blocker: Any) -> People:
    """As ``users``, of ``shared_tenant``."""
    with django_db_blocker.unblock():
        return make_people(shared_tenant)


@pytest.fixture
def tenant(request: pytest.FixtureRequest, db: None) -> TenantRef:
    """A fresh tenant with DM-4's configuration: five stages, each leading to each other. Or the one of the file."""
    if request.node.get_closest_marker("one_tenant"):
        return request.getfixturevalue("shared_tenant")
    return TenantFactory()


@pytest.fixture
def other_tenant(db: None) -> TenantRef:
    """A second tenant, whose stages have other names."""
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def users(request: pytest.FixtureRequest, tenant: TenantRef) -> People:
    """The people of ``tenant``."""
    if request.node.get_closest_marker("one_tenant"):
        return request.getfixturevalue("shared_users")
    return make_people(tenant)


@pytest.fixture
def other_users(other_tenant: TenantRef) -> People:
    """The people of ``other_tenant``."""
    return make_people(other_tenant)


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer of ``tenant`` in its first stage, Prospect."""
    return CustomerFactory(tenant=tenant)


@pytest.fixture
def other_customer(other_tenant: TenantRef) -> Customer:
    """A customer of ``other_tenant`` in its first stage, Trial."""
    return CustomerFactory(tenant=other_tenant, stage="Trial")


class OverHttps:
    """Requests come over HTTPS: tests run without DEBUG, and the API refuses anything else."""

    def generic(self, *args: Any, **options: Any) -> Any:
        return super().generic(*args, **{**options, "secure": True})  # type: ignore[misc]


class ApiClient(OverHttps, APIClient):
    """A program that calls the API."""


class Browser(OverHttps, Client):
    """A person's browser."""


@pytest.fixture
def api_client(tenant: TenantRef, users: People) -> Callable[..., APIClient]:
    """``api_client("viewer")`` or ``api_client(user)``: a client with the person's bearer token.

    A super admin's client names ``tenant`` (or the ``tenant`` given) in X-Tenant, and a reason in X-Reason.
    ``api_client(None)`` is anonymous.
    """
    from tenants.services.accounts.tokens import issue_access

    def build(who: str | User | None, *, tenant: TenantRef | None = tenant) -> APIClient:
        client = ApiClient(raise_request_exception=False)
        person = users.of(who) if isinstance(who, str) else who
        headers = {}
        if person is not None:
            headers["HTTP_AUTHORIZATION"] = f"Bearer {issue_access(person).token}"
            if person.role == Role.SUPER_ADMIN and tenant is not None:
                headers["HTTP_X_TENANT"] = tenant.slug
                headers["HTTP_X_REASON"] = "Ticket 7"
        client.credentials(**headers)
        return client

    return build


@pytest.fixture
def page_client(users: People) -> Callable[..., Client]:
    """``page_client("account_manager")`` or ``page_client(user)``: a browser in which the person is logged in."""

    def build(who: str | User | None, **options: Any) -> Client:
        client = Browser(raise_request_exception=False, **options)
        person = users.of(who) if isinstance(who, str) else who
        if person is not None:
            client.force_login(person, backend="tenants.backends.TenantBackend")
        return client

    return build


@pytest.fixture
def in_threads(db: None) -> Callable[..., list[Any]]:
    """``in_threads(64, work)``: run ``work(number)`` in that many threads at once; their results, or exceptions."""

    def run(count: int, work: Callable[[int], Any]) -> list[Any]:
        barrier = threading.Barrier(count)

        def begin(number: int) -> Any:
            try:
                barrier.wait(timeout=120)
                return work(number)
            except Exception as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(begin, range(count)))

    return run
