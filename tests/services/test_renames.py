"""Renaming stages that hold customers, there and back again: whatever the permutation, nobody changes their place."""

import threading
import time
from typing import Any

import pytest
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services import event_moves
from lifecycle.services.publication import publish_configuration, take_back
from lifecycle.services.stage_moves import move_customers
from lifecycle.services.transitions import apply
from lifecycle.services.verification import verify_tenant
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Stage
from tenants.rules.configuration import InvalidConfiguration
from tests.factories import CustomerFactory, TenantFactory, utc_now

ADMIN = system_actor("tests")
STAGES = ["A", "B", "C", "D", "E"]
Plan = tuple[dict[str, str], dict[str, str]]


def publish(tenant: TenantRef, stages: list[str], **options: Any) -> None:
    with tenant_context(tenant.id):
        publish_configuration({"stages": stages}, tenant=tenant, actor=ADMIN, now=utc_now(), **options)
    move_all(tenant)


def undo(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        take_back(tenant=tenant, actor=ADMIN, now=utc_now(), comment="That was a mistake")
    move_all(tenant)


def move_all(tenant: TenantRef) -> None:
    for _ in move_customers(tenant, now=utc_now()):
        pass


def where(tenant: TenantRef) -> dict[Any, str]:
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage"))


def stages_now(tenant: TenantRef) -> set[str]:
    with tenant_context(tenant.id):
        return set(Stage.objects.values_list("name", flat=True))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Which stages are renamed to what, and which go away, their customers mapped to one that stays."""
    removed = draw(st.sets(st.sampled_from(STAGES), max_size=2))
    stay = [stage for stage in STAGES if stage not in removed]
    pool = [*stay, "F", "G"]
    names = draw(st.permutations(pool))[: len(stay)]
    loud = draw(st.lists(st.booleans(), min_size=len(stay), max_size=len(stay)))
    wanted = [name.lower() if small else name for name, small in zip(names, loud, strict=True)]
    renamed = {old: new for old, new in zip(stay, wanted, strict=True) if old != new}
    return renamed, dict.fromkeys(sorted(removed), wanted[0])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans())
@example(plan=({"A": "B", "B": "C", "C": "F"}, {}))
@example(plan=({"C": "F", "B": "A", "A": "G"}, {}))
@example(plan=({"A": "B", "B": "C", "C": "A", "D": "d"}, {"E": "d"}))
def test_any_renames_are_made_and_taken_back(db: None, plan: Plan) -> None:
    renamed, mapping = plan
    tenant = TenantFactory(configuration={"stages": STAGES})
    for stage in STAGES:
        CustomerFactory(tenant=tenant, stage=stage)
    before = where(tenant)
    stages = [renamed.get(stage, stage) for stage in STAGES if stage not in mapping]

    publish(tenant, stages, renamed=renamed, mapping=mapping)
    assert where(tenant) == {
        customer: mapping.get(stage) or renamed.get(stage, stage) for customer, stage in before.items()
    }
    assert stages_now(tenant) == set(stages)

    undo(tenant)
    assert where(tenant) == before
    assert stages_now(tenant) == set(STAGES)
    assert [verified.broken for verified in verify_tenant(tenant)] == [None] * len(STAGES)


def test_a_leaving_stage_that_was_renamed_goes_away_again_when_that_is_taken_back(db: None) -> None:
    """C was still being emptied when the next version gave it a name; the version before has no place for it."""
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    customer = CustomerFactory(tenant=tenant, stage="C")
    with tenant_context(tenant.id):
        publish_configuration({"stages": ["A", "B"]}, tenant=tenant, actor=ADMIN, now=utc_now(), mapping={"C": "B"})
        publish_configuration(
            {"stages": ["A", "B", "F"]}, tenant=tenant, actor=ADMIN, now=utc_now(), renamed={"C": "F"}
        )
    assert where(tenant) == {customer.id: "F"}
    undo(tenant)
    assert where(tenant) == {customer.id: "B"}
    assert stages_now(tenant) == {"A", "B"}


def test_a_mapping_of_a_stage_that_there_is_not_is_named(db: None) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    customer = CustomerFactory(tenant=tenant, stage="C")
    with pytest.raises(InvalidConfiguration) as refusal:
        publish(tenant, ["A", "B"], mapping={"C": "B", "c": "B", "Gho/st": {"to": "A"}})
    assert [(fault.path, fault.code) for fault in refusal.value.faults] == [
        ("/mapping/c", "unknown_stage"),
        ("/mapping/Gho~1st", "unknown_stage"),
    ]
    assert where(tenant) == {customer.id: "C"}
    assert stages_now(tenant) == {"A", "B", "C"}


def wait_until_somebody_waits() -> None:
    """Until another session of this database waits for a lock."""
    for _ in range(300):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


def test_a_publisher_lets_the_consumer_finish_instead_of_deadlocking(db: None) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B"]})
    customer: Customer = CustomerFactory(tenant=tenant, stage="A")
    faults: list[BaseException] = []

    def rename() -> None:
        try:
            publish(tenant, ["F", "B"], renamed={"A": "F"})
        except BaseException as fault:
            faults.append(fault)
        finally:
            close_old_connections()

    publisher = threading.Thread(target=rename)
    with tenant_context(tenant.id):
        # As the consumer does: look at where the customers of the batch stand, then move some.
        event_moves._lock_standing({customer.id}, tenant=tenant)
        publisher.start()
        wait_until_somebody_waits()
        (outcome,) = apply(
            [Change(customer_id=customer.id, stage="B")], tenant=tenant, actor=ADMIN, source="Kafka", now=utc_now()
        )
    publisher.join(30)

    assert faults == []
    assert outcome.moved
    assert where(tenant) == {customer.id: "B"}
    assert stages_now(tenant) == {"F", "B"}
