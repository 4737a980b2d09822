"""Nothing is scrolled sideways, on a phone, zoomed in, or from right to left.

Every page that an admin comes to by links, walked in one browser.
"""

import io
import re
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.urls import Resolver404, resolve
from playwright.sync_api import expect

from lifecycle.models import BillingFigures, Notification
from lifecycle.services.work.tasks import create_task
from tenants.context import tenant_context
from tenants.models import User
from tests.browser.data import with_contacts
from tests.browser.looks import set_width
from tests.entry_points.test_pages import OWN, PAGES
from tests.factories import CustomerFactory, make_issuer, utc_now
from tests.services.audit_chain.tampering import move
from tests.web.test_work import by

pytestmark = pytest.mark.browser

WIDTH = 390
# How it is looked at: width of the screen, direction of the text, size of the text. A screen of 1,440 px zoomed to 200%
# is one of 720.
WAYS = {
    # 400% of 1,280 px: WCAG 1.4.10.
    320: [("ltr", "100%")],
    WIDTH: [("ltr", "100%"), ("rtl", "100%")],
    720: [("ltr", "100%"), ("rtl", "100%")],
    1440: [("ltr", "200%")],
}
# The pages that are open all day, between those as well.
DAILY = {"", "customers", "board", "customers/<uuid:customer_id>", "customers/<uuid:customer_id>/move"}
BETWEEN = {768: [("ltr", "100%")], 1280: [("ltr", "100%")]}
# Lays it out in each of the ways that have a width of the screen. How wide the page is where it is wider than that, and
# what reaches out of it.
LOOK = """async ([width, ways]) => {
  const root = document.documentElement;
  while (innerWidth !== width) await new Promise(requestAnimationFrame);
  const reaches = ({left, right}) => right > innerWidth + 1 || left < -1;
  const wide = (one) => reaches(one.getBoundingClientRect()) && !one.querySelector("*") && one.checkVisibility();
  const found = [];
  for (const [direction, size] of ways) {
    root.dir = direction;
    root.style.fontSize = size;
    if (root.scrollWidth <= width) continue;
    const those = [...document.querySelectorAll("body *")].filter(wide).slice(0, 3);
    found.push([direction, size, root.scrollWidth, those.map((one) => one.outerHTML.slice(0, 120))]);
  }
  return found;
}"""
LINKS = "[...new Set([...document.querySelectorAll('a[href]')].map((one) => one.href))]"
# Fields that are cut off at the edge of the panel that they are in.
CLIPPED = """() => [...document.querySelectorAll(".form-row :is(input, select, textarea)")].filter((one) => {
  const [inner, panel] = [one, one.closest(".module")].map((element) => element.getBoundingClientRect());
  return inner.width && (inner.right > panel.right + 1 || inner.left < panel.left - 1);
}).map((one) => one.name)"""
# Files, and what is no page of its own.
NO_PAGES = re.compile(
    r"\.(csv|xlsx|json|ics)$|/(download|logout|jsi18n|autocomplete)/?$|/live$|/bell$|/cards$|^/(api|static|metrics|healthz)"
)


def test_no_page_that_links_lead_to_is_wider_than_the_screen(open_browser, users, tenant):
    customer = CustomerFactory(
        tenant=tenant, name="Extraordinarily-Long-Company-Name-" * 3, owner="a" * 100, stage="Live"
    )
    with_contacts(tenant, customer)
    move(customer, tenant, ("Wobbly", "Usage Dropped"), ("Live", None), note="Supercalifragilistic" * 5)
    with override_settings(AUDIT_SIGNING_KEY=bytes(range(32))):
        call_command("seal_audit", tenant=tenant.slug, stdout=io.StringIO(), stderr=io.StringIO())
    with tenant_context(tenant.id):
        make_issuer(tenant)
        Notification.objects.create(
            tenant_id=tenant.id,
            user_id=users.tenant_admin.id,
            effect_id=uuid4(),
            customer_id=customer.id,
            effect="Escalate",
            from_stage="Live",
            to_stage="Wobbly",
            created_at=utc_now(),
        )
        User.objects.filter(tenant_id=tenant.id, is_service_account=True).update(username="d" * 60)
        User.objects.filter(id=users.tenant_admin.id).update(
            username="a" * 60, full_name="C" * 60, email=f"{'b' * 50}@example.com"
        )
    page = open_browser(users.tenant_admin, viewport={"width": WIDTH, "height": 800}, reduced_motion="reduce")
    ahead = ["/", "/admin/", *(route.replace("{customer_id}", str(customer.id)) for route in (*PAGES, *OWN))]
    seen, wide = set(), {}
    for address in ahead:
        if (route := route_of(address)) is None or route in seen:
            continue
        seen.add(route)
        page.goto(address)
        for width, ways in sorted({**WAYS, **(BETWEEN if route in DAILY else {})}.items()):
            page.set_viewport_size({"width": width, "height": 800})
            if found := page.evaluate(LOOK, [width, ways]):
                wide[address, width] = found
        links = [urlsplit(link) for link in page.evaluate(LINKS)]
        ahead += [link.path for link in links if link.netloc == urlsplit(page.url).netloc]
    assert wide == {}
    assert seen >= DAILY
    assert {"admin/audit/auditseal/", "admin/audit/auditseal/<path:object_id>/change/", "renewals", "board"} <= seen


@pytest.mark.parametrize("width", [WIDTH, 1024])
def test_no_control_of_the_administration_reaches_out_of_its_panel(open_browser, users, width):
    page = open_browser(users.tenant_admin, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    for address in (
        "/admin/lifecycle/effectrun/control",
        "/admin/lifecycle/customer/personal-data",
        "/admin/lifecycle/webhookendpoint/add/",
        "/admin/tenants/user/add/",
    ):
        page.goto(address)
        assert page.evaluate(CLIPPED) == [], address
    # The navigation wraps where there is room for more lines: on a phone it is one that is moved sideways.
    set_width(page, 1024)
    nav = page.locator(".frame nav")
    assert nav.evaluate("one => one.scrollWidth - one.clientWidth") <= 1


@pytest.mark.parametrize("width", [WIDTH, 320])
def test_unread_notifications_and_revenues_make_home_no_wider(open_browser, users, tenant, width):
    for currency, stage in (("EUR", "Live"), ("USD", "Live"), ("GBP", "Trial")):
        customer = CustomerFactory(tenant=tenant, stage=stage)
        with tenant_context(tenant.id):
            BillingFigures.objects.update_or_create(
                tenant_id=tenant.id,
                customer_id=customer.id,
                defaults={"currency": currency, "arr": "12345678.00", "occurred_at": utc_now()},
            )
    with tenant_context(tenant.id):
        who = str(users.account_manager.id)
        create_task(customer.id, "Call them", by=by(users.tenant_admin, tenant), assignee=who)
    page = open_browser(users.account_manager, viewport={"width": width, "height": 800})
    page.goto("/")
    expect(page.locator(".side .count")).to_contain_text("1")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def route_of(path):
    """The pattern of a page's address: one page of each is enough. None: it is no page."""
    if NO_PAGES.search(path):
        return None
    try:
        return resolve(unquote(path)).route
    except Resolver404:
        return None
