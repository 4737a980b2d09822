"""The company that uses the product."""

import uuid_utils.compat
from django.db import models


class Tenant(models.Model):
    """A company that uses the product. ``configuration_version`` is the number of the live configuration."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    is_suspended = models.BooleanField(default=False)
    configuration_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("view_lifecycle", "Can see customers, their stages and summaries"),
            ("update_lifecycle", "Can move customers to another stage"),
            ("view_history", "Can see who moved a customer, when and why"),
            ("configure_stages", "Can change the lifecycle configuration"),
        ]

    def __str__(self) -> str:
        return self.name
