"""What a refused request must not leave behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audit.models import LifecycleHistory, OutboxMessage, RefusedAttempt
from lifecycle.models import CustomerLifecycleStatus
from tenants.actors import TenantRef
from tenants.context import tenant_context


def take_snapshot(tenant: TenantRef) -> dict[str, Any]:
    """Every status row of the tenant, and how many history and outbox rows it has."""
    with tenant_context(tenant.id):
        return {
            "statuses": sorted(
                CustomerLifecycleStatus.objects.values_list("customer_id", "stage", "version", "updated_at")
            ),
            "history": LifecycleHistory.objects.count(),
            "outbox": OutboxMessage.objects.filter(tenant_id=tenant.id).count(),
        }


@contextmanager
def nothing_changes(tenant: TenantRef) -> Iterator[None]:
    """No status, history or outbox row of the tenant is written in this block."""
    before = take_snapshot(tenant)
    yield
    assert take_snapshot(tenant) == before


def refused_attempts(tenant: TenantRef) -> list[tuple[str, str, str, str]]:
    """(code, from_stage, to_stage, source) of each attempt that was kept, oldest first."""
    with tenant_context(tenant.id):
        return list(RefusedAttempt.objects.order_by("id").values_list("code", "from_stage", "to_stage", "source"))
