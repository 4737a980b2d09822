"""A configuration is published and its customers are moved; where they are then, and what was written."""

from typing import Any

from audit.models import AdministrationEntry, LifecycleHistory, OutboxMessage
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.services.configuration import publication
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.configuration.stage_migrations import move_customers
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, Stage, Tenant
from tests.factories import utc_now

ADMIN = system_actor("tests")
# MINIMAL without At-Risk, and with Prospect under another name.
SHORTER: dict[str, Any] = {
    "stages": ["Lead", "Onboarded", "Active", "Churned"],
    "required_reason_codes": ["Churned"],
    "transitions": {"Lead": ["Onboarded"], "Onboarded": ["Active"], "Active": ["Churned"]},
}


def publish(tenant: TenantRef, document: Any, **options: Any) -> publication.Publication:
    with tenant_context(tenant.id):
        return publish_configuration(document, tenant=tenant, actor=ADMIN, now=utc_now(), **options)


def move_all(tenant: TenantRef) -> None:
    for _ in move_customers(tenant, now=utc_now()):
        pass


def stages_of(tenant: TenantRef) -> dict[str, int]:
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()


def written(tenant: TenantRef) -> tuple[int, ...]:
    """Everything a publication writes, counted: a refusal must leave it as it was."""
    with tenant_context(tenant.id):
        return (
            ConfigurationVersion.objects.count(),
            Stage.objects.count(),
            StageMigration.objects.count(),
            LifecycleHistory.objects.count(),
            OutboxMessage.objects.count(),
            AdministrationEntry.objects.count(),
            Tenant.objects.get(id=tenant.id).configuration_version,
        )
