"""The command palette: customers by a search, views and actions by their words, as the person's rights allow."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.queries.listing import BEST_MATCH, ListQuery, list_customers
from lifecycle.services.lists.saved_views import list_views
from lifecycle.web.home import SCOPES
from lifecycle.web.pages import page
from lifecycle.web.people import name_owners
from tenants.pages import TenantRequest
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import sort_key
from tenants.sentences.categories import CATEGORY_LABELS
from tenants.services.configuration.policies import NoConfiguration, live_policy

LONGEST_QUERY = 200
MOST_CUSTOMERS = 8
MOST_COMMANDS = 12
_CUSTOMER_PAGE = re.compile(r"/customers/([0-9a-f-]{36})(?:/|$)")


@dataclass(frozen=True, slots=True)
class Option:
    """What can be chosen, and where it leads."""

    label: str
    address: str
    icon: str
    under: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Options of one kind; never empty."""

    label: str
    options: Sequence[Option]


@page(VIEW_LIFECYCLE)
def show_palette(request: TenantRequest) -> HttpResponse:
    """What fits the letters ``q``: at most eight customers, and twelve each of views and actions.

    ``at``: the path of the page that asks, whose customer the first actions are about.
    """
    text = " ".join(request.GET.get("q", "")[:LONGEST_QUERY].replace("\x00", "").split())
    policy = _find_policy(request)
    parts = [
        (_("Customers"), list(_find_customers(request, text, policy)) if text and policy else []),
        (_("Actions"), _pick(_list_actions(request), text)),
        (_("Views"), _pick(_list_views(request, policy), text)),
    ]
    groups = [Group(label, options) for label, options in parts if options]
    count = sum(len(group.options) for group in groups)
    said = ngettext("%(count)s result", "%(count)s results", count) % {"count": count} if count else _("Nothing found.")
    return render(request, "parts/palette.html", {"groups": groups, "said": said})


def _find_policy(request: TenantRequest) -> Policy | None:
    """None before the first lifecycle is published: there are no customers then, and every action all the same."""
    try:
        return live_policy(request.tenant.id)
    except NoConfiguration:
        return None


def _find_customers(request: TenantRequest, text: str, policy: Policy) -> Iterator[Option]:
    query = ListQuery(search=text, ordering=BEST_MATCH, limit=MOST_CUSTOMERS)
    rows = list_customers(query, tenant=request.tenant, policy=policy, now=timezone.now()).rows
    owners = name_owners((row["owner"] for row in rows), tenant=request.tenant)
    for row in rows:
        owner = owners.get(row["owner"], row["owner"])
        under = " · ".join(filter(None, (row["external_id"], row["stage"], owner)))
        yield Option(row["name"], reverse("customer-page", args=[row["customer_id"]]), "building", under)


def _list_actions(request: TenantRequest) -> Iterator[Option]:
    may = request.identity.may
    customer_id = _customer_at(request.GET.get("at", ""))
    if customer_id is not None:
        if may(UPDATE_LIFECYCLE):
            yield Option(
                _("Change this customer's stage"), reverse("move-customer", args=[customer_id]), "arrow-right-left"
            )
        yield Option(_("Snooze this customer"), f"{reverse('snooze')}?customer={customer_id}", "clock")
    yield Option(_("Help"), reverse("help"), "life-buoy")
    yield Option(_("Notifications"), reverse("notifications-page"), "inbox")
    yield Option(_("Notification preferences"), reverse("notification-preferences"), "bell")
    yield Option(_("Your account"), reverse("account"), "settings")
    if may(CONFIGURE_STAGES):
        yield Option(_("Import customers"), reverse("admin:lifecycle_importupload_changelist"), "users")
        yield Option(_("Lifecycle configuration"), reverse("admin:tenants_configurationversion_changelist"), "route")
        yield Option(_("People"), reverse("admin:tenants_user_changelist"), "user")


def _list_views(request: TenantRequest, policy: Policy | None) -> Iterator[Option]:
    home, customers = reverse("overview"), reverse("customer-list")
    for name, label in SCOPES.items():
        yield Option(_("Home: %(whose)s") % {"whose": label}, f"{home}?whose={name}", "layout-dashboard")
    for view in list_views(request.identity.user_id, tenant=request.tenant):
        yield Option(view.name, reverse("saved-view", args=[view.id]), "users")
    yield Option(_("All customers"), customers, "users")
    yield Option(_("Board"), reverse("board"), "route")
    yield Option(_("Renewals"), reverse("renewals"), "calendar-clock")
    yield Option(_("Insight"), reverse("insight"), "arrow-right-left")
    if request.identity.may(VIEW_HISTORY):
        yield Option(_("My tasks"), reverse("own-tasks-page"), "circle-check")
    for category, label in CATEGORY_LABELS.items():
        if policy and policy.stages_in(category):
            address = f"{customers}?category={category}"
            yield Option(_("Customers: %(category)s") % {"category": label}, address, "users")
    yield Option(_("Customers stuck in stage"), f"{customers}?stuck=1", "hourglass")
    yield Option(_("Customers by renewal"), f"{customers}?ordering=renewal_on", "calendar-clock")
    yield Option(_("API docs"), "/api/docs", "book-open")


def _pick(options: Iterator[Option], text: str) -> list[Option]:
    """Those with every word of the text in their label, without regard to case and accents."""
    words = [sort_key(word) for word in text.split()]
    fitting = (one for one in options if all(word in sort_key(one.label) for word in words))
    return [one for one, _number in zip(fitting, range(MOST_COMMANDS), strict=False)]


def _customer_at(path: str) -> UUID | None:
    found = _CUSTOMER_PAGE.match(path)
    try:
        return UUID(found[1]) if found else None
    except ValueError:
        return None
