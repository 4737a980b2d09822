"""The timeline of a customer over the API: what happened, of every kind, newest first, as the page shows it."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import EffectRun, FigureChange
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.work.timeline import KINDS
from tenants.context import tenant_context
from tests.factories import ADMIN_ACTOR, CustomerFactory, utc_now


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


@pytest.fixture
def address(customer):
    return f"/api/v1/customers/{customer.id}/timeline"


def fill(client, customer, tenant, rounds=1):
    """A stage change, an effect of it, a report, a note and a task, in this order."""
    home = f"/api/v1/customers/{customer.id}"
    for number in range(rounds):
        stage = ("Onboarded", "Active")[number % 2]
        assert client.patch(f"{home}/lifecycle", {"stage": stage, "note": f"move {number}"}).status_code == 200
        change = client.get(f"{home}/lifecycle/history?limit=1").json()["results"][0]
        with tenant_context(tenant.id):
            now = utc_now()
            EffectRun.objects.create(
                tenant_id=tenant.id, history_id=change["id"], customer_id=customer.id, request_id=uuid4(),
                configuration_version=1, effect="Welcome", kind="email", recipient="zora@acme.example",
                lane_id=uuid4(), state="done", due_at=now, created_at=now,
            )  # fmt: skip
            FigureChange.objects.create(
                tenant_id=tenant.id, customer_id=customer.id, source="/billing", effective_at=utc_now(),
                recorded_at=utc_now(), figures={"billing.arr": "150.00"},
            )  # fmt: skip
        assert client.post(f"{home}/notes", {"text": f"note {number}"}).status_code == 201
        assert client.post(f"{home}/tasks", {"title": f"task {number}"}).status_code == 201


def read(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_every_kind_is_in_one_line_and_each_says_what_there_is_to_say(manager, address, customer, tenant, users):
    fill(manager, customer, tenant)
    task, note, event, effect, stage, first = read(manager, address)["results"]
    entries = [task, note, event, effect, stage, first]
    assert [entry["kind"] for entry in entries] == ["task", "note", "event", "effect", "stage", "stage"]
    assert [entry["at"] for entry in entries] == sorted((entry["at"] for entry in entries), reverse=True)
    own = str(users.account_manager.id)
    assert [entry["by"] for entry in entries[:5]] == [own, own, None, None, own]
    assert [entry["source"] for entry in entries[:5]] == [None, None, "/billing", None, "API"]
    for entry in entries:
        assert {kind for kind in KINDS if kind in entry} == {entry["kind"]}
    home = f"/api/v1/customers/{customer.id}"
    assert [task["task"]] == read(manager, f"{home}/tasks")["results"]
    assert [note["note"]] == read(manager, f"{home}/notes")["results"]
    assert event["event"]["figures"] == {"billing.arr": "150.00"}
    started = stage["stage"].pop("started")
    assert stage["stage"] == read(manager, f"{home}/lifecycle/history?limit=1")["results"][0]
    assert started == [{"effect": "Welcome", "kind": "email", "state": "done", "why": "", "count": 1}]
    assert (effect["effect"]["effect"], effect["effect"]["history_id"]) == ("Welcome", stage["id"])
    assert "zora" not in effect["effect"]["recipient"]


def test_the_kinds_that_are_asked_for_come_alone(manager, address, customer, tenant):
    fill(manager, customer, tenant)
    for asked, expected in (
        ("note", ["note"]), ("task,note", ["task", "note"]), ("stage", ["stage", "stage"]), ("effect", ["effect"]),
        ("event,effect", ["event", "effect"]), ("", ["task", "note", "event", "effect", "stage", "stage"]),
    ):  # fmt: skip
        page = read(manager, f"{address}?kind={asked}&count=true")
        assert [entry["kind"] for entry in page["results"]] == expected, asked
        assert (page["total"], page["next"]) == (len(expected), None)


def test_pages_go_on_without_a_gap_or_a_double_and_without_more_statements(manager, address, customer, tenant):
    fill(manager, customer, tenant, 4)
    whole = [entry["id"] for entry in read(manager, address)["results"]]
    assert len(whole) == len(set(whole)) == 21
    found, counts, following = [], [], f"{address}?limit=5"
    while following:
        with CaptureQueriesContext(connection) as queries:
            page = read(manager, following)
        counts.append(len(queries))
        found += [entry["id"] for entry in page["results"]]
        following = page["next"]
    assert found == whole
    assert max(counts) <= counts[0] <= 18, counts
    cursor = read(manager, f"{address}?limit=5")["next_cursor"]
    other = CustomerFactory(tenant=tenant)
    for elsewhere in (f"{address}?kind=note&cursor={cursor}", f"/api/v1/customers/{other.id}/timeline?cursor={cursor}"):
        assert manager.get(elsewhere).status_code == 400


def test_a_longer_line_takes_no_more_statements(manager, address, customer, tenant):
    counts = []
    for _ in range(2):
        fill(manager, customer, tenant, 2)
        with CaptureQueriesContext(connection) as queries:
            page = read(manager, f"{address}?limit=200")
        counts.append((len(page["results"]), len(queries)))
    assert [rows for rows, _ in counts] == [11, 21]
    assert counts[0][1] == counts[1][1]


def test_a_customer_of_another_tenant_has_no_timeline(manager, other_customer, customer, address):
    for id_ in (other_customer.id, uuid4()):
        for query in ("", "?kind=note"):
            answer = manager.get(f"/api/v1/customers/{id_}/timeline{query}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert read(manager, f"{address}?kind=note")["results"] == []


def test_an_erased_customer_s_texts_are_gone(manager, address, customer, tenant):
    fill(manager, customer, tenant)
    with tenant_context(tenant.id):
        erase_customer(customer.external_id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now(), reason="Request 17")
    answer = manager.get(address)
    kinds = [entry["kind"] for entry in answer.json()["results"]]
    assert not {"note", "task", "event"} & set(kinds)
    (change, _first) = (entry["stage"] for entry in answer.json()["results"] if entry["kind"] == "stage")
    assert (change["to_stage"], change["note"], change["note_erased"]) == ("Onboarded", None, True)
    assert not {word for word in ("zora", "move 0", "note 0", "task 0") if word in answer.content.decode().lower()}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("kind=letter", "kind"), ("kind=note,", "kind"), ("cursor=AAAA", "cursor"), ("limit=0", "limit"), ("of=x", "of")],
)
def test_a_parameter_that_means_nothing_is_refused_by_name(manager, address, query, parameter):
    answer = manager.get(f"{address}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, parameter)


def test_those_who_may_not_see_histories_see_no_timeline(api_client, address):
    answer = api_client("viewer").get(address)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
