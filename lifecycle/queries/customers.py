"""The vocabulary of questions about customers."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import models
from django.db.models.expressions import RawSQL

from storage import cipher
from tenants.rules.texts import clean_line
from tenants.rules.values import sort_key

if TYPE_CHECKING:
    from tenants.rules.configuration.policy import Policy


class CustomerQuerySet(models.QuerySet[Any]):
    """Customers of a tenant. Row-level security holds without any of these; they make the intent plain."""

    def for_tenant(self, tenant_id: UUID) -> Self:
        """Only the tenant's customers."""
        return self.filter(tenant_id=tenant_id)

    def matching(self, text: str, tenant_id: UUID | None) -> Self:
        """As the list of customers searches: part of a name, the beginning of an id, or a whole e-mail address. Nobody
        who was erased. ``tenant_id`` None: over a connection that reads every tenant's rows, and only by name and id.
        """
        text = clean_line(text.replace("\x00", ""))
        if tenant_id is None:
            by_id = models.Q(external_id__istartswith=text)
            return self.filter(by_id | models.Q(name_key__contains=sort_key(text)), erased_at=None)
        if "@" in text:
            index = cipher.email_index(tenant_id, text)
            return self.filter(
                id__in=self.model.objects.filter(contacts__email_index=index).values("id"), erased_at=None
            )
        found = RawSQL("SELECT search_customers(%s, %s)", [text, sort_key(text)])
        return self.filter(id__in=found)

    def in_stage(self, *stages: str) -> Self:
        """Customers that stand in one of the stages now."""
        return self.filter(status__stage__in=stages)

    def in_category(self, policy: "Policy", category: str) -> Self:
        """Customers whose stage has the meaning ``category`` in the tenant's configuration."""
        return self.in_stage(*policy.stages_in(category))

    def at_risk(self, policy: "Policy") -> Self:
        """Customers in a stage of category ``risk`` [UC-1]."""
        return self.in_category(policy, "risk")

    def stuck(self, policy: "Policy", now: dt.datetime) -> Self:
        """Customers that stand in their stage for longer than the configuration's ``max_days`` for it."""
        overdue = models.Q(pk__in=[])
        for stage in policy.stages:
            days = policy.max_days(stage)
            if days is not None:
                overdue |= models.Q(status__stage=stage, status__stage_entered_at__lt=now - dt.timedelta(days=days))
        return self.filter(overdue)

    def renewing_within(self, days: int, today: dt.date) -> Self:
        """Customers whose contract is to be renewed from today up to ``days`` days on."""
        return self.filter(billing__renewal_on__range=(today, today + dt.timedelta(days=days)))

    def owned_by(self, owner: str) -> Self:
        """Customers of one account manager."""
        return self.filter(owner=owner)
