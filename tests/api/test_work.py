"""Notes and tasks over the API: who may, what is kept, whom it reaches, and what is left of it."""

import datetime as dt
from uuid import uuid4

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from lifecycle.models import EffectRun, Note, NoteVersion, Notification, Task
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.effects.preferences import set_preference
from lifecycle.services.work.notes import LONGEST_TEXT
from tenants.context import tenant_context
from tests.factories import ADMIN_ACTOR, CustomerFactory, UserFactory, utc_now

SECRET = "Zora Canary-Quetzal wants out"


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


@pytest.fixture
def notes(customer):
    return f"/api/v1/customers/{customer.id}/notes"


@pytest.fixture
def tasks(customer):
    return f"/api/v1/customers/{customer.id}/tasks"


def write(client, address, text=SECRET, **headers):
    answer = client.post(address, {"text": text}, **headers)
    assert answer.status_code == 201, answer.content
    return answer.json()


def notifications_of(user, tenant):
    with tenant_context(tenant.id):
        return list(Notification.objects.filter(user_id=user.id).order_by("id"))


def test_a_note_is_kept_encrypted_and_audited_without_its_text(manager, notes, users, tenant, customer):
    note = write(manager, notes)
    assert (note["text"], note["version"], note["created_by"]) == (SECRET, 1, str(users.account_manager.id))
    assert manager.get(notes).json()["results"] == [{k: v for k, v in note.items() if k != "not_notified"}]
    with tenant_context(tenant.id):
        kept = bytes(Note.objects.get().text)
        entry = AdministrationEntry.objects.get(action="write_note")
    assert b"Zora" not in kept
    assert (entry.subject, entry.detail) == (str(customer.id), {"note": note["id"], "version": 1})


