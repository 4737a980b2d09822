"""A super admin over the API: the tenant has it on record, once an hour and for each reason; a change says why."""

import datetime as dt

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from tenants.context import tenant_context
from tenants.services.accounts.impersonation import note_use
from tests.entry_points.test_api import CLOSED, _label, knock, traces
from tests.factories import CustomerFactory, look_at, utc_now

SUMMARY = "/api/v1/lifecycle/summary"
CHANGES = {
    key: entry_point for key, entry_point in CLOSED.items() if key[0] != "GET" and not key[1].endswith("/preview")
}
every_change = pytest.mark.parametrize(("key", "entry_point"), CHANGES.items(), ids=lambda value: _label(value))


@pytest.fixture
def staff(api_client, tenant):
    """A super admin's program that names the tenant, and no reason."""
    client = api_client("super_admin", tenant=None)
    client.credentials(**{**client._credentials, "HTTP_X_TENANT": tenant.slug})
    return client


def looks(tenant):
    """What the tenant's log says of internal staff: who, why, by which way."""
    with tenant_context(tenant.id):
        rows = AdministrationEntry.objects.filter(action="impersonate").order_by("id")
        return [(row.actor, row.reason, row.detail["source"]) for row in rows]


def test_looking_leaves_one_entry_however_many_requests_there_are(staff, users, tenant, customer):
    before = utc_now()
    for _ in range(3):
        assert staff.get(SUMMARY).status_code == 200
        assert staff.get(f"/api/v1/customers/{customer.id}").status_code == 200
    assert staff.get("/api/v1/customers/no-id").status_code == 400
    assert looks(tenant) == [(str(users.super_admin.id), "", "API")]
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="impersonate")
    assert entry.request_id is not None
    until = dt.datetime.fromisoformat(entry.detail["until"])
    assert dt.timedelta(minutes=59) < until - before < dt.timedelta(minutes=61)


def test_a_request_that_fails_leaves_its_trace_too(staff, tenant, users):
    assert staff.get("/api/v1/customers/01a21917-0000-7000-8000-000000000000").status_code == 404
    assert looks(tenant) == [(str(users.super_admin.id), "", "API")]


def test_another_hour_is_another_entry(tenant, users):
    actor = {"tenant": tenant, "actor": users_actor(users.super_admin), "reason": "", "source": "API"}
    now = utc_now()
    for minutes in (-125, -70, -64, -30, -1):
        note_use(**actor, now=now + dt.timedelta(minutes=minutes))
    with tenant_context(tenant.id):
        rows = AdministrationEntry.objects.filter(action="impersonate").order_by("recorded_at")
        noted = [round((row.recorded_at - now).total_seconds() / 60) for row in rows]
    assert noted == [-125, -64, -1]


def users_actor(user):
    from tenants.actors import USER, Actor

    return Actor(kind=USER, name=str(user.id))


def test_two_at_once_leave_one_entry(api_client, tenant, users, in_threads):
    # Made here, and not by each of the threads that asks for them first.
    person = users.super_admin

    def look(_):
        return api_client(person).get(SUMMARY).status_code

    assert in_threads(6, look) == [200] * 6
    assert looks(tenant) == [(str(person.id), "Ticket 7", "API")]


@every_change
def test_a_change_without_a_reason_is_refused_with_what_to_do_and_changes_nothing(
    key, entry_point, staff, tenant, customer
):
    before = traces(tenant, customer)
    for reason in ({}, {"HTTP_X_REASON": ""}, {"HTTP_X_REASON": "   "}):
        answer = knock(staff, key, entry_point, customer.id, **reason)
        assert (answer.status_code, answer.json()["code"]) == (400, "reason_required")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "X-Reason" in answer.json()["detail"] and "Nothing was changed" in answer.json()["detail"]
        assert answer.json()["header"] == "X-Reason"
    assert traces(tenant, customer) == before
    assert looks(tenant) == [], "nothing was looked at either"


@every_change
def test_a_change_with_a_reason_is_made_and_the_reason_is_kept(key, entry_point, staff, users, tenant, customer):
    answer = knock(staff, key, entry_point, customer.id, HTTP_X_REASON=" Ticket  7 ")
    assert answer.status_code in entry_point.answers, answer.content
    assert looks(tenant) == [(str(users.super_admin.id), "Ticket 7", "API")]


def test_many_changes_for_one_reason_are_one_entry_and_another_reason_is_another(staff, users, tenant):
    def move(reason):
        address = f"/api/v1/customers/{CustomerFactory(tenant=tenant).id}/lifecycle"
        return staff.patch(address, {"stage": "Active"}, HTTP_X_REASON=reason).status_code

    staff.get(SUMMARY)
    assert [move(reason) for reason in ("Ticket 7", "Ticket 7", "Ticket 8", "Ticket 7")] == [200] * 4
    staff.get(SUMMARY)
    assert [reason for _, reason, _ in looks(tenant)] == ["", "Ticket 7", "Ticket 8"]


def test_a_preview_changes_nothing_and_needs_no_reason(staff, tenant, customer):
    key = ("POST", "/api/v1/configuration/preview")
    assert knock(staff, key, CLOSED[key], customer.id).status_code == 200


def test_a_reason_may_be_in_any_script_and_is_bounded(staff, tenant, customer):
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    # As a server hands over the bytes of UTF-8.
    sent = "Zażółć für den Kunden".encode().decode("latin-1")
    assert staff.patch(address, {"stage": "Active"}, HTTP_X_REASON=sent).status_code == 200
    assert looks(tenant)[0][1] == "Zażółć für den Kunden"
    for invalid in ("x" * 501, "a\x07b"):
        answer = staff.patch(address, {"stage": "Onboarded"}, HTTP_X_REASON=invalid)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert "X-Reason" in answer.json()["detail"]
    with tenant_context(tenant.id):
        from lifecycle.models import CustomerLifecycleStatus

        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "Active"


def test_people_of_the_tenant_need_no_reason_and_leave_no_such_entry(api_client, tenant, customer):
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    assert api_client("account_manager").patch(address, {"stage": "Active"}).status_code == 200
    assert looks(tenant) == []


def test_a_session_of_the_pages_that_names_another_tenant_in_a_header_leaves_its_trace_there(
    page_client, users, tenant, other_tenant
):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = look_at(tenant.slug)
    session.save()
    assert client.get(SUMMARY, HTTP_X_TENANT=other_tenant.slug).status_code == 200
    assert looks(other_tenant) == [(str(users.super_admin.id), "", "API")]


def test_the_trace_costs_one_statement_when_it_is_there(staff, tenant):
    staff.get(SUMMARY)
    with CaptureQueriesContext(connections["default"]) as captured:
        staff.get(SUMMARY)
    asked = [query["sql"] for query in captured if "audit_administration" in query["sql"]]
    assert len(asked) == 1


def test_the_description_of_the_api_names_the_header(api_client):
    from lifecycle.api.docs import build_schema

    for path, operations in build_schema()["paths"].items():
        if path.startswith("/api/v1/auth/"):
            continue
        for method, operation in operations.items():
            names = [parameter["name"] for parameter in operation["parameters"]]
            assert "X-Reason" in names, (method, path)
