"""Figures of a period from the history, and what each of them counts."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import insight_responses as responses
from lifecycle.api import schema
from lifecycle.api.insight_bodies import VIEWS, FigureRequest, show_listed
from lifecycle.api.insight_parameters import (
    KEPT,
    LIST,
    PAGE,
    PERIOD,
    ask_kept,
    ask_list,
    ask_page,
    ask_period,
    show_page,
)
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.insight.asking import OF_A_LIST, write_behind, write_period
from lifecycle.services.insight.reading import ROWS, Period, Stages, list_behind, next_month
from lifecycle.services.work import renewals
from lifecycle.services.work.kept_customers import list_kept
from lifecycle.services.work.renewals import Month, Retention
from tenants.roles import VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.rules.texts import fold_text
from tenants.services.configuration.policies import live_policy

# So many months that are over are measured at most: the latest of the period.
MOST_MEASURED: Final = 12


class InsightViewSet(TenantViewSet):
    """``/insight/...``."""

    required_permissions: ClassVar[dict[str, str]] = {
        **dict.fromkeys((*VIEWS, "renewals"), VIEW_LIFECYCLE),
        "due": VIEW_LIFECYCLE,
        **dict.fromkeys(("behind", "kept"), VIEW_HISTORY),
    }

    @schema.describe("get_insight_stages", "insight", *PERIOD, answer=responses.InsightStagesResponse)
    def stages(self, request: Request) -> Response:
        """Customers and revenue by stage over time, and revenue gained and lost."""
        return self._show("stages", responses.InsightStagesResponse)

    @schema.describe("get_insight_flow", "insight", *PERIOD, answer=responses.InsightFlowResponse)
    def flow(self, request: Request) -> Response:
        """Moves between stages: each stage at the start + came in − left = at the end."""
        return self._show("flow", responses.InsightFlowResponse)

    @schema.describe("get_insight_conversion", "insight", *PERIOD, answer=responses.InsightConversionResponse)
    def conversion(self, request: Request) -> Response:
        """From stage to stage, of the months of the period."""
        return self._show("conversion", responses.InsightConversionResponse)

    @schema.describe("get_insight_durations", "insight", *PERIOD, answer=responses.InsightDurationsResponse)
    def durations(self, request: Request) -> Response:
        """Time in stage, with those counted that are still there."""
        return self._show("durations", responses.InsightDurationsResponse)

    @schema.describe("get_insight_cohorts", "insight", *PERIOD, answer=responses.InsightCohortsResponse)
    def cohorts(self, request: Request) -> Response:
        """Customers by the month in which they came, and how many still were customers later."""
        return self._show("cohorts", responses.InsightCohortsResponse)

    @schema.describe("get_insight_risk", "insight", *PERIOD, answer=responses.InsightRiskResponse)
    def risk(self, request: Request) -> Response:
        """Entering and leaving risk by reason: how it ended, and what was done while customers were at risk."""
        return self._show("risk", responses.InsightRiskResponse)

    @schema.describe("get_insight_save_rate", "insight", *PERIOD, answer=responses.InsightSaveRateResponse)
    def save_rate(self, request: Request) -> Response:
        """Recovered within 90 days, by reason and what was done, beside those alike for whom nothing was done.

        This is not proof of cause: people choose whom they call.
        """
        return self._show("save_rate", responses.InsightSaveRateResponse)

    @schema.describe("get_insight_renewals", "insight", *PERIOD, answer=responses.InsightRenewalsResponse)
    def renewals(self, request: Request) -> Response:
        """Contracts that are to be renewed by month, and what months that are over have kept of their revenue.

        `from` and `to` are whole months here, and `to` may be ahead; what was kept is measured of the last twelve.
        """
        now = timezone.now()
        period = self._ask_period(may_be_ahead=True)
        policy = live_policy(self.tenant.id)
        first, after = period.begin.replace(day=1), next_month(period.end)
        given: dict[str, Any] = {"tenant": self.tenant, "policy": policy}
        whose: dict[str, Any] = {"owner": fold_text(period.owner), "segment": period.segment}
        due = renewals.count_months(first, after, **given, **whose)
        months = []
        while first < after:
            months.append(Month(first.year, first.month))
            first = next_month(first)
        over = [month for month in months if month.plus(1).first <= now.date()][-MOST_MEASURED:]
        kept = renewals.measure_retention(over, **given) if over and not period.is_filtered else []
        body = {
            "begins_on": months[0].first,
            "ends_on": period.end,
            "months": [
                {
                    "month": month.first,
                    "due": {"count": due.get(month.first, 0), "link": self._link_due(period, month, due)},
                    "kept": [
                        {
                            "currency": one.currency,
                            "customers": one.customers,
                            "link": self._link_kept(one),
                            "start": one.start,
                            "end": one.end,
                            "gross_retention": one.gross,
                            "net_retention": one.net,
                        }
                        for one in kept
                        if one.month == month
                    ],
                }
                for month in months
            ],
        }
        return Response(responses.InsightRenewalsResponse.render(body))

    @schema.describe("list_renewals_due", "insight", *PERIOD, *PAGE, answer=responses.DueResponse)
    def due(self, request: Request) -> Response:
        """The contracts that are to be renewed from `from` to `to`, the first due first. `to` may be ahead."""
        period = self._ask_period("cursor", may_be_ahead=True)
        page = ask_page(request.query_params)
        given: dict[str, Any] = {"tenant": self.tenant, "policy": live_policy(self.tenant.id)}
        given |= {"owner": fold_text(period.owner), "segment": period.segment}
        end = period.end + renewals.ONE_DAY
        count = sum(renewals.count_months(period.begin, end, **given).values())
        offset = (page - 1) * renewals.PER_PAGE
        rows = renewals.list_renewals(period.begin, end, now=timezone.now(), offset=offset, **given)
        return show_page(request, responses.DueResponse, rows, count, page, renewals.PER_PAGE)

    @schema.describe("list_revenue_kept", "insight", *KEPT, answer=responses.KeptCustomersResponse)
    def kept(self, request: Request) -> Response:
        """The customers whose revenue in `currency` the month of `from` began with, and what it has kept of it."""
        day, currency = ask_kept(request.query_params, today=timezone.now().date())
        page, month = ask_page(request.query_params), Month(day.year, day.month)
        given: dict[str, Any] = {"tenant": self.tenant, "policy": live_policy(self.tenant.id)}
        rows, count = list_kept(month, currency, offset=(page - 1) * renewals.PER_PAGE, **given)
        amounts = {"start": "start_arr", "end": "end_arr", "kept": "kept_arr"}
        rows = [row | {name: row[column] for name, column in amounts.items()} for row in rows]
        return show_page(request, responses.KeptCustomersResponse, rows, count, page, renewals.PER_PAGE)

    @schema.describe("list_behind_figure", "insight", *PERIOD, *LIST, *PAGE, answer=responses.BehindResponse)
    def behind(self, request: Request) -> Response:
        """What a figure counts: the address is the `link` beside it. As many rows as the figure says."""
        period = self._ask_period(*OF_A_LIST, "cursor")
        asked = ask_list(request.query_params, period, now=timezone.now())
        stages = Stages.of(live_policy(self.tenant.id), self.tenant)
        page = ask_page(request.query_params)
        rows, count = list_behind(asked.figure, period, tenant=self.tenant, page=page, **asked.asked)
        return show_page(request, responses.BehindResponse, show_listed(rows, stages), count, page, ROWS)

    def _show(self, view: str, answer: Any) -> Response:
        period = self._ask_period().counted(self.tenant)
        stages = Stages.of(live_policy(self.tenant.id), self.tenant)
        body = VIEWS[view](FigureRequest(period, stages, self.tenant, timezone.now(), self._link_to(period)))
        return Response(answer.render({"begins_on": period.begin, "ends_on": period.end, **body}))

    def _link_to(self, period: Period) -> Callable[..., str | None]:
        if not self.identity.may(VIEW_HISTORY):
            return lambda _figure, **_of: None
        place = self.request.build_absolute_uri(reverse("insight-behind"))
        return lambda figure, **of: f"{place}?{write_behind(period, figure, **of)}"

    def _link_due(self, period: Period, month: Month, due: Any) -> str | None:
        if not due.get(month.first):
            return None
        of_month = Period(month.first, month.plus(1).first - renewals.ONE_DAY, period.owner, period.segment)
        place = self.request.build_absolute_uri(reverse("insight-renewals-due"))
        return f"{place}?{urlencode(write_period(of_month))}"

    def _link_kept(self, kept: Retention) -> str | None:
        if not self.identity.may(VIEW_HISTORY):
            return None
        last = kept.month.plus(1).first - renewals.ONE_DAY
        asked = {"from": str(kept.month.first), "to": str(last), "currency": kept.currency}
        return f"{self.request.build_absolute_uri(reverse('insight-renewals-kept'))}?{urlencode(asked)}"

    def _ask_period(self, *more: str, may_be_ahead: bool = False) -> Period:
        today = timezone.now().date()
        return ask_period(self.request.query_params, *more, today=today, may_be_ahead=may_be_ahead)
