"""The list of customers as a file: exactly what the page shows, of all pages."""

from typing import Any

from django.http import FileResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.services.lists.contact_columns import ContactColumns
from lifecycle.services.lists.described import describe_asked
from lifecycle.services.lists.exports import CONTENT_TYPES, ExportRefused, export_customers
from lifecycle.web.list_page import ListParameters
from lifecycle.web.pages import page
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.roles import REVEAL_CONTACTS, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy

# The parameter that asks for the main contact of each customer.
CONTACTS = "contacts"


@page(VIEW_LIFECYCLE, "GET")
def export_list(request: TenantRequest, kind: str) -> Any:
    """The customers of the list with these parameters, with its columns and in its order, as CSV or XLSX.

    With the main contact of each where it is asked for: masked for those who may not reveal them.
    """
    policy, now = live_policy(request.tenant.id), timezone.now()
    asked = ListParameters.read(request.GET, policy, request.tenant)
    if asked.unknown:
        return render(request, "export_refused.html", {"trouble": asked.unknown, "query": asked}, status=400)
    try:
        file = export_customers(
            asked.to_query(),
            asked.columns,
            kind,
            tenant=request.tenant,
            policy=policy,
            actor=request.identity.actor(),
            now=now,
            described=describe_asked(asked.parameters(), asked.where),
            contacts=ContactColumns(request.identity.may(REVEAL_CONTACTS)) if request.GET.get(CONTACTS) else None,
            request_id=current_request_id(),
        )
    except ExportRefused as refused:
        return render(request, "export_refused.html", {"trouble": str(refused), "query": asked}, status=429)
    name = f"customers-{now.date().isoformat()}.{kind}"
    return FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[kind])
