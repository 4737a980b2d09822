"""Every address that may show something of a customer, asked for by those who may not see how to reach its people."""

import io
import zipfile
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from audit.models import AdministrationEntry
from lifecycle.delivery.senders import webhook_body
from lifecycle.models.effects import EffectRun
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.events_out import describe_event
from lifecycle.services.effects.facts import gather_facts
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.apply import Change as Move
from tenants.actors import USER, Actor, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.rules.effect_texts import render
from tests.entry_points.routes import list_routes
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now

EMAIL, PHONE = "zoe@acme.example", "+49 30 9911223"
ENTERED = {"on": "enter", "stages": ["Active", "Onboarded"]}
MAIL = {"name": "Write", "kind": "email", "to": ["contacts"], "hold_minutes": 0, **ENTERED}
ALERT = {"name": "Tell", "kind": "alert", "to": ["admins"], **ENTERED}
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
    return TenantFactory(configuration={**MINIMAL, "effects": [MAIL, ALERT]})


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
        manager = Actor(USER, str(users.account_manager.id), frozenset(PERMISSIONS))
        call = Call(tenant, manager, "UI", utc_now(), uuid4(), starts_effects=True)
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
    assert found == {f"/api/v1/customers/{known.id}", f"/api/v1/customers/by-external-id/{known.external_id}"}


def posted(client, prefix, customer):
    """The texts of previews and refusals, which show what a change of the customer would start."""
    item = {"customer_id": str(customer.id), "stage": "Onboarded"}
    asked = {
        "/api/v1/": [
            ("post", "/api/v1/lifecycle/transitions", {"items": [item], "dry_run": True}),
            ("post", "/api/v1/lifecycle/transitions", {"items": [item], "confirm_effects": 99}),
            ("patch", f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Onboarded", "confirm_effects": 99}),
            ("post", f"/api/v1/customers/{customer.id}/notes", {"text": "Call them", "nonsense": 1}),
        ],
        "/": [
            ("post", f"/customers/{customer.id}/move", {"stage": "Onboarded", "reason_code": "", "preview": "1"}),
            ("post", "/bulk", {"customer": [str(customer.id)], "stage": "Onboarded"}),
            ("post", f"/customers/{customer.id}/contacts/{uuid4()}", {}),
        ],
    }
    for method, address, body in asked[prefix]:
        more = {"format": "json"} if prefix == "/api/v1/" else {"follow": True}
        answer = getattr(client, method)(address, body, **more)
        assert answer.status_code < 500, address
        yield answer.content.decode()


def says_how_to_reach(text):
    return EMAIL in text or "9911223" in text


def test_previews_and_refusals_show_no_one_how_to_reach_a_contact(page_client, api_client, users, known):
    key = {"account": users.service.username, "name": "Sync", "scopes": [VIEW_LIFECYCLE, UPDATE_LIFECYCLE]}
    secret = api_client("tenant_admin").post("/api/v1/keys", key, format="json").json()["secret"]
    program = APIClient(headers={"Authorization": f"Bearer {secret}"})
    for client in (api_client("viewer"), program, api_client("account_manager")):
        assert [text for text in posted(client, "/api/v1/", known) if says_how_to_reach(text)] == []
    for role in ("viewer", "account_manager"):
        assert [text for text in posted(page_client(role), "/", known) if says_how_to_reach(text)] == []


def test_people_of_another_tenant_find_nothing_whatever_they_may_at_home(
    page_client, api_client, other_tenant, other_users, known
):
    for role in ("account_manager", "tenant_admin"):
        person = getattr(other_users, role)
        page, program = page_client(person), api_client(person, tenant=other_tenant)
        assert shown(page, "/", known) == set()
        assert shown(program, "/api/v1/", known) == set()
        texts = [*posted(page, "/", known), *posted(program, "/api/v1/", known)]
        assert [text for text in texts if says_how_to_reach(text) or known.name in text] == []
        revealed = program.post(f"/api/v1/customers/{known.id}/contacts/reveal", {}, format="json")
        assert revealed.status_code == 404


def test_what_leaves_the_house_and_what_is_kept_about_it_names_no_contact(known, tenant, page_client):
    """Webhooks, events, notifications, the log of what admins and others did, and effects as they are kept."""
    client = page_client("account_manager")
    client.get(f"/customers/{known.id}/handover")
    assert b"zoe@" in b"".join(client.get("/customers/export.csv?contacts=1").streaming_content)
    lanes = [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
    jobs = [job for lane in lanes for job in claim(lane.tenant, {lane.id: 100}, now=utc_now())]
    assert sorted(job.kind for job in jobs) == ["alert", "email"]
    with tenant_context(tenant.id):
        facts = [gather_facts(job) for job in jobs]
        (alert,) = [one for one in facts if one.job.kind == "alert"]
        said = render(alert.effect, alert.values)
        bodies = [say(one) for one in facts for say in (webhook_body, describe_event)]
        kept = [
            *AdministrationEntry.objects.filter(tenant_id=tenant.id).values("action", "reason", "detail"),
            *EffectRun.objects.filter(tenant_id=tenant.id).values("recipient", "reason"),
        ]
    assert len(bodies) == 4
    assert {one.get("action") for one in kept} >= {"reveal_contacts", "export_customers"}
    assert [one for one in map(str, (said, *bodies, *kept)) if says_how_to_reach(one) or "Zoë" in one] == []
