"""axe-core finds nothing to complain about (WCAG 2 A and AA), in light and in dark, on a desk and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.services.audit_chain.tampering import move

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# In details that are closed what has ended stays in the list of animations.
CALM = """async () => {
  for (let calm = 0; calm < 5;) {
    await new Promise(requestAnimationFrame);
    calm = document.getAnimations().some((one) => one.playState !== "finished") ? 0 : calm + 1;
  }
}"""


# Only what is asserted leaves the page: all that axe found, with every node that is well, is megabytes. Preloading
# would write imported style sheets into the page, which the policy of some pages forbids.
RUN = """async ([part, rules]) => {
  const found = await axe.run(part, {runOnly: rules, preload: false, resultTypes: ["violations"]});
  const tell = (node) => [node.html.slice(0, 160), ...node.any.map((one) => one.message)];
  return {
    errors: found.violations.map(({id, nodes}) => [id, nodes.slice(0, 3).map(tell)]),
    passes: found.passes.length,
  };
}"""


def assert_accessible(page, what, *, part="html"):
    """Run axe on the page as it is, without motion: all rules in light, and in dark the one that colors decide."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    for scheme, rules in (("light", RULES), ("dark", ["color-contrast"])):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(CALM)
        found = page.evaluate(RUN, [part, rules])
        assert not found["errors"], (what, scheme, found["errors"])
        assert found["passes"], (what, scheme)


def test_every_page_is_accessible(open_browser, users, tenant):
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Wobbly", reason_code="Usage Dropped")
    for stage in ("Trial", "Rollout", "Live", "Renewing", "Lost"):
        reason = "Price" if stage == "Lost" else None
        CustomerFactory(tenant=tenant, stage=stage, reason_code=reason)

    def check(page, what):
        for width in at_each_width(page, 390, 1280):
            assert_accessible(page, f"{what} at {width} px")

    # Nothing moves while axe looks at colours.
    anonymous = open_browser(reduced_motion="reduce")
    anonymous.goto("/login")
    check(anonymous, "log-in")
    page = open_browser(users.account_manager, at="/", reduced_motion="reduce")
    check(page, "overview")
    for address in (
        "/customers",
        "/customers?category=risk",
        "/customers?search=no one",
        "/renewals/kept",
        "/help",
        "/account",
        "/no/such/page",
    ):
        page.goto(address)
        if address != "/no/such/page":  # in development that is Django's own page
            check(page, address)
    page.goto(f"/customers/{customer.id}")
    expect(page.locator(".live")).to_have_text("Live")
    check(page, "customer")
    page.locator("#change-stage").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Lost", exact=True).check()
    check(page, "dialog")
    dialog.get_by_role("button", name="Change stage").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    check(page, "dialog with a refusal")


def at_each_width(page, *widths):
    """The page as it is, laid out for one width of the screen after the other, without motion in between."""
    page.emulate_media(reduced_motion="reduce")
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(
            "async (width) => { while (innerWidth !== width) await new Promise(requestAnimationFrame); }", width
        )
        yield width


def test_no_page_is_wider_than_the_screen(open_browser, users, tenant):
    customer = CustomerFactory(
        tenant=tenant,
        name="Extraordinarily-Long-Company-Name-Without-Any-Blank " * 3,
        stage="Wobbly",
        reason_code="Usage Dropped",
        owner="somebody.with.a.very.long.address@subsidiary.company.example",
    )
    page = open_browser(users.account_manager)
    for address in ("/", "/customers", "/board", f"/customers/{customer.id}", f"/customers/{customer.id}/move"):
        page.goto(address)
        for width in at_each_width(page, 320, 768, 1280):
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_who_wants_less_motion_sees_no_transition(open_browser, users):
    """Not a short one either: colors that are inherited would go from element to element, a frame each."""
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    for address in ("/customers", "/admin/"):
        page.goto(address)
        durations = "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one).transitionDuration)"
        assert set(page.evaluate(durations)) == {"0s"}, address


BROKEN_WORDS = """() => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".visually-hidden, caption")) continue;
    for (const found of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(found[0]);
    }
  }
  return broken;
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll("main a, main button")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24)
  .map((one) => `${one.outerHTML.slice(0, 90)}: ${one.getBoundingClientRect().height}`)"""


