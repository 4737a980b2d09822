"""Changing a customer's stage: the dialog, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import reswap, retarget, trigger_client_event

from lifecycle.rules.transitions import Change
from lifecycle.sentences import say, say_for_record
from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.summaries import read_lifecycle
from lifecycle.services.effects.foreseen import Viewer
from lifecycle.services.transitions.apply import Call, CallRefused, Outcome, apply
from lifecycle.services.transitions.update_budget import RateLimited, UpdateBudget
from lifecycle.web.board import BOARD, is_on_board, show_moved
from lifecycle.web.customer_page import gather_customer
from lifecycle.web.forms import MoveForm
from lifecycle.web.pages import page, wants_fragment
from lifecycle.web.stage_colors import stage_colors
from lifecycle.web.submissions import once
from lifecycle.web.timeline import show_missed
from lifecycle.web.typed_reasons import Open, keep_reasons
from lifecycle.web.undoing import say_moved
from tenants.middleware import current_request_id, note_refusal
from tenants.pages import TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import MUTE_EFFECTS, REVEAL_CONTACTS, UPDATE_LIFECYCLE, VIEW_HISTORY
from tenants.services.configuration.policies import policy_of_version

Missed = Sequence[Mapping[str, Any]]

SOURCE = "UI"


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
@once
def move_customer(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Offer the stages that are open to the customer, and move it to the one that is chosen [FR-02]."""
    if request.method != "POST":
        return _ask(request, customer_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        return _ask(request, customer_id, form, refusal=form.sentence(), status=400)
    return _move(request, customer_id, form)


def _move(request: TenantRequest, customer_id: UUID, form: MoveForm) -> HttpResponse:
    """Make the change, unless something else than what was shown would come of it [BP-2]."""
    try:
        outcome = _apply(request, customer_id, form)
    except RateLimited as limited:
        response = _ask(request, customer_id, form, refusal=say(limited.message), status=429)
        for name, value in limited.headers.items():
            response[name] = value
        return response
    except CallRefused as refusal:
        refused = refusal.refused
        note_refusal(
            request,
            request.identity,
            source=SOURCE,
            code=refused.code,
            detail=say_for_record(refused.message),
            customer_id=customer_id,
            to_stage=form.cleaned_data["stage"],
        )
        status = STATUS_OF_CODE[refused.code]
        return _ask(request, customer_id, form, refusal=say(refused.message), status=status)
    if outcome.refused is not None:
        return _show_refusal(request, customer_id, form, outcome)
    return _show_success(request, customer_id, outcome)


def _apply(request: TenantRequest, customer_id: UUID, form: MoveForm) -> Outcome:
    actor = request.identity.actor()
    change = Change(
        customer_id=customer_id,
        stage=form.cleaned_data["stage"],
        reason_code=form.cleaned_data["reason"] or None,
        note=form.cleaned_data["note"] or None,
        expected_version=form.cleaned_data["version"],
        expected_configuration=form.cleaned_data["configuration_version"],
        expected_effects=form.cleaned_data["effects"],
    )
    call = Call(
        request.tenant,
        actor,
        SOURCE,
        timezone.now(),
        current_request_id(),
        starts_effects=True,
        mute_reason=form.cleaned_data["mute_reason"] if form.cleaned_data["mute"] else None,
    )
    (outcome,) = apply(call, [change], budget=UpdateBudget(actor))
    return outcome


def _show_refusal(request: TenantRequest, customer_id: UUID, form: MoveForm, outcome: Outcome) -> HttpResponse:
    """The dialog again, with the sentence as it is; after a conflict with what happened in the meantime instead."""
    refused = outcome.refused
    assert refused is not None  # noqa: S101  (the caller has looked)
    if outcome.record is None:
        raise Http404
    note_refusal(
        request,
        request.identity,
        source=SOURCE,
        code=refused.code,
        detail=say_for_record(refused.message),
        customer_id=customer_id,
        from_stage=outcome.from_stage or "",
        to_stage=outcome.change.stage,
    )
    missed: Missed | None = None
    if refused.code == "version_conflict":
        missed = _read_missed(request, customer_id, form)
    status = STATUS_OF_CODE[refused.code]
    return _ask(request, customer_id, form, refusal=say(refused.message), missed=missed, status=status)


def _read_missed(request: TenantRequest, customer_id: UUID, form: MoveForm) -> Missed:
    if not request.identity.may(VIEW_HISTORY):
        return []
    since = form.cleaned_data["version"]
    return show_missed(customer_id, tenant=request.tenant, viewer=request.identity, since=since)


def _show_success(request: TenantRequest, customer_id: UUID, outcome: Outcome) -> HttpResponse:
    if not wants_fragment(request):
        sentence = (
            _("The customer is now in “%(stage)s”.") if outcome.moved else _("The customer was already in “%(stage)s”.")
        )
        said = sentence % {"stage": outcome.record.stage if outcome.record else ""}
        say_moved(request, said, current_request_id() if outcome.moved and outcome.from_stage else None)
        return redirect("board") if is_on_board(request) else redirect("customer-page", customer_id)
    if is_on_board(request):
        return show_moved(request, outcome)
    context = gather_customer(request, customer_id)
    context["undo_request_id"] = current_request_id() if outcome.moved and outcome.from_stage else None
    response = render(request, "customer.html#customer", context)
    return trigger_client_event(reswap(retarget(response, "#customer"), "outerHTML"), "c360:moved", after="settle")


def _ask(
    request: TenantRequest,
    customer_id: UUID,
    form: MoveForm | None = None,
    *,
    refusal: str = "",
    missed: Missed | None = None,
    status: int = 200,
) -> HttpResponse:
    """The dialog (or the page, without JavaScript), judged again and with what was filled in."""
    viewer = Viewer(request.identity.user_id, sees_contacts=request.identity.may(REVEAL_CONTACTS))
    lifecycle = read_lifecycle(
        customer_id, tenant=request.tenant, may_update=True, source=SOURCE, viewer=viewer, now=timezone.now()
    )
    profile = read_profile(customer_id, tenant=request.tenant, now=timezone.now())
    if lifecycle is None or profile is None:
        raise Http404
    given = form.data if form else {}
    chosen = given.get("stage") or request.GET.get("stage") or ""
    reason = given.get("reason") or request.GET.get("reason") or ""
    open_ones = [Open(one["stage"], one["reason_codes"]) for one in lifecycle["transitions"] if one["allowed"]]
    typed = keep_reasons(given, chosen, reason, open_ones)
    context: dict[str, Any] = {
        "customer_id": customer_id,
        "lifecycle": lifecycle,
        "company": profile["company"],
        "options": [one | {"reason": typed.by_stage.get(one["stage"], "")} for one in lifecycle["transitions"]],
        "stage_colors": stage_colors(policy_of_version(request.tenant.id, lifecycle["configuration_version"])),
        "chosen": chosen,
        "place": BOARD if is_on_board(request) else "",
        # What can no longer be chosen is said of a form alone that was sent.
        "typed": typed if form else None,
        "note": given.get("note") or "",
        "may_mute": request.identity.may(MUTE_EFFECTS) and any(one["effects"] for one in lifecycle["transitions"]),
        "mute": bool(given.get("mute")),
        "mute_reason": given.get("mute_reason") or "",
        "refusal": refusal,
        "missed": missed,
        "is_dialog": wants_fragment(request),
    }
    return render(request, "move.html#dialog" if wants_fragment(request) else "move.html", context, status=status)
