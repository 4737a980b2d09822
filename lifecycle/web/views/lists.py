"""Many customers: the overview and the list."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.queries.listing import InvalidCursor, Page, list_customers
from lifecycle.services.customers.totals import read_tenant_summary
from lifecycle.web.list_page import ORDER_LABELS, ListParameters, describe_columns, describe_fields, describe_views
from lifecycle.web.overview import gather_overview
from lifecycle.web.pages import page, tenant_stream, wants_fragment
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy


@page(VIEW_LIFECYCLE)
def show_overview(request: TenantRequest) -> HttpResponse:
    """Who is at risk now, most urgent first [UC-1], and where everybody stands."""
    template = "overview.html#overview" if wants_fragment(request) else "overview.html"
    return render(request, template, gather_overview(request, now=timezone.now()))


@page(VIEW_LIFECYCLE)
def show_customers(request: TenantRequest) -> HttpResponse:
    """The list of customers, 50 a page."""
    policy = live_policy(request.tenant.id)
    asked, colors = ListParameters.read(request.GET, policy, request.tenant), stage_colors(policy)
    found, trouble = Page([]), asked.unknown
    if not trouble:
        try:
            found = list_customers(asked.to_query(), tenant=request.tenant, policy=policy, now=timezone.now())
        except InvalidCursor as error:
            trouble = str(error)
    context = {
        "query": asked,
        "rows": found.rows,
        "next": found.next_cursor,
        "previous": found.previous_cursor,
        "trouble": trouble,
        "columns": describe_columns(asked.ordering),
        "stage_colors": colors,
        "may_select": request.identity.may(UPDATE_LIFECYCLE),
    }
    status = 400 if trouble else 200
    if wants_fragment(request):
        return render(request, "customers.html#results", context, status=status)
    context |= {
        "views": describe_views(asked, read_tenant_summary(tenant=request.tenant), policy),
        "offered_stages": [one for one in colors.values() if asked.category in ("", one.category)],
        "filter_fields": describe_fields(asked, request.tenant),
        "orderings": ORDER_LABELS.items(),
        "stream": tenant_stream(request),
    }
    return render(request, "customers.html", context, status=status)
