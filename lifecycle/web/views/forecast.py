"""The page *Churn forecast* of Insight: whether it beats the baseline, its proof, and whom to call first."""

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.rules.forecast.tables import FIRST_CALLS
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.services.insight.forecasts import Whose, read_highest, read_learned
from lifecycle.web.forecast_page import (
    calibration_chart,
    describe_past,
    describe_state,
    highest_table,
    proof_tables,
)
from lifecycle.web.insight_page import FORECAST, Question, Shown, list_views, write_csv
from lifecycle.web.insight_tables import Table
from lifecycle.web.pages import page
from lifecycle.web.people import name_owners
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import VIEW_LIFECYCLE
from tenants.rules.configuration.categories import LOST
from tenants.services.configuration.policies import live_policy


@page(VIEW_LIFECYCLE, on_replica=True)
def show_forecast(request: TenantRequest) -> HttpResponse:
    """The forecast with its proof; with ``csv``: one of the tables as a file. Three statements of its own."""
    policy = live_policy(request.tenant.id)
    learned = read_learned(request.tenant)
    tables: list[Table] = []
    shown = None
    if learned is not None and learned.proof is not None:
        tables = proof_tables(learned.proof)
        chart = calibration_chart(learned.proof.bins)
        shown = Shown(tables, chart, _("Predicted (across) and actual (up)"), "line")
        if learned.is_shown:
            likely = read_highest(Whose(policy.stages_in(LOST)), tenant=request.tenant, limit=FIRST_CALLS)
            owner_names = name_owners((one.owner for one in likely), tenant=request.tenant)
            tables = [highest_table(likely, owner_names), *tables]
    for table in tables:
        if table.name == request.GET.get("csv"):
            name = f"{table.name}-{timezone.now().date()}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(write_csv(table), content_type="text/csv; charset=utf-8", headers=headers)
    context = {
        "learned": learned,
        "horizon": HORIZON_DAYS,
        "state": describe_state(learned),
        "past": describe_past(learned) if learned is not None else "",
        "shown": shown,
        "tables": [(table, f"?csv={table.name}") for table in tables],
        "stage_colors": stage_colors(policy),
        "views": list_views(Question.read(QueryDict(), timezone.now().date()), FORECAST),
    }
    return render(request, "insight/forecast.html", context)
