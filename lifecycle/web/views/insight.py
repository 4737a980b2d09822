"""The page *Insight*: figures of a period from the history, and the customers behind each."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.queries.list_filters import suggest_owners
from lifecycle.services.insight.asking import MOST_PAGES, InvalidQuestion
from lifecycle.services.insight.reading import ROWS, Stages, list_behind
from lifecycle.web.insight_page import Behind, Question, list_views, show, write_csv
from lifecycle.web.pages import page
from lifecycle.web.people import name_owners
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy


@page(VIEW_LIFECYCLE, on_replica=True)
def show_insight(request: TenantRequest) -> HttpResponse:
    """A view of a period: its charts, each with a table beside it. With ``csv``: that table as a file."""
    now = timezone.now()
    policy = live_policy(request.tenant.id)
    question = Question.read(request.GET, now.date())
    stages, colors = Stages.of(policy, request.tenant), stage_colors(policy)
    may_open = request.identity.may(VIEW_HISTORY)
    shown = show(question, stages, tenant=request.tenant, now=now, may_open=may_open)
    for table in shown.tables:
        if table.name == request.GET.get("csv"):
            name = f"{table.name}-{question.period.begin}-{question.period.end}.csv"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(write_csv(table), content_type="text/csv; charset=utf-8", headers=headers)
    context = {
        "question": question,
        "period": question.period,
        "shown": shown,
        "views": list_views(question, question.view),
        "owners": suggest_owners(request.tenant),
        "stage_colors": colors,
        "tables": [(table, question.address(csv=table.name)) for table in shown.tables],
    }
    return render(request, "insight/insight.html", context, status=400 if question.trouble else 200)


@page(VIEW_HISTORY, on_replica=True)
def show_behind(request: TenantRequest) -> HttpResponse:
    """The customers, or moves, that a figure counts, 50 a page."""
    policy = live_policy(request.tenant.id)
    stages = Stages.of(policy, request.tenant)
    now = timezone.now()
    question = Question.read(request.GET, now.date())
    context = {"question": question, "stage_colors": stage_colors(policy)}
    try:
        behind = Behind.read(request.GET, question, stages, now=now)
    except InvalidQuestion as error:
        return render(request, "insight/customers.html", context | {"trouble": str(error)}, status=400)
    rows, count = list_behind(behind.figure, question.period, tenant=request.tenant, page=behind.page, **behind.asked)
    for row in rows:
        row |= {name: stages.name(row[name]) for name in ("from_stage", "stage", "to_stage")}

    def address(number: int) -> str:
        asked = request.GET.copy()
        asked["page"] = str(number)
        return f"?{asked.urlencode()}"

    last = min(MOST_PAGES, -(-count // ROWS))
    context |= {
        "behind": behind,
        "has_change": behind.figure == "revenue",
        "rows": rows,
        "owner_names": name_owners((row["owner"] for row in rows), tenant=request.tenant),
        "count": count,
        "previous": address(behind.page - 1) if behind.page > 1 else "",
        "next": address(behind.page + 1) if behind.page < last else "",
        "back": question.address(),
    }
    return render(request, "insight/customers.html", context)
