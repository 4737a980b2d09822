"""Renewals: a month and a list, what past months have kept, and the calendar that programs subscribe to."""

import datetime as dt
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from lifecycle.sentences.codes import name_source
from lifecycle.services.work import calendar_feeds, renewals
from lifecycle.services.work.icalendar import MEDIA_TYPE, write_calendar
from lifecycle.services.work.kept_customers import list_kept
from lifecycle.services.work.kept_revenue import find_kept_count, read_kept_revenue
from lifecycle.services.work.renewals import ONE_DAY, OVERDUE_DAYS, PER_PAGE, Month, Retention
from lifecycle.services.work.renewed import MOST_PAGED, count_renewed, list_renewed
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.home import ALL, MINE
from lifecycle.web.pages import page
from lifecycle.web.people import name_owners
from lifecycle.web.stage_colors import stage_colors
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.pages import TenantRequest
from tenants.roles import VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.services.configuration.policies import NoConfiguration, live_policy


@page(VIEW_LIFECYCLE)
def show_renewals(request: TenantRequest) -> HttpResponse:
    """What is due in a month, by day and as a list; what is overdue; and what past months have kept."""
    tenant, now = request.tenant, timezone.now()
    today = timezone.localdate(now)
    policy = live_policy(tenant.id)
    asked = AddressReader(request.GET)
    month = asked.read_month(today)
    owner = request.identity.username if asked.choose("whose", (MINE, ALL)) == MINE else ""
    given: dict[str, Any] = {"tenant": tenant, "policy": policy, "owner": owner}
    weeks = month.weeks()
    days = renewals.list_days(weeks[0][0], weeks[-1][-1] + ONE_DAY, **given)
    chosen = asked.read_day_of(month)
    begin, end = (chosen, chosen + ONE_DAY) if chosen else (month.first, month.plus(1).first)
    in_month = sum(day.customers for at, day in days.items() if month.first <= at < month.plus(1).first)
    total = (days[chosen].customers if chosen in days else 0) if chosen else in_month
    due = Paginator(range(total), PER_PAGE).get_page(asked.read_number("page"))
    renewed, renewed_pages, is_more = _read_renewed(month, tenant, owner, asked.read_number("renewed"))
    kept = read_kept_revenue(tenant=tenant, policy=policy, now=now)
    due_rows = renewals.list_renewals(begin, end, now=now, offset=max(due.start_index() - 1, 0), **given)
    # One more than are listed: whether there are any beyond them is said.
    late = renewals.list_renewals(today - dt.timedelta(days=OVERDUE_DAYS), today, now=now, limit=PER_PAGE + 1, **given)
    overdue = late[:PER_PAGE]
    shown = itertools.chain(due_rows, overdue, renewed)
    context = {
        "troubles": asked.troubles,
        "month": month,
        "month_name": month.first,
        "before": _spell(month.plus(-1)),
        "after": _spell(month.plus(1)),
        "this": _spell(month),
        "whose": "mine" if owner else "",
        "weeks": [
            [{"day": day, "due": days.get(day), "is_other": day.month != month.number} for day in week]
            for week in weeks
        ],
        "chosen": chosen,
        "today": today,
        "in_month": in_month,
        "due": _turn(request, due, "page", "due"),
        "rows": due_rows,
        "overdue": overdue,
        "more_overdue": PER_PAGE if len(late) > PER_PAGE else 0,
        "owner_names": name_owners((row["owner"] for row in shown), tenant=tenant),
        "renewed": [{**row, "source": name_source(row["source"])} for row in renewed],
        "renewed_pages": _turn(request, renewed_pages, "renewed", "renewed-heading"),
        "more_renewed": MOST_PAGED if is_more else 0,
        "overdue_days": OVERDUE_DAYS,
        "retention": _by_month(kept.months) if kept else [],
        "is_counted": kept is not None,
        "unknown": kept.unknown if kept else 0,
        "may_open": request.identity.may(VIEW_HISTORY),
        "counted_at": kept.counted_at if kept else None,
        "feed_most": calendar_feeds.MOST_ENTRIES,
        "has_feed": calendar_feeds.has_feed(request.identity.user_id, tenant=tenant),
        "feed": request.session.pop("calendar_feed", ""),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "work/renewals.html", context, status=asked.status)


