"""The command palette finds customers, views and actions, and only what the person may do."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import CustomerFactory
from tests.web.conftest import markup_of, text_of


def options(response):
    """Label -> address of each option."""
    found = re.findall(
        r'role="option"[^>]*data-href="([^"]*)"[^>]*>.*?<span>(.*?)</span>', response.content.decode(), re.DOTALL
    )
    return {html.unescape(label): html.unescape(address) for address, label in found}


def test_customers_are_found_by_a_part_of_their_name_or_their_id(page_client, users, tenant, other_tenant):
    customer = CustomerFactory(tenant=tenant, name="Möller & Söhne", external_id="crm-77")
    CustomerFactory(tenant=other_tenant, name="Möller elsewhere", stage="Trial")
    client = page_client("viewer")
    for text in ("moller", "SÖHNE", "crm-77"):
        assert options(client.get("/palette", {"q": text})) == {"Möller & Söhne": f"/customers/{customer.id}"}
    nothing = client.get("/palette", {"q": "nothing like it"})
    assert (options(nothing), "Nothing found." in nothing.content.decode()) == ({}, True)


def test_actions_are_those_that_the_role_may_do(page_client, users, customer):
    at = {"at": f"/customers/{customer.id}"}
    moving = f"/customers/{customer.id}/move"
    assert moving in options(page_client("account_manager").get("/palette", at)).values()
    offered = options(page_client("viewer").get("/palette", at))
    assert moving not in offered.values()
    assert not [address for address in offered.values() if address.startswith("/admin/")]
    assert options(page_client("tenant_admin").get("/palette", {"q": "people"})) == {"People": "/admin/tenants/user/"}


def test_without_letters_every_option_leads_somewhere(page_client, users, customer):
    client = page_client("tenant_admin")
    for label, address in options(client.get("/palette", {"at": f"/customers/{customer.id}"})).items():
        assert client.get(address).status_code == 200, label


@pytest.mark.parametrize("text", ["%", "_", "\\", "'\"<", "x" * 5000, "a@b"])
def test_any_letters_are_answered(page_client, users, text):
    assert page_client("viewer").get("/palette", {"q": text, "at": f"{text}/customers/zz"}).status_code == 200


def test_of_many_that_fit_eight_are_shown_by_a_fixed_number_of_statements(page_client, users, tenant):
    client = page_client("viewer")
    counts = []
    for number in (1, 12):
        CustomerFactory.create_batch(number, tenant=tenant, name="Equal GmbH")
        client.get("/palette", {"q": "equal"})
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/palette", {"q": "equal"})
        counts.append(len(queries))
    assert len([tag for tag in markup_of(page).all("div") if tag.get("role") == "option"]) == 8
    assert counts[0] == counts[1]
    assert "8 results" in page.content.decode()
    assert "Equal GmbH" in text_of(page)


def test_views_are_one_s_own_and_those_that_are_shared(page_client, users, tenant):
    manager = page_client("account_manager")
    for name, action in (("Mine alone", ""), ("Everybody's", "share")):
        kept = manager.post("/views", {"name": name, "of": "ordering=name"})
        if action:
            manager.post(f"/views/{kept['Location'].rpartition('view=')[2].partition('&')[0]}/edit", {"action": action})
    assert {"Mine alone", "Everybody's"} <= set(options(manager.get("/palette")))
    found = options(page_client("viewer").get("/palette", {"q": "everybody"}))
    assert list(found) == ["Everybody's"]
    assert "Mine alone" not in options(page_client("viewer").get("/palette"))
