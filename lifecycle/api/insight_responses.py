"""Responses of Insight: figures of a period, each with the address of the list behind it."""

from typing import Final

from rest_framework import serializers

from lifecycle.api.rendering import ResponseSerializer
from lifecycle.queries.insight.at_risk import WAYS
from lifecycle.rules.insight.saving import ACTIONS, NOTHING
from tenants.rules.values import MOST_DECIMALS

STILL_THERE: Final = "still_there"
PUBLISHED: Final = "published"
MOVED: Final = "moved"
_LINK_HELP: Final = (
    "The address of what is counted; its `count` is this one. null: nothing is counted, or the caller may not see"
    " histories."
)


def _money() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=24, decimal_places=4)


class CountResponse(ResponseSerializer):
    """A number, and the list behind it."""

    count = serializers.IntegerField()
    link = serializers.URLField(allow_null=True, help_text=_LINK_HELP)


class PeriodResponse(ResponseSerializer):
    """What every answer of a period has."""

    begins_on = serializers.DateField()
    ends_on = serializers.DateField()


class RevenueResponse(ResponseSerializer):
    """Annual revenue in one currency; currencies are not added up."""

    currency = serializers.CharField(allow_blank=True)
    arr = _money()


class StageOnDayResponse(ResponseSerializer):
    """A stage at the end of a day."""

    stage = serializers.CharField()
    customers = CountResponse()
    revenue = RevenueResponse(many=True)


class DayResponse(ResponseSerializer):
    """All stages at the end of a day (UTC)."""

    day = serializers.DateField()
    stages = StageOnDayResponse(many=True)


class GainLinksResponse(ResponseSerializer):
    """The lists behind what was gained and lost: the `change` of their rows adds up to it."""

    new = serializers.URLField(allow_null=True, help_text=_LINK_HELP)
    returned = serializers.URLField(allow_null=True)
    grown = serializers.URLField(allow_null=True)
    shrunk = serializers.URLField(allow_null=True)
    gone = serializers.URLField(allow_null=True)


class GainResponse(ResponseSerializer):
    """Annual revenue that the period gained and lost, in one currency."""

    currency = serializers.CharField(allow_blank=True)
    new = _money()
    returned = _money()
    grown = _money()
    shrunk = _money()
    gone = _money()
    links = GainLinksResponse()


class InsightStagesResponse(PeriodResponse):
    """Customers and revenue by stage: the day before the period, then its days, weeks or months."""

    days = DayResponse(many=True)
    gained_and_lost = GainResponse(many=True)


class BalanceResponse(ResponseSerializer):
    """A stage: at the start + came − left = at the end."""

    stage = serializers.CharField()
    start = CountResponse()
    came = CountResponse()
    left = CountResponse()
    end = CountResponse()


class MovesResponse(ResponseSerializer):
    """Moves from one stage to another; from null: new customers."""

    from_stage = serializers.CharField(allow_null=True)
    to_stage = serializers.CharField()
    moves = CountResponse()


class InsightFlowResponse(PeriodResponse):
    """Moves between stages."""

    stages = BalanceResponse(many=True)
    moves = MovesResponse(many=True)


class ReachedResponse(ResponseSerializer):
    """Those who have come to another stage since."""

    stage = serializers.CharField()
    customers = CountResponse()


class WayResponse(ResponseSerializer):
    """What became of stays. ``to_stage`` is null where they go on, or were ended by a publication."""

    outcome = serializers.ChoiceField(choices=(MOVED, STILL_THERE, PUBLISHED))
    to_stage = serializers.CharField(allow_null=True)
    stays = CountResponse()


class ConversionOfStageResponse(ResponseSerializer):
    """Those who first came to a stage in the months, those of them who came to others later; where stays led next."""

    stage = serializers.CharField()
    customers = CountResponse()
    reached = ReachedResponse(many=True)
    stays = CountResponse()
    next = WayResponse(many=True)


class InsightConversionResponse(PeriodResponse):
    """From stage to stage; of whole months. Stages in between may have been skipped."""

    stages = ConversionOfStageResponse(many=True)


class StayingResponse(ResponseSerializer):
    """The share still in the stage after so many days (Kaplan-Meier)."""

    days = serializers.IntegerField()
    share = serializers.FloatField()


class LeavingResponse(ResponseSerializer):
    """The share that has left to a stage within 90 days (Aalen-Johansen)."""

    to_stage = serializers.CharField()
    share = serializers.FloatField()


class DurationResponse(ResponseSerializer):
    """How long stays last, those that go on counted. null: so many have not left yet."""

    stage = serializers.CharField()
    stays = CountResponse()
    still_there = CountResponse()
    quarter_left_by_day = serializers.IntegerField(allow_null=True)
    half_left_by_day = serializers.IntegerField(allow_null=True)
    three_quarters_left_by_day = serializers.IntegerField(allow_null=True)
    staying = StayingResponse(many=True)
    left_within_90_days = LeavingResponse(many=True)


class InsightDurationsResponse(PeriodResponse):
    """Days in stage of the stays that began in the months of the period."""

    stages = DurationResponse(many=True)


class StillResponse(ResponseSerializer):
    """How many of a month's customers were still customers at the end of a day."""

    day = serializers.DateField()
    customers = CountResponse()


class CohortResponse(ResponseSerializer):
    """The customers who came in a month."""

    month = serializers.DateField(help_text="Its first day.")
    customers = CountResponse()
    still = StillResponse(many=True)


class InsightCohortsResponse(PeriodResponse):
    """Customers by the month in which they came."""

    cohorts = CohortResponse(many=True)


class ReasonMovesResponse(MovesResponse):
    """Moves for one reason."""

    reason_code = serializers.CharField(allow_blank=True)


