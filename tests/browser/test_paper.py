"""What is printed, and what is read from right to left: in one browser, looked at page by page."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_accessibility import with_contacts
from tests.factories import CustomerFactory
from tests.services.audit_chain.tampering import move

pytestmark = pytest.mark.browser

# A sheet of A4 between its margins, as browsers print it.
PAPER = {"width": 718, "height": 1000}
PRINTED = """() => {
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  const contrast = (one) => getComputedStyle(one).color;
  return {
    pressed: seen("button, .btn, .side, .filters, .tabs, .entry-link, [type=submit]")
      .map((one) => one.outerHTML.slice(0, 100)),
    width: document.documentElement.scrollWidth,
    wide: seen("body *").filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .filter((one) => !one.closest(".visually-hidden")).map((one) => one.outerHTML.slice(0, 100)).slice(0, 5),
    clipped: seen("main *").filter((one) => one.scrollWidth > one.clientWidth + 1
      && ["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)
      && !one.closest(".visually-hidden, svg, caption")).map((one) => one.outerHTML.slice(0, 100)),
    ink: [...new Set(seen("main a").map(contrast))],
    plain: seen("main a").filter((one) => !getComputedStyle(one).textDecorationLine.includes("underline"))
      .map((one) => one.outerHTML.slice(0, 100)),
    heads: seen("thead").map((one) => getComputedStyle(one).display),
  };
}"""


@pytest.fixture
def known(tenant):
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live", owner="ann@acme.example")
    with_contacts(tenant, customer)
    move(customer, tenant, ("Wobbly", "Usage Dropped"), note="They said they use it less.")
    for number in range(5):
        CustomerFactory(tenant=tenant, name=f"Customer {number}", stage="Wobbly", reason_code="Usage Dropped")
    for number in range(15):
        CustomerFactory(tenant=tenant, name=f"Prospect {number}", stage="Trial")
    return customer


def test_pages_are_printed_without_what_is_pressed_and_with_whole_tables(open_browser, users, known):
    # In the dark, too, paper is white.
    page = open_browser(users.tenant_admin, color_scheme="dark", viewport=PAPER)
    whole = "/customers?columns=customer,stage,days_in_stage,health,arr,renewal,owner,segment,industry,csat"
    handover = f"/customers/{known.id}/handover"
    tables = 0
    own = (f"/customers/{known.id}", f"/customers/{known.id}/as-of", f"/customers/{known.id}/timeline", handover)
    others = (
        "/board",
        "/board/as-of",
        "/customers/as-of",
        "/renewals",
        "/renewals/kept",
        "/insight",
        "/help",
        "/tasks",
    )
    for address in ("/", whole, *own, *others):
        page.emulate_media(media="screen", color_scheme="dark")
        page.goto(address)
        page.emulate_media(media="print", color_scheme="dark")
        found = page.evaluate(PRINTED)
        assert found["pressed"] == [], address
        assert (found["width"] <= PAPER["width"], found["wide"], found["clipped"]) == (True, [], []), address
        assert found["plain"] == [], address
        assert all(is_dark(color) for color in found["ink"]), (address, found["ink"])
        assert set(found["heads"]) <= {"table-header-group"}, address
        tables += len(found["heads"])
        # As the browser itself prints it.
        assert page.pdf(format="A4").startswith(b"%PDF-")
    assert tables >= 5


def is_dark(color):
    """Whether ``rgb(23, 28, 48)`` is read on white paper."""
    red, green, blue = (int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(", "))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128


SIDES = """() => {
  document.documentElement.dir = "rtl";
  const at = (selector) => document.querySelector(selector).getBoundingClientRect();
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  return {side: at(".side").left, main: at("main").right, text: style("main").direction};
}"""


LEFT = """() => {
  const lists = [...document.querySelectorAll("main :is(ul, ol, dd, dl)")].filter((one) => one.checkVisibility());
  const isLeft = ({paddingLeft, paddingRight, marginLeft, marginRight}) =>
    parseFloat(paddingLeft) > parseFloat(paddingRight) + 1 || parseFloat(marginLeft) > parseFloat(marginRight) + 1;
  return lists.filter((one) => isLeft(getComputedStyle(one))).map((one) => one.outerHTML.slice(0, 120));
}"""


def test_from_right_to_left_the_page_is_mirrored(open_browser, users, known):
    page = open_browser(users.account_manager, viewport={"width": 1440, "height": 900})
    for address in ("/", "/customers", f"/customers/{known.id}", "/account", "/board"):
        page.goto(address)
        found = page.evaluate(SIDES)
        # The bar is on the right, and what it leads to ends where it begins.
        assert (found["side"], found["main"], found["text"]) == (1200, 1200, "rtl"), address
        # Nothing is moved from its line by a side that stayed where it was: every list and field begins at the right.
        left = page.evaluate(LEFT)
        assert left == [], address
    page.goto(f"/customers/{known.id}")
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.locator("#change-stage").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
