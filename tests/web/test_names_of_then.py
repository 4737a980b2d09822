"""Pages about what happened call people what they were called then."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import FormerName
from lifecycle.services.insight.keeping import keep_facts
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.accounts.members import name_accounts, name_members_and_accounts, name_members_then
from tests.admin.test_names_of_then import LATER, rename
from tests.admin.test_trail import rename_customer, words_of
from tests.conftest import make_people
from tests.effects.alerts import ALERT, STAGES, move
from tests.factories import CustomerFactory, TenantFactory, UserFactory, utc_now
from tests.services.test_insight import at, tell


def test_the_timeline_says_whom_an_automation_was_for_as_they_were_called_then(page_client: Any, db: None) -> None:
    tenant = TenantFactory(configuration={**STAGES, "effects": [ALERT]})
    people = make_people(tenant)
    owner, before = people.viewer, people.viewer.full_name
    customer = CustomerFactory(tenant=tenant, owner=owner.username)
    move(tenant, customer)
    rename(tenant, owner)
    move(tenant, customer, stage="Prospect")
    move(tenant, customer)
    page = page_client(people.account_manager).get(f"/customers/{customer.id}/timeline", {"kind": "effect"})
    shown = words_of(page.content.decode())
    assert shown.index(f"→ {LATER}") < shown.index(f"→ {before}")


def test_a_task_says_who_made_and_who_did_it_as_they_were_called_then(
    api_client: Any, page_client: Any, tenant: Any, users: Any, customer: Any
) -> None:
    manager, before = users.account_manager, users.account_manager.full_name
    api, page = api_client("account_manager"), page_client("account_manager")
    tasks = f"/api/v1/customers/{customer.id}/tasks"
    made = [api.post(tasks, {"title": title, "assignee": manager.username}).json() for title in ("Call", "Write")]
    assert api.patch(f"{tasks}/{made[0]['id']}", {"done": True}).status_code == 200
    rename(tenant, manager)
    done = words_of(page.get("/tasks", {"state": "done"}).content.decode())
    assert f"Done by {before}" in done
    one = words_of(page.get(f"/customers/{customer.id}/tasks/{made[1]['id']}").content.decode())
    assert f"Added by {before}" in one


@pytest.fixture
def renamed(db: None) -> Any:
    """A company that was renamed ten days after it came, and one that kept its name."""
    tenant = TenantFactory(configuration=STAGES)
    aurora = come(tenant, "Aurora Logistics", "Borealis Foods")["Aurora Logistics"]
    rename_customer(tenant, aurora.external_id, "Zephyr Group")
    with tenant_context(tenant.id):
        FormerName.objects.all().delete()
        FormerName.objects.create(tenant_id=tenant.id, subject_id=aurora.id, name="Aurora Logistics", until=at(10.5))
    return aurora


def come(tenant: Any, *names: str) -> Any:
    made = tell(tenant, {name: [(0, "Prospect")] for name in names}, {})
    keep_facts(tenant)
    return made


@pytest.mark.parametrize(
    ("days", "name", "other"), [(9, "Aurora Logistics", "Zephyr Group"), (10, "Zephyr Group", "Aurora Logistics")]
)
def test_pages_of_a_past_day_call_a_company_what_it_was_called_then(
    page_client: Any, api_client: Any, renamed: Any, days: int, name: str, other: str
) -> None:
    people = make_people(TenantRef(renamed.tenant_id, "renamed"))
    page, day = page_client(people.account_manager), at(days).date().isoformat()
    for address in ("/customers/as-of", "/board/as-of"):
        shown = words_of(page.get(address, {"day": day}).content.decode())
        assert name in shown and "Borealis Foods" in shown and other not in shown
    shown = words_of(page.get(f"/customers/{renamed.id}/as-of", {"day": day}).content.decode())
    assert name in shown and ("called “Zephyr Group” today" in shown) == (days == 9)
    rows = api_client(people.account_manager).get("/api/v1/customers", {"as_of": day}).json()["results"]
    assert [row["name"] for row in rows] == ["Borealis Foods", name]


@pytest.mark.parametrize("address", ["/customers/as-of", "/board/as-of"])
def test_names_of_then_cost_the_same_statements_however_many_they_are(
    page_client: Any, renamed: Any, address: str
) -> None:
    tenant = TenantRef(renamed.tenant_id, "renamed")
    page = page_client(make_people(tenant).account_manager)
    day, counts = at(5).date().isoformat(), []
    for more in (0, 12):
        for name, customer in come(tenant, *(f"Firm {number}" for number in range(more))).items():
            rename_customer(tenant, customer.external_id, f"New {name}")
        page.get(address, {"day": day})
        with CaptureQueriesContext(connection) as queries:
            shown = page.get(address, {"day": day}).content.decode()
        assert shown.count("Firm ") == more and "New Firm" not in shown
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_people_and_owners_are_named_by_one_statement_as_they_are_by_two(tenant: Any, users: Any) -> None:
    before, at_first = utc_now(), users.viewer
    rename(tenant, users.viewer)
    twins = [UserFactory(tenant=tenant, full_name="Ann Twin", username=f"ann{number}@twin.example") for number in "12"]
    ids = [str(at_first.id), str(twins[0].id), "system:import_customers", str(uuid4())]
    asked = [(id_, at) for id_ in ids for at in (before, utc_now())]
    owners = [None, "", "unknown", users.viewer.username, twins[1].username.upper(), users.service.username]
    with tenant_context(tenant.id):
        with CaptureQueriesContext(connection) as queries:
            found = name_members_and_accounts(asked, owners, tenant=tenant)
        accounts = name_accounts([owner for owner in owners if owner], tenant=tenant)
        assert found == (name_members_then(asked, tenant=tenant), accounts)
        assert name_members_and_accounts([], [None, ""], tenant=tenant) == ({}, {})
    assert len(queries) == 1
    assert accounts == {users.viewer.username: LATER, "ANN2@TWIN.EXAMPLE": "Ann Twin (ann2@twin.example)"}
