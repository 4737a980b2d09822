"""One field of a customer, with its pin; and how the customer's health came about."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.sentences.codes import name_source
from lifecycle.sentences.fields import name_field
from lifecycle.sentences.health import name_part
from lifecycle.services.customers.health_past import Delta, read_health_past
from lifecycle.services.customers.offers import PINNABLE
from lifecycle.services.customers.pins import AS_IT_IS, PinRefused, pin_field, unpin_field
from lifecycle.services.customers.profiles import read_profile
from lifecycle.web.pages import page, wants_fragment
from lifecycle.web.record import ShownField, draw_line, show_fields
from lifecycle.web.submissions import once
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import UPDATE_LIFECYCLE, VIEW_LIFECYCLE


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
@once
def pin(request: TenantRequest, customer_id: UUID, path: str) -> HttpResponse:
    """Show where a field comes from and what it was chosen over; pin it, or unpin it."""
    if path not in PINNABLE:
        raise Http404
    if request.method != "POST":
        return _show(request, customer_id, path)
    try:
        if "unpin" in request.POST:
            unpin_field(customer_id, path, **_arguments(request))
        else:
            pin_field(
                customer_id,
                path,
                value=_read_value(request),
                reason=request.POST.get("reason", ""),
                until=_read_until(request.POST.get("until", "")),
                **_arguments(request),
            )
    except PinRefused as refused:
        return _show(request, customer_id, path, refusal=refused.for_people(), status=STATUS_OF_CODE[refused.code])
    except ValueError:
        sentence = _("The day is not a date such as 2026-03-31. Nothing was changed.")
        return _show(request, customer_id, path, refusal=sentence, status=400)
    said = _("%(field)s is not pinned any more.") if "unpin" in request.POST else _("%(field)s is pinned.")
    messages.success(request, said % {"field": name_field(path)})
    return redirect("customer-page", customer_id)


def _arguments(request: TenantRequest) -> dict[str, Any]:
    version = request.POST.get("version", "")
    return {
        "tenant": request.tenant,
        "actor": request.identity.actor(),
        "now": timezone.now(),
        "expected_version": int(version) if version.isascii() and version.isdecimal() and len(version) < 12 else None,
        "request_id": current_request_id(),
    }


def _read_value(request: TenantRequest) -> Any:
    """What was typed sets the value; nothing typed does so only where one said that it should."""
    typed = request.POST.get("value", "")
    return typed if "sets_value" in request.POST or typed.strip() else AS_IT_IS


def _read_until(text: str) -> dt.datetime | None:
    """The end of a day where the reader is, as a form gives it. Raises ValueError."""
    if not text.strip():
        return None
    try:
        following = dt.date.fromisoformat(text.strip()) + dt.timedelta(days=1)
        return dt.datetime.combine(following, dt.time.min, timezone.get_current_timezone()).astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _show(
    request: TenantRequest, customer_id: UUID, path: str, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    profile = read_profile(customer_id, tenant=request.tenant, now=timezone.now())
    if profile is None:
        raise Http404
    (field,) = show_fields(profile, tenant=request.tenant, viewer=request.identity, only=path)
    typed = request.POST if request.method == "POST" else _as_pinned(field)
    context = {
        "customer_id": customer_id,
        "company": profile["company"],
        "field": field,
        "refusal": refusal,
        "typed": {name: typed.get(name, "") for name in ("value", "reason", "until", "sets_value")},
        "stage_colors": {},
    }
    return render(request, "pin.html", context, status=status)


def _as_pinned(field: ShownField) -> dict[str, str]:
    """The reason and the day of the pin, so that changing one of them keeps the other."""
    if not field.is_pinned:
        return {}
    last = field.pinned_until and timezone.localtime(field.pinned_until - dt.timedelta(microseconds=1))
    return {"reason": field.pin_reason, "until": last.date().isoformat() if last else ""}


@page(VIEW_LIFECYCLE)
def show_health(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """The score of the last weeks as a line and as a table, and what changed it since Monday."""
    profile = read_profile(customer_id, tenant=request.tenant, now=timezone.now())
    past = read_health_past(customer_id, tenant=request.tenant, now=timezone.now())
    if profile is None or past is None:
        raise Http404
    timestamps = past.timestamps
    context = {
        "customer_id": customer_id,
        "company": profile["company"],
        "past": past,
        "line": draw_line(timestamps, past.configured) if len(timestamps) > 1 else None,
        "latest": timestamps[-1] if timestamps else None,
        # One row a change: a table of ninety equal days says nothing.
        "rows": [one for index, one in enumerate(timestamps) if index == 0 or one.score != timestamps[index - 1].score],
        "deltas": [
            {"name": name_part(one.part), "points": one.points, "source": _say_cause(one), "at": one.at}
            for one in past.deltas
        ],
        "stage_colors": {},
    }
    return render(request, "health.html#past" if wants_fragment(request) else "health.html", context)


def _say_cause(delta: Delta) -> str:
    if delta.configuration is not None:
        return _("Configuration %(number)s") % {"number": delta.configuration}
    return name_source(delta.source or "")