_WAY_HELP: Final = {
    "all": "Became at risk: `open`, `recovered`, `lost` and `published` add up to it.",
    "published": "Moved out of at-risk stages by a publication.",
    "nothing": "None of what follows was done while they were at risk.",
    "message": "An automation wrote to the customer; counted as long as automations are kept.",
    "contact": "The owner wrote a note or did a task.",
}


class AtRiskResponse(ResponseSerializer):
    """Customers that became at risk for one reason (null: for any): how it ended, and what was done until then."""

    reason_code = serializers.CharField(allow_null=True, allow_blank=True)
    vars().update({way: CountResponse(help_text=_WAY_HELP.get(way, "")) for way in WAYS})


class InsightRiskResponse(PeriodResponse):
    """Entering and leaving risk."""

    reasons = AtRiskResponse(many=True)
    came = ReasonMovesResponse(many=True)
    left = ReasonMovesResponse(many=True)


class ShareResponse(ResponseSerializer):
    """A share with its interval of 95 % (Wilson)."""

    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class SavedResponse(ResponseSerializer):
    """What was done in the first week at risk, and how many recovered within 90 days."""

    reason_code = serializers.CharField(allow_null=True, allow_blank=True, help_text="null: all reasons.")
    done = serializers.ChoiceField(choices=(NOTHING, *ACTIONS))
    customers = CountResponse()
    recovered = CountResponse()
    share = ShareResponse(allow_null=True, help_text="null: there are no such customers.")
    comparable = serializers.IntegerField(help_text="How many of them have customers alike for whom nothing was done.")
    comparable_customers = CountResponse(allow_null=True, help_text="The same with their list. null: there are none.")
    comparable_recovered = CountResponse(allow_null=True)
    matched = ShareResponse(allow_null=True, help_text="Of those that can be compared.")
    alike_customers = CountResponse(
        allow_null=True, help_text="Those alike for whom nothing was done. null: there are none."
    )
    alike_recovered = CountResponse(allow_null=True)
    alike = ShareResponse(
        allow_null=True,
        help_text="Of those of the same reason, stage and severity for whom nothing was done, weighed as the former"
        " occur.",
    )
    difference = serializers.FloatField(allow_null=True, help_text="`matched` less `alike`.")


class InsightSaveRateResponse(PeriodResponse):
    """Recovered within 90 days, beside those alike for whom nothing was done. This is not proof of cause."""

    actions = SavedResponse(many=True)


class KeptResponse(ResponseSerializer):
    """How much of a month's recurring revenue in one currency was kept, in per cent."""

    currency = serializers.CharField(allow_blank=True)
    customers = serializers.IntegerField()
    link = serializers.URLField(
        allow_null=True, help_text="Where these customers are listed; null without the right to see histories."
    )
    start = _money()
    end = _money()
    gross_retention = serializers.DecimalField(max_digits=7, decimal_places=1)
    net_retention = serializers.DecimalField(max_digits=9, decimal_places=1)


class RenewalMonthResponse(ResponseSerializer):
    """A month: the contracts that are to be renewed, and, once it is over, what it has kept."""

    month = serializers.DateField(help_text="Its first day.")
    due = CountResponse()
    kept = KeptResponse(many=True)


class InsightRenewalsResponse(PeriodResponse):
    """Renewals by month. ``kept`` is of everyone: it is empty where an owner or a segment is asked for."""

    months = RenewalMonthResponse(many=True)


class CountedStayResponse(ResponseSerializer):
    """A customer, with the stay that is counted. ``left_at`` and ``to_stage`` are null while it goes on."""

    customer_id = serializers.UUIDField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    segment = serializers.CharField(allow_blank=True)
    from_stage = serializers.CharField(allow_null=True)
    stage = serializers.CharField()
    to_stage = serializers.CharField(allow_null=True)
    entered_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)
    reason_code = serializers.CharField(allow_blank=True)
    left_reason = serializers.CharField(allow_blank=True)
    arr = _money()
    currency = serializers.CharField(allow_blank=True)
    change = serializers.DecimalField(
        max_digits=24,
        decimal_places=4,
        allow_null=True,
        help_text="What the row adds to revenue gained or lost, in the currency of the figure; null in other lists.",
    )


class PagesResponse(ResponseSerializer):
    """How many rows there are, and the pages around this one, of 50 rows."""

    total = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    next_cursor = serializers.CharField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BehindResponse(PagesResponse):
    """What a figure counts, the longest ago first."""

    results = CountedStayResponse(many=True)


class KeptCustomerResponse(ResponseSerializer):
    """A customer whose revenue a month began with, and what was kept of it."""

    customer_id = serializers.UUIDField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    segment = serializers.CharField(allow_blank=True)
    stage = serializers.CharField()
    start = _money()
    end = _money()
    kept = _money()


class KeptCustomersResponse(PagesResponse):
    """The customers whose revenue a month began with, the largest first; they add up to what it has kept."""

    results = KeptCustomerResponse(many=True)


class DueRenewalResponse(ResponseSerializer):
    """A contract that is to be renewed."""

    customer_id = serializers.UUIDField()
    name = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    stage = serializers.CharField()
    renewal_on = serializers.DateField()
    contract_id = serializers.CharField(allow_blank=True)
    currency = serializers.CharField(allow_blank=True)
    arr = serializers.DecimalField(max_digits=18, decimal_places=MOST_DECIMALS, allow_null=True)
    health = serializers.IntegerField(allow_null=True)
    likely = serializers.IntegerField(help_text="The share of the revenue, in per cent, that is not at risk by health.")


class DueResponse(PagesResponse):
    """The contracts that are to be renewed in a period, the first due first."""

    results = DueRenewalResponse(many=True)
