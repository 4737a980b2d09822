"""A company's website: from the CRM or a file to everybody who looks at the customer, and never over what is newer."""

from pathlib import Path
from typing import Any

import pytest

from lifecycle.services.compliance.erasure import ERASED_NAME, erase_customer
from lifecycle.services.compliance.exports import export_customer
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.messaging.speaking import Speaker, outcomes
from tests.services.importing import run
from tests.web.conftest import markup_of


@pytest.fixture
def crm(tenant: Any) -> Speaker:
    return Speaker(tenant)


def test_the_website_comes_from_the_crm_and_is_on_the_page_in_the_api_and_in_the_export(
    crm: Speaker, api_client: Any, page_client: Any
) -> None:
    assert outcomes(crm.hear(crm.created(website="www.Acme.example/de"))) == ["applied"]
    customer = crm.customer()
    assert customer.website == "https://www.acme.example/de"
    profile = api_client("viewer").get(f"/api/v1/customers/{customer.id}").json()
    assert profile["company"]["website"] == "https://www.acme.example/de"
    links = markup_of(page_client("viewer").get(f"/customers/{customer.id}")).all("a")
    assert {"href": "https://www.acme.example/de", "rel": "noopener noreferrer nofollow"} in links
    with tenant_context(crm.tenant.id):
        exported = export_customer("c1", tenant=crm.tenant, actor=system_actor("tests"), now=utc_now())
    assert exported["company"]["website"] == "https://www.acme.example/de"


def test_an_older_website_does_not_replace_a_newer_one_and_null_clears_it(crm: Speaker, api_client: Any) -> None:
    crm.hear(crm.created(website="https://new.example", minutes=10))
    assert outcomes(crm.hear(crm.updated(website="https://old.example", minutes=5))) == ["stale"]
    assert crm.customer().website == "https://new.example"
    address = f"/api/v1/customers/{crm.customer().id}"
    assert api_client("viewer").get(address).json()["company"]["website"] == "https://new.example"
    crm.hear(crm.updated(website=None, minutes=15))
    assert api_client("viewer").get(address).json()["company"]["website"] == ""


def test_what_is_no_website_costs_its_own_field_and_nothing_beside_it(crm: Speaker) -> None:
    crm.hear(crm.created(website="https://acme.example"))
    results = crm.hear(crm.updated(website="javascript:alert(1)", industry="Shipping", minutes=1))
    assert outcomes(results) == ["applied"]
    assert (crm.customer().website, crm.customer().industry) == ("https://acme.example", "Shipping")


def test_billing_may_not_write_the_website(crm: Speaker) -> None:
    crm.hear(crm.created(website="https://acme.example"))
    crm.hear(crm.updated(website="https://evil.example", source="/billing", minutes=1))
    (letter,) = crm.dead_letters()
    assert (letter.code, letter.sentence) == (
        "source_not_allowed",
        "“Website” (data.website) belongs to /crm: /billing may not write it. Have /crm send it, or leave it out.",
    )
    assert crm.customer().website == "https://acme.example"


def test_the_website_goes_with_the_name_of_an_erased_company_and_does_not_come_back(crm: Speaker) -> None:
    crm.hear(crm.created(website="https://acme.example", industry="Shipping"))
    with tenant_context(crm.tenant.id):
        options = {"tenant": crm.tenant, "actor": system_actor("tests"), "reason": "Asked", "now": utc_now()}
        erase_customer("c1", **options)
        assert crm.customer().website == "https://acme.example"
        erase_customer("c1", company=True, **options)
    crm.hear(crm.updated(website="https://acme.example", minutes=60))
    assert (crm.customer().name, crm.customer().website) == (ERASED_NAME, "")
    assert crm.customer().industry == "Shipping"


@pytest.mark.parametrize("head", ["Website", "Company Website", "website_url", "URL"])
def test_a_file_brings_the_website_under_the_names_that_crms_use(crm: Speaker, head: str, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(f"id,name,{head}\nc1,Acme,acme.example\nc2,Bolt,not a site\nc3,Cog,\n")
    status, _, error = run(file, crm.tenant)
    assert (status, error[:2]) == (1, "1 ")
    assert (crm.customer("c1").website, crm.customer("c3").website) == ("https://acme.example", "")
    rejected = file.with_name("customers.rejected.csv").read_text()
    assert f"“{head}” is not a web address such as https://www.company.example: “not a site”." in rejected
    again = tmp_path / "again.csv"
    again.write_text(f"id,{head}\nc1,https://acme.example\n")
    status, output, _ = run(again, crm.tenant)
    assert (status, "1 unchanged" in output) == (0, True), output
