"""A headless Chromium on the real pages. Without one the tests are reported, once and loudly, as not run."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from local.browser import find_browser
from tenants.context import tenant_context
from tenants.models import User
from tests.browser.servers import Server, environment_of, find_port
from tests.conftest import Browser
from tests.factories import PASSWORD, SAAS, TenantFactory
from tests.workers import note_not_run

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# However busy the machine is: what comes within it costs no time.
PATIENCE_MS = 60_000
WITHOUT_BROWSER = (
    "NOT RUN: {count} browser tests need Chromium, and there is none."
    " Install it (Debian: apt-get install chromium-headless-shell) or name one in the variable CHROMIUM."
)


def pytest_collection_modifyitems(config, items):
    """Without a browser one test stands for all: skipped, with the reason and their number."""
    browser_tests = [item for item in items if item.get_closest_marker("browser")]
    if not browser_tests or find_browser():
        return
    reason = WITHOUT_BROWSER.format(count=len(browser_tests))
    browser_tests[0].add_marker(pytest.mark.skip(reason=reason))
    items[:] = [item for item in items if item not in browser_tests[1:]]
    config.hook.pytest_deselected(items=browser_tests[1:])
    note_not_run(config, reason)


@dataclass
class Site:
    """The running product. ``stream`` may be stopped and started again."""

    web: Server
    stream: Server

    @property
    def url(self):
        return f"http://127.0.0.1:{self.web.port}"


@pytest.fixture(scope="package")
def site(django_db_setup, tmp_path_factory):
    logs = tmp_path_factory.mktemp("servers")
    web_port, stream_port = find_port(), find_port()
    environment = {**environment_of(stream_port), "DJANGO_SETTINGS_MODULE": "tests.browser.settings"}
    web = Server("web", web_port, environment, logs / "web.log")
    stream = Server("stream", stream_port, environment, logs / "stream.log")
    try:
        stream.start("/live/healthz")
        web.start("/healthz/live")
        yield Site(web, stream)
    finally:
        web.stop()
        stream.stop()


@pytest.fixture(scope="package")
def chromium():
    """The browser. It ends with these tests: as long as it lives, its event loop runs in this thread."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with pytest.MonkeyPatch.context() as patch:
        # The driver keeps an event loop in this thread, and Django would refuse to touch the database beside it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            yield browser
            browser.close()


@pytest.fixture
def tenant(db):
    """A tenant with a full graph of stages, reasons and an effect."""
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def real_passwords(users, tenant):
    """The passwords as the servers want them: they know only the real hasher, which is slow."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        password = make_password(PASSWORD)
    with tenant_context(tenant.id):
        User.objects.filter(tenant_id=tenant.id).update(password=password)


@pytest.fixture(scope="package")
def open_browsers(chromium, site):
    """``with open_browsers() as open_browser``: as the fixture of that name, for a walk that a whole file looks at."""

    @contextmanager
    def browsers():
        contexts, complaints = [], []

        def build(user=None, *, at=None, **options):
            options = {"viewport": {"width": 1280, "height": 900}, **options}
            context = chromium.new_context(**options, base_url=site.url)
            context.set_default_timeout(PATIENCE_MS)
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
            page.on(
                "console", lambda line: complaints.append(f"{page.url}: {line.text}") if _is_complaint(line) else None
            )
            if user is not None:
                context.add_cookies(
                    [{"name": settings.SESSION_COOKIE_NAME, "value": begin_session(user), "url": site.url}]
                )
            if at is not None:
                page.goto(at)
            return page

        try:
            yield build
        finally:
            for context in contexts:
                context.close()
        assert complaints == []

    return browsers


@pytest.fixture
def open_browser(db, open_browsers):
    """``open_browser(user)``: a browser of its own, logged in; its console must stay free of errors.

    How a person logs in has tests of its own; here the session is there already. No page is open yet but ``at``.
    """
    with open_browsers() as build:
        yield build


def begin_session(user):
    """The key of a new session of the person."""
    client = Browser()
    client.force_login(user, backend="tenants.backends.TenantBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _is_complaint(line):
    """Errors of the page itself; a refused request and a stream that is away are reported by the browser too.

    htmx reports as errors also the requests that it ends because a newer wish has come, those that find no way to the
    server, and refusals.
    """
    expected = (
        "Failed to load resource",
        "ERR_",
        "htmx:sseError",
        "[object Event]",
        "htmx:afterRequest",
        "htmx:sendAbort",
        "htmx:sendError",
        "Response Status Error Code 403",
    )
    return line.type == "error" and not any(text in line.text for text in expected)
