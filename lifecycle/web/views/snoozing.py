"""Putting customers of the first page aside, and taking them back."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.queries.home import look_at_figures
from lifecycle.services.home.snoozing import LONGEST_REASON, MOST, SnoozeRefused, snooze_customers, wake_customer
from lifecycle.web.pages import page
from tenants.pages import TenantRequest
from tenants.roles import VIEW_LIFECYCLE
from tenants.sentences import enumerate_names


@page(VIEW_LIFECYCLE, "GET", "HEAD", "POST")
def snooze(request: TenantRequest) -> HttpResponse:
    """Ask why and until when, then put the customers aside."""
    given = request.POST if request.method == "POST" else request.GET
    ids = _read_ids(given.getlist("customer"))
    refusal, error, target = "", "", _target(request, given.get("next", ""))
    now = timezone.now()
    if request.method == "POST":
        try:
            done = snooze_customers(
                ids,
                user_id=request.identity.user_id,
                reason=given.get("reason", ""),
                until=_read_day(given.get("until", "")),
                tenant=request.tenant,
                actor=request.identity.actor(),
                now=now,
            )
        except SnoozeRefused as refused:
            refusal, error = str(refused), refused.field
        else:
            messages.success(
                request,
                ngettext("%(names)s is snoozed.", "%(names)s are snoozed.", len(done))
                % {"names": enumerate_names([one.name for one in done])},
            )
            return redirect(target)
    context: dict[str, Any] = {
        "customers": look_at_figures(ids[:MOST], tenant=request.tenant) if ids else [],
        "refusal": refusal,
        "error": error,
        "reason": given.get("reason", ""),
        "until": given.get("until", ""),
        "tomorrow": (timezone.localdate(now) + dt.timedelta(days=1)).isoformat(),
        "longest": LONGEST_REASON,
        "next": target,
        "stage_colors": {},
    }
    return render(request, "snooze.html", context, status=400 if refusal else 200)


@page(VIEW_LIFECYCLE, "POST")
def wake(request: TenantRequest) -> HttpResponse:
    """Take a customer back before its time."""
    for customer_id in _read_ids([request.POST.get("customer", "")]):
        woken = wake_customer(
            customer_id,
            user_id=request.identity.user_id,
            tenant=request.tenant,
            actor=request.identity.actor(),
            now=timezone.now(),
        )
        if woken is not None:
            messages.success(request, _("%(name)s is back on your list.") % {"name": woken.name})
    return redirect(_target(request, request.POST.get("next", "")))


def _target(request: TenantRequest, target: str) -> str:
    """Where to go back to: a page of this site, else the first."""
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if is_ours else reverse("overview")


def _read_ids(texts: Iterable[str]) -> list[UUID]:
    """The ids among them, each once; what is no id is passed over."""
    ids: dict[UUID, None] = {}
    for text in texts:
        try:
            ids[UUID(text)] = None
        except ValueError:
            continue
    return list(ids)


def _read_day(text: str) -> dt.date | None:
    """The day, None for none. Raises SnoozeRefused."""
    if not text.strip():
        return None
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError as error:
        raise SnoozeRefused("until", _("Enter the day as 2026-12-31. Nothing was saved.")) from error
