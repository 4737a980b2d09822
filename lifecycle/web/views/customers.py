"""One customer: its page, the part of it that stays up to date, and more of its history."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.work.timeline import EFFECT, KINDS, STAGE, Place, find_place
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.customer_page import gather_customer, stamp_of
from lifecycle.web.pages import page, wants_fragment
from lifecycle.web.stage_colors import stage_colors
from lifecycle.web.timeline import KIND_LABELS, read_place, show_timeline
from tenants.pages import TenantRequest
from tenants.roles import VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.services.configuration.policies import live_policy


@page(VIEW_LIFECYCLE)
def show_customer(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """The page of one customer [FR-03]."""
    return render(request, "customer.html", gather_customer(request, customer_id, with_work=True))


@page(VIEW_LIFECYCLE)
def refresh_customer(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """What changes on the page with the customer; 204 as long as it is at ``version``, as ``stamp`` shows it [AC-1]."""
    now = timezone.now()
    summary = read_summary(customer_id, tenant=request.tenant, now=now)
    profile = read_profile(customer_id, tenant=request.tenant, now=now)
    if summary is None or profile is None:
        raise Http404
    stamp = stamp_of(summary, profile)
    if (str(summary["version"]), stamp) == (request.GET.get("version"), request.GET.get("stamp", stamp)):
        return HttpResponse(status=204)
    context = gather_customer(request, customer_id)
    if request.GET.get("version") == str(context["lifecycle"]["version"]):
        # The figures alone are new: what says that the change was made, and offers to undo it, stays.
        context["undo_request_id"] = _read_id(request.GET.get("moved", ""))
    return render(request, "customer.html#customer", context)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@page(VIEW_HISTORY)
def show_history(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """The stage changes before the one that ``before`` names: more lines of the list, or a page of their own."""
    return _show_timeline(request, customer_id, STAGE, {STAGE: request.GET.get("before", "")})


@page(VIEW_HISTORY)
def show_timeline_page(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """What happened to the customer, of one ``kind`` or all: more lines of the list, or a page of their own."""
    asked = AddressReader(request.GET)
    kind = asked.choose("kind", KINDS)
    return _show_timeline(request, customer_id, kind, read_place(request.GET), asked=asked)


@page(VIEW_HISTORY)
def show_entry(request: TenantRequest, customer_id: UUID, kind: str, entry_id: UUID) -> HttpResponse:
    """The page of the timeline that begins with one entry: an address that lasts."""
    if kind not in KINDS:
        raise Http404
    before = find_place(kind, entry_id, customer_id=customer_id, tenant=request.tenant)
    if before is None:
        raise Http404
    # Among all others an effect is with the change that started it.
    return _show_timeline(request, customer_id, kind if kind == EFFECT else "", before, is_entry=True)


def _show_timeline(
    request: TenantRequest,
    customer_id: UUID,
    kind: str,
    before: Place,
    *,
    is_entry: bool = False,
    asked: AddressReader | None = None,
) -> HttpResponse:
    profile = read_profile(customer_id, tenant=request.tenant, now=timezone.now())
    if profile is None:
        raise Http404
    history = show_timeline(
        customer_id,
        tenant=request.tenant,
        viewer=request.identity,
        kind=kind,
        before=before,
        currency=profile["billing"]["currency"] or "",
    )
    context = {
        "customer_id": customer_id,
        "company": profile["company"],
        "history": history,
        "kinds": KIND_LABELS.items(),
        "troubles": asked.troubles if asked else (),
        "is_entry": is_entry,
        "is_first": not before,
        "is_continued": wants_fragment(request),
        "stage_colors": stage_colors(live_policy(request.tenant.id)),
    }
    template = "customer.html#steps" if wants_fragment(request) else "history.html"
    return render(request, template, context, status=asked.status if asked else 200)
