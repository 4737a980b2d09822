"""What a tenant sets for itself beside its configuration. Recorded in the administration log."""

import datetime as dt

from django.db import transaction

from audit.services.administration import record_administration
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant


def set_effects_budget(budget: int, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Let a bulk change start so many effects before it has to confirm their number. The same again is no change."""
    with tenant_context(tenant.id), transaction.atomic():
        row = Tenant.objects.select_for_update().get(id=tenant.id)
        before, row.effects_budget = row.effects_budget, budget
        if before == budget:
            return
        row.save(update_fields=["effects_budget"])
        record_administration(
            "set_effects_budget",
            tenant.slug,
            tenant_id=tenant.id,
            actor=actor,
            detail={"before": before, "now": budget},
            now=now,
        )
