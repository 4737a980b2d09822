"""Tests against real services, with real commits.

The suite makes one database as its owner and then works as the application's own role, so that row-level
security binds every test. Nothing is rolled back or truncated (the history refuses it): each test takes a tenant of
its own and never counts rows of all tenants. The database goes away at the end.
"""

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tenants.services import database as provisioning

TEST_DATABASE = "c360_test"


def _use_database(name: str) -> None:
    for alias in connections:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Provision the roles, make the test database, migrate it as its owner."""
    call_command("provision_database", verbosity=0)
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {TEST_DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {TEST_DATABASE} OWNER {provisioning.OWNER}")
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=TEST_DATABASE, autocommit=True) as admin:
        provisioning.prepare_schema(admin)
    with django_db_blocker.unblock():
        _use_database(TEST_DATABASE)
        call_command("migrate", verbosity=0)
    yield
    with django_db_blocker.unblock():
        for alias in connections:
            connections[alias].close()
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {TEST_DATABASE} WITH (FORCE)")


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The database, with real commits. A test that leaves a transaction or a tenant open is at fault."""
    with django_db_blocker.unblock():
        yield
        for alias in connections:
            assert not connections[alias].in_atomic_block, "the test left a transaction open"
