"""The churn forecast: what was learned of a tenant's past, and what it says of each customer."""

from typing import Final

from django.db import models


class ForecastFit(models.Model):
    """The tenant's latest model, and its proof (``rules.forecast``). Nothing of it is about a customer or a person.

    ``state``: shown, hidden as it is no better than the baseline, or there is too little past to learn from.
    ``found`` says of how much. ``finished_at``: when the forecasts of all customers were last made.
    """

    SHOWN: Final = "shown"
    HIDDEN: Final = "hidden"
    TOO_LITTLE: Final = "too_little"

    tenant_id = models.UUIDField(primary_key=True)
    made_at = models.DateTimeField()
    state = models.CharField(max_length=10)
    found = models.JSONField()
    model = models.JSONField(null=True)
    proof = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_forecast_fit"

    def __str__(self) -> str:
        return f"{self.state} since {self.made_at:%Y-%m-%d}"


class CustomerForecast(models.Model):
    """How likely the customer is to churn within 90 days of ``made_at``, with an interval of 95%.

    ``points``: part -> its share of the difference to a typical customer's chance, ``typical``. ``sequence``: the
    number of the customer's history rows then.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    made_at = models.DateTimeField()
    sequence = models.PositiveIntegerField()
    chance = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    typical = models.FloatField()
    points = models.JSONField()

    class Meta:
        db_table = "lifecycle_forecast"
        indexes = [models.Index(fields=["tenant_id", "-chance", "customer_id"], name="forecast_by_chance")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.chance:.0%}"
