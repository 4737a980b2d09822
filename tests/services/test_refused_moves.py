"""Refused, unchanged, rolled back: nothing is written."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from audit.models import LifecycleHistory, OutboxMessage
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Allowed, Change, Unchanged
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import ROLE_PERMISSIONS, Role
from tests.factories import CustomerFactory, utc_now
from tests.services.moving_at_once import move, version_of


class CountingBudget:
    """A budget without an end, which remembers what was asked of it."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def take(self, count: int) -> None:
        self.taken.append(count)

    ask = take

    def settle(self, count: int, taken: bool, used: int, wait: int, reset: int) -> None:
        raise AssertionError("nothing was to be taken")


def rows_of(tenant: TenantRef) -> tuple[list[Any], list[Any], list[Any]]:
    """All status, history and outbox rows of the tenant."""
    with tenant_context(tenant.id):
        return (
            list(CustomerLifecycleStatus.objects.order_by("customer_id").values()),
            list(LifecycleHistory.objects.order_by("id").values()),
            list(OutboxMessage.objects.filter(tenant_id=tenant.id).order_by("id").values()),
        )


VIEWER = Actor(kind="user", name=str(uuid4()), permissions=ROLE_PERMISSIONS[Role.VIEWER])

REFUSALS: dict[str, Callable[[Customer], Change]] = {
    "permission_denied": lambda customer: Change(customer_id=customer.id, stage="Rollout"),
    "version_conflict": lambda customer: Change(customer_id=customer.id, stage="Rollout", expected_version=7),
    "invalid_stage": lambda customer: Change(customer_id=customer.id, stage="Prospect"),
    "transition_not_allowed": lambda customer: Change(customer_id=customer.id, stage="Live"),
    "reason_required": lambda customer: Change(customer_id=customer.id, stage="Lost"),
    "not_found": lambda _: Change(customer_id=uuid4(), stage="Rollout"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refused_means_nothing_written(code: str, other_tenant: TenantRef, other_customer: Customer) -> None:
    before = rows_of(other_tenant)
    budget = CountingBudget()
    actor = VIEWER if code == "permission_denied" else None
    (outcome,) = move(other_tenant, REFUSALS[code](other_customer), actor=actor, budget=budget)
    assert outcome.refused is not None
    assert outcome.refused.code == code
    assert rows_of(other_tenant) == before
    assert budget.taken == []


def test_an_unknown_reason_is_refused_and_nothing_written(other_tenant: TenantRef, other_customer: Customer) -> None:
    move(other_tenant, Change(customer_id=other_customer.id, stage="Rollout"))
    before = rows_of(other_tenant)
    change = Change(customer_id=other_customer.id, stage="Wobbly", reason_code="Because")
    (outcome,) = move(other_tenant, change)
    assert outcome.refused is not None
    assert outcome.refused.code == "unknown_reason"
    assert rows_of(other_tenant) == before


def test_the_stage_a_customer_has_already_is_not_written_again(tenant: TenantRef, customer: Customer) -> None:
    before = rows_of(tenant)
    budget = CountingBudget()
    (outcome,) = move(tenant, Change(customer_id=customer.id, stage="Prospect", note="again"), budget=budget)
    assert isinstance(outcome.decision, Unchanged)
    assert rows_of(tenant) == before
    assert budget.taken == []


def test_a_dry_run_judges_and_writes_nothing(tenant: TenantRef, customer: Customer) -> None:
    before = rows_of(tenant)
    budget = CountingBudget()
    change = Change(customer_id=customer.id, stage="Active", note="would be")
    (outcome,) = move(tenant, change, budget=budget, dry_run=True)
    assert isinstance(outcome.decision, Allowed)
    assert outcome.history_id is None
    assert rows_of(tenant) == before
    assert budget.taken == []


def test_a_refused_change_in_a_batch_does_not_stop_the_others(tenant: TenantRef) -> None:
    good, invalid = CustomerFactory.create_batch(2, tenant=tenant)
    budget = CountingBudget()
    outcomes = move(
        tenant,
        Change(customer_id=invalid.id, stage="Churned"),
        Change(customer_id=good.id, stage="Churned", reason_code="Left"),
        budget=budget,
    )
    assert [outcome.moved for outcome in outcomes] == [False, True]
    assert budget.taken == [1]
    assert version_of(tenant, invalid) == (1, "Prospect")
    assert version_of(tenant, good) == (2, "Churned")


def test_a_customer_of_another_tenant_does_not_exist(
    tenant: TenantRef, other_tenant: TenantRef, other_customer: Customer
) -> None:
    before = rows_of(other_tenant)
    (outcome,) = move(tenant, Change(customer_id=other_customer.id, stage="Active"))
    assert outcome.refused is not None
    assert outcome.refused.code == "not_found"
    assert outcome.record is None
    assert rows_of(other_tenant) == before


def test_what_is_rolled_back_was_never_written(tenant: TenantRef, customer: Customer) -> None:
    before = rows_of(tenant)
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, system_actor("tests"), "API", utc_now()),
            [Change(customer_id=customer.id, stage="Active", note="a note")],
        )
        assert outcome.moved
        transaction.set_rollback(True)
    assert rows_of(tenant) == before