def test_no_table_breaks_a_name_in_the_middle_of_a_word(open_browser, users, tenant):
    for number, name in enumerate(("Northumberland Refrigeration & Warehousing", "Vasquez Telecommunications GmbH")):
        CustomerFactory(
            tenant=tenant,
            name=f"{name} {number}",
            stage="Wobbly",
            reason_code="Champion Left",
            segment="Mid-Market",
            owner="Wilhelmina Featherstonehaugh",
        )
    page = open_browser(users.tenant_admin)
    lists = ("/renewals", "/renewals/kept", "/tasks", "/insight", "/board", *LISTS)
    for address in ("/", "/customers", "/customers?category=risk", *lists):
        page.goto(address)
        for width in at_each_width(page, 768, 1024) if address in lists else at_each_width(page, 768, 900, 1024, 1440):
            assert page.evaluate(BROKEN_WORDS) == [], (address, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_every_link_and_button_is_large_enough_to_hit(open_browser, users, tenant):
    customer = CustomerFactory(tenant=tenant, stage="Wobbly", reason_code="Usage Dropped")
    with_contacts(tenant, customer)
    page = open_browser(users.account_manager)
    own = [f"/customers/{customer.id}{part}" for part in ("", "/move", "/timeline", "/as-of", "/handover")]
    work = (
        "/renewals",
        "/renewals/kept",
        "/tasks",
        "/insight",
        "/insight/forecast",
        "/notifications",
        "/account",
        "/help",
    )
    for address in ("/", "/customers", "/board", "/customers/as-of", "/board/as-of", *work, *own):
        page.goto(address)
        for width in at_each_width(page, 390, 1280):
            assert page.evaluate(SMALL_TARGETS) == [], (address, width)


def with_contacts(tenant, customer):
    fact = CustomerFacts(
        external_id=customer.external_id,
        source="/crm",
        occurred_at=utc_now(),
        contacts=[ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")],
    )
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=system_actor("tests"), source="API", now=utc_now(), create=False)


def test_a_printed_page_has_the_content_alone(open_browser, users, tenant):
    customer = CustomerFactory(tenant=tenant, stage="Wobbly", reason_code="Usage Dropped")
    page = open_browser(users.account_manager)
    work = ("/board", "/customers/as-of", "/board/as-of", "/renewals", "/renewals/kept", "/tasks", "/insight")
    for address in ("/", "/customers", f"/customers/{customer.id}", *work):
        page.goto(address)
        page.emulate_media(media="print")
        for part in (".side", ".skip", ".filters", ".views", "#change-stage", ".toasts"):
            for one in page.locator(part).all():
                expect(one).to_be_hidden()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.locator("main").evaluate("main => main.getBoundingClientRect().left") < 40
        page.emulate_media(media="screen")


def test_the_links_of_the_administration_are_underlined(open_browser, users, tenant):
    page = open_browser(users.tenant_admin)
    CustomerFactory(tenant=tenant, stage="Live")
    more = ("/admin/tenants/configurationversion/", "/admin/lifecycle/importupload/", "/admin/tenants/apikey/")
    for address in ("/admin/", *LISTS, *more):
        page.goto(address)
        plain = page.evaluate(
            """() => [...document.querySelectorAll("#content :is(td, th[scope=row], p, li) a")]
              .filter((one) => !one.matches(".button, [role=button]"))
              .filter((one) => one.checkVisibility() && !one.closest(".object-tools, .submit-row, .paginator, thead"))
              .filter((one) => !getComputedStyle(one).textDecorationLine.includes("underline"))
              .map((one) => one.outerHTML.slice(0, 120))"""
        )
        assert plain == [], address


LISTS = (
    *("/admin/audit/lifecyclehistory/", "/admin/audit/administrationentry/", "/admin/audit/refusedattempt/"),
    *("/admin/lifecycle/effectrun/", "/admin/lifecycle/customer/", "/admin/tenants/user/"),
)


def test_the_lists_of_the_administration_are_accessible_and_as_wide_as_the_screen(open_browser, users, tenant):
    customer = CustomerFactory(tenant=tenant, stage="Live")
    move(customer, tenant, ("Wobbly", "Usage Dropped"), ("Live", None))
    page = open_browser(users.tenant_admin, reduced_motion="reduce")
    for address in LISTS:
        page.goto(address)
        for width in at_each_width(page, 390, 1280):
            page.wait_for_function(
                "least => document.querySelector('#changelist').getBoundingClientRect().width > least",
                arg=340 if width == 390 else 900,
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
            assert_accessible(page, f"{address} at {width} px")


def test_the_documentation_of_the_api_can_be_read(open_browser, users):
    page = open_browser(users.account_manager, viewport={"width": 1280, "height": 900})
    # The program that shows it lays out all operations at once, and hears nothing for ten seconds of a busy machine.
    page.set_default_timeout(60_000)
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=60_000)
    for method in ("get", "post", "patch", "put"):
        page.locator(f".opblock-{method} .opblock-summary-control").first.evaluate("one => one.click()")
    expect(page.locator(".opblock.is-open .opblock-body .responses-wrapper")).to_have_count(4, timeout=60_000)
    # The operations that stay closed all look alike; axe would take half a minute over them.
    page.evaluate("""() => {
      const seen = new Set();
      for (const one of document.querySelectorAll(".opblock:not(.is-open)")) {
        if (seen.has(one.className)) one.style.display = "none";
        seen.add(one.className);
      }
    }""")
    page.evaluate(CALM)
    page.evaluate(AXE)
    found = page.evaluate(RUN, ["html", ["color-contrast"]])
    assert found["errors"] == []
    assert found["passes"]
