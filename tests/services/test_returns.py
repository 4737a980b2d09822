"""Those who return when a publication is taken back: to the stage and the time that they had, in bounded statements."""

import datetime as dt
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import LifecycleHistory
from lifecycle.models import Customer, CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration, revert_publication
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.plans import NUMBERED, copy_rows, count_rows_of, count_statistics

ADMIN = system_actor("tests")
BEFORE: dict[str, Any] = {"stages": ["A", "B", "C", "D"], "required_reason_codes": [], "max_days": {"A": 30}}
AFTER: dict[str, Any] = {"stages": ["C", "D"]}


def move(tenant: TenantRef, customer: Customer, stage: str, **options: Any) -> str:
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, ADMIN, "API", utc_now()), [Change(customer_id=customer.id, stage=stage, **options)]
        )
    return outcome.refused.code if outcome.refused else "moved"


def move_all(tenant: TenantRef) -> None:
    for _ in move_customers(tenant, now=utc_now()):
        pass


def publish(tenant: TenantRef, document: Any, **options: Any) -> None:
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=ADMIN, now=utc_now(), **options)
    move_all(tenant)


def undo(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="That was a mistake")
    move_all(tenant)


def stand(tenant: TenantRef, stage: str, since: dt.datetime) -> Customer:
    """A customer who has been in a stage for some time."""
    customer = CustomerFactory(tenant=tenant, stage="D")
    assert move(tenant, customer, stage, effective_at=since) == "moved"
    return customer


def status_of(tenant: TenantRef, customer: Customer) -> CustomerLifecycleStatus:
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.get(customer_id=customer.id)


def test_those_who_return_get_back_the_time_they_had(db: None) -> None:
    tenant = TenantFactory(configuration=BEFORE)
    long_ago, lately = (utc_now() - dt.timedelta(days=days) for days in (100, 3))
    overdue, recent = stand(tenant, "A", long_ago), stand(tenant, "A", lately)
    publish(tenant, AFTER, mapping={"A": "C", "B": "C"})
    assert status_of(tenant, overdue).stage_entered_at > lately
    began = utc_now()
    undo(tenant)

    for customer, since in ((overdue, long_ago), (recent, lately)):
        status = status_of(tenant, customer)
        assert (status.stage, status.stage_entered_at, status.version) == ("A", since, 4)
        assert status.updated_at >= began
        with tenant_context(tenant.id):
            rows = list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence"))
        assert [(row.from_stage, row.to_stage) for row in rows[-2:]] == [("A", "C"), ("C", "A")]
        assert rows[-1].effective_at == since
        assert rows[-1].changed_at >= began
        assert rows[-1].recorded_at >= began
    assert [verified.broken for verified in verify_tenant(tenant)] == [None, None]
    # An event is too old when it is older than the stay, which began when it began.
    assert move(tenant, overdue, "B", effective_at=long_ago - dt.timedelta(days=1), only_if_newer=True) == "stale_event"
    assert move(tenant, overdue, "B", effective_at=long_ago + dt.timedelta(days=1), only_if_newer=True) == "moved"


def test_the_time_is_kept_though_the_stage_was_renamed_and_taken_back_twice(db: None) -> None:
    tenant = TenantFactory(configuration=BEFORE)
    since = utc_now() - dt.timedelta(days=50)
    customer = stand(tenant, "A", since)
    for _ in range(2):
        publish(tenant, {"stages": ["C", "E"]}, renamed={"D": "E"}, mapping={"A": "E", "B": "E"})
        undo(tenant)
        status = status_of(tenant, customer)
        assert (status.stage, status.stage_entered_at) == ("A", since)


def test_two_stages_emptied_into_one_get_back_each_its_own(db: None) -> None:
    tenant = TenantFactory(configuration=BEFORE)
    first, second = stand(tenant, "A", utc_now()), stand(tenant, "B", utc_now())
    publish(tenant, AFTER, mapping={"A": "C", "B": "C"})
    undo(tenant)
    assert (status_of(tenant, first).stage, status_of(tenant, second).stage) == ("A", "B")
    with tenant_context(tenant.id):
        assert [(job.total, job.moved) for job in StageMigration.objects.exclude(undo_request_id=None)] == [
            (1, 1),
            (1, 1),
        ]


def test_who_moves_on_while_the_batch_is_chosen_is_left_alone(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = TenantFactory(configuration=BEFORE)
    customer = stand(tenant, "A", utc_now())
    publish(tenant, AFTER, mapping={"A": "C", "B": "C"})
    find = stage_migrations.find_former_stays

    def find_and_be_overtaken(*arguments: Any, **options: Any) -> Any:
        found = find(*arguments, **options)
        apply(Call(tenant, ADMIN, "API", utc_now()), [Change(customer_id=customer.id, stage="D")])
        return found

    monkeypatch.setattr(stage_migrations, "find_former_stays", find_and_be_overtaken)
    undo(tenant)
    assert status_of(tenant, customer).stage == "D"


def test_a_returning_batch_costs_the_same_statements_for_three_customers_and_for_twelve(db: None) -> None:
    counts = []
    for size in (3, 12):
        tenant = TenantFactory(configuration=BEFORE)
        for _ in range(size):
            CustomerFactory(tenant=tenant, stage="A")
        publish(tenant, AFTER, mapping={"A": "C", "B": "C"})
        with tenant_context(tenant.id):
            revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
        with CaptureQueriesContext(connection) as statements:
            move_all(tenant)
        counts.append(len(statements))
        with tenant_context(tenant.id):
            assert CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage() == {"A": size}
    assert counts[0] == counts[1] <= 40


def test_those_who_return_are_found_without_reading_others(
    monkeypatch: pytest.MonkeyPatch, superuser: psycopg.Connection[Any]
) -> None:
    """41, beside 3,000 in other stages, 3,000 that came there before, and the history of all of them."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    tenant = TenantFactory(configuration=BEFORE)
    customer = stand(tenant, "A", utc_now())
    publish(tenant, AFTER, mapping={"A": "C", "B": "C"})
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
        job = StageMigration.objects.exclude(undo_request_id=None).get()
        statuses = CustomerLifecycleStatus.objects.filter(customer_id=customer.id)
        history = LifecycleHistory.objects.filter(customer_id=customer.id)
        copy_rows(superuser, statuses, range(1, 41), customer_id=NUMBERED)
        copy_rows(superuser, statuses, range(41, 3_041), customer_id=NUMBERED, stage="'D'")
        copy_rows(superuser, statuses, range(3_041, 6_041), customer_id=NUMBERED, updated_at="'2020-01-01'")
        copy_rows(superuser, history, range(1, 6_041), customer_id=NUMBERED)
        count_statistics(superuser, [CustomerLifecycleStatus._meta.db_table, LifecycleHistory._meta.db_table])
        rows = stage_migrations.customers_of(job).order_by("-updated_at", "-customer_id")[:1000]
        assert count_rows_of(superuser, rows, of=CustomerLifecycleStatus._meta.db_table) == 41
        assert count_rows_of(superuser, rows, of="u0") == 41
