"""Notes and tasks on the pages: written, edited, deleted, done, and shown safely."""

import datetime as dt
import re
from uuid import uuid4

import pytest

from lifecycle.models import Note, Task
from lifecycle.services.work import notes, tasks
from lifecycle.services.work.notes import By
from lifecycle.web.tags import note_text
from lifecycle.web.views import work as pages_of_work
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, Role
from tests.factories import CustomerFactory, UserFactory, utc_now
from tests.statements import statements_of
from tests.web.conftest import markup_of, text_of


def by(user, tenant):
    return By(tenant, Actor(USER, str(user.id), ROLE_PERMISSIONS[Role(user.role)]), utc_now())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        (
            "see https://a.example/?x=1&y=<b>",
            'see <a href="https://a.example/?x=1&amp;y=" rel="nofollow">https://a.example/?x=1&amp;y=</a>&lt;b&gt;',
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("@lena, call", '<strong class="mention">@lena</strong>, call'),
        ('@lena@a.example"><img src=x>', '<strong class="mention">@lena@a.example</strong>&quot;&gt;&lt;img src=x&gt;'),
    ],
)
def test_a_text_is_shown_as_text_with_links_and_mentions(text, shown):
    assert note_text(text) == shown


def test_a_manager_writes_a_note_and_everybody_with_the_right_reads_it(page_client, customer, users, tenant):
    client = page_client("account_manager")
    answer = client.post(f"/customers/{customer.id}/notes", {"text": "Zora <b>wants</b> out. @no.one"})
    with tenant_context(tenant.id):
        note = Note.objects.get()
    assert answer["Location"] == f"/customers/{customer.id}#note-{note.id}"
    page = client.get(f"/customers/{customer.id}")
    assert "Zora &lt;b&gt;wants&lt;/b&gt; out." in page.content.decode()
    assert "No one was notified by @no.one" in text_of(page)
    assert f"note-{note.id}" in [tag.get("id") for tag in markup_of(page).all("li")]
    assert "Zora" not in text_of(page_client("viewer").get(f"/customers/{customer.id}"))


def test_what_is_wrong_with_a_form_is_said_above_it_and_nothing_typed_is_lost(page_client, customer, tenant):
    client = page_client("account_manager")
    answer = client.post(f"/customers/{customer.id}/notes", {"text": "bell\u0007 & more"})
    assert answer.status_code == 400 and "Nothing was saved." in text_of(answer)
    assert "bell\u0007 &amp; more</textarea>" in answer.content.decode()
    answer = client.post(f"/customers/{customer.id}/tasks", {"title": "Call them", "due_on": "2026-02-30"})
    assert answer.status_code == 400 and "The due date is not a day" in text_of(answer)
    assert 'value="Call them"' in answer.content.decode()
    with tenant_context(tenant.id):
        assert not Note.objects.exists() and not Task.objects.exists()


def test_a_break_of_a_note_counts_as_in_its_field(page_client, customer, tenant):
    """A browser sends two characters for each: what its field took had been refused as too long."""
    lines = ["x" * 99] * 100
    answer = page_client("account_manager").post(f"/customers/{customer.id}/notes", {"text": "\r\n".join(lines)})
    assert answer.status_code == 302, text_of(answer)
    with tenant_context(tenant.id):
        (note,) = notes.list_notes(customer.id, tenant=tenant)
    assert note["text"] == "\n".join(lines) and len(note["text"]) == notes.LONGEST_TEXT - 1


