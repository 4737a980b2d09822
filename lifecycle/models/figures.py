"""The past of a customer's figures: what changed, when, and who reported it."""

import uuid_utils.compat
from django.db import models


class FigureChange(models.Model):
    """What one message, person or expired pin changed of a customer's figures. Appended, never changed; erased with
    the customer's personal data.

    ``figures`` has the new values by path (``billing.arr``), amounts and days as text. ``effective_at`` is when the
    value began to hold, ``recorded_at`` when it became known here. The latest value is the one that holds now: one that
    won over another of a later time is there twice, and the second time as of a moment after that.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    source = models.CharField(max_length=100)
    figures = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "customer_id", "effective_at"], name="figures_of_customer"),
            # What was renewed in a month, the latest first; and which date and which revenue a customer had until then,
            # however much else was reported.
            models.Index(
                fields=["tenant_id", "effective_at", "id"],
                condition=models.Q(figures__has_key="billing.contract_ends_on"),
                name="figures_of_signed_contracts",
            ),
            models.Index(
                fields=["tenant_id", "customer_id", "effective_at", "id"],
                condition=models.Q(figures__has_key="billing.renewal_on"),
                name="figures_of_renewals",
            ),
            models.Index(
                fields=["tenant_id", "customer_id", "effective_at", "id"],
                condition=models.Q(figures__has_key="billing.arr"),
                name="figures_of_revenue",
            ),
        ]

    def __str__(self) -> str:
        return f"figures of {self.customer_id}"
