"""The lifecycle that a tenant has defined for itself: its versions, and the stages that hold now."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from tenants.models.tenants import Tenant


class ConfigurationVersion(models.Model):
    """One version of a tenant's lifecycle configuration, the contract's JSON. Immutable once published.

    A draft has no number yet; publishing gives it the next one. A draft's document may still have errors, and
    ``mapping`` says where the customers of stages that go away shall go: stage -> {"to", "reason_code"?}.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="configuration_versions")
    number = models.PositiveIntegerField(null=True)
    document = models.JSONField()
    renamed = models.JSONField(default=dict, help_text="Stage names of the version before -> their names in this one.")
    mapping = models.JSONField(default=dict)
    request_id = models.UUIDField(null=True, help_text="Of the publication: the moves that it made carry the same.")
    comment = models.CharField(max_length=500, blank=True, default="")
    revision = models.PositiveIntegerField(default=1, help_text="Rises with every change of a draft.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    published_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="configuration_number_once_per_tenant"),
            models.CheckConstraint(
                condition=Q(number__isnull=True, published_at__isnull=True)
                | Q(number__isnull=False, published_at__isnull=False),
                name="configuration_published_has_number",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}" if self.number else "draft"


class Stage(models.Model):
    """A stage that customers of the tenant may be in now. The database holds every customer to these rows."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="stages")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=20)
    is_leaving = models.BooleanField(
        default=False, help_text="No longer in the live configuration; its last customers are being moved elsewhere."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="stage_name_once_per_tenant"),
            models.UniqueConstraint("tenant", Lower("name"), name="stage_name_once_per_tenant_any_case"),
        ]

    def __str__(self) -> str:
        return self.name
