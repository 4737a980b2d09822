"""Publishing a lifecycle configuration: a numbered, immutable version, and the stages that the database enforces."""

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction

from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion, Stage, Tenant
from tenants.rules.configuration import Configuration, parse_configuration
from tenants.rules.policy import compile_policy


class StagesStillHoldCustomers(Exception):
    """A stage would go away while customers stand in it."""

    def __init__(self, stages: list[str]) -> None:
        self.stages = stages
        super().__init__(
            f"Customers still stand in {', '.join(stages)}: move them, or keep the stage, before publishing."
        )


def publish_configuration(
    document: Any, *, tenant: TenantRef, actor: Actor, now: dt.datetime, comment: str = ""
) -> ConfigurationVersion:
    """Publish ``document`` as the tenant's next version and return it.

    Raises InvalidConfiguration with every fault, or StagesStillHoldCustomers. Call inside the tenant's context.
    The tenant's row is locked first: two publishers take turns. Statement count does not depend on the stages.
    """
    configuration = parse_configuration(document)
    with transaction.atomic():
        row = Tenant.objects.select_for_update().get(id=tenant.id)
        number = row.configuration_version + 1
        version = ConfigurationVersion.objects.create(
            tenant_id=tenant.id,
            number=number,
            document=configuration.to_document(),
            comment=comment,
            created_at=now,
            created_by=actor.name,
            updated_at=now,
            published_at=now,
            published_by=actor.name,
        )
        _replace_stages(configuration, tenant=tenant, number=number)
        row.configuration_version = number
        row.save(update_fields=["configuration_version"])
    return version


def _replace_stages(configuration: Configuration, *, tenant: TenantRef, number: int) -> None:
    policy = compile_policy(configuration, version=number)
    gone = Stage.objects.filter(tenant_id=tenant.id).exclude(name__in=policy.stages)
    try:
        with transaction.atomic():
            gone.delete()
    except IntegrityError as error:
        raise StagesStillHoldCustomers(sorted(gone.values_list("name", flat=True))) from error
    Stage.objects.bulk_create(
        [
            Stage(tenant_id=tenant.id, name=name, position=position, category=policy.category(name))
            for position, name in enumerate(policy.stages)
        ],
        update_conflicts=True,
        unique_fields=["tenant", "name"],
        update_fields=["position", "category"],
    )
