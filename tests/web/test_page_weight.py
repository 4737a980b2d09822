"""What a browser loads of ours for a page: below 100 kB as the proxy and WhiteNoise send it, with a demo's data."""

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lifecycle.models import Customer
from lifecycle.services.demo import loading, scenarios
from lifecycle.services.insight.keeping import keep_facts
from tenants.context import tenant_context
from tenants.services.directory import find_login
from tests.conftest import Browser
from tests.entry_points.test_pages import PAGES
from tests.services.demos import with_slug

STATIC = Path(__file__).resolve().parents[2] / "static"
MOST = 100_000
# As many as a team has that opens these pages every morning: each list and each column of the board is full.
CUSTOMERS = 600
# What Caddy compresses with unless it is asked for more, and what WhiteNoise does when files are collected.
OF_CADDY, OF_WHITENOISE = 5, 9
# On the first visit of all; on later ones the files come from the browser's own cache.
ROUTES = [*PAGES, "/account", "/board?cards=100", "/board/cards?column=Active"]


@pytest.fixture(scope="module")
def busiest(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Client, str]]:
    """The browser of an admin of a team with a demo's customers, and the customer of whom most has happened."""
    scenario = with_slug(scenarios.ACME, "weight")
    now = datetime.now(UTC)
    with django_db_blocker.unblock():
        tenant, cast = loading.prepare_tenant(scenario, now=now)
        for _ in loading.load_customers(scenario, CUSTOMERS, tenant=tenant, cast=cast, now=now):
            pass
        keep_facts(tenant)
        with tenant_context(tenant.id):
            customer = Customer.objects.order_by("-status__version", "id")[0]
        client = Browser()
        admin = find_login("admin+weight@acme.example")
        assert admin is not None
        client.force_login(admin, backend="tenants.backends.TenantBackend")
        yield client, str(customer.id)


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_is_below_100_kilobytes_of_our_own(route: str, busiest: tuple[Client, str], db: None) -> None:
    client, customer_id = busiest
    answer = client.get(route.format(customer_id=customer_id))
    assert answer.status_code in (200, 204)
    page = len(gzip.compress(answer.content, OF_CADDY))
    files = {name: weigh_file(name) for name in own_files(answer.content.decode())}
    assert page + sum(files.values()) < MOST, (page, files)


def own_files(page: str) -> set[str]:
    """The styles, scripts and pictures that a page names, without what others made."""
    return {name for name in re.findall(r'(?:src|href)="/static/([^"?#]+)', page) if not name.startswith("vendor/")}


def weigh_file(name: str) -> int:
    return len(gzip.compress((STATIC / name).read_bytes(), OF_WHITENOISE))


def test_what_is_weighed_has_full_lists(busiest: tuple[Client, str], db: None) -> None:
    client, _ = busiest
    board, full, customers = (
        client.get(route).content.decode() for route in ("/board", "/board?cards=100", "/customers")
    )
    linked = [len(set(re.findall(r'href="/customers/[0-9a-f-]{36}"', page))) for page in (board, full, customers)]
    assert linked[0] > 100 and linked[1] > 250 and linked[2] == 50, linked
    assert own_files(board) >= {"c360/tokens.css", "c360/layout.css", "c360/lifecycle.css", "c360/c360.js"}


@pytest.mark.parametrize("route", ["/customers", "/static/c360/lifecycle.css", "/static/c360/c360.js"])
def test_a_development_server_sends_pages_and_their_files_compressed(
    route: str, busiest: tuple[Client, str], db: None
) -> None:
    client, _ = busiest
    plain = client.get(route)
    packed = client.get(route, headers={"accept-encoding": "gzip, deflate, br"})
    assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    sent = body_of(packed)
    assert len(sent) < len(body_of(plain)) / 2
    text = gzip.decompress(sent).decode()
    assert text.endswith("</html>\n") if route == "/customers" else text == body_of(client.get(route)).decode()


def test_a_file_that_the_browser_has_is_not_sent_again(busiest: tuple[Client, str], db: None) -> None:
    client, _ = busiest
    takes = {"accept-encoding": "gzip"}
    first = client.get("/static/c360/c360.js", headers=takes)
    again = client.get("/static/c360/c360.js", headers={**takes, "if-none-match": first.headers["ETag"]})
    assert (again.status_code, body_of(again)) == (304, b"")
    part = client.get("/static/c360/c360.js", headers={**takes, "range": "bytes=0-99"})
    assert (part.status_code, len(body_of(part))) == (206, 100)


def test_the_api_keeps_its_entity_tags_and_an_export_its_stream(busiest: tuple[Client, str], db: None) -> None:
    client, customer_id = busiest
    takes = {"accept-encoding": "gzip"}
    lifecycle = client.get(f"/api/v1/customers/{customer_id}/lifecycle", headers=takes)
    assert re.fullmatch(r'"\d+"', lifecycle.headers["ETag"]) and "Content-Encoding" not in lifecycle.headers
    export = client.get("/customers/export.csv", headers=takes)
    assert export.status_code == 200 and "Content-Encoding" not in export.headers


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)
