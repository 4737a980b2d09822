"""The directory: on which server each tenant lives."""

from django.db import models


class TenantHome(models.Model):
    """Where a tenant lives that has been moved, or is being moved; any other lives on the server main.

    Kept on main alone and written by ``move_tenant`` alone. ``server`` is what counts; ``moving_to`` and ``step`` say
    how far a move has come (``lifecycle.services.moving.steps``), ``facts`` what its steps have found. No foreign key:
    the tenant's own row goes with it.
    """

    tenant_id = models.UUIDField(primary_key=True)
    slug = models.SlugField(max_length=63, unique=True)
    server = models.CharField(max_length=31)
    moving_to = models.CharField(max_length=31, blank=True, default="", db_default="")
    step = models.CharField(max_length=20, blank=True, default="", db_default="")
    started_at = models.DateTimeField(null=True)
    fenced_at = models.DateTimeField(null=True)
    switched_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict)

    class Meta:
        db_table = "tenants_home"

    def __str__(self) -> str:
        return f"{self.slug} on {self.server}"
