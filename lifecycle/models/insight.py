"""What is kept of the history for figures: made of it by ``services.insight``, and made again at any time."""

from django.db import models


class Stay(models.Model):
    """A piece of a customer's stay in a stage (``lifecycle.rules.insight.stays.Piece`` says what its columns mean).

    Stages are keys that outlive renames. Nothing of it names anyone.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id", "sequence", "piece")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    piece = models.PositiveSmallIntegerField()
    from_stage = models.CharField(max_length=120, blank=True)
    stage = models.CharField(max_length=120)
    to_stage = models.CharField(max_length=120, blank=True)
    began = models.DateTimeField()
    ended = models.DateTimeField()
    entered = models.DateTimeField()
    left_at = models.DateTimeField()
    known = models.DateTimeField()
    known_until = models.DateTimeField()
    reason_code = models.CharField(max_length=255, blank=True)
    left_reason = models.CharField(max_length=255, blank=True)
    by_configuration = models.BooleanField()
    left_by_configuration = models.BooleanField()
    cohort = models.DateField(help_text="The month in which the customer came to its first stage.")
    arr = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3, blank=True)
    was_arr = models.DecimalField(max_digits=20, decimal_places=4)
    was_currency = models.CharField(max_length=3, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id", "stage", "began", "customer_id"], include=["ended"], name="stay_by_stage"
            ),
            models.Index(
                fields=["tenant_id", "stage", "began"],
                condition=models.Q(to_stage="", piece=0),
                name="stay_going_on",
            ),
            models.Index(
                fields=["tenant_id", "cohort", "customer_id"],
                condition=models.Q(sequence=1, piece=0),
                name="stay_by_cohort",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} #{self.sequence}.{self.piece}: {self.stage}"


class InsightFact(models.Model):
    """A sum over stays. ``kind`` says which (``lifecycle.queries.insight.facts``), the other columns of what."""

    pk = models.CompositePrimaryKey("tenant_id", "kind", "day", "from_stage", "to_stage", "number", "label")
    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    day = models.DateField()
    from_stage = models.CharField(max_length=120, blank=True)
    to_stage = models.CharField(max_length=120, blank=True)
    number = models.IntegerField()
    label = models.CharField(max_length=255, blank=True)
    customers = models.BigIntegerField()
    arr = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        db_table = "lifecycle_insight_fact"

    def __str__(self) -> str:
        return f"{self.kind} {self.day}: {self.from_stage} -> {self.to_stage}: {self.customers}"


class InsightState(models.Model):
    """Up to where the stays of a customer were made: the number of its history rows, and the version of its figures."""

    pk = models.CompositePrimaryKey("tenant_id", "customer_id")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    figures = models.PositiveIntegerField()

    class Meta:
        db_table = "lifecycle_insight_state"

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.sequence} rows"
