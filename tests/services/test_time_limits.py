"""No statement, lock or transaction takes for ever: the roles have limits, jobs set their own, callers get a 503."""

import time
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import override_settings

from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration.previews import preview_configuration
from lifecycle.services.configuration.publication import publish_configuration
from storage.cursors import fetch_prepared
from storage.failures import sql_state
from storage.timeouts import UNLIMITED, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.document import read_configuration
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, utc_now

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")


@pytest.mark.direct
@pytest.mark.parametrize(
    ("alias", "role", "expected"),
    [
        ("default", "c360_app", ("30s", "10s", "30s", "1min")),
        ("platform", "c360_platform", ("1min", "10s", "30s", "2min")),
        ("relay", "c360_relay", ("1min", "10s", "1min", "5min")),
        ("owner", "c360_owner", ("0", "5s", "1min", "0")),
    ],
)
def test_each_role_has_limits_when_it_logs_in(db: None, alias: str, role: str, expected: tuple[str, ...]) -> None:
    """By the product's own connection, to a database that the tests have made no more patient (tests/workers.py)."""
    elsewhere = connections.create_connection(alias)
    elsewhere.settings_dict = {**elsewhere.settings_dict, "NAME": "postgres"}
    try:
        assert read_limits(elsewhere) == expected
        with elsewhere.cursor() as cursor:
            cursor.execute("SELECT session_user")
            assert cursor.fetchone() == (role,)
    finally:
        elsewhere.close()


def read_limits(of: Any = connection) -> tuple[str, ...]:
    with of.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in LIMITS)}")
        return tuple(cursor.fetchone())


def test_a_job_sets_its_own_limits_for_its_transaction_alone(db: None) -> None:
    before = read_limits()
    with transaction.atomic():
        allow_seconds(600, lock=7)
        assert read_limits() == ("10min", "7s", "1min", "10min")
        allow_seconds(UNLIMITED, idle=3600)
        assert read_limits() == ("0", "1min", "1h", "0")
    assert read_limits() == before
    with pytest.raises(RuntimeError):
        allow_seconds(600)


def test_what_a_job_allows_itself_counts_in_the_transaction_that_runs(db: None) -> None:
    """PostgreSQL does not look at a changed transaction_timeout unless it was off before."""

    def limit_before(execute: Any, sql: str, *rest: Any) -> Any:
        """In one message: between two the limit may be met on a busy machine."""
        return execute(f"SET LOCAL transaction_timeout = '1s'; {sql}", *rest)

    with transaction.atomic():
        with connection.execute_wrapper(limit_before):
            allow_seconds(60)
        time.sleep(1.5)
        assert read_limits()[3] == "1min"
    with pytest.raises(DatabaseError), transaction.atomic():
        allow_seconds(1)
        time.sleep(1.5)
        read_limits()
    connection.close()


def test_a_long_verification_is_not_ended(tenant: TenantRef) -> None:
    CustomerFactory.create_batch(3, tenant=tenant)
    with connection.cursor() as cursor:
        cursor.execute("SET transaction_timeout = '2s'; SET idle_in_transaction_session_timeout = '2s'")
    try:
        verified = []
        for one in verify_tenant(tenant):
            # Once, for as long as the limits leave a busy machine to set others as it begins.
            if not verified:
                time.sleep(2.4)
            verified.append(one)
        assert [one.broken for one in verified] == [None] * 3
    finally:
        connection.close()


@pytest.mark.parametrize("job", ["publish", "preview"])
def test_publishing_and_trying_a_configuration_may_take_longer(
    tenant: TenantRef, django_assert_max_num_queries: Any, job: str
) -> None:
    with tenant_context(tenant.id), django_assert_max_num_queries(60) as queries:
        if job == "publish":
            publish_configuration(MINIMAL, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        else:
            preview_configuration(*read_configuration(MINIMAL), tenant=tenant, now=utc_now())
        limits = read_limits()
    assert limits[0] == limits[3] == {"publish": "10min", "preview": "2min"}[job]
    assert queries.captured_queries


def hold(customer: Any) -> psycopg.Connection[Any]:
    """Somebody who has locked a customer's row and does not let go."""
    holder = psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=connection.settings_dict["NAME"])
    holder.execute("SELECT FROM customer_lifecycle_status WHERE customer_id = %s FOR UPDATE", [customer.id])
    return holder


def test_a_job_that_waits_for_a_lock_has_not_lost_its_database(tenant: TenantRef, customer: Any) -> None:
    """What holds up its rows holds up no one else's; a database that is away does."""
    take = "SELECT stage FROM customer_lifecycle_status WHERE customer_id = %(id)s::uuid FOR UPDATE"
    with hold(customer), pytest.raises(OperationalError) as missed, tenant_context(tenant.id):
        allow_seconds(600, lock=3)
        with override_settings(DATABASE_SILENT_SECONDS=1):
            fetch_prepared(take, {"id": customer.id}, using="default")
    assert sql_state(missed.value) == "55P03"
    # What comes next is as patient as anything.
    assert connection.connection.allowed_seconds == 0


def test_a_change_that_waits_too_long_for_a_lock_is_a_503_with_retry_after(
    tenant: TenantRef, customer: Any, api_client: Any, page_client: Any
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")
    try:
        with hold(customer):
            answer = api_client("account_manager").patch(
                f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Active"}, format="json"
            )
    finally:
        connection.close()
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unavailable"
    assert "took too long" in answer.json()["detail"] and "Nothing was changed" in answer.json()["detail"]
    status = api_client("viewer").get(f"/api/v1/customers/{customer.id}/lifecycle").json()
    assert (status["stage"], status["version"]) == ("Prospect", 1)


@pytest.mark.urls("tests.api.probes")
@pytest.mark.parametrize(
    ("failure", "code"), [("slow", "took too long"), ("long", "took too long"), ("disconnect", "cannot be reached")]
)
def test_whatever_limit_is_met_the_answer_is_503(tenant: TenantRef, api_client: Any, failure: str, code: str) -> None:
    answer = api_client("viewer").get(f"/api/v1/probe/fail/{failure}")
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "1", "unavailable")
    assert code in answer.json()["detail"]


def test_a_page_that_waits_too_long_for_a_lock_says_so_with_503(
    tenant: TenantRef, customer: Any, page_client: Any
) -> None:
    browser = page_client("account_manager")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")
    try:
        with hold(customer):
            page = browser.post(
                f"/customers/{customer.id}/move",
                {"stage": "Active", "version": "1", "configuration_version": "1", "note": ""},
            )
    finally:
        connection.close()
    assert (page.status_code, page["Retry-After"]) == (503, "1")
    assert page["Content-Type"].startswith("text/html")
    assert "took too long" in page.content.decode()
