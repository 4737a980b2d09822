"""The tenant of a connection: shown inside, gone outside, never two at once, whatever goes wrong in between."""

import threading

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.context import TenantSwitchRefused, current_tenant_id, tenant_context, user_context
from tenants.models import User
from tests.conftest import People
from tests.services.test_orm_shapes import make_customers


@pytest.fixture
def customers(tenant: TenantRef, other_tenant: TenantRef) -> None:
    """Two customers of our tenant, three of the other."""
    make_customers(tenant, 2)
    make_customers(other_tenant, 3)


def in_the_database() -> str:
    """What the server says the tenant is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(current_setting('app.tenant_id', true), '')")
        return str(cursor.fetchone()[0])


def assert_no_tenant() -> None:
    assert current_tenant_id() is None
    assert in_the_database() == ""
    assert Customer.objects.count() == 0


def break_a_statement() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def test_the_tenant_is_gone_after_its_own_transaction(tenant: TenantRef, customers: None) -> None:
    with tenant_context(tenant.id):
        assert current_tenant_id() == tenant.id
        assert Customer.objects.count() == 2
    assert_no_tenant()


def test_the_tenant_is_gone_in_the_rest_of_a_longer_transaction(
    tenant: TenantRef, other_tenant: TenantRef, customers: None
) -> None:
    with transaction.atomic():
        with tenant_context(tenant.id):
            assert Customer.objects.count() == 2
        assert_no_tenant()
        with tenant_context(other_tenant.id):
            assert Customer.objects.count() == 3
        assert_no_tenant()
    assert_no_tenant()


def test_entering_the_same_tenant_again_costs_nothing(tenant: TenantRef, customers: None) -> None:
    with tenant_context(tenant.id):
        with CaptureQueriesContext(connection) as queries, tenant_context(tenant.id):
            pass
        assert len(queries) == 0
        assert Customer.objects.count() == 2


def test_one_tenant_inside_another_is_refused_and_changes_nothing(
    tenant: TenantRef, other_tenant: TenantRef, customers: None
) -> None:
    with tenant_context(tenant.id):
        with pytest.raises(TenantSwitchRefused) as refusal, tenant_context(other_tenant.id):
            pytest.fail("the other tenant was entered")
        assert str(refusal.value) == (
            f"Already inside the context of tenant {tenant.id}; leave it before entering {other_tenant.id}."
        )
        assert in_the_database() == str(tenant.id)
        assert Customer.objects.count() == 2
    assert_no_tenant()


def test_one_tenant_inside_anothers_savepoint_is_refused_too(
    tenant: TenantRef, other_tenant: TenantRef, customers: None
) -> None:
    with tenant_context(tenant.id):
        with pytest.raises(TenantSwitchRefused), transaction.atomic(), tenant_context(other_tenant.id):
            pytest.fail("the other tenant was entered")
        assert Customer.objects.count() == 2


def test_the_tenant_survives_a_savepoint_that_was_rolled_back(tenant: TenantRef, customers: None) -> None:
    with tenant_context(tenant.id):
        with pytest.raises(DatabaseError), transaction.atomic():
            break_a_statement()
        assert Customer.objects.count() == 2
        with transaction.atomic():
            assert Customer.objects.count() == 2
        assert Customer.objects.count() == 2


def test_a_tenant_entered_inside_a_savepoint_goes_with_it(tenant: TenantRef, customers: None) -> None:
    with transaction.atomic():
        with transaction.atomic(), tenant_context(tenant.id):
            assert Customer.objects.count() == 2
        assert_no_tenant()
        with pytest.raises(DatabaseError), transaction.atomic(), tenant_context(tenant.id):
            break_a_statement()
        assert_no_tenant()


def test_an_ordinary_exception_leaves_no_tenant_behind(tenant: TenantRef, customers: None) -> None:
    with transaction.atomic():
        with pytest.raises(KeyError), tenant_context(tenant.id):
            raise KeyError
        assert_no_tenant()
    with pytest.raises(KeyError), tenant_context(tenant.id):
        raise KeyError
    assert_no_tenant()


def test_an_error_of_the_database_reaches_the_caller_as_it_is(tenant: TenantRef, customers: None) -> None:
    with pytest.raises(DatabaseError, match="division by zero"), tenant_context(tenant.id):
        break_a_statement()
    assert_no_tenant()
    with pytest.raises(DatabaseError, match="division by zero"), transaction.atomic(), tenant_context(tenant.id):
        break_a_statement()
    assert_no_tenant()


def test_a_transaction_broken_unnoticed_is_not_touched_again(tenant: TenantRef, customers: None) -> None:
    with transaction.atomic():
        with tenant_context(tenant.id), pytest.raises(DatabaseError, match="division by zero"):
            break_a_statement()
        assert current_tenant_id() is None
        transaction.set_rollback(True)
    assert_no_tenant()


def test_a_request_that_will_be_rolled_back_may_still_leave_its_tenant(tenant: TenantRef, customers: None) -> None:
    with transaction.atomic():
        with tenant_context(tenant.id):
            transaction.set_rollback(True)
        assert current_tenant_id() is None
    assert_no_tenant()


def test_a_lost_connection_leaves_no_tenant_behind(tenant: TenantRef, customers: None) -> None:
    with pytest.raises(DatabaseError), tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    assert_no_tenant()
    with tenant_context(tenant.id):
        assert Customer.objects.count() == 2


def test_what_runs_after_the_commit_has_no_tenant(tenant: TenantRef, customers: None) -> None:
    seen: list[int] = []
    with tenant_context(tenant.id):
        transaction.on_commit(lambda: seen.append(Customer.objects.count()))
    assert seen == [0]


def test_another_thread_has_no_tenant(tenant: TenantRef, customers: None) -> None:
    seen: list[int] = []

    def look() -> None:
        try:
            seen.append(Customer.objects.count())
        finally:
            connections.close_all()

    with tenant_context(tenant.id):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [0]


def test_a_user_reads_their_own_row_before_their_tenant_is_known(users: People, other_users: People) -> None:
    with user_context(users.viewer.id):
        assert [user.id for user in User.objects.all()] == [users.viewer.id]
        assert Customer.objects.count() == 0
    assert User.objects.count() == 0


def test_a_user_cannot_write_themselves_into_another_tenant(
    users: People, other_tenant: TenantRef, tenant: TenantRef
) -> None:
    viewer = User.objects.filter(id=users.viewer.id)
    promoted = {"tenant_id": None, "role": "super_admin"}
    with user_context(users.viewer.id):
        assert viewer.update(full_name="Somebody Else") == 0
        assert viewer.update(**promoted) == 0
    with tenant_context(tenant.id), user_context(users.viewer.id):
        for change in ({"tenant_id": other_tenant.id}, promoted):
            with pytest.raises(DatabaseError, match="cannot change tenants"), transaction.atomic():
                viewer.update(**change)
        assert viewer.get().role == "viewer"


def test_a_super_admin_is_invisible_inside_a_tenant(users: People, tenant: TenantRef) -> None:
    staff = users.super_admin
    with tenant_context(tenant.id):
        assert not User.objects.filter(id=staff.id).exists()
        with user_context(staff.id):
            assert User.objects.filter(id=staff.id).exists()


def test_an_app_role_session_variable_of_nonsense_shows_nothing(tenant: TenantRef, customers: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', '', true)")
        assert Customer.objects.count() == 0
        cursor.execute("SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true)")
        assert Customer.objects.count() == 0


def test_a_context_without_statements_is_none_for_the_server(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        pass
    assert connection.connection.info.transaction_status.name == "IDLE"
    with tenant_context(tenant.id):
        assert list(Customer.objects.all()) == []