@page(VIEW_HISTORY)
def show_kept(request: TenantRequest) -> HttpResponse:
    """The customers behind what a month has kept of its revenue in one currency, as of now.

    Where the page it is opened from has counted others, the list says so: that count may be an hour old.
    """
    policy, now = live_policy(request.tenant.id), timezone.now()
    asked = AddressReader(request.GET)
    month = asked.read_month(timezone.localdate(now))
    currency = request.GET.get("currency", "").replace("\x00", "")[:3]
    number = asked.read_number("page")
    given: dict[str, Any] = {"tenant": request.tenant, "policy": policy}
    rows, count = list_kept(month, currency, offset=(number - 1) * PER_PAGE, **given)
    shown = Paginator(range(count), PER_PAGE).get_page(number)
    if number != shown.number:
        rows, count = list_kept(month, currency, offset=(shown.number - 1) * PER_PAGE, **given)
    counted, counted_at = find_kept_count(month, currency, now=now, **given) or (count, now)
    context = {
        "troubles": asked.troubles,
        "month_name": month.first,
        "currency": currency,
        "rows": rows,
        "pages": _turn(request, shown, "page", "kept"),
        "count": count,
        "counted": counted,
        "counted_at": counted_at,
        "owner_names": name_owners((row["owner"] for row in rows), tenant=request.tenant),
        "stage_colors": stage_colors(policy),
    }
    return render(request, "work/kept.html", context, status=asked.status)


@page(VIEW_LIFECYCLE, "POST")
def change_feed(request: TenantRequest) -> HttpResponse:
    """A new secret address for the person's calendar, or none any more."""
    arguments: dict[str, Any] = {"tenant": request.tenant, "actor": request.identity.actor(), "now": timezone.now()}
    if request.POST.get("do") == "revoke":
        calendar_feeds.revoke_feed(request.identity.user_id, **arguments)
        messages.success(request, _("The address of your calendar no longer works."))
    else:
        secret = calendar_feeds.make_feed(request.identity.user_id, **arguments)
        # Shown once, by the next page.
        request.session["calendar_feed"] = request.build_absolute_uri(reverse("calendar-feed", args=[secret]))
        messages.success(request, _("Your calendar has a new address. Copy it now: it is not shown again."))
    return redirect(f"{reverse('renewals')}#calendar")


@require_safe
def read_feed(request: HttpRequest, secret: str) -> HttpResponse:
    """The calendar of the person whose secret it is: the renewals that are theirs, or all where they own none."""
    reader = calendar_feeds.find_reader(secret)
    if reader is None:
        raise Http404
    if calendar_feeds.is_too_often(reader.feed_id):
        return HttpResponse(status=429, headers={"Retry-After": "3600", "Cache-Control": "no-store"})
    now = timezone.now()
    with tenant_context(reader.tenant.id):
        try:
            policy = live_policy(reader.tenant.id)
        except NoConfiguration as error:
            raise Http404 from error
        rows = calendar_feeds.list_entries(reader, policy=policy, now=now)
    body = write_calendar(rows, tenant_id=reader.tenant.id, site=settings.SITE_URL)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer"}
    response = HttpResponse(body, content_type=MEDIA_TYPE, headers=headers)
    return get_conditional_response(request, etag=etag, response=response) or response


def _by_month(retention: Sequence[Retention]) -> list[dict[str, Any]]:
    """The rows, each with whether it is the first one of its month."""
    by_month = itertools.groupby(retention, key=lambda row: row.month)
    return [{"row": row, "first": index == 0} for _month, kept in by_month for index, row in enumerate(kept)]


def _read_renewed(
    month: Month, tenant: TenantRef, owner: str, number: int
) -> tuple[list[dict[str, Any]], Page[int], bool]:
    """A page of what was renewed in the month; the last one for a number beyond it. And whether there are more."""
    rows = list_renewed(month, tenant=tenant, owner=owner) if number == 1 else []
    # Of a first page that is not full the number is known.
    is_all = number == 1 and len(rows) < PER_PAGE
    count = len(rows) if is_all else count_renewed(month, tenant=tenant, owner=owner)
    shown = Paginator(range(min(count, MOST_PAGED)), PER_PAGE).get_page(number)
    if number > 1:
        rows = list_renewed(month, tenant=tenant, owner=owner, offset=max(shown.start_index() - 1, 0))
    return rows, shown, count > MOST_PAGED


def _turn(request: TenantRequest, shown: Page[int], name: str, anchor: str) -> Mapping[str, Any]:
    """The page of a list, with the addresses of the one before it and the one after it."""

    def address(number: int) -> str:
        given = request.GET.copy()
        given[name] = str(number)
        return f"?{given.urlencode()}#{anchor}"

    return {
        "shown": shown,
        "previous": address(shown.number - 1) if shown.has_previous() else "",
        "next": address(shown.number + 1) if shown.has_next() else "",
    }


def _spell(month: Month) -> str:
    return f"{month.year:04}-{month.number:02}"
