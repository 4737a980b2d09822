"""Every page is looked at in light and in dark, on a phone and at a desk, on paper and from right to left.

One walk loads each page once, and each proof asks what was found on it.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.data import with_contacts
from tests.browser.looks import AXE, CALM, RUN, SMALL_TARGETS, find_errors_across, set_width
from tests.browser.walking import Walk
from tests.factories import SAAS, CustomerFactory
from tests.services.audit_chain.tampering import move

pytestmark = [pytest.mark.browser, pytest.mark.one_tenant(configuration=SAAS)]

LISTS = (
    *("/admin/audit/lifecyclehistory/", "/admin/audit/administrationentry/", "/admin/audit/refusedattempt/"),
    *("/admin/lifecycle/effectrun/", "/admin/lifecycle/customer/", "/admin/tenants/user/"),
)
MORE_LISTS = ("/admin/tenants/configurationversion/", "/admin/lifecycle/importupload/", "/admin/tenants/apikey/")
AT_RISK = "/customers?category=risk"
WHOLE = "/customers?columns=customer,stage,days_in_stage,health,arr,renewal,owner,segment,industry,csat"
MORE = ("/insight/forecast", "/notifications", "/account", "/help")
WORK = ("/renewals", "/renewals/kept", "/tasks", "/insight")
PAST = ("/customers/as-of", "/board/as-of")


def looks_at(customer):
    """The addresses of each look. Of a customer's own pages the first is the last of the walk."""
    own = f"/customers/{customer.id}"
    parts = [f"{own}/{part}" for part in ("move", "timeline", "as-of", "handover")]
    printed = [part for part in parts if not part.endswith("/move")]
    listed = ("/", "/customers", AT_RISK)
    return {
        "axe": (*listed, "/customers?search=no one", "/renewals/kept", "/help", "/account", *LISTS, own),
        "lists": LISTS,
        "words": (*listed, *WORK, "/board", *LISTS),
        "targets": ("/", "/customers", "/board", *PAST, *WORK, *MORE, *parts, own),
        "beside": ("/", "/customers", "/board", *PAST, *WORK, own),
        "paper": ("/", WHOLE, "/board", *PAST, *WORK, "/help", *printed, own),
        "mirror": ("/", "/customers", "/account", "/board", own),
        "links": ("/admin/", *LISTS, *MORE_LISTS),
        "motion": ("/customers", "/admin/"),
    }


def widths_of_words(address):
    return (768, 900, 1024, 1440) if address == "/" or address.startswith("/customers") else (768, 1024)


def make_customers(tenant):
    """One that everything happened to, as many others as lists are long, and names that leave no room."""
    known = CustomerFactory(tenant=tenant, name="Aurora Logistics", stage="Live", owner="ann@acme.example")
    with_contacts(tenant, known)
    move(known, tenant, ("Wobbly", "Usage Dropped"), ("Live", None), note="They said they use it less.")
    move(known, tenant, ("Wobbly", "Usage Dropped"))
    for name in ("Northumberland Refrigeration & Warehousing", "Vasquez Telecommunications GmbH"):
        person = {"segment": "Mid-Market", "owner": "Wilhelmina Featherstonehaugh"}
        CustomerFactory(tenant=tenant, name=name, stage="Wobbly", reason_code="Champion Left", **person)
    for number in range(3):
        CustomerFactory(tenant=tenant, name=f"Customer {number}", stage="Wobbly", reason_code="Usage Dropped")
    for number in range(12):
        CustomerFactory(tenant=tenant, name=f"Prospect {number}", stage="Trial")
    for stage in ("Rollout", "Live", "Renewing", "Lost"):
        CustomerFactory(tenant=tenant, stage=stage, reason_code="Price" if stage == "Lost" else None)
    return known


@pytest.fixture(scope="module")
def walked(shared_tenant, shared_users, open_browsers, django_db_blocker):
    """The walk of an admin, who is led to every page; before it someone looks at the log-in page."""
    with django_db_blocker.unblock(), open_browsers() as open_browser:
        known = make_customers(shared_tenant)
        page = open_browser(shared_users.tenant_admin, reduced_motion="reduce")
        looks = looks_at(known)
        walk = Walk(page, looks, widths_of_words=widths_of_words)
        own = f"/customers/{known.id}"
        for address in dict.fromkeys(address for addresses in looks.values() for address in addresses):
            if address != own:
                walk.go(address)
        walk.go(own)
        expect(page.locator(".live")).to_have_text("Live")
        walk.look_at_the_dialog("dialog")
        walk.page = open_browser(reduced_motion="reduce", at="/login")
        walk.look_by_axe("/login")
    for name, addresses in looks.items():
        assert set(addresses) <= set(walk.looked_at[name]), name
    return walk


def test_every_page_is_accessible(walked):
    assert walked.found["axe"] == {}
    assert {"/login", "dialog", "dialog with a refusal"} <= set(walked.looked_at["axe"])


def test_who_wants_less_motion_sees_no_transition(walked):
    """Not a short one either: colors that are inherited would go from element to element, a frame each."""
    assert walked.found["motion"] == {}


def test_no_table_breaks_a_name_in_the_middle_of_a_word(walked):
    assert walked.found["words"] == {}


def test_the_tables_and_the_lists_of_the_administration_are_as_wide_as_the_screen(walked):
    assert walked.found["width"] == {}


def test_every_link_and_button_is_large_enough_to_hit(walked):
    assert walked.found["targets"] == {}


