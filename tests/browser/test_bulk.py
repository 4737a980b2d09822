"""Many customers in a real browser: ticked, shown, moved, undone; the board by mouse and by keyboard."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from lifecycle.models import CustomerLifecycleStatus
from tenants.context import tenant_context
from tests.browser.looks import PATIENT_PRESS, assert_accessible
from tests.factories import CustomerFactory
from tests.services.bulk.changing import actor_of, begin, select

pytestmark = pytest.mark.browser


def stages_of(tenant):
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)
        return sorted(rows.values_list("stage", flat=True))


def make(tenant, name, stage="Live"):
    return CustomerFactory(tenant=tenant, name=name, stage=stage)


def test_several_are_ticked_shown_moved_and_taken_back(open_browser, users, tenant):
    for name in ("Aurora Logistics", "Birch Foods", "Cedar Labs"):
        make(tenant, name)
    page = open_browser(users.account_manager, reduced_motion="reduce")
    page.goto("/customers?stage=Live")
    page.get_by_role("checkbox", name="Select Aurora Logistics").check()
    # The others of the list come and go; what was ticked stays.
    page.get_by_label("Search", exact=True).fill("Birch")
    expect(page.get_by_role("link", name="Aurora Logistics")).to_be_hidden()
    page.get_by_role("button", name="Select all on this page").click()
    expect(page.locator("#selection [data-count]")).to_have_text("2 customers selected")
    assert_accessible(page, "list with a selection")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("heading", name="Move 2 selected customers")).to_be_visible()
    page.get_by_role("radio", name="Wobbly").check()
    page.get_by_role("combobox", name="Reason").select_option("Usage Dropped")
    assert_accessible(page, "where to")
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_text("2 customers move to “Wobbly”.")).to_be_visible()
    assert stages_of(tenant) == ["Live", "Live", "Live"]
    assert_accessible(page, "preview")
    page.get_by_role("button", name="Move 2 customers").click()
    expect(page.get_by_text("Done: 2 customers moved to “Wobbly”.")).to_be_visible()
    assert stages_of(tenant) == ["Live", "Wobbly", "Wobbly"]
    assert_accessible(page, "progress")
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: 2 customers moved back.")).to_be_visible()
    assert stages_of(tenant) == ["Live", "Live", "Live"]


@pytest.mark.parametrize("by", ["the mouse", "a key"])
def test_what_is_pressed_or_has_the_focus_stays_while_the_progress_is_looked_up(open_browser, users, tenant, by):
    actor = actor_of(users.account_manager)
    change = select(tenant, actor, [make(tenant, "Aurora Logistics").id])
    begin(tenant, actor, change, "Renewing")
    page = open_browser(users.account_manager)
    page.add_init_script(PATIENT_PRESS)
    page.goto(reverse("bulk-change", args=[change.id]))
    stop = page.get_by_role("button", name="Stop", exact=True)

    def await_look():
        """One that was asked for from here on, and has been shown if it is to be."""
        with page.expect_response(lambda answer: answer.request.resource_type == "xhr"):
            pass
        with page.expect_request(lambda request: request.resource_type == "xhr"):
            pass

    stop.focus()
    stop.evaluate("button => { button.dataset.former = 'true'; }")
    await_look()
    expect(page.locator("[data-former]")).to_have_count(0)
    expect(stop).to_be_focused()

    if by == "the mouse":
        stop.hover()
        page.mouse.down()
    else:
        page.keyboard.down("Space")
    stop.evaluate("button => { button.dataset.former = 'true'; }")
    await_look()
    expect(page.locator("[data-former]")).to_have_count(1)
    if by == "the mouse":
        page.mouse.up()
    else:
        page.keyboard.up("Space")
    expect(page.get_by_text("Stopped: 1 customer was left as it was.")).to_be_visible()
    assert stages_of(tenant) == ["Live"]


def column(page, stage):
    return page.locator(f'.board-column[data-stage="{stage}"]')


def drag(page, card, target):
    """Take a card and hold it over the column."""
    card.hover()
    page.mouse.down()
    target.locator("header").hover()
    # A busy browser takes the card a while after the mouse has moved: let go before, it would hold it for good.
    expect(card).to_have_class(re.compile(r"\bdragged\b"))
    # It reports a place with a later move only.
    for number in range(400):
        target.locator("header").hover(position={"x": 20 + number % 2, "y": 10})
        if "over" in (target.get_attribute("class") or "").split():
            return
        page.wait_for_timeout(50)
    raise AssertionError("the column does not hear of the card")


def test_cards_are_moved_by_mouse_and_by_keyboard_and_the_dialog_comes_first(open_browser, users, tenant):
    aurora, birch = make(tenant, "Aurora Logistics"), make(tenant, "Birch Foods")
    page = open_browser(users.account_manager, reduced_motion="reduce", viewport={"width": 1600, "height": 900})
    page.goto("/board")
    expect(page.locator(".live")).to_have_text("Live")
    assert_accessible(page, "board")
    card = page.locator(f"#card-{aurora.id}")
    drag(page, card, column(page, "Trial"))
    expect(column(page, "Trial")).to_contain_text("A customer in “Live” cannot be moved to “Trial”.")
    expect(column(page, "Wobbly").locator(".why")).to_be_hidden()
    page.mouse.up()
    expect(page.locator("#toasts")).to_contain_text("A customer in “Live” cannot be moved to “Trial”.")
    expect(column(page, "Live").locator(f"#card-{aurora.id}")).to_be_visible()

    drag(page, card, column(page, "Wobbly"))
    page.mouse.up()
    dialog = page.get_by_role("dialog", name="Change the stage of Aurora Logistics")
    expect(dialog.get_by_role("radio", name="Wobbly", exact=True)).to_be_checked()
    assert stages_of(tenant) == ["Live", "Live"]
    dialog.get_by_role("combobox", name="Reason").select_option("Usage Dropped")
    dialog.get_by_role("button", name="Change stage").click()
    expect(dialog).to_be_hidden()
    expect(column(page, "Wobbly").locator(f"#card-{aurora.id}")).to_be_visible()
    expect(column(page, "Wobbly")).to_contain_text("1 customer")
    expect(page.locator("#announcer")).to_have_text("Aurora Logistics is now in Wobbly.")
    expect(page.locator("#board-notice").get_by_role("button", name="Undo")).to_be_visible()
    assert stages_of(tenant) == ["Live", "Wobbly"]

    page.locator(f"#move-{aurora.id}").focus()
    page.keyboard.press("Enter")
    menu = page.get_by_role("menu", name="Move to")
    expect(menu.get_by_role("menuitem", name="Live", exact=True)).to_be_focused()
    expect(menu.get_by_role("menuitem", name="Trial A customer")).to_contain_text("cannot be moved to “Trial”")
    assert_accessible(page, "board with its menu")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("radio", name="Live", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(column(page, "Live").locator(f"#card-{aurora.id}")).to_be_visible()
    expect(page.locator(f"#move-{aurora.id}")).to_be_focused()
    assert stages_of(tenant) == ["Live", "Live"]

    for name in ("Aurora Logistics", "Birch Foods"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    drag(page, page.locator(f"#card-{birch.id}"), column(page, "Renewing"))
    page.mouse.up()
    expect(page.get_by_role("heading", name="Move 2 selected customers to “Renewing”?")).to_be_visible()
    page.get_by_role("button", name="Move 2 customers").click()
    expect(page.get_by_text("Done: 2 customers moved to “Renewing”.")).to_be_visible()
    assert stages_of(tenant) == ["Renewing", "Renewing"]

    for width in (390, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/board")
        expect(column(page, "Renewing")).to_contain_text("2 customers")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_accessible(page, "board")
