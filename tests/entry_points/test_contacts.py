"""Every address that may show something of a customer, asked for by those who may not see how to reach its people."""

import io
import zipfile
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.apply import Change as Move
from tenants.actors import USER, Actor, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tests.entry_points.routes import list_routes
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now

EMAIL, PHONE = "zoe@acme.example", "+49 30 9911223"
MAIL = {"name": "Write", "kind": "email", "to": ["contacts"], "on": "enter", "stages": ["Active", "Onboarded"]}
# With what a route shows more of the people than by itself.
ASKED = {
    "/api/v1/customers/{customer_id}/lifecycle": ["?effects=detail"],
    "/api/v1/customers": ["?search=Zo%C3%AB", "?search=acme"],
    "/customers": ["?search=Zo%C3%AB", "?search=acme"],
    "/palette": ["?q=Zo%C3%AB", "?q=acme"],
    "/customers/export.csv": ["?contacts=1"],
    "/customers/export.xlsx": ["?contacts=1"],
    "/customers/{customer_id}/timeline": ["?kind=effect"],
}


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration={**MINIMAL, "effects": [MAIL]})


@pytest.fixture
def known(tenant, users):
    """A customer with a contact to whom a move has queued an e-mail."""
    customer = CustomerFactory(tenant=tenant)
    person = ContactFacts("Zoë Beispiel", EMAIL, PHONE, "CTO")
    facts = CustomerFacts(customer.external_id, "/crm", utc_now(), contacts=[person])
    with tenant_context(tenant.id):
        record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )
        admin = Actor(USER, str(users.tenant_admin.id), frozenset(PERMISSIONS))
        call = Call(tenant, admin, "UI", utc_now(), uuid4(), starts_effects=True)
        (outcome,) = apply(call, [Move(customer_id=customer.id, stage="Active")])
    assert outcome.moved, outcome
    return customer


def walk(client, prefix, customer):
    """The whole text of every page or answer, by its address."""
    given = {"customer_id": customer.id, "external_id": customer.external_id, "field": "owner", "path": "owner"}
    given |= {"kind": "effect", "number": 0, "secret": "x", "uid": "x", "token": "x"}
    for route in sorted(route for method, route in list_routes(prefix) if method == "GET"):
        if route.startswith(("/admin/", "/metrics", "/api/") if prefix == "/" else ("/api/v1/schema",)):
            continue
        names = [part.split("}")[0] for part in route.split("{")[1:]]
        address = route.format(**{name: given.get(name, uuid4()) for name in names})
        for more in ("", *ASKED.get(route, ())):
            answer = client.get(address + more)
            assert answer.status_code < 500, address
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if content.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(content)) as book:
                    content = b"".join(map(book.read, book.namelist()))
            yield address + more, content.decode("utf-8", "replace")


def shown(client, prefix, customer):
    """The addresses that say how to reach the contact."""
    return {
        address
        for address, text in walk(client, prefix, customer)
        if EMAIL in text or PHONE in text or "9911223" in text
    }


def test_who_may_not_see_contacts_finds_them_on_no_page(page_client, known):
    assert shown(page_client("viewer"), "/", known) == set()
    # The walk would find them: the brief, and the files, show them to those who may.
    found = shown(page_client("account_manager"), "/", known)
    assert f"/customers/{known.id}/handover" in found
    assert {"/customers/export.csv?contacts=1", "/customers/export.xlsx?contacts=1"} <= found
    assert f"/customers/{known.id}" not in found


def test_who_may_not_see_contacts_finds_them_in_no_answer_of_the_api(api_client, users, known):
    assert shown(api_client("viewer"), "/api/v1/", known) == set()
    scopes = [VIEW_LIFECYCLE, UPDATE_LIFECYCLE, VIEW_HISTORY]
    key = {"account": users.service.username, "name": "Sync", "scopes": scopes}
    secret = api_client("tenant_admin").post("/api/v1/keys", key, format="json").json()["secret"]
    program = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert shown(program, "/api/v1/", known) == set()
    refused = program.post(f"/api/v1/customers/{known.id}/contacts/reveal", {}, format="json")
    assert refused.status_code == 403
    found = shown(api_client("account_manager"), "/api/v1/", known)
    assert found >= {f"/api/v1/customers/{known.id}{more}" for more in ("", "/lifecycle?effects=detail")}