def test_a_note_is_edited_by_its_author_and_deleted_by_an_admin(page_client, customer, users, tenant):
    with tenant_context(tenant.id):
        note = notes.write_note(customer.id, "They stay.", by=by(users.account_manager, tenant)).note
    address = f"/customers/{customer.id}/notes/{note['id']}"
    author, admin = page_client("account_manager"), page_client("tenant_admin")
    assert admin.post(address, {"text": "x", "version": "1"}).status_code == 403
    assert author.post(address, {"text": "They go.", "version": "1"})["Location"] == address
    stale = author.post(address, {"text": "They may go.", "version": "1"})
    assert stale.status_code == 412 and "They may go.</textarea>" in stale.content.decode()
    assert "They stay." in text_of(author.get(address))
    assert page_client(UserFactory(tenant=tenant)).post(f"{address}/delete").status_code == 403
    # What destroys is behind one more step.
    page = author.get(f"/customers/{customer.id}").content.decode()
    (asked,) = re.findall(rf'<form[^>]+{address}/delete">.*?</form>', page, re.DOTALL)
    assert asked.index("<summary") < asked.index("This cannot be undone.") < asked.index("<button")
    admin.post(f"{address}/delete")
    page = text_of(author.get(f"/customers/{customer.id}"))
    assert f"Deleted by {users.tenant_admin.full_name}" in page
    assert "They go." not in page
    assert author.get(f"/customers/{customer.id}/notes/{uuid4()}").status_code == 404


def test_who_saves_a_note_that_was_deleted_reads_that_it_was_not_and_keeps_what_they_typed(
    page_client, customer, users, tenant
):
    with tenant_context(tenant.id):
        note = notes.write_note(customer.id, "They stay.", by=by(users.account_manager, tenant)).note
    address = f"/customers/{customer.id}/notes/{note['id']}"
    page_client("tenant_admin").post(f"{address}/delete")
    saved = page_client("account_manager").post(address, {"text": "They go. <b>", "version": "1"})
    assert saved.status_code == 409 and "This note was deleted. Nothing was saved." in text_of(saved)
    assert "They go. &lt;b&gt;</textarea>" in saved.content.decode()
    again = page_client("account_manager").get(address).content.decode()
    assert "<textarea" not in again and "Deleted by" in again


def test_a_task_is_given_to_a_colleague_who_finds_it_and_gets_it_done(page_client, customer, users, tenant):
    lena = UserFactory(tenant=tenant, full_name="Lena Fischer")
    body = {"title": "Call Zora", "due_on": "2026-01-31", "assignee": str(lena.id)}
    page_client("account_manager").post(f"/customers/{customer.id}/tasks", body)
    client = page_client(lena)
    notified = client.get("/notifications")
    assert "assigned a task to you" in text_of(notified)
    assert f"Acknowledge the task of {customer.name}" in [
        one.get("aria-label") for one in markup_of(notified).all("button")
    ]
    mine = text_of(client.get("/tasks"))
    assert all(part in mine for part in ("Call Zora", customer.name, "Overdue since 31 Jan 2026", "for you"))
    with tenant_context(tenant.id):
        task = Task.objects.get()
    done = client.post(f"/customers/{customer.id}/tasks/{task.id}/state", {"state": "done", "next": "/tasks"})
    assert done["Location"] == "/tasks"
    assert "Call Zora" not in text_of(client.get("/tasks"))
    assert "Done by Lena Fischer" in text_of(client.get("/tasks?state=done"))
    elsewhere = {"state": "open", "next": "https://evil.example/"}
    opened = client.post(f"/customers/{customer.id}/tasks/{task.id}/state", elsewhere)
    assert opened["Location"] == f"/customers/{customer.id}#tasks"
    changed = client.post(f"/customers/{customer.id}/tasks/{task.id}", {"title": "Call them", "version": "3"})
    assert changed["Location"] == f"/customers/{customer.id}#task-{task.id}"
    assert client.get(f"/customers/{customer.id}/tasks/{uuid4()}").status_code == 404


def test_after_the_only_task_of_a_later_page_those_before_it_are_shown(
    page_client, customer, users, tenant, monkeypatch
):
    """It said that there is nothing to do."""
    monkeypatch.setattr(pages_of_work, "PAGE", 2)
    manager = users.account_manager
    with tenant_context(tenant.id):
        for number in range(1, 4):
            due_on = dt.date(2026, 1, number)
            tasks.create_task(
                customer.id, f"Call {number}", by=by(manager, tenant), due_on=due_on, assignee=str(manager.id)
            )
        last = Task.objects.get(due_on=dt.date(2026, 1, 3))
    client = page_client("account_manager")
    (link,) = [tag["href"] for tag in markup_of(client.get("/tasks")).all("a") if "cursor=" in tag.get("href", "")]
    later = f"/tasks{link}"
    assert "Call 3" in text_of(client.get(later)) and "Call 1" not in text_of(client.get(later))
    done = client.post(f"/customers/{customer.id}/tasks/{last.id}/state", {"state": "done", "next": later})
    shown = text_of(client.get(done["Location"]))
    assert "Call 1" in shown and "Call 2" in shown and "Nothing to do." not in shown


