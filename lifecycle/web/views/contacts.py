"""How to reach a person at a customer: shown to those who ask for it, one at a time, which is recorded."""

from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.revealing import reveal_contacts
from lifecycle.web.pages import page, wants_fragment
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.roles import REVEAL_CONTACTS
from tenants.services.accounts.impersonation import ImpersonationRefused, read_reason
from tenants.staff import FIELD


@page(REVEAL_CONTACTS, "POST")
def reveal(request: TenantRequest, customer_id: UUID, contact_id: UUID) -> HttpResponse:
    """The contact, in clear: in its place on the customer's page, or on a page of its own."""
    now = timezone.now()
    found = reveal_contacts(
        customer_id,
        tenant=request.tenant,
        actor=request.identity.actor(),
        now=now,
        contact_id=contact_id,
        reason=_read_reason(request),
        request_id=current_request_id(),
    )
    if not found:
        raise Http404
    context = {"customer_id": customer_id, "contact": found[0], "is_revealed": True}
    if wants_fragment(request):
        return render(request, "parts/contact.html", context)
    profile = read_profile(customer_id, tenant=request.tenant, now=now)
    return render(request, "contact.html", context | {"company": profile["company"] if profile else {}})


def _read_reason(request: TenantRequest) -> str:
    try:
        return read_reason(request.POST.get(FIELD, ""))
    except ImpersonationRefused as error:
        raise BadRequest(str(error)) from error
