"""``make screenshots``: the pictures of the README, taken of the demo in a headless Chromium."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from local.browser import find_browser
from local.commands import started
from local.demo import address_mail, attended, prepare, processes
from local.folders import PROJECT, open_throwaway
from local.guard import Guard
from local.processes import find_free_port
from local.services import Services, say
from local.trouble import CannotStart

IMAGES = PROJECT / "docs" / "images"
CUSTOMERS = "2000"
LOGIN = ("manager@acme.example", "demo")
AT_RISK = "/customers?category=risk"
DESKTOP, PHONE = (1440, 900), (390, 844)


class Picture(NamedTuple):
    """``address`` empty: the page of the customer at risk that is most urgent."""

    name: str
    address: str
    size: tuple[int, int] = DESKTOP
    scheme: str = "light"


PICTURES = (
    Picture("overview", "/"),
    Picture("customers", AT_RISK),
    Picture("board", "/board"),
    Picture("customer", ""),
    Picture("customer-dark", "", scheme="dark"),
    Picture("customer-phone", "", PHONE),
)


def run_screenshots(guard: Guard, arguments: list[str]) -> int:
    """Load the demo on throw-away services, log in, and write each picture.

    Raises CannotStart without a Chromium.
    """
    if arguments:
        raise CannotStart("screenshots takes no arguments")
    if find_browser() is None:
        raise CannotStart("there is no Chromium; run: python -m local browser")
    os.environ |= {"DEMO_CUSTOMERS": os.environ.get("DEMO_CUSTOMERS", CUSTOMERS), "DEMO_EVENTS": "0"}
    folders = open_throwaway(guard, durable=False)
    with started(Services(folders, guard, given=os.environ, fast=True)) as services:
        port = find_free_port()
        site = f"http://127.0.0.1:{port}"
        stream = f"http://127.0.0.1:{find_free_port()}/live"
        services.env |= {"EVENT_STREAM_URL": stream, **address_mail(port, {})}
        prepare(folders, guard, services.env)
        wanted = ("web", "stream")
        workers = [one for one in processes(folders, guard, services.env, port) if one.child.name in wanted]
        with attended(workers):
            for worker in workers:
                worker.await_ready()
            IMAGES.mkdir(exist_ok=True)
            for path in take(site):
                say(f"{path.relative_to(PROJECT)}: {path.stat().st_size // 1024} kB")
    return 0


def take(site: str) -> Iterator[Path]:
    """Take every picture; its path after each."""
    with _opened() as browser:
        state = _log_in(browser, site)
        for picture in PICTURES:
            width, height = picture.size
            context = browser.new_context(
                base_url=site,
                storage_state=state,
                viewport={"width": width, "height": height},
                color_scheme=picture.scheme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(picture.address or _find_customer(page))
            # Open pages hold a connection for what is new, so the network is never idle.
            page.locator("main h1").wait_for()
            page.evaluate("document.fonts.ready")
            path = IMAGES / f"{picture.name}.png"
            page.screenshot(path=path, animations="disabled", caret="hide")
            yield path
            context.close()


@contextmanager
def _opened() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def _log_in(browser: Any, site: str) -> Any:
    """The session of the demo's account manager, to be used again."""
    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.goto("/login")
    page.locator("input[name=username]").fill(LOGIN[0])
    page.locator("input[name=password]").fill(LOGIN[1])
    page.locator("main button[type=submit]").first.click()
    page.locator("#palette-open").wait_for(state="attached")
    state = context.storage_state()
    context.close()
    return state


def _find_customer(page: Any) -> str:
    page.goto(AT_RISK)
    address: str = page.locator("#results a.name").first.get_attribute("href")
    return address
