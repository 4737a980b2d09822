"""Clients that others wrote, on the real server: what the description promises is what a program can be made of.

What needs a program that is not there is reported, once and loudly, as not run.
"""

import datetime as dt

import pytest
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import VIEW_LIFECYCLE
from tenants.services.accounts.api_keys import create_key
from tests.browser.servers import Server, environment_of, find_port
from tests.clients.proxies import find_program
from tests.conftest import make_people
from tests.factories import ADMIN_ACTOR, PASSWORD, SAAS, CustomerFactory, TenantFactory, utc_now

NOT_RUN = pytest.StashKey[list[str]]()
WITHOUT = "NOT RUN: {name} needs {program}, and there is none. Install it (Debian: apt-get install {program})."


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*programs): runs only where these programs are; otherwise it is said")


def pytest_collection_modifyitems(config, items):
    """A test that names programs in ``needs`` is skipped where one is missing, and the end of the run says so."""
    reasons = config.stash.setdefault(NOT_RUN, [])
    for item in items:
        for marker in item.iter_markers("needs"):
            for program in marker.args:
                if find_program(program) is None:
                    reason = WITHOUT.format(name=item.nodeid, program=program)
                    item.add_marker(pytest.mark.skip(reason=reason))
                    reasons.append(reason)


def pytest_terminal_summary(terminalreporter, config):
    """Say it again at the very end, where it cannot be overlooked."""
    reasons = config.stash.get(NOT_RUN, [])
    if reasons:
        terminalreporter.section("clients and proxies", sep="!", red=True)
        for reason in reasons:
            terminalreporter.line(reason, red=True)


@pytest.fixture(scope="package")
def server(django_db_setup, tmp_path_factory):
    """The product on its own port; ``http://127.0.0.1:{server.port}``."""
    web = Server(
        "web",
        find_port(),
        environment_of(find_port()),
        tmp_path_factory.mktemp("server") / "web.log",
    )
    try:
        web.start("/healthz/live")
        yield web
    finally:
        web.stop()


@pytest.fixture(scope="session")
def real_password():
    """The password as the server wants it: it knows only the real hasher, which is slow."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        return make_password(PASSWORD)


@pytest.fixture
def tenant(db):
    """A tenant with a full graph of stages, reasons, rules and an effect."""
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def users(tenant, real_password):
    """Its people, able to log in on the server."""
    people = make_people(tenant)
    with tenant_context(tenant.id):
        User.objects.filter(tenant_id=tenant.id).update(password=real_password)
    for person in (people.viewer, people.account_manager, people.tenant_admin, people.service):
        # A token made from the object is tied to the password as well.
        person.password = real_password
    return people


@pytest.fixture
def customers(tenant):
    """A customer that is at risk, and one that is not."""
    return [
        CustomerFactory(tenant=tenant, stage="Wobbly", reason_code="Usage Dropped"),
        CustomerFactory(tenant=tenant, stage="Live"),
    ]


@pytest.fixture
def api_key(tenant, users):
    """A key of the service account, for reading."""
    now = utc_now()
    with tenant_context(tenant.id):
        return create_key(
            account=users.service,
            name="Story",
            scopes=[VIEW_LIFECYCLE],
            expires_at=now + dt.timedelta(days=1),
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=now,
        ).secret


@pytest.fixture
def story(server, users, api_key, customers):
    """What a story is run with: the address, an admin's name and password, and a key of the service account."""
    return [f"http://127.0.0.1:{server.port}", users.tenant_admin.username, PASSWORD, api_key]
