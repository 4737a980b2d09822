"""How to reach a person at a customer: hidden until somebody who may asks for it, which is recorded."""

import datetime as dt
from uuid import uuid4

import pytest

from audit.models import AdministrationEntry, RefusedAttempt
from lifecycle.models import Contact
from lifecycle.services.customers import revealing
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.customers.revealing import note_reading
from tenants.actors import USER, Actor, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tests.factories import CustomerFactory, look_at, utc_now
from tests.web.conftest import HTMX, markup_of, text_of

ZOE = ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 9911223", role="CTO")
MAX = ContactFacts(name="Max Muster", email="max@acme.example")


@pytest.fixture
def known(tenant, customer):
    """The customer, of whom the CRM has reported two people."""
    facts = CustomerFacts(customer.external_id, "/crm", utc_now(), contacts=[ZOE, MAX])
    with tenant_context(tenant.id):
        record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )
    return customer


def addresses_of(tenant, customer):
    """By which each contact is asked for, in the order of the page."""
    with tenant_context(tenant.id):
        ids = Contact.objects.filter(customer_id=customer.id).order_by("position").values_list("id", flat=True)
        return [f"/customers/{customer.id}/contacts/{id_}" for id_ in ids]


def recorded(tenant):
    """Who was shown the contacts of whom: actor, subject, reason, names of the contacts, place."""
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").order_by("id")
        positions = {str(id_): position for id_, position in Contact.objects.values_list("id", "position")}
        return [
            (
                entry.actor,
                entry.subject,
                entry.reason,
                [positions[one] for one in entry.detail["contacts"]],
                entry.detail.get("place", ""),
            )
            for entry in entries
        ]


@pytest.mark.parametrize("role", ["account_manager", "tenant_admin"])
def test_one_contact_is_shown_on_the_page_and_the_record_has_it(page_client, users, tenant, known, role):
    client, address = page_client(role), f"/customers/{known.id}"
    page = client.get(address)
    assert "zoe@" not in page.content.decode() and "max@" not in page.content.decode()
    assert recorded(tenant) == []
    asked = [form["action"] for form in markup_of(page).all("form") if "/contacts/" in form.get("action", "")]
    assert asked == addresses_of(tenant, known)
    shown = client.post(asked[0], headers=HTMX)
    assert shown.status_code == 200
    assert [tag["href"] for tag in markup_of(shown).all("a")] == ["mailto:zoe@acme.example", "tel:+49 30 9911223"]
    assert "max@" not in shown.content.decode()
    who = str(getattr(users, role).id)
    assert recorded(tenant) == [(who, str(known.id), "", [0], "")]
    whole = client.post(asked[1])
    assert "Max Muster" in text_of(whole) and "max@acme.example" in text_of(whole)
    assert "zoe@" not in whole.content.decode()
    assert recorded(tenant)[1:] == [(who, str(known.id), "", [1], "")]


def test_who_may_not_is_refused_which_is_kept_and_nothing_is_shown(page_client, users, tenant, known):
    refused = page_client("viewer").post(addresses_of(tenant, known)[0])
    assert refused.status_code == 403
    assert "You don't have access to contact details." in text_of(refused)
    assert "zoe@" not in refused.content.decode()
    assert recorded(tenant) == []
    with tenant_context(tenant.id):
        (attempt,) = RefusedAttempt.objects.filter(tenant_id=tenant.id)
    assert (attempt.actor, attempt.code, attempt.customer_id) == (str(users.viewer.id), "permission_denied", known.id)


def test_what_is_not_recorded_is_not_shown(page_client, tenant, known, monkeypatch):
    def fail(**_):
        raise RuntimeError("no disk")

    monkeypatch.setattr(revealing, "record_administration", fail)
    answer = page_client("account_manager").post(addresses_of(tenant, known)[0])
    assert answer.status_code == 500
    assert "zoe@" not in answer.content.decode()


def test_no_link_shows_a_contact_and_no_one_is_there_whom_there_is_not(page_client, tenant, known, other_customer):
    client = page_client("account_manager")
    (first, _) = addresses_of(tenant, known)
    assert client.get(first).status_code == 405
    assert client.post(f"/customers/{known.id}/contacts/{uuid4()}").status_code == 404
    assert client.post(f"/customers/{known.id}/contacts/0").status_code == 404
    # Neither another customer's of the tenant, nor another tenant's.
    colleague = CustomerFactory(tenant=tenant)
    for customer in (colleague, other_customer):
        assert client.post(first.replace(str(known.id), str(customer.id))).status_code == 404
    assert recorded(tenant) == []


def test_who_asks_for_one_contact_is_not_shown_another_that_took_its_place(page_client, tenant, known):
    client = page_client("account_manager")
    (first, _) = addresses_of(tenant, known)
    facts = CustomerFacts(known.external_id, "/crm", utc_now(), contacts=[MAX])
    with tenant_context(tenant.id):
        record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )
    answer = client.post(first)
    assert (answer.status_code, "max@" in answer.content.decode()) == (404, False)
    assert recorded(tenant) == []


def read_by(client, customer):
    (one, two) = client.get(f"/api/v1/customers/{customer.id}").json()["contacts"]
    return one["email"], two["email"]


