"""What a source says of customers, over the API: judged as an event, answered at once."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import Customer, DeadLetter, InboxEvent
from lifecycle.services.compliance.erasure import erase_customer
from tenants.context import tenant_context
from tests.api.traces import nothing_changes
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, TenantFactory, UserFactory, utc_now

ONE, MANY = "/api/v1/customers/by-external-id/{}", "/api/v1/customers"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FIGURES = {"currency": "EUR", "arr": "1200.50", "renewal_on": "2026-12-31"}


def said(source="/crm", minutes=0, **data):
    return {"source": source, "time": (NOON + dt.timedelta(minutes=minutes)).isoformat(), **data}


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


def put(client, external_id, **data):
    return client.put(ONE.format(external_id), said(**data))


def put_many(client, *items):
    return client.put(MANY, {"items": list(items)})


def test_an_unknown_customer_is_made_in_the_initial_stage_by_the_caller(manager, tenant, users):
    answer = put(manager, "crm/1 a", name="Acme", contacts=[{"name": "Ann", "email": "ann@acme.example"}])
    assert answer.status_code == 201, answer.content
    result = answer.json()
    assert (result["outcome"], result["created"], result["changed"], result["moved"]) == ("applied", True, True, False)
    assert answer.headers["RateLimit"].startswith('"updates";r=999;t=')
    profile = manager.get(ONE.format("crm/1 a")).json()
    assert (profile["id"], profile["company"]["name"]) == (result["customer_id"], "Acme")
    assert profile["contacts"][0]["email"] == "ann@acme.example"
    assert (profile["provenance"]["name"]["source"], profile["lifecycle"]["stage"]) == ("/crm", "Prospect")
    with tenant_context(tenant.id):
        (row,) = LifecycleHistory.objects.filter(customer_id=result["customer_id"])
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="write_customers")
    assert (row.source, row.changed_by, row.actor_kind) == ("API", str(users.account_manager.id), "user")
    assert (entry.subject, entry.detail["created"]) == (result["customer_id"], [result["customer_id"]])
    assert "Acme" not in str(entry.detail)


def test_each_source_writes_its_part_and_of_each_field_the_newest_counts(manager):
    put(manager, "a", name="Acme", owner="ann", minutes=5)
    assert put(manager, "a", source="/billing/eu", billing=FIGURES).json()["outcome"] == "applied"
    old = put(manager, "a", name="Old", industry="Steel").json()
    assert (old["outcome"], old["stale"], old["changed"]) == ("applied", ["name"], True)
    assert put(manager, "a", name="Older", minutes=-1).json()["outcome"] == "stale"
    put(manager, "a", owner=None, minutes=6)
    company, billing = (manager.get(ONE.format("a")).json()[part] for part in ("company", "billing"))
    assert (company["name"], company["industry"], company["owner"]) == ("Acme", "Steel", "")
    assert (billing["arr"], billing["currency"], billing["renewal_on"]) == ("1200.50", "EUR", "2026-12-31")


def test_the_same_words_and_the_same_id_are_taken_once(manager, tenant):
    first = put(manager, "a", name="Acme")
    again = put(manager, "a", name="Acme")
    assert (again.status_code, again.json()["outcome"], again.json()["changed"]) == (200, "duplicate", False)
    assert again.json()["customer_id"] == first.json()["customer_id"]
    assert put(manager, "a", id="7", name="Two", minutes=1).json()["outcome"] == "applied"
    assert put(manager, "a", id="7", name="Three", minutes=2).json()["outcome"] == "duplicate"
    assert put(manager, "a", source="/support", id="7", support={"csat": 4}).json()["outcome"] == "applied"
    assert manager.get(ONE.format("a")).json()["company"]["name"] == "Two"
    keyed = [manager.put(ONE.format("k"), said(name="Key"), headers={"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert [answer.status_code for answer in keyed] == [201, 201]
    assert keyed[1].headers["Idempotency-Replayed"] == "true"


REFUSED = [
    ({"source": "/erp"}, "#/source", "unknown_source"),
    ({"source": "crm"}, "#/source", "unknown_source"),
    ({"billing": FIGURES}, "#/billing", "source_not_allowed"),
    ({"time": "yesterday"}, "#/time", "invalid_timestamp"),
    ({"time": "2199-01-01T00:00:00Z"}, "#/time", "time_in_future"),
    ({"colour": "red"}, "#/colour", "unknown_field"),
    ({"name": ""}, "#/name", "blank"),
    ({"name": 7}, "#/name", "wrong_type"),
    ({"website": "ftp://x"}, "#/website", "invalid_url"),
    ({"contacts": [{"name": "Ann"}, {"name": "Bob", "email": "bob"}]}, "#/contacts/1/email", "invalid_email"),
    ({"contacts": [{"email": "a@b.example"}]}, "#/contacts/0/name", "required"),
    ({"source": "/billing", "billing": {"arr": True}}, "#/billing/arr", "wrong_type"),
    ({"source": "/billing", "billing": {"arr": "1.5", "currency": "JPY"}}, "#/billing/arr", "too_many_decimals"),
    ({"source": "/support", "support": {"open_issues": "3"}}, "#/support/open_issues", "wrong_type"),
    ({"source": "/support", "support": {"csat": 7}}, "#/support/csat", "out_of_range"),
]


@pytest.mark.parametrize(("wrong", "pointer", "code"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_kept_is_refused_by_itself_and_nothing_is_saved(manager, tenant, wrong, pointer, code):
    with nothing_changes(tenant):
        answer = manager.put(ONE.format("a"), {**said(), **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [(pointer, code)]
    both = put_many(manager, {"external_id": "a", **said(), **wrong}, {"external_id": "b", **said(name="B")})
    assert both.status_code == 207
    refused, made = both.json()["results"]
    assert (refused["status"], refused["success"], "customer_id" in refused) == (400, False, False)
    # In the words of a request for it alone, where the id is no field.
    said_of_item = json.loads(json.dumps(refused).replace(", external_id.", "."))
    assert (said_of_item["detail"], said_of_item["errors"]) == (answer.json()["detail"], answer.json()["errors"])
    assert (made["status"], made["created"]) == (201, True)
    with tenant_context(tenant.id):
        assert list(Customer.objects.values_list("external_id", flat=True)) == ["b"]
        assert DeadLetter.objects.filter(tenant_id=tenant.id).count() == 0


def test_a_refused_message_may_come_again_under_its_id(manager, tenant):
    late = put(manager, "a", id="1", minutes=60 * 24 * 365 * 50, name="A")
    sentence = "The value is in the future; check the clock of the source."
    assert late.json()["errors"] == [{"pointer": "#/time", "detail": sentence, "code": "time_in_future"}]
    assert late.json()["detail"] == f"time: {sentence}"
    assert put(manager, "a", id="1", name="A").json()["outcome"] == "applied"


LATE = {"time": "2199-01-01T00:00:00Z"}


def test_two_refused_items_about_one_customer_are_both_said_to_be_refused(manager, tenant):
    """The second had been a duplicate of the first, which is a success: nothing of it was saved."""
    answer = put_many(
        manager,
        {"external_id": "a", **said(name="A"), **LATE},
        {"external_id": "a", **said(source="/billing", billing=FIGURES), **LATE},
    )
    results = answer.json()["results"]
    assert [(one["status"], one["success"], one["outcome"]) for one in results] == [(400, False, "dead")] * 2
    with tenant_context(tenant.id):
        assert not Customer.objects.filter(tenant_id=tenant.id).exists()


@pytest.mark.parametrize("first", ["refused", "duplicate"])
def test_a_customer_is_made_by_the_next_item_where_the_first_about_it_is_not_taken(manager, tenant, first):
    put(manager, "other", id="7", name="Other")
    not_taken = {"external_id": "a", **said(name="A", id="7"), **(LATE if first == "refused" else {})}
    answer = put_many(manager, not_taken, {"external_id": "a", **said(source="/billing", billing=FIGURES)})
    assert answer.status_code == 207, answer.content
    left, made = answer.json()["results"]
    assert left["outcome"] == ("dead" if first == "refused" else "duplicate")
    assert (made["status"], made["outcome"], made["created"]) == (201, "applied", True)
    profile = manager.get(ONE.format("a")).json()
    assert (profile["company"]["name"], profile["billing"]["arr"]) == ("a", "1200.50")
    assert profile["lifecycle"]["stage"] == "Prospect"


def test_an_unknown_customer_that_many_bring_at_once_is_made_once(api_client, tenant, in_threads):
    """The same words from four, other words of the same customer from four more."""

    def work(number):
        name = "Same" if number < 4 else f"Other {number}"
        answers = put_many(
            api_client("account_manager"), said(external_id="new", name=name, minutes=max(number - 3, 0))
        )
        return answers.status_code, answers.json()["results"][0]["outcome"]

    found = in_threads(8, work)
    assert all(isinstance(one, tuple) and one[0] < 300 for one in found), found
    outcomes = [outcome for _, outcome in found]
    assert outcomes[:4].count("duplicate") == 3
    with tenant_context(tenant.id):
        (customer,) = Customer.objects.filter(tenant_id=tenant.id, external_id="new")
        assert LifecycleHistory.objects.filter(customer_id=customer.id).count() == 1
    assert customer.name == "Other 7", "the newest counts, in whatever order they came"


def test_what_are_no_items_is_answered_in_its_place(manager):
    answer = put_many(manager, None, 5, [], {}, {"external_id": " ", **said()}, {"external_id": "a", **said()})
    assert answer.status_code == 207
    assert [(one["status"], one["external_id"]) for one in answer.json()["results"]] == [
        *[(400, None)] * 4,
        (400, " "),
        (201, "a"),
    ]
    for items in ([], [{}] * 1001):
        assert manager.put(MANY, {"items": items}).status_code == 400


def test_several_items_about_one_customer_are_taken_in_their_order(manager):
    answer = put_many(
        manager,
        {"external_id": "a", **said(name="One")},
        {"external_id": "a", **said(name="Two", minutes=1)},
        {"external_id": "a", **said(name="Two", minutes=1)},
        {"external_id": "a", **said(source="/support", support={"open_issues": 2})},
    )
    results = answer.json()["results"]
    assert [(one["outcome"], one["created"]) for one in results] == [
        ("applied", True),
        ("applied", False),
        ("duplicate", False),
        ("applied", False),
    ]
    assert len({one["customer_id"] for one in results}) == 1
    assert answer.headers["RateLimit"].startswith('"updates";r=999;t=')


def test_event_rules_move_the_customer_and_what_they_may_not_is_said(api_client):
    def rule(segment, before, to):
        when = [{"field": "segment", "op": "eq", "value": segment}]
        return {"event": "customer.updated", "from": [before], "to": to, "when": when}

    rules = [rule("Gold", "Prospect", "Active"), rule("Lead", "Active", "Prospect")]
    tenant = TenantFactory(configuration={**MINIMAL, "transitions": {"Prospect": ["Active"]}, "event_rules": rules})
    manager = api_client(UserFactory(tenant=tenant), tenant=tenant)
    made = put(manager, "a", segment="Gold")
    # The rules speak of customers that are known, as they do when customer.created comes over Kafka.
    assert (made.status_code, made.json()["moved"]) == (201, False)
    moved = put(manager, "a", segment="Gold", minutes=1).json()
    assert (moved["outcome"], moved["moved"], moved["move_refused"]) == ("applied", True, None)
    refused = put(manager, "a", segment="Lead", minutes=2)
    assert (refused.status_code, refused.json()["success"], refused.json()["changed"]) == (200, True, True)
    assert refused.json()["move_refused"]["code"] == "transition_not_allowed"
    english = refused.json()["move_refused"]["detail"]
    asked = {"headers": {"Accept-Language": "de"}}
    german = manager.put(ONE.format("a"), said(segment="Lead", minutes=3), **asked).json()["move_refused"]
    assert german["code"] == "transition_not_allowed"
    assert english != german["detail"] and "Prospect" in german["detail"], german
    assert manager.get(ONE.format("a")).json()["company"]["segment"] == "Lead"
    with tenant_context(tenant.id):
        last = LifecycleHistory.objects.filter(tenant_id=tenant.id).order_by("-sequence").first()
    assert (last.to_stage, last.source) == ("Active", "API")


def test_an_erased_customer_is_not_brought_back(manager, tenant):
    made = put(manager, "a", name="Acme", contacts=[{"name": "Ann"}]).json()
    with tenant_context(tenant.id):
        erase_customer("a", company=True, reason="r", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    answer = put(manager, "a", name="Acme", contacts=[{"name": "Ann"}], minutes=9).json()
    assert (answer["customer_id"], answer["created"]) == (made["customer_id"], False)
    assert (answer["stale"], answer["outranked"]) == (["name"], ["contacts"])
    profile = manager.get(ONE.format("a")).json()
    assert (profile["contacts"], "Acme" in str(profile)) == ([], False)


def test_the_budget_counts_changed_customers_and_refuses_the_whole(api_client, tenant):
    service = UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=2)
    client = api_client(service)
    assert put_many(client, *({"external_id": one, **said(name=one)} for one in "ab")).status_code == 200
    assert (
        put_many(client, *({"external_id": one, **said(name=one)} for one in "ab")).json()["results"][0]["outcome"]
        == "duplicate"
    )
    with nothing_changes(tenant):
        refused = put(client, "c", name="C")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    with tenant_context(tenant.id):
        assert InboxEvent.objects.filter(tenant_id=tenant.id).count() == 2


def test_another_tenant_s_customer_of_the_same_id_is_another_one(manager, other_tenant):
    theirs = CustomerFactory(tenant=other_tenant, external_id="shared", name="Theirs", stage="Trial")
    made = put(manager, "shared", name="Ours").json()
    assert made["customer_id"] != str(theirs.id)
    with tenant_context(other_tenant.id):
        assert Customer.objects.get(id=theirs.id).name == "Theirs"


def test_a_viewer_may_not_write(api_client, tenant):
    viewer = api_client("viewer")
    with nothing_changes(tenant):
        for answer in (put(viewer, "a", name="A"), put_many(viewer, {"external_id": "a", **said()})):
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def statements_of(client, items):
    with CaptureQueriesContext(connection) as statements:
        answer = put_many(client, *items)
    assert answer.status_code in (200, 201, 207)
    return len(statements)


def test_the_statements_do_not_grow_with_the_number_of_items(manager):
    def items(name, count):
        contacts = [{"name": "Ann", "email": "ann@acme.example"}]
        return [
            *({"external_id": f"{name}{n}", **said(name=f"C {n}", contacts=contacts)} for n in range(count)),
            *({"external_id": f"{name}{n}", **said(source="/billing", billing=FIGURES)} for n in range(count)),
        ]

    statements_of(manager, items("warm", 2))
    assert statements_of(manager, items("few", 2)) == statements_of(manager, items("many", 60))
