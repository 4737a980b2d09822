"""Who connects to the database as whom, and what they can do there at most."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connections, transaction

from audit.models import LifecycleHistory, OutboxMessage
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.checks import check_databases, role_errors
from tenants.context import tenant_context
from tenants.models import User
from tenants.services import database
from tenants.services.database import ProvisioningRefused, read_login
from tests.conftest import People
from tests.factories import utc_now


@pytest.mark.parametrize(
    ("alias", "role"),
    [("default", "c360_app"), ("platform", "c360_platform"), ("relay", "c360_relay"), ("owner", "c360_owner")],
)
def test_each_connection_has_a_role_of_its_own(alias: str, role: str, db: None) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (role, False, False)


def test_the_application_is_bound_by_row_level_security(db: None) -> None:
    assert role_errors() == []
    assert check_databases(databases=["default", "platform", "relay", "owner"]) == []


def test_an_owner_would_be_refused(db: None) -> None:
    assert role_errors("owner") == ["it owns tables"]


def test_a_superuser_is_refused_at_the_start_in_one_line(db: None) -> None:
    parts = urlsplit(settings.DATABASE_ADMIN_URL)
    url = urlunsplit(parts._replace(path=f"/{connections['default'].settings_dict['NAME']}"))
    code = (
        "import os, django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('check', databases=['default'], tags=['database'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert run.returncode == 1
    assert "DATABASE_URL connects as a role that row-level security does not bind: it is a superuser." in run.stderr
    assert "Use the role c360_app that `manage.py provision_database` makes." in run.stderr


def test_the_platform_reads_every_tenant_and_writes_none(
    customer: Customer, other_customer: Customer, users: People
) -> None:
    both = {customer.id, other_customer.id}
    assert set(Customer.objects.using("platform").filter(id__in=both).values_list("id", flat=True)) == both
    assert User.objects.using("platform").get(id=users.super_admin.id).tenant_id is None
    for write in (
        lambda: Customer.objects.using("platform").update(name="x"),
        lambda: Customer.objects.using("platform").all().delete(),
        lambda: OutboxMessage.objects.using("platform").create(topic="x", created_at=utc_now()),
    ):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(using="platform"):
            write()


def test_the_platform_reads_neither_keys_nor_stored_answers(db: None) -> None:
    for table in ("audit_data_key", "lifecycle_idempotentrequest"):
        with pytest.raises(DatabaseError, match="permission denied"), connections["platform"].cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")


def test_budgets_are_taken_and_neither_read_nor_written(db: None) -> None:
    for alias in ("default", "platform", "relay"):
        for statement in (
            "SELECT * FROM lifecycle_update_budget",
            "INSERT INTO lifecycle_update_budget VALUES ('x', '{}', '{}')",
            "UPDATE lifecycle_update_budget SET changes = '{}'",
            "DELETE FROM lifecycle_update_budget",
        ):
            with pytest.raises(DatabaseError, match="permission denied"), connections[alias].cursor() as cursor:
                cursor.execute(statement)
    for alias in ("platform", "relay"):
        with pytest.raises(DatabaseError, match="permission denied"), connections[alias].cursor() as cursor:
            cursor.execute("SELECT take_updates('x', 1, 1)")


def test_the_relay_reads_history_and_marks_messages_and_nothing_else(
    customer: Customer, other_customer: Customer
) -> None:
    for one in (customer, other_customer):
        assert LifecycleHistory.objects.using("relay").filter(customer_id=one.id).count() == 1
        (message,) = OutboxMessage.objects.using("relay").filter(tenant_id=one.tenant_id)
        OutboxMessage.objects.using("relay").filter(id=message.id).update(published_at=utc_now())
    for statement in (
        "UPDATE audit_outbox SET topic = 'x'",
        "UPDATE audit_outbox SET tenant_id = NULL",
        "INSERT INTO customer_lifecycle_history SELECT * FROM customer_lifecycle_history",
        "SELECT * FROM lifecycle_customer",
        "SELECT * FROM lifecycle_contact",
        "SELECT * FROM audit_data_key",
        "SELECT * FROM tenants_user",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), connections["relay"].cursor() as cursor:
            cursor.execute(statement)


def test_the_application_cannot_become_anybody_else(db: None) -> None:
    for role in ("c360_owner", "c360_audit", "c360_search", "c360_platform", "c360_backup", "postgres"):
        with (
            pytest.raises(DatabaseError, match="permission denied to set role"),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(f"SET ROLE {role}")


def test_the_application_changes_no_schema(db: None) -> None:
    for statement in (
        "CREATE TABLE x (id int)",
        "CREATE TEMP TABLE x (id int)",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql RETURN 1",
        "ALTER TABLE lifecycle_customer DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_rows ON lifecycle_customer",
        "CREATE POLICY open ON lifecycle_customer USING (true)",
        "TRUNCATE lifecycle_customer",
        "ALTER ROLE c360_app BYPASSRLS",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'y', now())",
    ):
        with (
            pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(statement)


def test_switching_row_security_off_shows_nothing_but_an_error(customer: Customer) -> None:
    with tenant_context(customer.tenant_id), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL row_security = off")
        with pytest.raises(DatabaseError, match="query would be affected by row-level security"), transaction.atomic():
            Customer.objects.count()


def test_the_owner_sees_no_rows_without_a_tenant(customer: Customer, tenant: TenantRef) -> None:
    assert Customer.objects.using("owner").count() == 0
    with tenant_context(tenant.id, using="owner"):
        assert Customer.objects.using("owner").count() == 1


def test_a_backup_takes_every_row(customer: Customer, other_customer: Customer) -> None:
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name) as session:
        session.execute("SET LOCAL ROLE c360_backup")
        ids = [customer.id, other_customer.id]
        for table, column in (("lifecycle_customer", "id"), ("customer_lifecycle_history", "customer_id")):
            row = session.execute(f"SELECT count(*) FROM {table} WHERE {column} = ANY(%s)", [ids]).fetchone()
            assert row == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("UPDATE lifecycle_customer SET name = 'x'")


def test_provisioning_again_changes_nothing_and_mends_what_was_loosened(db: None) -> None:
    before = _roles()
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        # The roles are those of the whole cluster, and so of tests beside this one.
        admin.execute(database.ONE_AT_A_TIME)
        admin.execute("ALTER ROLE c360_platform CREATEROLE")
    call_command("provision_database", verbosity=0)
    assert _roles() == before


def test_two_who_provision_at_once_take_turns(db: None, in_threads: Callable[..., list[Any]]) -> None:
    before = _roles()
    assert in_threads(4, lambda _: call_command("provision_database", verbosity=0)) == [None] * 4
    assert _roles() == before


def _roles() -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as admin:
        return admin.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolconfig"
            " FROM pg_roles WHERE rolname LIKE 'c360%' ORDER BY 1"
        ).fetchall()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgres://postgres:x@db/c360", "DATABASE_URL must connect as c360_app, and it names postgres."),
        ("postgres://db/c360", "DATABASE_URL must connect as c360_app, and it names no user."),
        ("postgres://c360_app@db/c360", "DATABASE_URL needs a password for c360_app."),
    ],
)
def test_an_address_that_cannot_be_provisioned_is_named(url: str, sentence: str) -> None:
    with pytest.raises(ProvisioningRefused) as refusal:
        read_login(url, expected=database.APP, variable="DATABASE_URL")
    assert str(refusal.value) == sentence


def test_migrations_without_their_role_are_refused_in_one_line(db: None, settings: Any) -> None:
    with pytest.raises(CommandError, match=r"^Migrations run as c360_owner: set DATABASE_OWNER_URL\.$"):
        call_command("migrate", database="no one")


def test_an_older_server_is_refused_in_one_line_before_anything_is_made(
    django_db_setup: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = database.version_error(150_010), database.version_error(180_000)
    assert found == ("Customer 360 needs PostgreSQL 18 or newer, this is 15.10.", "")
    monkeypatch.setattr(database, "LEAST_VERSION", 99)
    sentence = r"Customer 360 needs PostgreSQL 99 or newer, this is 18\.\d+\.$"
    with django_db_blocker.unblock():
        for command in ("provision_database", "migrate"):
            with pytest.raises(CommandError, match=rf"^{sentence}"):
                call_command(command)
        with pytest.raises(SystemCheckError, match=r"default: Customer 360 needs PostgreSQL 99 or newer, this is 18"):
            call_command("check", databases=["default"])


def test_a_server_that_cannot_be_reached_is_said_in_one_line(
    django_db_setup: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with django_db_blocker.unblock():
        for alias in ("owner", "default"):
            connections[alias].close()
            monkeypatch.setitem(connections[alias].settings_dict, "PORT", 1)
        with pytest.raises(CommandError, match=r"^PostgreSQL cannot be reached: .*refused") as refusal:
            call_command("migrate")
        assert "\n" not in str(refusal.value)
        with pytest.raises(SystemCheckError, match=r"default: PostgreSQL cannot be reached: .*refused"):
            call_command("check", databases=["default"])
