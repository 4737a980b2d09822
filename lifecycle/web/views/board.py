"""The board of customers by stage."""

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.queries.board import Card, Place, list_cards
from lifecycle.web import board
from lifecycle.web.list_controls import describe_fields
from lifecycle.web.list_page import ListParameters
from lifecycle.web.pages import page, tenant_stream, wants_fragment
from lifecycle.web.people import name_owners
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy


@page(VIEW_LIFECYCLE, on_replica=True)
def show_board(request: TenantRequest) -> HttpResponse:
    """A column a stage, with its number and value of customers, and the cards that changed last."""
    policy, now = live_policy(request.tenant.id), timezone.now()
    asked, colors = ListParameters.read(request.GET, policy, request.tenant), stage_colors(policy)
    columns = []
    if not asked.unknown:
        limit = _read_limit(request.GET.get("cards", ""))
        columns = board.gather_columns(
            asked.to_query(),
            tenant=request.tenant,
            policy=policy,
            colors=colors,
            now=now,
            limit=limit,
            is_filtered=asked.is_filtered,
        )
    context = {
        "query": asked,
        "columns": columns,
        "owner_names": name_owners(
            (one.card.owner for column in columns for one in column.cards), tenant=request.tenant
        ),
        "is_empty": not any(column.total.customers for column in columns),
        "trouble": asked.unknown,
        "stage_colors": colors,
        "may_select": request.identity.may(UPDATE_LIFECYCLE),
    }
    status = 400 if asked.unknown else 200
    if wants_fragment(request):
        return render(request, "board.html#columns", context, status=status)
    context |= {
        "filter_fields": describe_fields(asked, request.tenant),
        "stream": tenant_stream(request),
    }
    return render(request, "board.html", context, status=status)


@page(VIEW_LIFECYCLE, on_replica=True)
def show_cards(request: TenantRequest) -> HttpResponse:
    """More cards of one column, after the one that ``after`` names."""
    policy, now = live_policy(request.tenant.id), timezone.now()
    asked = ListParameters.read(request.GET, policy, request.tenant)
    column, after = request.GET.get("column", ""), board.read_place(request.GET.get("after", ""))
    cards: Sequence[Card] = []
    following: Place | None = None
    if not asked.unknown:
        cards, following = list_cards(
            asked.to_query(),
            [column],
            tenant=request.tenant,
            policy=policy,
            now=now,
            limit=board.CARDS,
            after=after,
            is_filtered=asked.is_filtered,
        )[column]
    context = {
        "cards": board.show_cards(cards, policy, now),
        "owner_names": name_owners((card.owner for card in cards), tenant=request.tenant),
        "following": board.write_place(following),
        "name": column,
        "may_select": request.identity.may(UPDATE_LIFECYCLE),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "parts/cards.html", context, status=400 if asked.unknown else 200)


def _read_limit(text: str) -> int:
    """How many cards a column shows at once: as many as a person had opened before the page looked again."""
    return min(max(int(text), board.CARDS), board.MOST_CARDS) if text.isascii() and text.isdigit() else board.CARDS
