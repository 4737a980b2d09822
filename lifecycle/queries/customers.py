"""The vocabulary of questions about customers."""

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Contains

from storage import cipher
from tenants.rules.texts import clean_line
from tenants.rules.values import sort_key


class ExternalIdKey(models.Func):
    """``sort_key`` of an external id, by the database's function."""

    function = "external_id_key"
    output_field = models.CharField()

    @classmethod
    def has(cls, text: str) -> models.Q:
        """Whether the external id has ``text`` in it, whatever its case and accents."""
        return models.Q(Contains(cls(models.F("external_id")), sort_key(text)))


class CustomerQuerySet(models.QuerySet[Any]):
    """Customers of a tenant. Row-level security holds without any of these; they make the intent plain."""

    def for_tenant(self, tenant_id: UUID) -> Self:
        """Only the tenant's customers."""
        return self.filter(tenant_id=tenant_id)

    def matching(self, text: str, tenant_id: UUID | None) -> Self:
        """As the list of customers searches: part of a name or an external id, or a whole e-mail address. No one who
        was erased. ``tenant_id`` None: over a connection that reads every tenant's rows, and only by name and id.
        """
        text = clean_line(text.replace("\x00", ""))
        if tenant_id is None:
            return self.filter(ExternalIdKey.has(text) | models.Q(name_key__contains=sort_key(text)), erased_at=None)
        if "@" in text:
            index = cipher.email_index(tenant_id, text)
            return self.filter(
                id__in=self.model.objects.filter(contacts__email_index=index).values("id"), erased_at=None
            )
        found = RawSQL("SELECT search_customers(%s, %s)", [text, sort_key(text)])
        return self.filter(id__in=found)