def test_a_new_task_is_the_person_s_own_unless_they_say_otherwise_on_either_page(page_client, customer, users):
    """On the page of all tasks it was for no one, and in the list of none."""
    client, address = page_client("account_manager"), f"/customers/{customer.id}/tasks"

    def chosen(page):
        return [option["value"] for option in markup_of(page).all("option") if "selected" in option]

    own = [str(users.account_manager.id)]
    assert chosen(client.get(f"/customers/{customer.id}")) == chosen(client.get(address)) == own
    # What was chosen stays chosen, no one included.
    assert chosen(client.post(address, {"title": "", "assignee": ""})) == []


@pytest.mark.parametrize("since", [{"role": Role.VIEWER}, {"is_active": False}])
def test_a_task_that_is_put_off_stays_with_whom_it_is_for_though_they_are_offered_no_others(
    page_client, customer, users, tenant, since
):
    lena = UserFactory(tenant=tenant, full_name="Lena Fischer")
    with tenant_context(tenant.id):
        task = tasks.create_task(customer.id, "Call", by=by(users.account_manager, tenant), assignee=str(lena.id))
        User.objects.filter(id=lena.id).update(**since)
    client, address = page_client("account_manager"), f"/customers/{customer.id}/tasks/{task['id']}"
    page = client.get(address)
    (chosen,) = [option["value"] for option in markup_of(page).all("option") if "selected" in option]
    assert chosen == str(lena.id) and "Lena Fischer" in text_of(page)
    body = {"title": "Call", "due_on": "2026-01-31", "assignee": chosen, "version": "1"}
    assert client.post(address, body)["Location"] == f"/customers/{customer.id}#task-{task['id']}"
    with tenant_context(tenant.id):
        assert Task.objects.values_list("assignee_id", "version").get() == (lena.id, 2)
    # To be given another one they would have to work with customers.
    refused = client.post(f"/customers/{customer.id}/tasks", {"title": "Write", "assignee": chosen})
    assert refused.status_code == 400


def test_another_tenant_s_notes_and_tasks_have_no_page(page_client, other_customer, other_users, other_tenant):
    with tenant_context(other_tenant.id):
        who = by(other_users.account_manager, other_tenant)
        note = notes.write_note(other_customer.id, "Zora", by=who).note
        task = tasks.create_task(other_customer.id, "Zora", by=who)
    client = page_client("tenant_admin")
    for address in (
        f"/customers/{other_customer.id}/notes",
        f"/customers/{other_customer.id}/notes/{note['id']}",
        f"/customers/{other_customer.id}/tasks",
        f"/customers/{other_customer.id}/tasks/{task['id']}",
    ):
        assert client.get(address).status_code == 404
        assert client.post(address, {"text": "x", "title": "x"}).status_code == 404
    assert client.post(f"/customers/{other_customer.id}/notes/{note['id']}/delete").status_code == 404
    assert client.post(f"/customers/{other_customer.id}/tasks/{task['id']}/state").status_code == 404
    with tenant_context(other_tenant.id):
        assert Note.objects.get().deleted_at is None and Task.objects.get().done_at is None


def test_no_page_needs_more_statements_for_more_notes_and_tasks(page_client, users, tenant):
    customer = CustomerFactory(tenant=tenant)
    client = page_client("account_manager")
    counts = []
    for _round in range(2):
        with tenant_context(tenant.id):
            who = by(users.account_manager, tenant)
            for number in range(4):
                notes.write_note(customer.id, f"Note {number}", by=who)
                tasks.create_task(customer.id, f"Task {number}", by=who, assignee=str(users.account_manager.id))
        count = []
        for address in (f"/customers/{customer.id}", f"/customers/{customer.id}/notes", "/tasks"):
            count.append(len(statements_of(client, address)))
        counts.append(count)
    assert counts[0] == counts[1]
    assert max(counts[0]) < 15, counts
