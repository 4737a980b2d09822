"""Questions about which stage customers are in."""

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Count


class StatusQuerySet(models.QuerySet[Any]):
    """Status rows of a tenant."""

    def for_tenant(self, tenant_id: UUID) -> Self:
        """Only the tenant's rows."""
        return self.filter(tenant_id=tenant_id)

    def counts_by_stage(self) -> dict[str, int]:
        """Customers a stage; stages without customers are absent. One statement, index only."""
        return dict(self.values_list("stage").annotate(customers=Count("pk")).order_by())
