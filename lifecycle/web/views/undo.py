"""Undoing a change: of one customer at once, of many after a question, and then with its progress."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from lifecycle.models import Undo
from lifecycle.sentences import say
from lifecycle.services.transitions.undo import (
    UndoPreview,
    UndoRefused,
    begin_undo,
    find_already_done,
    find_undo,
    preview_undo,
    undo_after_commit,
)
from lifecycle.services.transitions.update_budget import RateLimited, UpdateBudget
from lifecycle.web.pages import page, wants_fragment
from tenants.context import tenant_context
from tenants.pages import TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import UPDATE_LIFECYCLE
from tenants.sentences.figures import say_number

MOVED_BACK = ngettext_lazy("Undone: %(n)d customer moved back.", "Undone: %(n)d customers moved back.", "n")
NOT_MOVED = ngettext_lazy(
    "%(shown)s customer could not be moved back: the former stage is gone, for example.",
    "%(shown)s customers could not be moved back: the former stage is gone, for example.",
    "n",
)
STAYED = ngettext_lazy(
    "%(n)d customer had been moved on and stayed.", "%(n)d customers had been moved on and stayed.", "n"
)
CANCELLED = ngettext_lazy("%(n)d automation canceled.", "%(n)d automations canceled.", "n")


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
def undo_request(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Say what the undo of a change would do, and do it when that is agreed to; of one customer without a question."""
    actor, now = request.identity.actor(), timezone.now()
    try:
        preview = preview_undo(request_id, tenant=request.tenant, actor=actor)
    except UndoRefused as refused:
        refusal = _("%(refusal)s Nothing was changed.") % {"refusal": str(refused)}
        return _ask(request, request_id, refusal=refusal, status=STATUS_OF_CODE[refused.code])
    is_agreed = preview.customer_id is not None or "confirmed" in request.POST
    if request.method != "POST" or not is_agreed:
        return _ask(request, request_id, preview)
    try:
        undo = begin_undo(request_id, tenant=request.tenant, actor=actor, now=now, budget=UpdateBudget(actor))
    except RateLimited as limited:
        response = _ask(request, request_id, preview, refusal=say(limited.message), status=429)
        for name, value in limited.headers.items():
            response[name] = value
        return response
    undo_after_commit(request.tenant)
    if preview.customer_id is None:
        return redirect("undo-progress", undo.id)
    # Whether the customer could be moved back is known once that has been tried, which is after the commit.
    already_done = find_already_done(request_id, tenant=request.tenant)
    transaction.on_commit(partial(_say_undone, request, undo.id, already_done), robust=True)
    return redirect("customer-page", preview.customer_id)


def _say_undone(request: TenantRequest, undo_id: UUID, already_done: Mapping[str, int]) -> None:
    with tenant_context(request.tenant.id):
        undo = find_undo(undo_id, tenant=request.tenant)
    if undo is not None:
        messages.success(request, describe(undo, already_done))


@page(UPDATE_LIFECYCLE)
def show_undo(request: TenantRequest, undo_id: UUID) -> HttpResponse:
    """How far an undo has come."""
    undo = find_undo(undo_id, tenant=request.tenant)
    if undo is None:
        raise Http404
    # Customers that were moved on after it had begun are passed over: at the end it is whole all the same.
    left = 0 if undo.finished_at else max(0, undo.to_move - undo.moved - undo.refused)
    # Of many customers they are very many: they are asked for once, at the end, and not at each look.
    already_done = find_already_done(undo.request_id, tenant=request.tenant) if undo.finished_at else {}
    context = {"undo": undo, "left": left, "already_done": already_done, "stage_colors": {}}
    return render(request, "undo_progress.html#progress" if wants_fragment(request) else "undo_progress.html", context)


def describe(undo: Undo, already_done: Mapping[str, int]) -> str:
    """What an undo does, in a few sentences; and what it cannot take back, by name: effects that had been done."""
    said = [MOVED_BACK % {"n": undo.moved}]
    if undo.finished_at is None:
        # Others are before it.
        shown = {"moved": say_number(undo.moved), "to_move": say_number(undo.to_move)}
        said = [_("%(moved)s of %(to_move)s customers moved back so far.") % shown]
    if undo.refused:
        said.append(NOT_MOVED % {"n": undo.refused, "shown": say_number(undo.refused)})
    for number, sentence in ((undo.moved_since, STAYED), (undo.effects_cancelled, CANCELLED)):
        if number:
            said.append(sentence % {"n": number})
    for name, number in already_done.items():
        said.append(
            _("“%(name)s” × %(number)s has already run: that cannot be taken back.")
            % {"name": name, "number": say_number(number)}
        )
    return " ".join(said)


def _ask(
    request: TenantRequest,
    request_id: UUID,
    preview: UndoPreview | None = None,
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "request_id": request_id,
        "preview": preview,
        "refusal": refusal,
        "stage_colors": {},
    }
    return render(request, "undo.html", context, status=status)
