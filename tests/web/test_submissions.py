"""A form that is sent twice does once what it says."""

import re
from uuid import uuid4

import pytest

from lifecycle.models import Note, SavedView, Task
from lifecycle.services.compliance.erasure import erase_customer
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now

FORMS = {
    "note": ("/customers/{}/notes", {"text": "Called them"}, {"text": ""}, Note),
    "task": ("/customers/{}/tasks", {"title": "Call them", "due_on": "", "assignee": ""}, {"title": ""}, Task),
    "view": ("/views", {"name": "Mine", "of": "ordering=name"}, {"of": "where=stage%3ANowhere"}, SavedView),
}
# What is changed by a form that knows which version was seen: where it was made, what is changed of it, and where.
CHANGES = {
    "note": ("/customers/{}/notes/{}", {"text": "Called them twice"}),
    "task": ("/customers/{}/tasks/{}", {"title": "Call them twice", "due_on": "", "assignee": ""}),
    "view": ("/views/{1}/edit", {"action": "rename", "name": "Ours"}),
}
every_form = pytest.mark.parametrize("kind", FORMS)


@pytest.fixture
def form(kind, tenant, customer, page_client):
    """``form(**changed)`` sends it, with the id that the page gave it; ``form.count()`` are the rows there are."""
    address, asked, wrong, model = FORMS[kind]
    client = page_client("account_manager")
    shown = client.get("/customers" if kind == "view" else address.format(customer.id)).content.decode()
    (id_,) = set(re.findall(r'name="submission" value="([0-9a-f-]{36})"', shown))

    def send(by=client, **changed):
        return by.post(address.format(customer.id), {**asked, "submission": id_, **changed})

    def count():
        with tenant_context(tenant.id):
            return model.objects.filter(tenant_id=tenant.id).count()

    send.count, send.wrong = count, wrong
    return send


@every_form
def test_the_same_form_twice_is_one_row_and_leads_to_the_same_place(form):
    first, second = form(), form()
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert form.count() == 1


@every_form
def test_two_at_once_are_one_row(form, page_client, in_threads):
    browsers = [page_client("account_manager") for _ in range(4)]
    answers = in_threads(4, lambda number: form(by=browsers[number]))
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, answers[0]["Location"])}
    assert form.count() == 1


@every_form
def test_a_change_that_is_sent_twice_is_not_taken_for_one_of_someone_else_s(kind, form, tenant, customer, page_client):
    form()
    with tenant_context(tenant.id):
        row = FORMS[kind][3].objects.get(tenant_id=tenant.id)
    address, asked = CHANGES[kind][0].format(customer.id, row.id), CHANGES[kind][1]
    client = page_client("account_manager")
    shown = client.get(f"/customers?view={row.id}" if kind == "view" else address).content.decode()
    # Where none is named it is sent to where it is shown.
    (its_form,) = re.findall(f'<form[^>]* action="(?:{address})?".*?</form>', shown, re.DOTALL)
    given = dict(re.findall(r'name="(version|submission)" value="([0-9a-f-]+)"', its_form))
    first, second = (client.post(address, asked | given) for _ in range(2))
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    with tenant_context(tenant.id):
        row.refresh_from_db()
    assert row.version == 2
    # One that someone else has made is one all the same.
    assert client.post(address, asked | given | {"name": "No", "text": "No", "title": "No"}).status_code == 412


@pytest.mark.parametrize("kind", ["note", "task"])
def test_a_customer_with_a_form_that_was_sent_is_exported_with_where_it_led(form, customer, api_client):
    sent = form()
    exported = api_client("tenant_admin").post(f"/api/v1/customers/{customer.id}/export")
    assert exported.status_code == 200, exported.content
    (kept,) = exported.json()["stored_answers"]
    assert (kept["status"], kept["headers"], kept["body"]) == (302, {"Location": sent["Location"]}, None)
    assert kept["is_readable"] is True


@pytest.mark.parametrize("kind", ["note", "task"])
def test_another_form_or_other_words_are_another_row(form, page_client):
    form()
    form(submission=str(uuid4()))
    form(text="Called again", title="Call again")
    form(by=page_client("tenant_admin"))
    form(submission="")
    form(submission="no id")
    assert form.count() == 6


@every_form
def test_a_form_that_was_refused_keeps_nothing_and_may_be_put_right(form):
    assert form(**form.wrong).status_code == 400
    assert form.count() == 0
    assert form(**form.wrong).status_code == 400
    assert form().status_code == 302
    assert form.count() == 1


@pytest.mark.parametrize("kind", ["note"])
def test_after_an_erasure_the_form_does_nothing_again(form, tenant, customer):
    form()
    with tenant_context(tenant.id):
        erase_customer(customer.external_id, tenant=tenant, actor=system_actor("tests"), reason="asked", now=utc_now())
    before = form.count()
    assert (form().status_code, form.count()) == (302, before)
