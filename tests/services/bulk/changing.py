"""Bulk changes: selected, previewed, begun, worked off."""

from typing import Any
from uuid import UUID

from lifecycle.models import BulkChange, Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.bulk.selecting import select_customers
from lifecycle.services.bulk.working import begin_move, work_off_changes
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import PERMISSIONS
from tenants.services.configuration.policies import live_policy
from tests.factories import ADMIN_ACTOR, CustomerFactory, utc_now

DOCUMENT = {
    "stages": ["Prospect", "Active", "At-Risk", "Churned"],
    "transitions": {"Prospect": ["Active"], "Active": ["At-Risk"], "At-Risk": ["Active", "Churned"]},
    "required_reason_codes": ["At-Risk"],
    "reason_codes": {"At-Risk": ["Usage"]},
    "effects": [{"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["managers"]}],
}


def actor_of(user: User, **more: Any) -> Actor:
    return Actor("user", str(user.id), frozenset(PERMISSIONS), **more)


def select(tenant: TenantRef, actor: Actor, chosen: Any, kind: str = "move") -> BulkChange:
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        return select_customers(chosen, kind=kind, tenant=tenant, actor=actor, policy=policy, now=utc_now())


def begin(
    tenant: TenantRef, actor: Actor, change: BulkChange, stage: str, reason: str | None = None, **more: Any
) -> Any:
    asked = {"configuration_version": 1, "effects": 0, "typed": None, "mute_reason": None, **more}
    with tenant_context(tenant.id):
        return begin_move(
            change.id, stage=stage, reason_code=reason, tenant=tenant, actor=actor, now=utc_now(), **asked
        )


def run(tenant: TenantRef) -> None:
    for _ in work_off_changes(tenant, now=utc_now()):
        pass


def read(change: BulkChange) -> BulkChange:
    with tenant_context(change.tenant_id):
        return BulkChange.objects.get(tenant_id=change.tenant_id, id=change.id)


def stages(tenant: TenantRef) -> dict[UUID, str]:
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id).values_list("customer_id", "stage"))


def make(tenant: TenantRef, count: int, stage: str = "Active", **fields: Any) -> list[Customer]:
    reason = "Usage" if stage == "At-Risk" else None
    return [CustomerFactory(tenant=tenant, stage=stage, reason_code=reason, **fields) for _ in range(count)]


def move(tenant: TenantRef, customer: Customer, stage: str, reason: str | None = None) -> None:
    with tenant_context(tenant.id):
        (outcome,) = apply(Call(tenant, ADMIN_ACTOR, "API", utc_now()), [Change(customer.id, stage, reason)])
    assert outcome.moved
