"""Undoing the latest change of a customer, and of all whom the same request moved."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from lifecycle.services.transitions.undo import UndoRefused, begin_undo, undo_after_commit
from lifecycle.web.pages import page
from lifecycle.web.tags import count
from tenants.pages import TenantRequest
from tenants.roles import UPDATE_LIFECYCLE


@page(UPDATE_LIFECYCLE, "POST")
def undo_change(request: TenantRequest, customer_id: UUID, request_id: UUID) -> HttpResponse:
    """Bring everyone back whom the request moved and no one has moved since; then the customer's page again."""
    now = timezone.now()
    try:
        undo = begin_undo(request_id, tenant=request.tenant, actor=request.identity.actor(), now=now)
    except UndoRefused as refused:
        messages.warning(request, f"{refused} Nothing was changed.")
        return redirect("customer-page", customer_id)
    undo_after_commit(request.tenant, now=now)
    said = [f"Undone: {count(undo.to_move, 'customer')} moved back."]
    if undo.moved_since:
        said.append(f"{count(undo.moved_since, 'customer')} had been moved on and stayed.")
    if undo.effects_cancelled:
        said.append(f"{count(undo.effects_cancelled, 'automation')} cancelled.")
    if undo.effects_already_done:
        said.append(f"{count(undo.effects_already_done, 'automation')} had already run.")
    messages.success(request, " ".join(said))
    return redirect("customer-page", customer_id)
