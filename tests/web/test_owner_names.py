"""Owners of customers are called by their names where people read, and by their user names where programs do."""

import datetime as dt
import re

import pytest

from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.models import User
from tests.factories import CustomerFactory, TenantFactory, UserFactory, utc_now
from tests.web.conftest import markup_of, text_of

OUTSIDE = "Rita.Sales@crm.example"


@pytest.fixture
def maria(tenant):
    return UserFactory(tenant=tenant, full_name="Maria Manager")


@pytest.fixture
def client(page_client):
    return page_client("account_manager")


def own(tenant, owner, **given):
    return CustomerFactory(tenant=tenant, owner=owner, **given)


def report_owner(tenant, customer, owner, *, days):
    fact = CustomerFacts(customer.external_id, "/crm", utc_now() - dt.timedelta(days=days), company={"owner": owner})
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )


def test_home_list_board_customer_and_brief_call_the_owner_by_name(client, tenant, maria):
    customer = own(tenant, maria.username.upper(), stage="At-Risk", reason_code="Low Engagement")
    here = f"/customers/{customer.id}"
    for address in ("/?whose=all", "/customers", "/board", here, f"{here}/handover"):
        shown = client.get(address)
        assert "Maria Manager" in text_of(shown), address
        assert maria.username.upper() not in text_of(shown), address


def test_the_title_of_a_name_says_whose_user_name_it_is(client, tenant, maria):
    customer = own(tenant, maria.username)
    for address in ("/customers", "/board", f"/customers/{customer.id}"):
        assert maria.username in [tag.get("title") for tag in markup_of(client.get(address)).all("span")], address


def test_of_two_of_one_name_the_user_name_is_said(client, tenant, maria):
    own(tenant, maria.username)
    UserFactory(tenant=tenant, full_name="Maria Manager")
    assert f"Maria Manager ({maria.username})" in text_of(client.get("/customers"))


def test_a_namesake_in_another_company_is_none(client, tenant, maria):
    own(tenant, maria.username)
    UserFactory(tenant=TenantFactory(), full_name="Maria Manager")
    assert f"({maria.username})" not in text_of(client.get("/customers"))


def test_owners_without_an_account_and_service_accounts_are_called_as_they_are(client, tenant):
    robot = UserFactory(tenant=tenant, full_name="The Robot", is_service_account=True)
    other = UserFactory(tenant=TenantFactory(), full_name="Someone of Another Company")
    for owner in (OUTSIDE, robot.username, other.username):
        own(tenant, owner)
    shown = text_of(client.get("/customers"))
    assert all(name in shown for name in (OUTSIDE, robot.username, other.username))
    assert "The Robot" not in shown and "Someone of Another Company" not in shown


@pytest.mark.parametrize("address", ["/customers", "/board"])
def test_an_owner_is_chosen_by_name_and_the_address_has_the_user_name(client, tenant, maria, address):
    own(tenant, maria.username, name="Hers")
    own(tenant, OUTSIDE, name="Elsewhere")
    page = client.get(address)
    offered = {tag["value"] for tag in markup_of(page).all("option")}
    assert {maria.username, OUTSIDE.lower()} <= offered
    assert f'value="{maria.username}">Maria Manager</option>' in page.content.decode()
    chosen = client.get(f"{address}?owner={maria.username.upper()}")
    assert "Hers" in text_of(chosen) and "Elsewhere" not in text_of(chosen)
    assert f'value="{maria.username}" selected>Maria Manager</option>' in chosen.content.decode()
    outside = client.get(f"{address}?owner={OUTSIDE}")
    assert "Elsewhere" in text_of(outside) and "Hers" not in text_of(outside)


def test_the_caption_of_the_list_says_the_name(client, tenant, maria):
    own(tenant, maria.username)
    assert "Customers owned by “Maria Manager”" in text_of(client.get(f"/customers?owner={maria.username}"))


def test_where_there_are_very_many_owners_one_is_typed(client, tenant, monkeypatch):
    monkeypatch.setattr("lifecycle.queries.list_filters.MOST_SUGGESTED", 2)
    monkeypatch.setattr("lifecycle.web.list_controls.MOST_SUGGESTED", 2)
    for number in range(4):
        own(tenant, f"owner-{number}")
    page = markup_of(client.get("/customers?owner=owner-3"))
    assert [tag["value"] for tag in page.all("input") if tag.get("name") == "owner"] == ["owner-3"]
    assert not [tag for tag in page.all("select") if tag.get("name") == "owner"]


def test_one_who_has_left_is_still_called_by_name(client, tenant, maria):
    own(tenant, maria.username)
    with tenant_context(tenant.id):
        User.objects.filter(pk=maria.pk).update(is_active=False)
    page = client.get("/customers")
    assert "Maria Manager" in text_of(page)
    assert f'value="{maria.username}">Maria Manager</option>' in page.content.decode()


def test_a_name_is_no_markup(client, tenant):
    nasty = UserFactory(tenant=tenant, full_name="<b>Bold</b>")
    own(tenant, nasty.username)
    for address in ("/customers", "/board"):
        assert "<b>Bold" not in client.get(address).content.decode()


def test_each_field_what_sources_said_and_a_past_day_call_the_owner_by_name(client, tenant, maria):
    ben = UserFactory(tenant=tenant, full_name="Ben Before")
    customer = own(tenant, "")
    report_owner(tenant, customer, ben.username, days=9)
    here = f"/customers/{customer.id}"
    assert client.post(f"{here}/fields/owner", {"value": maria.username, "reason": "Agreed."}).status_code == 302
    report_owner(tenant, customer, ben.username.upper(), days=0)
    page = text_of(client.get(here))
    assert "Owner : Maria Manager pinned By hand" in page and "Not taken: “Ben Before” (CRM, " in page
    said = {
        here: "Owner: Maria Manager",
        f"{here}/timeline?kind=event": "Owner: Ben Before",
        f"{here}/fields/owner": "Now “Maria Manager” (By hand, ",
        f"{here}/as-of": "Owner Maria Manager",
    }
    for address, sentence in said.items():
        shown = text_of(client.get(address))
        assert sentence in re.sub(r" (?=[:])", "", shown), (address, shown)
        assert not {maria.username, ben.username, ben.username.upper()} & set(shown.split()), address


def test_an_admin_reads_the_names_of_owners(page_client, tenant, maria):
    customers = [own(tenant, maria.username), own(tenant, OUTSIDE)]
    admin = page_client("tenant_admin")
    shown = text_of(admin.get("/admin/lifecycle/customer/"))
    assert "Maria Manager" in shown and OUTSIDE in shown and maria.username not in shown
    shown = text_of(admin.get(f"/admin/lifecycle/customer/{customers[0].id}/change/"))
    assert "Maria Manager" in shown and maria.username not in shown


def test_an_admin_tells_two_of_one_name_apart(page_client, tenant, maria):
    customer = own(tenant, maria.username)
    UserFactory(tenant=tenant, full_name="Maria Manager")
    admin = page_client("tenant_admin")
    for page in ("", f"{customer.id}/change/"):
        assert f"Maria Manager ({maria.username})" in text_of(admin.get(f"/admin/lifecycle/customer/{page}")), page


def test_the_export_and_the_api_keep_the_user_name(api_client, tenant, maria, users):
    own(tenant, maria.username)
    (row,) = api_client(users.account_manager).get("/api/v1/customers").json()["results"]
    assert row["owner"] == maria.username
