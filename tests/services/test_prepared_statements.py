"""Statements that go out in one message with what opens their transaction: whatever comes before, between and after."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from lifecycle.models import Customer
from storage.cursors import fetch_prepared, fetch_prepared_dicts, text_array, uuid_array
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.services.test_orm_shapes import make_customers

TENANT = "SELECT current_setting('app.tenant_id', true), count(*) FROM lifecycle_customer WHERE '%%' = %(sign)s::text"
DIVIDE = "SELECT 6 / %(by)s::int AS quotient"


@pytest.fixture(autouse=True)
def customers(tenant: TenantRef, other_tenant: TenantRef) -> None:
    """Two customers of our tenant, three of the other."""
    make_customers(tenant, 2)
    make_customers(other_tenant, 3)


def look() -> tuple[str, int]:
    ((name, count),) = fetch_prepared(TENANT, {"sign": "%"}, using="default")
    return name or "", count


def divide(by: int) -> int:
    ((quotient,),) = fetch_prepared(DIVIDE, {"by": by}, using="default")
    return int(quotient)


def test_each_context_shows_its_own_tenant_whatever_is_asked_first(tenant: TenantRef, other_tenant: TenantRef) -> None:
    for shown, count in ((tenant, 2), (other_tenant, 3), (tenant, 2)):
        with tenant_context(shown.id):
            assert look() == (str(shown.id), count)
            assert Customer.objects.count() == count
        with tenant_context(shown.id):
            assert Customer.objects.count() == count
            assert look() == (str(shown.id), count)
        assert look() == ("", 0)
    assert connection.connection.info.transaction_status.name == "IDLE"


def test_a_context_that_was_never_used_leaves_nothing_for_the_next(tenant: TenantRef, other_tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        pass
    assert look() == ("", 0)
    with pytest.raises(KeyError), tenant_context(tenant.id):
        raise KeyError
    with tenant_context(other_tenant.id):
        assert look() == (str(other_tenant.id), 3)


def test_a_first_statement_that_fails_rolls_back_and_the_next_context_is_whole(tenant: TenantRef) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="division by zero"), tenant_context(tenant.id):
            divide(0)
        with tenant_context(tenant.id):
            assert divide(2) == 3
            assert look() == (str(tenant.id), 2)


def test_statements_outlive_the_rollback_of_a_savepoint_and_of_a_transaction(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        assert divide(1) == 6
        with pytest.raises(DataError), transaction.atomic():
            divide(0)
        assert divide(2) == 3
        Customer.objects.update(name="Not kept")
        transaction.set_rollback(True)
    with tenant_context(tenant.id):
        assert divide(3) == 2
        assert not Customer.objects.filter(name="Not kept").exists()
        assert look() == (str(tenant.id), 2)


def test_the_driver_deallocates_its_own_statements_and_ours_are_made_again(tenant: TenantRef) -> None:
    """After a rollback, if it has any."""
    with tenant_context(tenant.id):
        assert divide(1) == 6
        raw = connection.connection
        raw.prepare_threshold = 0
        raw.execute("SELECT 1", prepare=True)
        raw.prepare_threshold = None
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)
    assert divide(2) == 3


def test_in_a_broken_transaction_nothing_more_is_sent(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            divide(1)


def test_a_transaction_without_a_tenant_begins_as_well(tenant: TenantRef) -> None:
    with transaction.atomic():
        assert divide(1) == 6
        assert connection.connection.info.transaction_status.name == "INTRANS"
    assert connection.connection.info.transaction_status.name == "IDLE"


@pytest.mark.direct
def test_a_lost_connection_is_an_error_of_the_database_and_the_next_one_is_whole(
    tenant: TenantRef, in_threads: Callable[..., Any]
) -> None:
    pid = connection.connection.info.backend_pid

    def end(_: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    assert in_threads(1, end) == [None]
    with pytest.raises(OperationalError), tenant_context(tenant.id):
        divide(1)
    connection.close()
    with tenant_context(tenant.id):
        assert divide(2) == 3
        assert look() == (str(tenant.id), 2)


def test_values_arrive_as_they_are_and_rows_have_the_names_of_their_columns() -> None:
    number = uuid.uuid4()
    query = "SELECT %(text)s::text AS text, %(id)s::uuid AS id, %(none)s::int AS none, %(text)s::text || '%%' AS twice"
    values = {"text": "O'Hara \\ \u2603", "id": number, "none": None}
    assert fetch_prepared_dicts(query, values, using="default") == [
        {"text": "O'Hara \\ \u2603", "id": number, "none": None, "twice": "O'Hara \\ \u2603%"}
    ]
    with pytest.raises(DataError, match="NUL"):
        fetch_prepared(query, {**values, "text": "a\0b"}, using="default")


def test_arrays_arrive_as_they_were_given() -> None:
    ids = [uuid.uuid4(), uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]
    texts = ['say "no"', "back\\slash", None, "", "NULL", "{a,b}", 'say "no"', "Zoë, née É"]
    arrays = {"ids": uuid_array(ids), "texts": text_array(texts)}
    ((found_ids, found_texts),) = fetch_prepared(
        "SELECT array_to_json(%(ids)s::uuid[])::text, array_to_json(%(texts)s::text[])::text", arrays, using="default"
    )
    assert json.loads(found_ids) == [str(one) for one in ids]
    assert json.loads(found_texts) == texts
    assert (uuid_array([]), text_array(iter(["a"]))) == ("{}", '{"a"}')