LINKS = """() => document.querySelector("main").insertAdjacentHTML("beforeend", `
  <table class="rows figures">
    <tbody><tr><td class="number"><a href="/">4</a></td><td><a href="/">Aurora</a></td></tr></tbody>
  </table>
  <p class="small"><a class="hit" href="/">How good it is</a></p>`)"""


def test_a_figure_that_leads_somewhere_is_large_enough_to_hit(open_browser, users, tenant):
    page = open_browser(users.account_manager, at="/help", bypass_csp=True)
    page.evaluate(LINKS)
    for width in (1280, 390):
        set_width(page, width)
        assert page.evaluate(SMALL_TARGETS) == [], width


def test_a_printed_page_has_the_content_alone(walked):
    assert walked.found["beside"] == {}


def test_pages_are_printed_without_what_is_pressed_and_with_whole_tables(walked):
    assert walked.found["paper"] == {}
    assert walked.printed_tables >= 5


def test_from_right_to_left_the_page_is_mirrored(walked):
    assert walked.found["mirror"] == {}


def test_the_links_of_the_administration_are_underlined(walked):
    assert walked.found["links"] == {}


SPOILED = """() => {
  document.querySelector("main").insertAdjacentHTML("beforeend", `
    <h1>Another heading</h1><div class="toasts">It is printed</div>
    <p><a href="/" style="display: block; height: 9px; overflow: hidden; text-decoration: none">A small link</a></p>
    <p style="width: 3ch; word-break: break-all">Conversation</p><div style="width: 2000px">wide</div>
    <ul style="padding: 0 0 0 30px"><li>begins at the left</li></ul>`);
}"""
SPOILED_ON_A_PHONE = """() => {
  document.head.insertAdjacentHTML("beforeend", `<style>@media (max-width: 500px) { RULE }</style>`);
  document.querySelector("main").insertAdjacentHTML("beforeend",
    `<button type="button"><span class="name">Save</span></button><p class="pale">Words</p>`);
}"""


def test_each_look_finds_what_it_looks_for(open_browser, users):
    page = open_browser(users.tenant_admin, reduced_motion="reduce", bypass_csp=True, at="/")
    page.evaluate(SPOILED)
    walk = Walk(page, {}, widths_of_words=widths_of_words)
    walk.look_across("/", 390, {"targets"}, has_words=True)
    walk.look_at_the_mirror("/")
    walk.look_beside_the_content("/")
    walk.look_at_paper("/")
    assert set(walk.found) == {"targets", "words", "width", "mirror", "beside", "paper"}


@pytest.mark.parametrize(
    ("rule", "name", "schemes"),
    [
        (".name { display: none; }", "button-name", ["light"]),
        (".pale { color: #eeeeee; background: #ffffff; }", "color-contrast", ["light", "dark"]),
        (
            "@media (prefers-color-scheme: dark) { .pale { color: #333; background: #222; } }",
            "color-contrast",
            ["dark"],
        ),
    ],
)
def test_axe_finds_what_is_wrong_on_a_phone_alone(open_browser, users, rule, name, schemes):
    page = open_browser(users.tenant_admin, reduced_motion="reduce", bypass_csp=True, at="/help")
    page.evaluate(SPOILED_ON_A_PHONE.replace("RULE", rule))
    found = find_errors_across(page, 1280, 390)
    assert {where: [id_ for id_, _ in errors] for where, errors in found.items()} == {
        (390, scheme): [name] for scheme in schemes
    }


# All that colors are judged by: of each text that is shown its own, the size of its letters, and what is behind it.
LOOKS_OF = """const looksOf = (part) => [part, ...part.querySelectorAll("*")]
  .filter((one) => [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
  .filter((one) => one.checkVisibility({visibilityProperty: true}))
  .map((one) => {
    const {color, fontSize, fontWeight, textShadow} = getComputedStyle(one);
    const look = [color, fontSize, fontWeight, textShadow];
    for (let behind = one; behind; behind = behind.parentElement) {
      const {backgroundColor, backgroundImage, opacity} = getComputedStyle(behind);
      look.push(...(backgroundColor === "rgba(0, 0, 0, 0)" ? [] : [backgroundColor]), backgroundImage, opacity);
    }
    return look.filter((what) => what !== "none" && what !== "1").join();
  });"""
# Most operations and answers look as others do; axe would take half a minute over all of them. Says which looks there
# were, and which there are afterwards: at once, as the page may still be drawing.
REMOVE_WHAT_LOOKS_ALIKE = f"""() => {{ {LOOKS_OF}
  const look = () => [...new Set(looksOf(document.body))].sort();
  const before = look(), seen = new Set();
  for (const part of document.querySelectorAll(".opblock:not(.is-open), .opblock.is-open tr.response")) {{
    const looks = looksOf(part);
    if (looks.every((one) => seen.has(one))) part.remove();
    looks.forEach((one) => seen.add(one));
  }}
  return [before, look()];
}}"""


def test_the_documentation_of_the_api_can_be_read(open_browser, users):
    page = open_browser(users.account_manager)
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    for method in ("get", "post", "patch", "put"):
        page.locator(f".opblock-{method} .opblock-summary-control").first.evaluate("one => one.click()")
    expect(page.locator(".opblock.is-open .opblock-body .responses-wrapper")).to_have_count(4)
    before, after = page.evaluate(REMOVE_WHAT_LOOKS_ALIKE)
    assert before and after == before
    page.evaluate(CALM)
    page.evaluate(AXE)
    found = page.evaluate(RUN, ["html", ["color-contrast"]])
    assert found["errors"] == []
    assert found["passes"]
