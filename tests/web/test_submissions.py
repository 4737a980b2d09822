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
