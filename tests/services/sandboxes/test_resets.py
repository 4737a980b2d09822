"""A sandbox is emptied and filled again in one step; what lets people and programs in stays; others notice nothing."""

import datetime as dt
from collections.abc import Callable
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection

from audit.models import AdministrationEntry, LifecycleHistory, OutboxMessage
from lifecycle.models import Customer, EffectRun, WebhookEndpoint
from lifecycle.services.demo import sandboxes
from lifecycle.services.demo.sandboxes import EMPTIED, EMPTIED_BY_OWNER, KEPT, NotASandbox
from lifecycle.services.effects.endpoints import create_endpoint
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, Tenant, User
from tenants.roles import Role
from tenants.services.accounts.api_keys import create_key, verify_key
from tests.conftest import People
from tests.effects.test_engine import move
from tests.factories import ADMIN_ACTOR, CustomerFactory, UserFactory, make_issuer, utc_now
from tests.services.sandboxes.resetting import external_ids, reset, verify
from tests.services.threads import run_together

TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
"""


def print_of(tenant: TenantRef) -> dict[str, Any]:
    """Every table that the application may read of the tenant, and what is in it."""
    found = {}
    with tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (table,) in cursor.fetchall():
            if table != "lifecycle_stalecopies":
                cursor.execute(
                    f"SELECT count(*), md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
                    " WHERE tenant_id = %s",
                    [tenant.id],
                )
                found[table] = cursor.fetchone()
    return found


def test_a_sandbox_is_emptied_and_filled_again_and_no_one_elses_rows_are_touched(
    sandbox: TenantRef, people: People, tenant: TenantRef, users: People
) -> None:
    CustomerFactory(tenant=tenant)
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = set(Customer.objects.values_list("id", flat=True))
        issuer = make_issuer(sandbox)
        endpoint = create_endpoint(
            name="CRM", url="https://crm.example/hook", tenant=sandbox, actor=ADMIN_ACTOR, now=utc_now()
        )
        service = UserFactory(tenant=sandbox, is_service_account=True)
        secret = create_key(
            account=service,
            name="ci",
            scopes=["view_lifecycle"],
            expires_at=utc_now() + dt.timedelta(days=30),
            tenant=sandbox,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        ).secret
    CustomerFactory(tenant=sandbox, external_id="mine")
    others = print_of(tenant)

    done = reset(sandbox)

    assert (done.customers_before, done.customers) == (13, 12)
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    assert print_of(tenant) == others
    with tenant_context(sandbox.id):
        assert not former & set(Customer.objects.values_list("id", flat=True))
        assert User.objects.filter(tenant_id=sandbox.id).count() == 5
        assert str(issuer.id) and WebhookEndpoint.objects.get().name == "CRM"
        entries = AdministrationEntry.objects.filter(action="reset_sandbox").order_by("id")
        assert [entry.detail["customers_before"] for entry in entries] == [0, 13]
        assert not EffectRun.objects.exists()
        # Nothing is announced of what is gone; all of the new story is.
        announced = set(OutboxMessage.objects.filter(published_at=None).values_list("history_id", flat=True))
        assert announced == set(LifecycleHistory.objects.values_list("id", flat=True))
        assert ConfigurationVersion.objects.filter(number__isnull=False).count() == 2
    assert endpoint and verify_key(secret, now=utc_now()).user_id == service.id


def test_every_table_of_tenants_is_emptied_or_kept_for_a_reason(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = {table for (table,) in cursor.fetchall()}
    assert tables == {*EMPTIED, *EMPTIED_BY_OWNER, *KEPT}
    assert len(tables) == len(EMPTIED) + len(EMPTIED_BY_OWNER) + len(KEPT)


def test_only_a_sandbox_can_be_emptied_and_only_a_new_tenant_can_be_one(tenant: TenantRef, sandbox: TenantRef) -> None:
    customer = CustomerFactory(tenant=tenant)
    with pytest.raises(NotASandbox):
        reset(tenant)
    for function in ("empty_sandbox()", "empty_sandbox_record()"):
        with pytest.raises(ProgrammingError, match="sandbox"), tenant_context(tenant.id):
            connection.cursor().execute(f"SELECT {function}")
    for one, flag in ((tenant, True), (sandbox, False)):
        with pytest.raises(ProgrammingError, match="first day or never"), tenant_context(one.id):
            Tenant.objects.filter(id=one.id).update(is_sandbox=flag)
    with pytest.raises(ProgrammingError, match=r"append-only|permission denied"), tenant_context(sandbox.id):
        connection.cursor().execute("DELETE FROM customer_lifecycle_history")
    with tenant_context(tenant.id):
        assert Customer.objects.get().id == customer.id
        assert LifecycleHistory.objects.count() == 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 1.0])
def test_a_run_that_dies_leaves_the_sandbox_as_it_was_and_the_next_one_does_it(
    share: float, sandbox: TenantRef, people: People
) -> None:
    reset(sandbox)
    CustomerFactory(tenant=sandbox, external_id="mine")
    statements: list[str] = []

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with (
        pytest.raises(KeyboardInterrupt),
        connection.execute_wrapper(count),
        patch.object(sandboxes, "record_administration", side_effect=KeyboardInterrupt),
    ):
        reset(sandbox)
    last, before = max(1, int(len(statements) * share)), print_of(sandbox)
    assert ("mine" in external_ids(sandbox), len(statements) > 40) == (True, True)
    statements.clear()

    def die(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        if len(statements) == last:
            # As a server that goes away: nothing more is heard of the session.
            connection.connection.close()
        return execute(sql, *rest)

    with pytest.raises(Exception, match=r"closed|lost"), connection.execute_wrapper(die):
        reset(sandbox)
    connection.close()
    assert print_of(sandbox) == before
    assert reset(sandbox).customers_before == 13
    assert "mine" not in external_ids(sandbox)


def test_two_runs_at_once_reset_it_once(sandbox: TenantRef, people: People) -> None:
    start = utc_now()
    found = run_together([lambda: reset(sandbox, since=start)] * 3)
    assert sorted(one is None for one in found) == [False, True, True]
    assert len(external_ids(sandbox)) == 12
    assert reset(sandbox, since=start) is None
    assert reset(sandbox).customers_before == 12


def test_who_changes_a_customer_in_the_meantime_finds_it_gone(
    sandbox: TenantRef, people: People, in_threads: Callable[..., list[Any]]
) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        customers = list(Customer.objects.order_by("id"))

    def act(number: int) -> Any:
        if number == 0:
            return reset(sandbox)
        return move(sandbox, customers[number], stage="At-Risk")

    in_threads(4, act)
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    with tenant_context(sandbox.id):
        # No row of history, status or effect of anyone who is gone.
        gone = {customer.id for customer in customers}
        assert not LifecycleHistory.objects.filter(customer_id__in=gone).exists()
        assert not EffectRun.objects.filter(customer_id__in=gone).exists()
    assert "12 customers" in (said := verify(sandbox)) and "rows, unbroken; no seals\n" in said


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("reset_sandboxes", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_resets_what_was_not_reset_today(sandbox: TenantRef, people: People, tenant: TenantRef) -> None:
    assert run("--tenant", sandbox.slug) == (
        f"{sandbox.slug}: 0 customers and 0 history rows emptied, 12 customers filled in\n"
    )
    assert run("--tenant", sandbox.slug) == f"{sandbox.slug}: reset today, or at this moment by another run\n"
    assert "12 customers and " in run("--tenant", sandbox.slug, "--again")
    with pytest.raises(CommandError, match="is no sandbox: nothing of it is ever deleted"):
        run("--tenant", tenant.slug)
    with pytest.raises(CommandError, match="'nowhere' is no active tenant"):
        run("--tenant", "nowhere")
    with pytest.raises(CommandError, match="number of seconds above 0"):
        run("--every", "0")
    with pytest.raises(CommandError, match="single run"):
        run("--every", "5", "--again")


def test_a_tenant_without_account_managers_has_customers_of_a_made_up_owner(sandbox: TenantRef) -> None:
    UserFactory(tenant=sandbox, role=Role.VIEWER)
    assert reset(sandbox).customers == 12
    with tenant_context(sandbox.id):
        assert set(Customer.objects.values_list("owner", flat=True)) == {sandboxes.NO_ONE}


def test_create_tenant_makes_a_sandbox(db: None) -> None:
    out = StringIO()
    slug = f"s-{utc_now().timestamp():.6f}".replace(".", "-")
    call_command("create_tenant", slug, "Try", "--sandbox", stdout=out)
    assert out.getvalue() == f"{slug}: made, a sandbox; `manage.py reset_sandboxes --tenant {slug}` fills it now\n"
    assert Tenant.objects.using("platform").get(slug=slug).is_sandbox
