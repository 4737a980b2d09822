"""Dismissing what an at-risk rule proposes. To accept it is to move the customer (``moving``)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.services.risk.proposals import LONGEST_DISMISSAL, ProposalRefused, dismiss_proposal, list_proposals
from lifecycle.web.pages import page
from lifecycle.web.submissions import once
from tenants.pages import PageGone, TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import UPDATE_LIFECYCLE


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
@once
def dismiss(request: TenantRequest, customer_id: UUID, proposal_id: UUID) -> HttpResponse:
    """Ask why, then put the proposal aside."""
    refusal, status, reason = "", 200, request.POST.get("reason", "")
    if request.method == "POST":
        try:
            firing = dismiss_proposal(
                proposal_id,
                customer_id,
                reason=reason,
                tenant=request.tenant,
                actor=request.identity.actor(),
                now=timezone.now(),
            )
        except ProposalRefused as refused:
            if refused.code == "not_found":
                raise _proposal_gone(str(refused), customer_id) from refused
            refusal, status = str(refused), STATUS_OF_CODE[refused.code]
        else:
            messages.success(request, _("The proposal of “%(rule)s” is dismissed.") % {"rule": firing.rule})
            return redirect("customer-page", customer_id)
    proposals, _count = list_proposals(tenant=request.tenant, customer_id=customer_id, limit=100)
    proposal = next((one for one in proposals if one["id"] == proposal_id), None)
    if proposal is None and not refusal:
        raise _proposal_gone(_("This proposal is no longer open."), customer_id)
    context = {
        "customer_id": customer_id,
        "proposal": proposal,
        "refusal": refusal,
        "reason": reason,
        "longest": LONGEST_DISMISSAL,
        "stage_colors": {},
    }
    return render(request, "dismiss_proposal.html", context, status=status)


def _proposal_gone(sentence: str, customer_id: UUID) -> PageGone:
    return PageGone(sentence, (reverse("customer-page", args=[customer_id]), _("Go to the customer")))
