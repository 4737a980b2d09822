"""The alerts of the person who is logged in: how many are unread, and what they say."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.models import Customer
from lifecycle.services.effects.notifications import count_unread, list_notifications, mark_all_read, mark_read
from lifecycle.web.pages import page
from tenants.pages import TenantRequest
from tenants.roles import VIEW_LIFECYCLE


@page(VIEW_LIFECYCLE)
def show_notifications(request: TenantRequest) -> HttpResponse:
    """The latest fifty, with the names of their customers."""
    rows = list_notifications(request.identity.user_id, tenant=request.tenant)
    ids = {row.customer_id for row in rows}
    named = Customer.objects.filter(tenant_id=request.tenant.id, id__in=ids, erased_at=None)
    names = dict(named.values_list("id", "name"))
    shown = [{"row": row, "name": names.get(row.customer_id, _("A customer that was erased"))} for row in rows]
    return render(request, "notifications.html", {"notifications": shown, "looks": {}})


@page(VIEW_LIFECYCLE)
def show_bell(request: TenantRequest) -> HttpResponse:
    """How many are unread: a part of every page."""
    unread = count_unread(request.identity.user_id, tenant=request.tenant)
    return render(request, "parts/bell.html", {"unread": unread})


@page(VIEW_LIFECYCLE, "POST")
def read_all(request: TenantRequest) -> HttpResponse:
    """All of them are read."""
    mark_all_read(request.identity.user_id, tenant=request.tenant, now=timezone.now())
    return redirect("notifications-page")


@page(VIEW_LIFECYCLE, "POST")
def acknowledge(request: TenantRequest, notification_id: UUID) -> HttpResponse:
    """The person takes care of it."""
    mark_read(notification_id, request.identity.user_id, tenant=request.tenant, now=timezone.now(), acknowledge=True)
    return redirect("notifications-page")