def test_programs_that_read_contacts_in_clear_are_recorded_once_an_hour(api_client, users, tenant, known, monkeypatch):
    clear, masked = ("zoe@acme.example", "max@acme.example"), ("z•••@acme.example", "m•••@acme.example")
    manager = api_client("account_manager")
    assert [read_by(manager, known) for _ in range(3)] == [clear] * 3
    by_its_id = manager.get(f"/api/v1/customers/by-external-id/{known.external_id}").json()
    assert by_its_id["contacts"][0]["email"] == "zoe@acme.example"
    assert read_by(api_client("viewer"), known) == masked
    once = (str(users.account_manager.id), str(known.id), "", [0, 1], "profile")
    assert recorded(tenant) == [once]
    read_by(api_client("tenant_admin"), known)
    assert recorded(tenant)[1:] == [(str(users.tenant_admin.id), str(known.id), "", [0, 1], "profile")]
    # Another process has seen nothing of that, and asks the log.
    monkeypatch.setattr(revealing, "_noted", set())
    read_by(manager, known)
    assert len(recorded(tenant)) == 2
    # In another place it is another reading.
    page_of = {known.id: [{"id": "0", "email": None, "phone": "+49 30 123456"}]}
    manager_actor = Actor(USER, str(users.account_manager.id), frozenset(PERMISSIONS))
    assert note_reading(page_of, tenant=tenant, actor=manager_actor, now=utc_now(), place="home")
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts")
        assert [entry.detail for entry in entries.order_by("id")][2:] == [{"contacts": ["0"], "place": "home"}]


def test_who_reads_on_in_the_next_hour_is_recorded_again_and_so_is_who_reads_of_another_contact(users, tenant, known):
    now = utc_now().replace(minute=59)
    actor = Actor(USER, str(users.account_manager.id), frozenset(PERMISSIONS))
    ann, bob = ({"id": name, "email": f"{name}@acme.example", "phone": None} for name in ("ann", "bob"))

    def read(*contacts, minutes=0):
        at = now + dt.timedelta(minutes=minutes)
        assert note_reading({known.id: contacts}, tenant=tenant, actor=actor, now=at, place="profile")

    read(ann)
    read(ann)
    read(ann, bob)
    read(ann, minutes=1)
    read(ann, minutes=30)
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").order_by("id")
        assert [entry.detail["contacts"] for entry in entries] == [["ann"], ["ann", "bob"], ["ann"]]


def test_what_cannot_be_recorded_is_not_read_and_is_tried_again(api_client, tenant, known, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no disk")

    client = api_client("account_manager")
    with monkeypatch.context() as broken:
        broken.setattr(revealing, "record_many", fail)
        answer = client.get(f"/api/v1/customers/{known.id}")
    assert (answer.status_code, "zoe@" in answer.content.decode()) == (500, False)
    read_by(client, known)
    assert len(recorded(tenant)) == 1


def test_a_customer_without_addresses_is_read_without_a_record(api_client, tenant, customer):
    assert api_client("account_manager").get(f"/api/v1/customers/{customer.id}").json()["contacts"] == []
    assert recorded(tenant) == []


def test_the_first_page_shows_phone_numbers_to_those_who_call_and_records_it(page_client, users, tenant, known, move):
    move(known, "At-Risk", "Low Engagement")
    assert "+49 30 9911223" not in text_of(page_client("viewer").get("/"))
    assert recorded(tenant) == []
    client = page_client("account_manager")
    assert "+49 30 9911223" in text_of(client.get("/"))
    client.get("/")
    assert recorded(tenant) == [(str(users.account_manager.id), str(known.id), "", [0], "home")]


def test_a_super_admin_says_why_and_the_record_has_it(page_client, tenant, known):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = look_at(tenant.slug)
    session.save()
    address = addresses_of(tenant, known)[0]
    forms = markup_of(client.get(f"/customers/{known.id}")).all("form")
    (form,) = [one for one in forms if one.get("action") == address]
    assert "hx-post" not in form
    asked = client.post(address)
    assert asked.status_code == 400 and "zoe@" not in asked.content.decode()
    assert "zoe@acme.example" in text_of(client.post(address, {"change_reason": "Ticket 17"}))
    assert [row[2:] for row in recorded(tenant)] == [("Ticket 17", [0], "")]


def test_the_brief_names_them_for_those_who_may_and_records_it(page_client, users, tenant, known):
    page = page_client("account_manager").get(f"/customers/{known.id}/handover")
    assert "zoe@acme.example" in text_of(page) and "max@acme.example" in text_of(page)
    assert recorded(tenant) == [(str(users.account_manager.id), str(known.id), "", [0, 1], "handover")]


def test_programs_reveal_all_contacts_of_a_customer_with_the_right_alone(api_client, users, tenant, known):
    address = f"/api/v1/customers/{known.id}/contacts/reveal"
    shown = api_client("account_manager").post(address, {"reason": "Invoice 4"}, format="json")
    assert [(one["name"], one["email"], one["phone"]) for one in shown.json()["contacts"]] == [
        ("Zoë Beispiel", "zoe@acme.example", "+49 30 9911223"),
        ("Max Muster", "max@acme.example", None),
    ]
    assert shown.headers["Cache-Control"] == "no-store"
    assert recorded(tenant) == [(str(users.account_manager.id), str(known.id), "Invoice 4", [0, 1], "api")]
    refused = api_client("viewer").post(address, {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert api_client("account_manager").post(address, {"why": "x"}, format="json").status_code == 400
    assert len(recorded(tenant)) == 1
