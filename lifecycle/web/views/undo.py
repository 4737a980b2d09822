"""Undoing the latest change of a customer, and of all whom the same request moved."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from lifecycle.services.transitions.undo import UndoRefused, begin_undo, undo_after_commit
from lifecycle.web.pages import page
from tenants.pages import TenantRequest
from tenants.roles import UPDATE_LIFECYCLE

MOVED_BACK = ngettext_lazy("Undone: %(n)d customer moved back.", "Undone: %(n)d customers moved back.", "n")
STAYED = ngettext_lazy(
    "%(n)d customer had been moved on and stayed.", "%(n)d customers had been moved on and stayed.", "n"
)
CANCELLED = ngettext_lazy("%(n)d automation cancelled.", "%(n)d automations cancelled.", "n")
ALREADY_RUN = ngettext_lazy("%(n)d automation had already run.", "%(n)d automations had already run.", "n")


@page(UPDATE_LIFECYCLE, "POST")
def undo_change(request: TenantRequest, customer_id: UUID, request_id: UUID) -> HttpResponse:
    """Bring everyone back whom the request moved and no one has moved since; then the customer's page again."""
    now = timezone.now()
    try:
        undo = begin_undo(request_id, tenant=request.tenant, actor=request.identity.actor(), now=now)
    except UndoRefused as refused:
        messages.warning(request, _("%(refusal)s Nothing was changed.") % {"refusal": refused})
        return redirect("customer-page", customer_id)
    undo_after_commit(request.tenant, now=now)
    said = [MOVED_BACK % {"n": undo.to_move}]
    for number, sentence in (
        (undo.moved_since, STAYED),
        (undo.effects_cancelled, CANCELLED),
        (undo.effects_already_done, ALREADY_RUN),
    ):
        if number:
            said.append(sentence % {"n": number})
    messages.success(request, " ".join(said))
    return redirect("customer-page", customer_id)
