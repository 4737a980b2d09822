"""The part of a customer's page that stays up to date [AC-1], and more of its history."""

from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.web.conftest import HTMX, markup_of, text_of


def live(client, customer, version):
    return client.get(f"/customers/{customer.id}/live?version={version}", headers=HTMX)


def test_as_long_as_nothing_changed_the_page_learns_so_without_a_word(page_client, customer):
    response = live(page_client("viewer"), customer, 1)
    assert (response.status_code, response.content) == (204, b"")


def test_a_stage_set_elsewhere_comes_with_its_reason_its_date_and_who_did_it(page_client, users, customer, move):
    client = page_client("account_manager")
    assert live(client, customer, 1).status_code == 204
    record = move(customer, "At-Risk", "Low Engagement", actor=None)
    response = live(client, customer, 1)
    assert response.status_code == 200
    text = text_of(response)
    when = f"{record.updated_at.day} {record.updated_at:%b %Y, %H:%M} UTC"
    assert f"Last change {when} by System (tests) : Low Engagement ." in text
    assert "Prospect to At-Risk" in text
    (fragment,) = [tag for tag in markup_of(response).all("div") if tag.get("id") == "customer"]
    assert fragment["data-version"] == "2"
    assert "/live?version=2&stamp=" in fragment["hx-get"]
    assert fragment["data-announcement"] == f"{customer.name} is now in At-Risk, moved by System (tests)."
    assert live(client, customer, 2).status_code == 204


def test_new_figures_and_contacts_come_although_the_stage_is_the_same(page_client, tenant, customer):
    client = page_client("viewer")

    def address(response):
        (part,) = [tag for tag in markup_of(response).all("div") if tag.get("id") == "customer"]
        return part["hx-get"]

    page = client.get(f"/customers/{customer.id}")
    seen = [address(page)]
    for facts in (
        {"source": "/billing", "billing": {"arr": "4711.00", "currency": "EUR"}},
        {"source": "/crm", "contacts": [ContactFacts(name="Zoë Beispiel", email=None, phone=None, role="CTO")]},
    ):
        assert client.get(seen[-1], headers=HTMX).status_code == 204
        fact = CustomerFacts(external_id=customer.external_id, occurred_at=utc_now(), **facts)
        with tenant_context(tenant.id):
            record_customers(
                [fact], tenant=tenant, actor=system_actor("tests"), source="API", now=utc_now(), create=False
            )
        response = client.get(seen[-1], headers=HTMX)
        assert response.status_code == 200
        seen.append(address(response))
    assert "Zoë Beispiel" in text_of(response)
    assert "4,711" in text_of(response)
    assert len(set(seen)) == 3
    assert client.get(seen[-1], headers=HTMX).status_code == 204


def test_a_nonsensical_version_brings_the_present_state(page_client, customer):
    for version in ("", "x", "999", "-1"):
        assert live(page_client("viewer"), customer, version).status_code == 200


def test_a_customer_of_whom_billing_and_support_said_nothing_has_a_page_too(page_client, tenant):
    customer = CustomerFactory(tenant=tenant, industry="", segment="")
    text = text_of(page_client("viewer").get(f"/customers/{customer.id}"))
    assert "Annual revenue –" in text
    assert "No contacts yet." in text


def test_earlier_changes_come_fifteen_at_a_time_and_none_twice(page_client, customer, move):
    client = page_client("account_manager")
    for number in range(20):
        move(customer, ("Active", "Onboarded")[number % 2], note=f"step {number + 2}.")
    page = client.get(f"/customers/{customer.id}")
    assert "step 21." in text_of(page)
    assert "step 6." not in text_of(page)
    (link,) = [tag for tag in markup_of(page).all("a") if tag.get("hx-target") == "#earlier"]
    more = client.get(link["hx-get"], headers=HTMX)
    assert [f"step {number}." in text_of(more) for number in (7, 6, 2)] == [False, True, True]
    assert not markup_of(more).all("html")
    assert not [tag for tag in markup_of(more).all("a") if tag.get("hx-target") == "#earlier"]
    # Without JavaScript the same address is a page.
    plain = client.get(link["href"])
    assert markup_of(plain).all("html")
    assert "step 6." in text_of(plain)


def test_a_nonsensical_place_in_the_history_shows_its_beginning(page_client, customer):
    client = page_client("account_manager")
    for before in ("", "x", "9" * 40, "-5"):
        assert client.get(f"/customers/{customer.id}/history?before={before}").status_code == 200


def test_what_says_that_a_change_was_made_outlives_new_figures_but_not_the_next_change(page_client, customer, move):
    client = page_client("account_manager")
    move(customer, "At-Risk", "Low Engagement", actor=None)
    said = f"{customer.name} is now in At-Risk."
    request_id = "01a21b01-d0e3-72fb-9666-b650b9f4fea4"
    address = f"/customers/{customer.id}/live?stamp=other&moved={request_id}&version="
    kept = client.get(f"{address}2", headers=HTMX)
    assert said in text_of(kept)
    (fragment,) = [tag for tag in markup_of(kept).all("div") if tag.get("id") == "customer"]
    assert fragment["hx-get"].endswith(f"&moved={request_id}")
    for other in (f"{address}1", f"/customers/{customer.id}/live?stamp=other&version=2&moved=none"):
        response = client.get(other, headers=HTMX)
        assert response.status_code == 200
        assert said not in text_of(response)
