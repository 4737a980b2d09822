"""Many customers: the overview and the list."""

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from lifecycle.queries.list_condition_kinds import InvalidWhere
from lifecycle.queries.list_conditions import explain_invalid
from lifecycle.queries.listing import BEST_MATCH, ORDERINGS, InvalidCursor, Page, list_customers
from lifecycle.services.customers.totals import read_tenant_summary
from lifecycle.web.condition_form import ADD, OF, describe_comparisons, describe_places, read_added, show_where
from lifecycle.web.list_controls import (
    describe_choice_of_columns,
    describe_columns,
    describe_fields,
    describe_views,
)
from lifecycle.web.list_page import ListParameters, count_found
from lifecycle.web.overview import gather_overview
from lifecycle.web.pages import page, tenant_stream, wants_fragment
from lifecycle.web.people import name_owners
from lifecycle.web.saved_views import describe_saved_views
from lifecycle.web.stage_colors import StageColors, stage_colors
from tenants.pages import TenantRequest
from tenants.roles import REVEAL_CONTACTS, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.sentences.categories import CATEGORY_LABELS
from tenants.services.configuration.policies import live_policy

OWNER: Final = "owner"


@page(VIEW_LIFECYCLE, on_replica=True)
def show_overview(request: TenantRequest) -> HttpResponse:
    """Who is at risk now, most urgent first [UC-1], and which stage everyone is in."""
    context = gather_overview(request, now=timezone.now())
    if wants_fragment(request):
        return render(request, "overview.html#overview", context)
    return render(request, "overview.html", context, status=400 if context["troubles"] else 200)


@page(VIEW_LIFECYCLE, on_replica=True)
def show_customers(request: TenantRequest) -> HttpResponse:
    """The list of customers, 50 a page. With a condition to add: to the list that has it."""
    policy = live_policy(request.tenant.id)
    is_adding = bool(request.GET.get(ADD))
    # The form to add a condition names the list that it stands above.
    colors = stage_colors(policy)
    if is_adding and OF in request.GET:
        given = request.GET[OF]
        asked = ListParameters.from_query(given, policy, request.tenant)
    else:
        given = request.GET.urlencode()
        asked = ListParameters.read(request.GET, policy, request.tenant)
    refusal = ""
    if is_adding and not asked.unknown:
        try:
            added = read_added(request.GET, asked.where, policy, request.tenant)
        except InvalidWhere as error:
            refusal = explain_invalid(error)
        else:
            return _go_to(request, asked.with_where(added).address())
    found, trouble, now = Page([]), asked.unknown, timezone.now()
    if not trouble:
        try:
            found = list_customers(asked.to_query(), tenant=request.tenant, policy=policy, now=now)
        except InvalidCursor:
            trouble = _("This page link has expired.")
    summary = read_tenant_summary(tenant=request.tenant)
    owner_names = _name_owners(asked, found, request)
    context: dict[str, Any] = {
        "query": asked,
        # What its forms send: also the filters that there are not, so that what is made of them is refused, not wider.
        "of": given if asked.unknown else asked.query_string,
        # What links of the page begin with: without the condition that could not be added.
        "shown": QueryDict(asked.query_string) if refusal else request.GET,
        # What leaves a condition out begins with the list in its one spelling: one with a parameter of its own would
        # stay in the address, and so in the list.
        "spelled": request.GET if asked.unknown else QueryDict(asked.query_string),
        "rows": found.rows,
        "owner_names": owner_names,
        "caption": asked.say(owner_names),
        "next": found.next_cursor,
        "previous": found.previous_cursor,
        "found": None if trouble else count_found(asked, found, summary, policy, request.tenant, now),
        "trouble": trouble,
        "columns": describe_columns(asked.columns, asked.ordering),
        "column_choices": describe_choice_of_columns(asked),
        "edits_columns": request.GET.get("edit") == "columns",
        "conditions": show_where(asked.where, owner_names),
        "stage_colors": colors,
        "may_select": request.identity.may(UPDATE_LIFECYCLE),
        "may_reveal": request.identity.may(REVEAL_CONTACTS),
    }
    if wants_fragment(request):
        if asked.view:
            context["saved_part"] = describe_saved_views(request, asked)
        # A condition that could not be added is said by the page: the list beside it goes on following what changes.
        return render(request, "customers.html#results", context, status=400 if trouble else 200)
    context |= {
        "views": describe_views(asked, summary, policy),
        "offered_stages": [(name, name) for name in _list_stages(asked, colors)],
        "filter_fields": describe_fields(asked, request.tenant),
        "chosen_ordering": None if asked.has_usual_order else asked.ordering,
        "orderings": [(name, one.label) for name, one in ORDERINGS.items() if name != BEST_MATCH],
        "saved": describe_saved_views(request, asked),
        "comparisons": describe_comparisons(),
        "categories": CATEGORY_LABELS.values(),
        "places": describe_places(asked.where, owner_names),
        "added": {name: request.GET.get(name, "") for name in ("add", "value", "beside")},
        "refusal": refusal,
        "stream": tenant_stream(request),
        "sees_history": request.identity.may(VIEW_HISTORY),
    }
    return render(request, "customers.html", context, status=400 if trouble or refusal else 200)


def _list_stages(asked: ListParameters, colors: Mapping[str, StageColors]) -> list[str]:
    """The stages to choose from: those of the view. And the one that is asked for, be it on its way out or of another
    view: not offered, it would be dropped with the next wish.
    """
    offered = [one.name for one in colors.values() if asked.category in ("", one.category)]
    return offered if asked.stage in ("", *offered) else [*offered, asked.stage]


def _name_owners(asked: ListParameters, found: Page, request: TenantRequest) -> Mapping[str, str]:
    """What the owners are called, where the list has their column or asks for one."""
    is_shown = any(column.name == OWNER for column in asked.columns)
    owners = [row["owner"] for row in found.rows] if is_shown else []
    return name_owners([*owners, *asked.owners], tenant=request.tenant)


def _go_to(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)
