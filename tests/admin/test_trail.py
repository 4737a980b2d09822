"""The audit trail in the admin: people read names, follow links and find what they look for."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AdministrationEntry, FormerName
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import USER, Actor, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, User
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.services.accounts.names import erase_user, rename_user
from tenants.services.accounts.people import PersonChangeRefused, deactivate_user, reactivate_user
from tests.factories import CustomerFactory, utc_now

HISTORY = "admin:audit_lifecyclehistory_changelist"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7")


def actor_of(user: Any) -> Actor:
    return Actor(kind=USER, name=str(user.id), permissions=ROLE_PERMISSIONS[Role(user.role)])


def move(tenant: Any, customer: Any, stage: str, user: Any, reason: str | None = None) -> None:
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, actor_of(user), "UI", utc_now()),
            [Change(customer_id=customer.id, stage=stage, reason_code=reason)],
        )
    assert outcome.moved


def table_of(answer: Any) -> str:
    body = answer.content.decode()
    return body[body.index('id="result_list"') : body.index("</table>", body.index('id="result_list"'))]


def words_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


@pytest.fixture
def aurora(tenant: Any, users: Any) -> Any:
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", external_id="AUR-1")
    move(tenant, customer, "Active", users.account_manager)
    return customer


def test_history_shows_the_customer_and_the_person_by_name_with_links(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    table = table_of(page_client("tenant_admin").get(reverse(HISTORY)))
    words = words_of(table)
    assert "Aurora Logistics Prospect Active" in words
    assert users.account_manager.full_name in words
    assert "System (tests)" in words
    assert not UUID.search(words)
    assert f'href="/customers/{aurora.id}"' in table
    assert reverse("admin:tenants_user_change", args=[users.account_manager.id]) in table


@pytest.mark.parametrize("looked_for", ["aurora", "AURORA log", "AUR-1", "id"])
def test_history_is_searched_by_customer(
    page_client: Any, tenant: Any, users: Any, aurora: Any, looked_for: str
) -> None:
    other = CustomerFactory(tenant=tenant, name="Borealis Foods", external_id="BOR-1")
    text = str(aurora.id) if looked_for == "id" else looked_for
    words = words_of(table_of(page_client("tenant_admin").get(reverse(HISTORY), {"q": text})))
    assert words.count("Aurora Logistics") == 2
    assert other.name not in words


def test_history_is_searched_by_person(page_client: Any, tenant: Any, users: Any, aurora: Any) -> None:
    for text in (users.account_manager.full_name.upper(), users.account_manager.username):
        words = words_of(table_of(page_client("tenant_admin").get(reverse(HISTORY), {"q": text})))
        assert words.count("Aurora Logistics") == 1, text
        assert "System" not in words


def test_refused_attempts_and_administration_show_names_too(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("viewer")
    assert client.get(f"/customers/{aurora.id}/move").status_code == 403
    with tenant_context(tenant.id):
        erase_customer("AUR-1", tenant=tenant, actor=actor_of(users.tenant_admin), reason="Asked for", now=utc_now())
    admin = page_client("tenant_admin")
    refused = words_of(table_of(admin.get(reverse("admin:audit_refusedattempt_changelist"))))
    assert "Aurora Logistics" in refused
    assert users.viewer.full_name in refused
    entries = words_of(
        table_of(admin.get(reverse("admin:audit_administrationentry_changelist"), {"q": str(aurora.id)}))
    )
    assert f"Erase customer Aurora Logistics {users.tenant_admin.full_name} Asked for" in entries
    for words in (refused, entries):
        assert not UUID.search(words)


def test_one_row_is_shown_with_names_and_with_the_ids_behind_them(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("tenant_admin")
    table = table_of(client.get(reverse(HISTORY), {"q": users.account_manager.username}))
    (address,) = re.findall(r'href="(/admin/audit/lifecyclehistory/[^"]+/change/[^"]*)"', table)
    page = words_of(client.get(address).content.decode())
    assert "Aurora Logistics" in page
    assert users.account_manager.full_name in page
    assert str(aurora.id) in page


def test_a_page_of_history_takes_the_same_number_of_statements_for_one_row_and_for_forty(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("tenant_admin")
    counts = []
    for more in (1, 20):
        for _ in range(more):
            move(tenant, CustomerFactory(tenant=tenant), "Active", users.account_manager)
        client.get(reverse(HISTORY))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(HISTORY)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] < 25


def rename_customer(tenant: Any, external_id: str, name: str) -> None:
    """As CRM reports it."""
    fact = CustomerFacts(external_id, "/crm", utc_now(), company={"name": name})
    with tenant_context(tenant.id):
        record_customers(
            [fact], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=False
        )


def rows_of(client: Any, **query: str) -> list[str]:
    """The rows of the history, oldest first, in words."""
    answer = client.get(reverse(HISTORY), query)
    if "Nothing matches." in answer.content.decode():
        return []
    table = table_of(answer)
    return [words_of(row).strip() for row in re.findall(r"<tr>.*?</tr>", table[table.index("<tbody>") :], re.S)][::-1]


def test_the_trail_shows_what_customers_and_people_were_called_when_it_happened(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    manager, admin = users.account_manager, page_client("tenant_admin")
    before = manager.full_name
    rename_customer(tenant, "AUR-1", "Aurora Freight")
    rename_user(manager.id, "Mia Newname", tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
    move(tenant, aurora, "Churned", manager, "Left")
    rename_customer(tenant, "AUR-1", "Aurora Group")
    rename_user(manager.id, "Mia Again", tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
    move(tenant, aurora, "Active", manager)
    created, first, second, third = rows_of(admin)
    assert "Aurora Logistics" in created
    assert "Aurora Logistics" in first and before in first
    assert "Aurora Freight" in second and "Mia Newname" in second
    assert "Aurora Group" in third and "Mia Again" in third
    # The customer's own page says the same of people.
    page = words_of(admin.get(f"/customers/{aurora.id}").content.decode())
    assert page.index("Mia Again") < page.index("Mia Newname") < page.index(before)
    # Found by every name they have had, in any case.
    for text in ("aurora logistics", "AURORA freight", "Group"):
        assert len(rows_of(admin, q=text)) == 4, text
    for text in (before, "mia newname", "Again"):
        assert len(rows_of(admin, q=text)) == 3, text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("muller", 1),
        ("MÜLLER", 1),
        ("jorg mu\u0308ller", 1),
        ("hanna strasse", 1),
        ("SAO JOAO", 2),
        ("conceicao", 2),
        ("mullar", 0),
        ("\u0301", 0),
    ],
)
def test_people_and_former_names_are_found_whatever_the_case_and_the_accents(
    page_client: Any, tenant: Any, users: Any, aurora: Any, text: str, found: int
) -> None:
    """The person moved the company once, and the company has two rows. All names but two are former ones."""
    manager, admin = users.account_manager, page_client("tenant_admin")
    for name in ("Hanna Straße", "Jörg Müller"):
        rename_user(manager.id, name, tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
    for name in ("São João da Conceição", "Aurora Group"):
        rename_customer(tenant, "AUR-1", name)
    other = CustomerFactory(tenant=tenant, name="Borealis Foods", external_id="BOR-1")
    rows = rows_of(admin, q=text)
    assert len(rows) == found
    assert not [row for row in rows if other.name in row]


def test_attempts_and_administration_show_the_names_of_then_too(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    viewer = users.viewer
    before = viewer.full_name
    assert page_client("viewer").get(f"/customers/{aurora.id}/move").status_code == 403
    rename_user(viewer.id, "Vera Newname", tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
    rename_user(viewer.id, "Vera Again", tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
    rename_customer(tenant, "AUR-1", "Aurora Group")
    admin = page_client("tenant_admin")
    refused = words_of(table_of(admin.get(reverse("admin:audit_refusedattempt_changelist"))))
    assert "Aurora Logistics" in refused and before in refused
    assert "Again" not in refused and "Group" not in refused
    entries = table_of(admin.get(reverse("admin:audit_administrationentry_changelist"), {"q": "vera"}))
    assert words_of(entries).count("Rename user") == 2
    # What was written with a change of the name shows the name that was changed.
    assert words_of(entries).index("Rename user Vera Newname") < words_of(entries).index(f"Rename user {before}")
    assert "Again" not in words_of(entries)


def test_a_name_that_is_reported_again_and_one_that_changes_elsewhere_leave_no_former_name(
    tenant: Any, aurora: Any
) -> None:
    rename_customer(tenant, "AUR-1", "Aurora Logistics")
    with tenant_context(tenant.id):
        Customer.objects.filter(id=aurora.id).update(industry="Freight")
        assert not FormerName.objects.exists()
        # Whichever way it is changed.
        Customer.objects.filter(id=aurora.id).update(name="Aurora Group")
        assert list(FormerName.objects.values_list("subject_id", "name")) == [(aurora.id, "Aurora Logistics")]


def test_the_former_names_of_an_erased_company_are_erased_and_the_chain_still_verifies(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    rename_customer(tenant, "AUR-1", "Aurora Freight")
    move(tenant, aurora, "Churned", users.account_manager, "Left")
    rename_customer(tenant, "AUR-1", "Aurora Group")
    admin = page_client("tenant_admin")
    with tenant_context(tenant.id):
        exported = export_customer("AUR-1", tenant=tenant, actor=actor_of(users.tenant_admin), now=utc_now())
        assert [one["name"] for one in exported["former_names"]] == ["Aurora Logistics", "Aurora Freight"]
        erase_customer(
            "AUR-1", tenant=tenant, actor=actor_of(users.tenant_admin), reason="Asked", now=utc_now(), company=True
        )
        assert not FormerName.objects.exists()
    assert [one.broken for one in verify_tenant(tenant)] == [None]
    words = " ".join(rows_of(admin))
    assert "Aurora" not in words
    assert words.count("Erased customer") == 3
    for text in ("Aurora", "Freight", "Erased"):
        assert rows_of(admin, q=text) == []


def test_an_erased_user_is_named_nowhere_and_what_they_did_stays(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    manager, admin = users.account_manager, page_client("tenant_admin")
    names = [manager.full_name, manager.username, "Mia Newname"]
    arguments = {"tenant": tenant, "actor": actor_of(users.tenant_admin), "now": utc_now()}
    rename_user(manager.id, "Mia Newname", **arguments)
    with pytest.raises(PersonChangeRefused, match="Deactivate them first"):
        erase_user(manager.id, reason="Left the company", **arguments)
    deactivate_user(manager.id, **arguments)
    with pytest.raises(PersonChangeRefused, match="Enter a reason"):
        erase_user(manager.id, reason="", **arguments)
    erase_user(manager.id, reason="Left the company", **arguments)
    with tenant_context(tenant.id):
        assert not FormerName.objects.exists()
        row = User.objects.get(id=manager.id)
        entry = AdministrationEntry.objects.get(action="erase_user")
    assert (row.email, row.external_subject, row.has_usable_password()) == ("", "", False)
    assert (entry.subject, entry.reason, entry.detail) == (str(manager.id), "Left the company", {})
    words = " ".join(rows_of(admin))
    assert "Erased user" in words
    for page in (reverse(HISTORY), reverse("admin:tenants_user_changelist"), f"/customers/{aurora.id}"):
        body = admin.get(page).content.decode()
        assert [name for name in names if name in body] == [], page
    with pytest.raises(PersonChangeRefused, match="was erased and stays deactivated"):
        reactivate_user(manager.id, **arguments)


def test_a_published_version_names_its_publisher_as_they_were_called_then(
    page_client: Any, tenant: Any, users: Any
) -> None:
    admin = users.tenant_admin
    before = admin.full_name
    with tenant_context(tenant.id):
        publish_configuration(
            {"stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"]},
            tenant=tenant,
            actor=actor_of(admin),
            now=utc_now(),
        )
        version = ConfigurationVersion.objects.get(number=2)
    rename_user(admin.id, "Nora Newname", tenant=tenant, actor=actor_of(admin), now=utc_now())
    client = page_client("tenant_admin")
    for page in ("changelist", "change"):
        arguments = [version.id] if page == "change" else []
        address = reverse(f"admin:tenants_configurationversion_{page}", args=arguments)
        main = words_of(client.get(address).content.decode().partition('id="content"')[2])
        assert before in main and "Nora Newname" not in main, page
