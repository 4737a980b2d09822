"""How to reach a person at a customer: hidden until somebody who may asks for it, which is recorded."""

import pytest

from audit.models import AdministrationEntry, RefusedAttempt
from lifecycle.models import Contact
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import look_at, utc_now
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
    assert asked == [f"{address}/contacts/0", f"{address}/contacts/1"]
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
    refused = page_client("viewer").post(f"/customers/{known.id}/contacts/0")
    assert refused.status_code == 403
    assert "You don't have access to contact details." in text_of(refused)
    assert "zoe@" not in refused.content.decode()
    assert recorded(tenant) == []
    with tenant_context(tenant.id):
        (attempt,) = RefusedAttempt.objects.filter(tenant_id=tenant.id)
    assert (attempt.actor, attempt.code, attempt.customer_id) == (str(users.viewer.id), "permission_denied", known.id)


def test_what_is_not_recorded_is_not_shown(page_client, tenant, known, monkeypatch):
    from lifecycle.services.customers import revealing

    def fail(**_):
        raise RuntimeError("no disk")

    monkeypatch.setattr(revealing, "record_administration", fail)
    answer = page_client("account_manager").post(f"/customers/{known.id}/contacts/0")
    assert answer.status_code == 500
    assert "zoe@" not in answer.content.decode()


def test_no_link_shows_a_contact_and_no_one_is_there_whom_there_is_not(page_client, tenant, known, other_customer):
    client = page_client("account_manager")
    assert client.get(f"/customers/{known.id}/contacts/0").status_code == 405
    assert client.post(f"/customers/{known.id}/contacts/2").status_code == 404
    assert client.post(f"/customers/{known.id}/contacts/99999999999999999999").status_code == 404
    assert client.post(f"/customers/{other_customer.id}/contacts/0").status_code == 404
    assert recorded(tenant) == []


def test_a_super_admin_says_why_and_the_record_has_it(page_client, tenant, known):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = look_at(tenant.slug)
    session.save()
    address = f"/customers/{known.id}/contacts/0"
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
