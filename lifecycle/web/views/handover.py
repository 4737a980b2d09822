"""The brief for the new owner of a customer, to be read or printed."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.services.customers.revealing import reveal_contacts
from lifecycle.services.work.handover import read_handover
from lifecycle.web.pages import page
from lifecycle.web.people import say_you
from lifecycle.web.stage_colors import stage_colors
from lifecycle.web.work import name_work, people_of, people_of_notes, show_notes
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.roles import REVEAL_CONTACTS, UPDATE_LIFECYCLE, VIEW_HISTORY
from tenants.services.accounts.members import name_members_and_accounts
from tenants.services.configuration.policies import live_policy


@page(VIEW_HISTORY)
def show_handover(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Everything that a new owner has to know, on one page.

    With contacts in clear for those who may see them: that they were shown is in the administration log.
    """
    tenant, viewer, now = request.tenant, request.identity, timezone.now()
    sees, policy = viewer.may(UPDATE_LIFECYCLE), live_policy(tenant.id)
    brief = read_handover(customer_id, tenant=tenant, policy=policy, now=now, sees_texts=sees)
    if brief is None:
        raise Http404
    contacts = brief["profile"]["contacts"]
    if contacts and viewer.may(REVEAL_CONTACTS):
        shown = reveal_contacts(
            customer_id,
            tenant=tenant,
            actor=viewer.actor(),
            now=now,
            place="handover",
            request_id=current_request_id(),
        )
        contacts = contacts if shown is None else shown
    work = {"tasks": brief["tasks"], "colleagues": ()}
    # Everyone on the page is named by one statement.
    asked = {(row["changed_by"], row["recorded_at"]) for row in brief["changes"]}
    asked |= people_of_notes(brief["notes"]) | people_of(work, now)
    members, owner_names = name_members_and_accounts(asked, [brief["profile"]["company"]["owner"]], tenant=tenant)
    names = say_you(members, viewer)
    context = {
        **brief,
        "customer_id": customer_id,
        "owner_names": owner_names,
        "changes": [row | {"who": names[row["changed_by"], row["recorded_at"]]} for row in brief["changes"]],
        "notes": [
            note | {"may_edit": False, "may_delete": False}
            for note in show_notes(brief["notes"], tenant=tenant, viewer=viewer, names=members)
        ],
        "tasks": [
            task | {"may_write": False} for task in name_work(work, members, now, tenant=tenant, viewer=viewer)["tasks"]
        ],
        "contacts": contacts,
        "sees_texts": sees,
        "made_at": now,
        "stage_colors": stage_colors(policy),
    }
    return render(request, "work/handover.html", context)
