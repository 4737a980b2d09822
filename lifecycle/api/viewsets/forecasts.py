"""The churn forecast of one customer, and of the tenant its proof."""

import datetime as dt
from typing import Any, ClassVar, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.insight_parameters import PAGE, PERIOD, ask_page, ask_period, show_page
from lifecycle.api.insight_responses import CountResponse, PagesResponse, PeriodResponse
from lifecycle.api.openapi.parameters import CUSTOMER
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.models import ForecastFit
from lifecycle.queries.facts import find_status
from lifecycle.rules.forecast.landmarks import FEATURES
from lifecycle.rules.forecast.model import STAGE
from lifecycle.rules.forecast.tables import FIRST_CALLS, Bin
from lifecycle.services.insight.asking import write_period
from lifecycle.services.insight.forecasts import Whose, count_likely, read_forecast, read_highest, read_learned
from lifecycle.services.insight.reading import ROWS, Period, midnight
from tenants.context import tenant_context
from tenants.roles import VIEW_LIFECYCLE
from tenants.rules.configuration.categories import LOST
from tenants.services.configuration.policies import live_policy

NONE: Final = "none"
STATES: Final = (NONE, ForecastFit.TOO_LITTLE, ForecastFit.HIDDEN, ForecastFit.SHOWN)
_STATE_HELP: Final = (
    "none: no night has passed yet. too_little: there is too little past to learn from. hidden: it is no better than"
    " stage and time in stage alone. shown: there are forecasts."
)


class ForecastPartResponse(ResponseSerializer):
    """A part of the chance."""

    factor = serializers.ChoiceField(choices=[STAGE, *FEATURES])
    points = serializers.FloatField(help_text="By how much the chance is higher for it than a typical customer's.")


class CustomerForecastResponse(ResponseSerializer):
    """How likely the customer is to churn within 90 days. null: there is no forecast; it is lost, or see the state."""

    state = serializers.ChoiceField(choices=STATES, help_text=_STATE_HELP)
    chance = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    low = serializers.FloatField(allow_null=True, help_text="From here to `high` is the interval of 95%.")
    high = serializers.FloatField(allow_null=True)
    typical = serializers.FloatField(allow_null=True, help_text="The chance of a typical customer.")
    parts = ForecastPartResponse(many=True, help_text="They add up to `chance` less `typical`.")
    made_at = serializers.DateTimeField(allow_null=True)
    is_current = serializers.BooleanField(help_text="The stage has not changed since.")


class ForecastBinResponse(ResponseSerializer):
    """A tenth of the forecasts, from the lowest to the highest: what was said, and what came."""

    rows = serializers.IntegerField()
    churned = serializers.IntegerField()
    said = serializers.FloatField()
    came = serializers.FloatField()
    low = serializers.FloatField(help_text="From here to `high` is the interval of 95% (Wilson) of what came.")
    high = serializers.FloatField()


class ForecastProofResponse(ResponseSerializer):
    """What the forecast was worth on months that it had not seen, beside stage and time in stage alone."""

    windows = serializers.IntegerField(help_text="Months.")
    rows = serializers.IntegerField()
    churners = serializers.IntegerField(help_text="Customers that churned.")
    z = serializers.FloatField(help_text="Standard errors by which it is better. It is shown above 1.645.")
    brier = serializers.FloatField()
    brier_baseline = serializers.FloatField()
    brier_rate = serializers.FloatField(help_text="Of the same chance for everyone.")
    calls = serializers.FloatField(help_text="Churned among the ten with the highest chances, the mean of the months.")
    calls_baseline = serializers.FloatField()
    bins = ForecastBinResponse(many=True)


class LikelyResponse(ResponseSerializer):
    """A customer with the chance that it churns within 90 days."""

    customer_id = serializers.UUIDField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    stage = serializers.CharField()
    chance = serializers.FloatField(min_value=0, max_value=1)
    low = serializers.FloatField(help_text="From here to `high` is the interval of 95%.")
    high = serializers.FloatField()


class LikelyPageResponse(PagesResponse):
    """The customers with a forecast, the highest chance first."""

    results = LikelyResponse(many=True)


@extend_schema_serializer(many=False)
class ForecastResponse(PeriodResponse):
    """Whether the tenant's forecast is shown, and why; and of whom there is one that was made in the period."""

    state = serializers.ChoiceField(choices=STATES, help_text=_STATE_HELP)
    made_at = serializers.DateTimeField(allow_null=True)
    churned_to_fit = serializers.IntegerField(help_text="Customers that churned, to learn from.")
    needed_to_fit = serializers.IntegerField(allow_null=True)
    churned_to_test = serializers.IntegerField(help_text="Customers that churned in the later months, to test on.")
    needed_to_test = serializers.IntegerField(allow_null=True)
    proof = ForecastProofResponse(allow_null=True)
    customers = CountResponse(help_text="Those of whom there is a forecast.")
    expected_to_churn = serializers.FloatField(help_text="How many of them, within 90 days: the sum of their chances.")
    highest = LikelyResponse(many=True, help_text="Whom to call first: the ten with the highest chances.")


@extend_schema_serializer(many=False)
class CalibrationResponse(ResponseSerializer):
    """What was said and what came, on months that the forecast had not seen; empty without a proof. It is of everyone:
    empty, too, where an owner or a segment is asked for.
    """

    state = serializers.ChoiceField(choices=STATES, help_text=_STATE_HELP)
    made_at = serializers.DateTimeField(allow_null=True)
    months = serializers.ListField(
        child=serializers.DateField(), help_text="The first days of the months that are counted."
    )
    bins = ForecastBinResponse(many=True)


