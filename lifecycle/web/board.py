"""The board as its page shows it: a column a stage, the cards in it, and where each card may go."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import reswap, retarget, trigger_client_event

from lifecycle.queries.board import Card, Money, Place, Total, count_columns, list_cards
from lifecycle.queries.listing import ListQuery
from lifecycle.rules.health import days_in_stage, overdue
from lifecycle.rules.transitions import Status, explain
from lifecycle.sentences import say
from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.totals import read_tenant_summary
from lifecycle.services.transitions.apply import Outcome
from lifecycle.web.stage_colors import StageColors
from lifecycle.web.tags import days_left
from tenants.actors import TenantRef
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

BOARD: Final = "board"
CARDS: Final = 20
MOST_CARDS: Final = 200
# What is in a column's sentence for the stage that a card cannot go to.
TARGET: Final = "{to}"


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card, with what is calculated of it."""

    card: Card
    days_in_stage: int
    days_over: int
    days_to_renewal: int | None


@dataclass(frozen=True, slots=True)
class Column:
    """One stage. ``allowed``: the numbers of the columns that its cards may go to; ``refusal``: why not to another,
    with TARGET for its name. ``following``: where the column goes on, as text; empty when it is complete.
    """

    number: int
    name: str
    css_class: str
    total: Total
    cards: Sequence[ShownCard]
    following: str
    allowed: str
    refusal: str


def gather_columns(
    query: ListQuery,
    *,
    tenant: TenantRef,
    policy: Policy,
    colors: Mapping[str, StageColors],
    now: dt.datetime,
    is_filtered: bool,
    limit: int = CARDS,
) -> list[Column]:
    """All columns: the stages in their order, and those that are being removed. Two statements at most."""
    totals = count_columns(query, tenant=tenant, policy=policy, now=now) if is_filtered else _read_totals(tenant)
    names = [*policy.stages, *sorted(totals.keys() - set(policy.stages))]
    cards = list_cards(query, names, tenant=tenant, policy=policy, now=now, limit=limit, is_filtered=is_filtered)
    return [
        Column(
            number,
            name,
            colors[name].css_class if name in colors else "",
            totals.get(name, Total()),
            show_cards(cards[name][0], policy, now),
            write_place(cards[name][1]),
            *_describe_ways(policy, name),
        )
        for number, name in enumerate(names)
    ]


def _read_totals(tenant: TenantRef) -> dict[str, Total]:
    """Those of all customers, as the overview has them: kept until the next change."""
    return {
        one["stage"]: Total(
            one["customers"], tuple(Money(money["currency"], Decimal(money["arr"])) for money in one["money"])
        )
        for one in read_tenant_summary(tenant=tenant)["stages"]
    }


def show_cards(cards: Sequence[Card], policy: Policy, now: dt.datetime) -> list[ShownCard]:
    """The cards with what is calculated of them."""
    return [
        ShownCard(
            card,
            days := days_in_stage(card.stage_entered_at, now),
            overdue(policy.max_days(card.stage), days) or 0,
            days_left(card.renewal_on, now),
        )
        for card in cards
    ]


def _describe_ways(policy: Policy, stage: str) -> tuple[str, str]:
    """Where cards of a stage may go, as numbers of columns, and why not elsewhere."""
    options = {one.stage: one for one in explain(policy, Status(UUID(int=0), stage, 1), may_update=True, source="UI")}
    allowed = [number for number, name in enumerate(policy.stages) if name in options and options[name].allowed]
    refusal = next((one.refusal for one in options.values() if one.refusal is not None), None)
    if refusal is None or not isinstance(refusal.message, Message):
        return " ".join(map(str, allowed)), ""
    name, params = refusal.message
    return " ".join(map(str, allowed)), say(Message(name, {**params, "to": TARGET}))


def write_place(place: Place | None) -> str:
    """Where a column goes on, for an address."""
    return "" if place is None else f"{place.updated_at.isoformat()}~{place.customer_id}"


def read_place(text: str) -> Place | None:
    """What ``write_place`` wrote; None for anything else."""
    at, _sign, id_ = text.partition("~")
    try:
        read = dt.datetime.fromisoformat(at)
        return Place(read, UUID(id_)) if read.tzinfo else None
    except ValueError:
        return None


def is_on_board(request: HttpRequest) -> bool:
    """Whether a customer is moved from the board."""
    return (request.POST.get("place") or request.GET.get("place")) == BOARD


def show_moved(request: TenantRequest, outcome: Outcome) -> HttpResponse:
    """That a card was moved, with the button that undoes it; the board looks again by itself."""
    customer_id = outcome.change.customer_id
    profile = read_profile(customer_id, tenant=request.tenant, now=timezone.now())
    if profile is None or outcome.record is None:
        raise Http404
    said = _("%(name)s is now in %(stage)s.") % {"name": profile["company"]["name"], "stage": outcome.record.stage}
    context: dict[str, Any] = {"said": said, "undo_request_id": current_request_id() if outcome.moved else None}
    response = render(request, "board.html#moved", context)
    response = reswap(retarget(response, "#board-notice"), "innerHTML")
    details = {"customer": str(customer_id), "said": said}
    return trigger_client_event(response, "c360:moved", details, after="settle")
