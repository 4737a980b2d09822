"""Tasks by their id alone, and the tasks of a colleague, over the API."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import Task
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.work.notes import By
from lifecycle.services.work.tasks import create_task
from tenants.context import tenant_context
from tests.factories import ADMIN_ACTOR, CustomerFactory, TenantFactory, UserFactory, utc_now


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


def make(client, customer, title="Call Zora", **more):
    answer = client.post(f"/api/v1/customers/{customer.id}/tasks", {"title": title, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def titles(client, query):
    answer = client.get(f"/api/v1/tasks{query}")
    assert answer.status_code == 200, answer.content
    return [task["title"] for task in answer.json()["results"]]


def test_a_task_is_read_and_changed_by_its_id_as_at_its_customer(manager, customer, users):
    task = make(manager, customer)
    address, at_customer = f"/api/v1/tasks/{task['id']}", f"/api/v1/customers/{customer.id}/tasks/{task['id']}"
    read = manager.get(address)
    assert (read.json(), read.headers["ETag"]) == (task, '"1"')
    body = {"title": "Visit Zora", "due_on": "2026-01-31", "assignee": users.account_manager.username, "done": True}
    changed = manager.patch(address, body, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json() == manager.get(at_customer).json()
    shown = {name: changed.json()[name] for name in ("title", "due_on", "assignee_id", "done_by")}
    own = str(users.account_manager.id)
    assert shown == {"title": "Visit Zora", "due_on": "2026-01-31", "assignee_id": own, "done_by": own}
    stale = manager.patch(address, {"done": False}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    unknown = manager.patch(address, {"state": "open"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (400, "#/state")


def test_the_same_change_twice_is_made_once_and_forgotten_with_the_customer(manager, customer, tenant):
    address = f"/api/v1/tasks/{make(manager, customer)['id']}"
    first = manager.patch(address, {"done": True}, headers={"Idempotency-Key": "k"})
    again = manager.patch(address, {"done": True}, headers={"Idempotency-Key": "k"})
    assert first.json()["title"] == "Call Zora"
    assert again.json() == first.json() and again.headers["Idempotency-Replayed"] == "true"
    other = manager.patch(address, {"done": False}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    with tenant_context(tenant.id):
        erase_customer(customer.external_id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now(), reason="Request 17")
    gone = manager.patch(address, {"done": True}, headers={"Idempotency-Key": "k"})
    assert (gone.status_code, "Zora" in gone.content.decode()) == (422, False)


def test_a_task_of_another_tenant_does_not_exist(manager, other_tenant, other_customer):
    with tenant_context(other_tenant.id):
        task = create_task(other_customer.id, "Theirs", by=By(other_tenant, ADMIN_ACTOR, utc_now()))
    for id_ in (task["id"], uuid4()):
        for answer in (manager.get(f"/api/v1/tasks/{id_}"), manager.patch(f"/api/v1/tasks/{id_}", {"done": True})):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert answer.json()["detail"] == "There is no such task: check the id."
    with tenant_context(other_tenant.id):
        assert Task.objects.get().done_at is None
    assert manager.get("/api/v1/tasks/7").status_code == 400


def test_a_manager_gives_themselves_a_task_as_me(manager, customer, users):
    own = str(users.account_manager.id)
    assert make(manager, customer, assignee="me")["assignee_id"] == own
    task = make(manager, customer)
    assert task["assignee_id"] is None
    for address in (f"/api/v1/tasks/{task['id']}", f"/api/v1/customers/{customer.id}/tasks/{task['id']}"):
        assert manager.patch(address, {"assignee": "me"}).json()["assignee_id"] == own
        assert manager.patch(address, {"assignee": None}).json()["assignee_id"] is None


@pytest.mark.parametrize("name", ["keep", "None"])
def test_what_is_no_one_s_name_is_no_assignee_and_what_is_someone_s_is(manager, customer, tenant, name):
    """Both were taken for "as it is", and answered with success."""
    address = f"/api/v1/tasks/{make(manager, customer)['id']}"
    refused = manager.patch(address, {"assignee": name})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert refused.json()["errors"][0]["pointer"] == "#/assignee"
    person = UserFactory(tenant=tenant, username=name)
    given = manager.patch(address, {"assignee": name})
    assert (given.status_code, given.json()["assignee_id"]) == (200, str(person.id))
    renamed = manager.patch(address, {"title": "Visit Zora"})
    assert (renamed.json()["assignee_id"], renamed.json()["due_on"]) == (str(person.id), None)


def test_tasks_are_listed_by_assignee_and_by_whether_they_are_open(manager, api_client, customer, tenant, users):
    lena = UserFactory(tenant=tenant)
    make(manager, customer, "Mine", assignee=users.account_manager.username)
    make(manager, customer, "Hers", assignee=lena.username)
    done = make(manager, customer, "Hers, done", assignee=lena.username)
    assert manager.patch(f"/api/v1/tasks/{done['id']}", {"done": True}).status_code == 200
    assert titles(manager, "") == titles(manager, "?assignee=me&open=true") == ["Mine"]
    assert titles(manager, "?assignee=me&open=false") == []
    for name in (lena.username, str(lena.id)):
        assert titles(manager, f"?assignee={name}") == ["Hers"]
        assert titles(manager, f"?assignee={name}&open=false") == ["Hers, done"]
        assert titles(manager, f"?assignee={name}&open=false&state=done") == ["Hers, done"]
    assert titles(api_client(lena), "?open=true") == ["Hers"]
    counted = manager.get(f"/api/v1/tasks?assignee={lena.username}&count=true&limit=1").json()
    assert (counted["total"], counted["next_cursor"]) == (1, None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("assignee=no-one", "assignee"), ("assignee=", "assignee"),
        (f"assignee={'x' * 151}", "assignee"), ("open=yes", "open"), ("open=true&state=done", "open"),
        ("state=late", "state"), ("owner=me", "owner"),
    ],
)  # fmt: skip
def test_a_parameter_that_means_nothing_is_refused_by_name(manager, query, parameter):
    answer = manager.get(f"/api/v1/tasks?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_a_user_of_another_tenant_is_no_assignee(manager, tenant):

    person = UserFactory(tenant=TenantFactory())
    assert manager.get(f"/api/v1/tasks?assignee={person.id}").status_code == 400


def test_a_cursor_belongs_to_its_assignee(manager, customer, tenant, users):
    lena = UserFactory(tenant=tenant)
    for number in range(3):
        make(manager, customer, f"Task {number}", assignee=lena.username)
    first = manager.get(f"/api/v1/tasks?assignee={lena.username}&limit=2").json()
    assert manager.get(f"/api/v1/tasks?cursor={first['next_cursor']}").status_code == 400
    second = manager.get(f"/api/v1/tasks?assignee={lena.username}&limit=2&cursor={first['next_cursor']}").json()
    assert [task["title"] for task in first["results"] + second["results"]] == ["Task 0", "Task 1", "Task 2"]


def test_statements_do_not_grow_with_tasks(manager, tenant, users):
    counts = []
    for _ in range(2):
        for number in range(4):
            make(manager, CustomerFactory(tenant=tenant), f"Task {number}", assignee=users.account_manager.username)
        with CaptureQueriesContext(connection) as queries:
            page = manager.get("/api/v1/tasks?assignee=me&open=true").json()
        counts.append((len(page["results"]), len(queries)))
    assert [rows for rows, _ in counts] == [4, 8]
    assert counts[0][1] == counts[1][1] <= 6


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2201-01-01", "9999-12-31"])
def test_a_task_is_due_on_a_day_that_someone_can_mean(manager, tenant, day):
    customer = CustomerFactory(tenant=tenant)
    tasks = f"/api/v1/customers/{customer.id}/tasks"
    refused = manager.post(tasks, {"title": "Call", "due_on": day}, format="json")
    sentence = "The due date must be between 1900 and 2200. Nothing was saved."
    assert (refused.status_code, refused.json()["detail"]) == (400, sentence)
    task = make(manager, customer, due_on="2026-01-31")
    refused = manager.patch(f"/api/v1/tasks/{task['id']}", {"due_on": day}, format="json")
    assert (refused.status_code, refused.json()["detail"]) == (400, sentence)
    with tenant_context(tenant.id):
        assert [str(one.due_on) for one in Task.objects.all()] == ["2026-01-31"]
