"""Pinning a field over the API: what a program sees of it, and what it is refused."""

import datetime as dt
from uuid import uuid4

import pytest

from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now

PINS = "/api/v1/customers/{}/pins/{}"


def tell(tenant, customer, source="/crm", **company):
    fact = CustomerFacts(customer.external_id, source, utc_now(), company=company)
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )


def test_a_pinned_owner_stays_and_the_loser_is_shown_until_it_is_unpinned(api_client, tenant, customer):
    manager = api_client("account_manager")
    tell(tenant, customer, owner="ann")
    address = PINS.format(customer.id, "owner")
    until = (utc_now() + dt.timedelta(days=30)).isoformat()
    pinned = manager.put(address, {"value": "eve", "reason": "Agreed with sales.", "until": until})
    assert pinned.status_code == 200, pinned.content
    assert (pinned.json()["source"], pinned.json()["pin_reason"]) == ("/people", "Agreed with sales.")
    tell(tenant, customer, owner="bob")
    profile = manager.get(f"/api/v1/customers/{customer.id}").json()
    assert profile["company"]["owner"] == "eve"
    (loser,) = profile["provenance"]["owner"]["overruled"]
    assert (loser["value"], loser["source"], loser["why"]) == ("bob", "/crm", "pinned")
    stale = manager.delete(address, HTTP_IF_MATCH=pinned["ETag"])
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    version = profile["provenance"]["owner"]["version"]
    freed = manager.delete(address, HTTP_IF_MATCH=f'"{version}"')
    assert (freed.status_code, freed.json()["source"], freed.json()["pinned_by"]) == (200, "/crm", None)
    assert manager.get(f"/api/v1/customers/{customer.id}").json()["company"]["owner"] == "bob"
    assert manager.delete(address).status_code == 404


@pytest.mark.parametrize(
    ("field", "body", "status", "code", "pointer"),
    [
        ("owner", {}, 400, "reason_required", "#/reason"),
        ("owner", {"reason": "x", "value": 7, "colour": 1}, 400, "invalid_request", "#/colour"),
        ("owner", {"reason": "x", "value": ["a"]}, 400, "invalid_request", "#/value"),
        ("owner", {"reason": "x", "until": "2001-01-01T00:00:00Z"}, 400, "invalid_request", "#/until"),
        ("owner", {"reason": "x", "until": "9999-01-01T00:00:00Z"}, 400, "invalid_request", "#/until"),
        ("billing.renewal_on", {"reason": "x", "value": "soon"}, 400, "invalid_request", "#/value"),
        ("contacts", {"reason": "x"}, 400, "invalid_request", None),
    ],
)
def test_what_cannot_be_pinned_is_refused_with_what_is_wrong(api_client, customer, field, body, status, code, pointer):
    manager = api_client("account_manager")
    answer = manager.put(PINS.format(customer.id, field), body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert [one["pointer"] for one in answer.json().get("errors", [])] == ([pointer] if pointer else [])
    assert manager.get(f"/api/v1/customers/{customer.id}").json()["provenance"] == {}


def test_a_customer_of_another_tenant_does_not_exist(api_client, customer, other_customer):
    manager = api_client("account_manager")
    for customer_id in (other_customer.id, uuid4()):
        assert manager.put(PINS.format(customer_id, "owner"), {"reason": "x"}).status_code == 404
        assert manager.delete(PINS.format(customer_id, "owner")).status_code == 404
