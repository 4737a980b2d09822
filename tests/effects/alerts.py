"""Alerts of customers at risk: started, delivered, read."""

from typing import Any
from uuid import uuid4

from lifecycle.delivery.worker import EffectWorker
from lifecycle.models import Customer, EffectRun, Notification
from lifecycle.rules.transitions import Change
from lifecycle.services.effects.notifications import count_unread
from lifecycle.services.effects.preferences import set_preference
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import User
from tests.conftest import People
from tests.factories import CustomerFactory, utc_now

ALERT = {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]}
STAGES = {"stages": ["Prospect", "At-Risk", "Churned"], "categories": {"At-Risk": "risk", "Churned": "lost"}}


def move(tenant: TenantRef, *customers: Customer, stage: str = "At-Risk") -> None:
    call = Call(tenant, system_actor("test"), "API", utc_now(), uuid4(), starts_effects=True)
    with tenant_context(tenant.id):
        assert all(outcome.moved for outcome in apply(call, [Change(one.id, stage) for one in customers]))


def own(tenant: TenantRef, users: People, *names: str) -> list[Customer]:
    return [CustomerFactory(tenant=tenant, name=name, owner=users.viewer.username) for name in names]


def prefer(tenant: TenantRef, user: User, alerts: str, **more: Any) -> None:
    with tenant_context(tenant.id):
        set_preference(user.id, tenant=tenant, now=utc_now(), alerts=alerts, **more)


def run_all(worker: EffectWorker | None = None) -> None:
    """As the worker that runs in production does, until nothing is due: nor what the tests before have left."""
    worker = worker or EffectWorker()
    while worker.work():
        assert worker.drain(120)
    worker.close(1)


def runs(tenant: TenantRef, **wanted: Any) -> list[EffectRun]:
    with tenant_context(tenant.id):
        return list(EffectRun.objects.filter(tenant_id=tenant.id, **wanted).order_by("id"))


def states(tenant: TenantRef, **wanted: Any) -> list[tuple[str, str]]:
    return [(run.state, run.reason) for run in runs(tenant, **wanted)]


def unread(tenant: TenantRef, user: User) -> int:
    with tenant_context(tenant.id):
        return count_unread(user.id, tenant=tenant)


def make_due(tenant: TenantRef, **wanted: Any) -> None:
    """Its time has come."""
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id, **wanted).update(due_at=utc_now())
        Notification.objects.filter(tenant_id=tenant.id).exclude(waits_until=None).update(waits_until=utc_now())
