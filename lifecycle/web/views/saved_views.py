"""Views that people save of the list: opened by a link, kept, shared, locked, deleted."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.services.lists.saved_views import (
    ViewMissing,
    ViewRefused,
    change_view,
    delete_view,
    find_view,
    save_view,
)
from lifecycle.web.list_page import ListParameters
from lifecycle.web.pages import page
from lifecycle.web.saved_views import is_admin, may_share
from lifecycle.web.submissions import once
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy

# What a button does to a view, as ``change_view`` takes it.
CHANGES = {
    "share": {"share": True},
    "unshare": {"share": False},
    "lock": {"lock": True},
    "unlock": {"lock": False},
}


@page(VIEW_LIFECYCLE)
def open_view(request: TenantRequest, view_id: UUID) -> HttpResponse:
    """To the list as the view has it; 404 for those who may not see it, and for another tenant's."""
    try:
        view = find_view(view_id, request.identity.user_id, tenant=request.tenant)
    except ViewMissing as error:
        raise Http404 from error
    return redirect(_address(view.id, view.query))


@page(VIEW_LIFECYCLE, "POST")
@once
def keep_view(request: TenantRequest) -> HttpResponse:
    """Save the list as a view of one's own."""
    asked = ListParameters.from_query(request.POST.get("of", ""), live_policy(request.tenant.id), request.tenant)
    if asked.unknown:
        return _refuse(request, f"{asked.unknown} {_('Nothing was saved.')}", 400)
    try:
        view = save_view(
            request.POST.get("name", ""),
            asked.query_string,
            user_id=request.identity.user_id,
            tenant=request.tenant,
            actor=request.identity.actor(),
            now=timezone.now(),
            share="share" in request.POST and may_share(request),
            request_id=current_request_id(),
        )
    except ViewRefused as refused:
        return _refuse(request, str(refused), STATUS_OF_CODE[refused.code])
    messages.success(request, _("The view “%(name)s” was saved.") % {"name": view.name})
    return redirect(_address(view.id, view.query))


@page(VIEW_LIFECYCLE, "POST")
@once
def edit_view(request: TenantRequest, view_id: UUID) -> HttpResponse:
    """Change the view as the button says: its filters, its name, who sees it, whether it is locked; or delete it."""
    action, changed = request.POST.get("action", ""), {}
    if action in CHANGES:
        changed = CHANGES[action]
        if action == "share" and not may_share(request):
            return _refuse(request, _("Your role does not share views. Nothing was saved."), 403)
    elif action not in ("save", "rename", "delete"):
        return _refuse(request, _("There is no such change of a view. Nothing was saved."), 400)
    version = request.POST.get("version", "")
    common = {
        "user_id": request.identity.user_id,
        "is_admin": is_admin(request),
        "tenant": request.tenant,
        "actor": request.identity.actor(),
        "now": timezone.now(),
        "request_id": current_request_id(),
    }
    try:
        if action == "delete":
            delete_view(view_id, **common)  # type: ignore[arg-type]
            messages.success(request, _("The view was deleted."))
            return redirect("customer-list")
        if action == "rename":
            changed = {"name": request.POST.get("name", "")}  # type: ignore[dict-item]
        elif action == "save":
            asked = ListParameters.from_query(
                request.POST.get("of", ""), live_policy(request.tenant.id), request.tenant
            )
            if asked.unknown:
                return _refuse(request, f"{asked.unknown} {_('Nothing was saved.')}", 400)
            changed = {"query": asked.query_string}  # type: ignore[dict-item]
        view = change_view(view_id, version=int(version) if version.isdecimal() else None, **common, **changed)  # type: ignore[arg-type]
    except ViewMissing as error:
        raise Http404 from error
    except ViewRefused as refused:
        return _refuse(request, str(refused), STATUS_OF_CODE[refused.code])
    messages.success(request, _("The view “%(name)s” was changed.") % {"name": view.name})
    return redirect(_address(view.id, view.query))


def _address(view_id: UUID, query: str) -> str:
    return f"{reverse('customer-list')}?{query}{'&' if query else ''}view={view_id}"


def _refuse(request: TenantRequest, sentence: str, status: int) -> HttpResponse:
    return render(request, "view_refused.html", {"trouble": sentence}, status=status)
