"""Pages about what happened call people what they were called then."""

from typing import Any

from tests.admin.test_names_of_then import LATER, rename
from tests.admin.test_trail import words_of
from tests.conftest import make_people
from tests.effects.test_alerts import ALERT, STAGES, move
from tests.factories import CustomerFactory, TenantFactory


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