def test_an_edit_keeps_what_the_note_said_before(manager, notes):
    note = write(manager, notes, "They stay.")
    address = f"{notes}/{note['id']}"
    edited = manager.patch(address, {"text": "They go."}, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.headers["ETag"], edited.json()["text"]) == (200, '"2"', "They go.")
    stale = manager.patch(address, {"text": "They may go."}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    again = manager.patch(address, {"text": "They go."}).json()
    assert again["version"] == 2
    shown = manager.get(address).json()
    assert [(one["number"], one["text"]) for one in shown["versions"]] == [(1, "They stay.")]
    assert shown["text"] == "They go."


def test_only_the_author_edits_and_only_they_or_an_admin_delete(api_client, manager, notes, tenant):
    colleague = api_client(UserFactory(tenant=tenant))
    note = write(manager, notes)
    address = f"{notes}/{note['id']}"
    for answer in (
        colleague.patch(address, {"text": "x"}),
        colleague.delete(address),
        api_client("tenant_admin").patch(address, {"text": "x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert manager.get(address).json()["text"] == SECRET
    manager.patch(address, {"text": "Another text"})
    assert api_client("tenant_admin").delete(address).status_code == 204
    assert api_client("tenant_admin").delete(address).status_code == 204
    left = manager.get(address).json()
    assert (left["text"], left["versions"], left["created_by"]) == (None, [], note["created_by"])
    assert left["deleted_at"] and left["deleted_by"] != note["created_by"]
    assert manager.patch(address, {"text": "x"}).status_code == 409
    with tenant_context(tenant.id):
        assert not NoteVersion.objects.exists()
        assert AdministrationEntry.objects.filter(action="delete_note").count() == 1


@pytest.mark.parametrize("text", ["", "   \n ", "bell\u0007", "turned\u202eround", "x" * 10_001])
def test_a_note_that_cannot_be_kept_is_refused_whole(manager, notes, tenant, text):
    answer = manager.post(notes, {"text": text})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "#/text"
    with tenant_context(tenant.id):
        assert not Note.objects.exists()
        assert not AdministrationEntry.objects.filter(action="write_note").exists()


def test_a_line_break_counts_once_though_a_program_sends_two_characters_for_it(manager, notes):
    """As on the page: what fits as it is kept was refused as too long."""
    lines = ["x" * 99] * (LONGEST_TEXT // 100)
    for spelled in ("\n", "\r\n"):
        note = write(manager, notes, spelled.join(lines))
        assert note["text"] == "\n".join(lines) and len(note["text"]) == LONGEST_TEXT - 1
        edited = manager.patch(f"{notes}/{note['id']}", {"text": spelled.join(["y", *lines[1:]])})
        assert edited.status_code == 200


def test_the_same_request_twice_writes_one_note(manager, notes, tenant):
    key = {"Idempotency-Key": str(uuid4())}
    first, second = write(manager, notes, headers=key), write(manager, notes, headers=key)
    assert first == second
    with tenant_context(tenant.id):
        assert Note.objects.count() == 1


def test_a_mention_notifies_those_who_may_read_the_note(manager, notes, tenant, users, customer):
    own = uuid4().hex[:8]
    lena = UserFactory(tenant=tenant, username=f"lena.{own}@tenant.example")
    for domain in ("one", "two"):
        UserFactory(tenant=tenant, username=f"sam-{own}@{domain}.example")
    local = users.viewer.username
    text = (
        f"@Lena.{own}, ask @sam-{own} and @{local}; mail a@lena.{own}, or @nowhere. @{users.account_manager.username}"
    )
    note = write(manager, notes, text)
    assert note["not_notified"] == [f"sam-{own}", local, "nowhere"]
    assert note["mentions"] == [str(lena.id), str(users.account_manager.id)]
    (notice,) = notifications_of(lena, tenant)
    assert (notice.kind, str(notice.about_id), notice.customer_id) == ("mention", note["id"], customer.id)
    assert (notice.made_by, notice.subject, notice.body) == (str(users.account_manager.id), "", "")
    # Who writes is not notified, and an edit notifies only those who were not named before.
    assert notifications_of(users.account_manager, tenant) == notifications_of(users.viewer, tenant) == []
    manager.patch(f"{notes}/{note['id']}", {"text": f"{text} @sam-{own}@two.example"})
    assert len(notifications_of(lena, tenant)) == 1


@pytest.mark.parametrize(("alerts", "kept", "shown"), [("at_once", 1, 1), ("digest", 1, 0), ("off", 0, 0)])
def test_a_mention_keeps_to_the_preference_of_the_person(api_client, manager, notes, tenant, alerts, kept, shown):
    lena = UserFactory(tenant=tenant)
    with tenant_context(tenant.id):
        set_preference(lena.id, tenant=tenant, now=utc_now(), alerts=alerts)
    write(manager, notes, f"@{lena.username} please call them")
    assert len(notifications_of(lena, tenant)) == kept
    assert len(api_client(lena).get("/api/v1/notifications").json()["results"]) == shown
    with tenant_context(tenant.id):
        assert EffectRun.objects.filter(kind="digest").count() == (1 if alerts == "digest" else 0)


def test_a_task_is_made_changed_done_and_opened_again(manager, api_client, tasks, users, tenant):
    lena = UserFactory(tenant=tenant)
    made = manager.post(tasks, {"title": "Call Zora", "due_on": "2026-01-31", "assignee": lena.username})
    assert made.status_code == 201, made.content
    task, address = made.json(), f"{tasks}/{made.json()['id']}"
    assert (task["title"], task["assignee_id"], task["is_overdue"]) == ("Call Zora", str(lena.id), True)
    (notice,) = notifications_of(lena, tenant)
    assert (notice.kind, str(notice.about_id)) == ("task", task["id"])
    assert [one["id"] for one in api_client(lena).get("/api/v1/tasks").json()["results"]] == [task["id"]]

    done = manager.patch(address, {"done": True}).json()
    assert (done["is_overdue"], done["done_by"], done["version"]) == (False, str(users.account_manager.id), 2)
    assert manager.patch(address, {"done": True}).json()["version"] == 2
    assert api_client(lena).get("/api/v1/tasks").json()["results"] == []
    assert len(api_client(lena).get("/api/v1/tasks?state=done").json()["results"]) == 1
    again = manager.patch(address, {"done": False, "due_on": None, "assignee": None}).json()
    assert (again["done_at"], again["due_on"], again["assignee_id"]) == (None, None, None)
    with tenant_context(tenant.id):
        actions = AdministrationEntry.objects.filter(detail__task=task["id"]).order_by("id")
        assert list(actions.values_list("action", flat=True)) == [
            "create_task", "complete_task", "change_task", "reopen_task",
        ]  # fmt: skip
        assert b"Zora" not in bytes(Task.objects.get().title)


@pytest.mark.parametrize("role", ["viewer", "service", "no-one-at-all"])
def test_a_task_is_for_a_colleague_who_may_work_with_customers(manager, tasks, users, tenant, role):
    name = users.of(role).username if role in ("viewer", "service") else role
    answer = manager.post(tasks, {"title": "Call", "assignee": name})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/assignee")
    with tenant_context(tenant.id):
        assert not Task.objects.exists()


def test_lists_page_on_without_a_gap_or_a_double_and_without_more_statements(manager, api_client, users, tenant):
    customer = CustomerFactory(tenant=tenant)
    today = utc_now().date()
    own = str(users.account_manager.id)
    days = [None, *(today + dt.timedelta(days=number // 2) for number in range(6))]
    for number, day in enumerate(days):
        body = {"title": f"Task {number}", "due_on": day and day.isoformat(), "assignee": own}
        assert manager.post(f"/api/v1/customers/{customer.id}/tasks", body).status_code == 201
        write(manager, f"/api/v1/customers/{customer.id}/notes", f"Note {number}")
    expected = {
        "/api/v1/tasks": [f"Task {number}" for number in (1, 2, 3, 4, 5, 6, 0)],
        f"/api/v1/customers/{customer.id}/tasks": [f"Task {number}" for number in range(6, -1, -1)],
        f"/api/v1/customers/{customer.id}/notes": [f"Note {number}" for number in range(6, -1, -1)],
    }
    for address, texts in expected.items():
        read, counts, following = [], set(), f"{address}?limit=3"
        while following:
            with CaptureQueriesContext(connection) as queries:
                page = manager.get(following).json()
            counts.add(len(queries))
            read += [row.get("title") or row.get("text") for row in page["results"]]
            following = page["next"]
        assert read == texts, address
        assert len(counts) == 1 and max(counts) <= 6, counts


def test_an_id_of_another_customer_or_tenant_is_not_found(manager, api_client, notes, tenant, other_customer):
    note = write(manager, notes)
    elsewhere = CustomerFactory(tenant=tenant)
    for customer_id in (elsewhere.id, other_customer.id):
        assert manager.get(f"/api/v1/customers/{customer_id}/notes/{note['id']}").status_code == 404
        assert manager.patch(f"/api/v1/customers/{customer_id}/notes/{note['id']}", {"text": "x"}).status_code == 404
        assert manager.delete(f"/api/v1/customers/{customer_id}/notes/{note['id']}").status_code == 404
    assert manager.get("/api/v1/tasks?cursor=AAAA").status_code == 400
    assert manager.get("/api/v1/tasks?state=late").status_code == 400


def test_notes_and_tasks_are_exported_in_clear_and_erased_for_good(manager, notes, tasks, tenant, customer, users):
    note = write(manager, notes)
    manager.patch(f"{notes}/{note['id']}", {"text": f"{SECRET} now"})
    manager.post(tasks, {"title": "Call Zora"})
    arguments = {"tenant": tenant, "actor": ADMIN_ACTOR, "now": utc_now()}
    with tenant_context(tenant.id):
        exported = export_customer(customer.external_id, **arguments)
        (kept,) = exported["notes"]
        assert (kept["text"], [one["text"] for one in kept["versions"]]) == (f"{SECRET} now", [SECRET])
        assert [one["title"] for one in exported["tasks"]] == ["Call Zora"]
        erase_customer(customer.external_id, reason="Asked", **arguments)
        assert not (Note.objects.exists() or NoteVersion.objects.exists() or Task.objects.exists())
        left = orjson.dumps(export_customer(customer.external_id, **arguments), default=str)
    assert b"Zora" not in left
    assert manager.get(f"{notes}/{note['id']}").status_code == 404


def test_those_who_see_contacts_masked_see_no_text(manager, notes, tenant, customer):
    from lifecycle.services.work.notes import list_notes
    from lifecycle.services.work.tasks import list_tasks

    write(manager, notes)
    manager.post(notes.replace("notes", "tasks"), {"title": "Call Zora"})
    with tenant_context(tenant.id):
        (note,) = list_notes(customer.id, tenant=tenant, sees_texts=False)
        (task,) = list_tasks(customer.id, tenant=tenant, today=utc_now().date(), sees_texts=False)
    assert (note["text"], note["is_masked"], task["title"], task["is_masked"]) == (None, True, None, True)