class ForecastViewSet(TenantViewSet):
    """``/customers/{id}/forecast``, ``/insight/forecast``, its customers and its calibration."""

    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("retrieve", "prove", "calibrate", "list_likely"), VIEW_LIFECYCLE
    )

    @schema.describe("get_customer_forecast", "customers", CUSTOMER, answer=CustomerForecastResponse)
    def retrieve(self, request: Request, customer_id: str) -> Response:
        """The chance that the customer churns within 90 days, with what it is made of.

        Made by each run of `forecast_churn`, and again when a *forecast* effect asks for it. Shown only where it proves
        better than stage and time in stage alone.
        """
        refuse_unknown_parameters(request.query_params, ())
        status = self.found(find_status(self.tenant.id, self.customer_id))
        with tenant_context(self.tenant.id):
            learned, one = read_learned(self.tenant), read_forecast(self.customer_id, tenant=self.tenant)
        body: dict[str, Any] = {
            "state": learned.state if learned else NONE,
            **{name: getattr(one, name, None) for name in ("chance", "low", "high", "typical", "made_at")},
            "parts": [{"factor": factor, "points": points} for factor, points in sorted(one.points.items())]
            if one
            else [],
            "is_current": one is not None and one.sequence == status["version"],
        }
        return Response(CustomerForecastResponse.render(body))

    @schema.describe("get_forecast", "insight", *PERIOD, answer=ForecastResponse)
    def prove(self, request: Request) -> Response:
        """Whether the churn forecast is shown, its proof on months that it had not seen, and whom to call first.

        `owner` and `segment` choose the customers, `from` and `to` the days on which their forecasts were made.
        """
        period = self._ask_period()
        whose = self._whose(period)
        count, expected, highest = 0, 0.0, []
        with tenant_context(self.tenant.id):
            learned = read_learned(self.tenant)
            if learned is not None and learned.is_shown:
                count, expected = count_likely(whose, tenant=self.tenant)
                highest = read_highest(whose, tenant=self.tenant, limit=FIRST_CALLS)
        found = learned.found if learned else {}
        proof = learned.proof if learned else None
        place = request.build_absolute_uri(reverse("insight-forecast-customers"))
        body = {
            "begins_on": period.begin,
            "ends_on": period.end,
            "customers": {"count": count, "link": f"{place}?{urlencode(write_period(period))}" if count else None},
            "expected_to_churn": expected,
            "highest": [one._asdict() for one in highest],
            "state": learned.state if learned else NONE,
            "made_at": learned.made_at if learned else None,
            "churned_to_fit": found.get("fit", 0),
            "needed_to_fit": found.get("needed_to_fit"),
            "churned_to_test": found.get("test", 0),
            "needed_to_test": found.get("needed_to_test"),
            "proof": proof and proof.to_document() | {"bins": [one._asdict() for one in proof.bins]},
        }
        return Response(ForecastResponse.render(body))

    @schema.describe("list_forecast_customers", "insight", *PERIOD, *PAGE, answer=LikelyPageResponse)
    def list_likely(self, request: Request) -> Response:
        """The customers with a forecast, the highest chance first: the list behind `customers` of the forecast."""
        whose, page = self._whose(self._ask_period("cursor")), ask_page(request.query_params)
        count, rows = 0, []
        with tenant_context(self.tenant.id):
            learned = read_learned(self.tenant)
            if learned is not None and learned.is_shown:
                count, _expected = count_likely(whose, tenant=self.tenant)
                rows = read_highest(whose, tenant=self.tenant, limit=ROWS, offset=(page - 1) * ROWS)
        return show_page(request, LikelyPageResponse, [one._asdict() for one in rows], count, page, ROWS)

    @schema.describe("get_forecast_calibration", "insight", *PERIOD, answer=CalibrationResponse)
    def calibrate(self, request: Request) -> Response:
        """The calibration of the forecast alone: ten groups, from the lowest to the highest chances.

        `from` and `to` choose among the months that it was tested on, by their first days; without them, all count.
        """
        period, has_period = self._ask_period(), {"from", "to"} & request.query_params.keys()
        with tenant_context(self.tenant.id):
            learned = read_learned(self.tenant)
        months = [
            month
            for month in (learned.months if learned and not period.is_filtered else ())
            if not has_period or period.begin <= month <= period.end
        ]
        bins: tuple[Bin, ...] = ()
        if learned is not None and learned.proof is not None and not period.is_filtered:
            bins = learned.calibrate(months) if has_period else learned.proof.bins
        body = {
            "state": learned.state if learned else NONE,
            "made_at": learned.made_at if learned else None,
            "months": months,
            "bins": [one._asdict() for one in bins],
        }
        return Response(CalibrationResponse.render(body))

    def _ask_period(self, *more: str) -> Period:
        return ask_period(self.request.query_params, *more, today=timezone.now().date())

    def _whose(self, period: Period) -> Whose:
        lost = live_policy(self.tenant.id).stages_in(LOST)
        begin, end = midnight(period.begin), midnight(period.end + dt.timedelta(days=1))
        return Whose(lost, period.owner, period.segment, begin, end)
