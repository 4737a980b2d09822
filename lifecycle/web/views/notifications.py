"""The alerts of the person who is logged in: how many are unread, and what they say."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.models import Customer
from lifecycle.services.effects.notifications import count_unread, list_notifications, mark_all_read, mark_read
from lifecycle.services.effects.preferences import (
    AT_ONCE,
    CHOICES,
    DIGEST,
    OFF,
    Preference,
    PreferenceRefused,
    read_preference,
    set_preference,
    time_zones,
)
from lifecycle.web.pages import page, wants_fragment
from tenants.pages import TenantRequest
from tenants.roles import VIEW_LIFECYCLE
from tenants.services.accounts.members import name_members_then

CHOICE_LABELS = {
    AT_ONCE: gettext_lazy("At once: each alert appears here as soon as it is sent"),
    DIGEST: gettext_lazy("Daily digest: one e-mail a day at 8 in the morning, and then they appear here"),
    OFF: gettext_lazy("Off: no alerts"),
}
# What a button is about, for those who hear it; an alert is named by its effect.
ABOUT = {"mention": gettext_lazy("the mention in a note"), "task": gettext_lazy("the task")}


@page(VIEW_LIFECYCLE)
def show_notifications(request: TenantRequest) -> HttpResponse:
    """The latest fifty, with the names of their customers."""
    rows = list_notifications(request.identity.user_id, tenant=request.tenant)
    ids = {row.customer_id for row in rows}
    named = Customer.objects.filter(tenant_id=request.tenant.id, id__in=ids, erased_at=None)
    names = dict(named.values_list("id", "name"))
    people = name_members_then({(row.made_by, row.created_at) for row in rows if row.made_by}, tenant=request.tenant)
    shown = [
        {
            "row": row,
            "name": names.get(row.customer_id, _("A customer that was erased")),
            "who": people.get((row.made_by, row.created_at), ""),
            "about": ABOUT.get(row.kind) or row.effect,
        }
        for row in rows
    ]
    template = "notifications.html#list" if wants_fragment(request) else "notifications.html"
    return render(request, template, {"notifications": shown, "stage_colors": {}})


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
def read_one(request: TenantRequest, notification_id: UUID) -> HttpResponse:
    """The person has read it."""
    mark_read(notification_id, request.identity.user_id, tenant=request.tenant, now=timezone.now())
    return redirect("notifications-page")


@page(VIEW_LIFECYCLE, "GET", "HEAD", "POST")
def choose_preferences(request: TenantRequest) -> HttpResponse:
    """How the person hears of alerts."""
    user_id, tenant, now = request.identity.user_id, request.tenant, timezone.now()
    refusal = ""
    if request.method == "POST":
        alerts, time_zone = request.POST.get("alerts", ""), request.POST.get("time_zone", "").strip()
        try:
            set_preference(user_id, tenant=tenant, now=now, alerts=alerts, time_zone=time_zone)
        except PreferenceRefused as refused:
            refusal = _("%(why)s Nothing was saved.") % {"why": refused}
        else:
            messages.success(request, _("Your preferences were saved."))
            return redirect("notification-preferences")
        preference = Preference(alerts, time_zone)
    else:
        preference = read_preference(user_id, tenant=tenant)
    context: dict[str, Any] = {
        "preference": preference,
        "next_digest": None if refusal else preference.next_digest(now),
        "choices": [(value, CHOICE_LABELS[value]) for value in CHOICES],
        "time_zones": sorted(time_zones()),
        "refusal": refusal,
        "stage_colors": {},
    }
    return render(request, "notification_preferences.html", context, status=400 if refusal else 200)


@page(VIEW_LIFECYCLE, "POST")
def acknowledge(request: TenantRequest, notification_id: UUID) -> HttpResponse:
    """The person takes care of it."""
    mark_read(notification_id, request.identity.user_id, tenant=request.tenant, now=timezone.now(), acknowledge=True)
    return redirect("notifications-page")
