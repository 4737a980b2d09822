"""Customers as of a past day: many, and one."""

import datetime as dt
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.models import Customer
from lifecycle.queries.cursors import InvalidCursor
from lifecycle.services.insight.as_of import (
    EFFECTIVE,
    RECORDED,
    PastPage,
    PastQuestion,
    count_past,
    list_past,
    name_as_of,
    read_past,
)
from lifecycle.services.insight.as_of_board import read_past_board
from lifecycle.services.insight.as_of_health import judge_past
from lifecycle.services.insight.reading import Stages
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.as_of_page import choose_stage, describe_figures
from lifecycle.web.pages import page
from lifecycle.web.people import name_owners
from lifecycle.web.record import name_parts
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import VIEW_HISTORY
from tenants.services.configuration.policies import live_policy


def _read(request: TenantRequest) -> tuple[dt.date, str, AddressReader]:
    """The day, whether as it was or as it was known, and what of it could not be read."""
    asked = AddressReader(request.GET)
    return asked.read_past_day(timezone.now().date()), asked.choose("known", (EFFECTIVE, RECORDED), EFFECTIVE), asked


def _read_filters(request: TenantRequest, *names: str) -> dict[str, str]:
    return {name: request.GET.get(name, "").replace("\x00", "").strip()[:150] for name in names}


def _write_question(day: dt.date, known: str, owner: str, segment: str) -> str:
    """What the list and the board of a day have in common, for the address of the other."""
    return urlencode({"day": day.isoformat(), "known": known, "owner": owner, "segment": segment})


@page(VIEW_HISTORY, on_replica=True)
def show_list(request: TenantRequest) -> HttpResponse:
    """The customers that were here at the end of a day, 50 a page; ``stage``, ``owner`` and ``segment`` choose some."""
    policy = live_policy(request.tenant.id)
    stages = Stages.of(policy, request.tenant)
    day, known, reader = _read(request)
    asked = _read_filters(request, "stage", "owner", "segment")
    about = PastQuestion(day, known, owner=asked["owner"], segment=asked["segment"])
    chosen = choose_stage(asked["stage"], about, stages=stages, tenant=request.tenant)
    about, refused = replace(about, keys=chosen.keys), chosen.unknown
    cursor = request.GET.get("cursor") or None
    try:
        found = PastPage([]) if refused else list_past(about, stages=stages, tenant=request.tenant, cursor=cursor)
    except InvalidCursor:
        cursor = None
        reader.say_expired()
        found = list_past(about, stages=stages, tenant=request.tenant)

    def address(to: str | None) -> str:
        query = request.GET.copy()
        query["cursor"] = to or ""
        return f"?{query.urlencode()}" if to else ""

    context: dict[str, Any] = {
        "day": day,
        "known": known,
        "troubles": reader.troubles,
        "refused": refused,
        "rows": found.rows,
        "owner_names": name_owners((row["owner"] for row in found.rows), tenant=request.tenant),
        # Further pages say nothing of it: to count all takes longer than the page.
        "count": None if cursor or chosen.unknown else count_past(about, tenant=request.tenant),
        "asked": asked | {"stage": chosen.name},
        "question": _write_question(day, known, asked["owner"], asked["segment"]),
        "stages": dict.fromkeys((*policy.stages, *filter(None, [chosen.name]))),
        "previous": address(found.previous_cursor),
        "next": address(found.next_cursor),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "insight/as_of_list.html", context, status=400 if refused else reader.status)


@page(VIEW_HISTORY, on_replica=True)
def show_board(request: TenantRequest) -> HttpResponse:
    """How many were in each stage at the end of a day, and who came to it last.

    ``owner`` and ``segment`` choose some.
    """
    policy = live_policy(request.tenant.id)
    day, known, reader = _read(request)
    asked = _read_filters(request, "owner", "segment")
    stages = Stages.of(policy, request.tenant)
    columns = read_past_board(day, stages=stages, tenant=request.tenant, known=known, **asked)
    context: dict[str, Any] = {
        "day": day,
        "known": known,
        "troubles": reader.troubles,
        "asked": asked,
        "columns": columns,
        "owner_names": name_owners(
            (card["owner"] for column in columns for card in column.cards), tenant=request.tenant
        ),
        "question": _write_question(day, known, asked["owner"], asked["segment"]),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "insight/as_of_board.html", context, status=reader.status)


@page(VIEW_HISTORY)
def show_customer(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """One customer at the end of a day: stage, reason, health, figures, and the configuration that was live."""
    policy = live_policy(request.tenant.id)
    name = Customer.objects.filter(tenant_id=request.tenant.id, id=customer_id).values_list("name", flat=True).first()
    if name is None:
        raise Http404
    day, known, reader = _read(request)
    past = read_past(customer_id, day, known=known, tenant=request.tenant)
    then = {"customer_id": customer_id, "name": name}
    name_as_of(past.end, [then], tenant=request.tenant)
    health = judge_past(customer_id, past, stages=Stages.of(policy, request.tenant), tenant=request.tenant)
    context = {
        "health": health,
        "health_parts": name_parts(one._asdict() for one in health.points) if health else (),
        "customer_id": customer_id,
        "name": then["name"],
        "name_now": name,
        "day": day,
        "known": known,
        "troubles": reader.troubles,
        "past": past,
        "figures": describe_figures(past.figures, tenant=request.tenant),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "insight/as_of_customer.html", context, status=reader.status)
