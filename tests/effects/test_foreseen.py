"""What a change would start is said before: whom, in which words, when; and what is late looks again."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit.services.keys import ensure_keys
from lifecycle.models import Contact, Customer, EffectLane, EffectRun
from lifecycle.rules.transitions import Change
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.facts import gather_facts, render_mail
from lifecycle.services.effects.queue import Job
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import People, make_people
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.messaging.speaking import RULES, Speaker

Api = Callable[[str], APIClient]
RISK = {"on": "enter", "stages": ["At-Risk"]}
DOCUMENT: dict[str, Any] = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "categories": {"At-Risk": "risk", "Churned": "lost"},
    "effects": [
        {
            "name": "Write",
            "kind": "email",
            "to": ["owner", "boss@acme.example", "contacts"],
            "subject": "About {{ customer.name }}: {{ stage }}",
            **RISK,
        },
        {"name": "Later", "kind": "forecast", "delay_minutes": 60, **RISK},
    ],
}


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def customer(tenant: TenantRef, users: People) -> Customer:
    return CustomerFactory(tenant=tenant, name="Vale & Sons", owner=users.viewer.username)


def move(tenant: TenantRef, customer: Customer, stage: str) -> None:
    call = Call(tenant, system_actor("test"), "API", utc_now(), uuid4(), starts_effects=True)
    with tenant_context(tenant.id):
        apply(call, [Change(customer.id, stage)])


def claim_all(tenant: TenantRef) -> list[Job]:
    lanes = [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
    return [job for lane in lanes for job in claim(lane.tenant, {lane.id: 100}, now=utc_now())]


def test_the_detail_names_recipients_words_and_time_and_nothing_is_written(
    api_client: Api, tenant: TenantRef, customer: Customer, users: People
) -> None:
    path = f"/api/v1/customers/{customer.id}/lifecycle"
    client = api_client("account_manager")
    plain = client.get(path).json()["transitions"][0]["effects"]
    assert [set(effect) for effect in plain] == [{"name", "kind", "on", "to"}] * 2
    body = client.get(f"{path}?effects=detail").json()
    write, later = body["transitions"][0]["effects"]
    assert (write["subject"], later["subject"]) == ("About Vale & Sons: At-Risk", None)
    shown = [(one["name"], one["state"], one["reason"]) for one in write["recipients"]]
    owner = users.viewer.full_name or users.viewer.username
    assert shown == [
        (owner, "due", ""),
        ("boss@acme.example", "held", "recall"),
        ("contacts", "suppressed", "no_contact"),
    ]
    assert (later["delay_minutes"], later["recipients_count"]) == (60, 1)
    due_at = dt.datetime.fromisoformat(later["recipients"][0]["due_at"])
    assert dt.timedelta(minutes=59) < due_at - utc_now() <= dt.timedelta(minutes=60)
    with tenant_context(tenant.id):
        assert EffectRun.objects.filter(tenant_id=tenant.id).count() == 0
    assert client.get(f"{path}?effects=all").status_code == 400


def test_what_is_shown_first_makes_no_lanes_and_names_who_is_not_there(api_client: Callable[..., APIClient]) -> None:
    """A person that the configuration names may have no account, and nothing of the tenant has run yet."""
    hook = "https://crm.example/hook"
    effects = [
        {"name": "Ask", "kind": "alert", "to": ["user:ann", "admins"], **RISK},
        {"name": "Post", "kind": "webhook", "to": [hook], **RISK},
    ]
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": effects})
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, stage="Prospect")
    client = api_client(people.account_manager, tenant=tenant)
    with CaptureQueriesContext(connection) as queries:
        body = client.get(f"/api/v1/customers/{customer.id}/lifecycle?effects=detail").json()
    ask, post = body["transitions"][0]["effects"]
    reached = [(one["name"], one["reason"]) for one in (*ask["recipients"], *post["recipients"])]
    assert reached == [("user:ann", "no_user"), (people.tenant_admin.full_name, ""), (hook, "no_endpoint")]
    statements = [str(one["sql"]) for one in queries.captured_queries]
    assert [sql for sql in statements if re.search("INSERT|UPDATE|DELETE", sql)] == []
    with tenant_context(tenant.id):
        assert EffectLane.objects.filter(tenant_id=tenant.id).count() == 0
    # Written, the same effects run: the lanes are made then.
    move(tenant, customer, "At-Risk")
    assert [(job.kind, job.recipient) for job in claim_all(tenant)] == [("alert", f"user:{people.tenant_admin.id}")]


@pytest.mark.parametrize(("to", "subject"), [(["owner", "contacts"], "Hello Ada"), (["boss@acme.example"], "Hello")])
def test_the_subject_is_that_of_the_mail(api_client: Callable[..., APIClient], to: list[str], subject: str) -> None:
    """Of the first who is reached, and without the address, which no text has."""
    own = {"hold_minutes": 0, "subject": "Hello {{ recipient.name }}"}
    effect = {"name": "Write", "kind": "email", "to": to, **own, **RISK}
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [effect]})
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, stage="Prospect")
    with tenant_context(tenant.id):
        ensure_keys(tenant.id, [customer.id])
        Contact.objects.create(tenant_id=tenant.id, customer=customer, name="Ada", email="ada@hooli.example")
    client = api_client(people.account_manager, tenant=tenant)
    body = client.get(f"/api/v1/customers/{customer.id}/lifecycle?effects=detail").json()
    (write,) = body["transitions"][0]["effects"]
    move(tenant, customer, "At-Risk")
    (job,) = claim_all(tenant)
    with tenant_context(tenant.id):
        sent = render_mail(gather_facts(job)).subject
    assert (write["subject"], sent) == (subject, subject)


def test_a_dry_run_says_what_many_would_start_together(api_client: Api, tenant: TenantRef, customer: Customer) -> None:
    items = [{"customer_id": str(one.id), "stage": "At-Risk"} for one in (customer, CustomerFactory(tenant=tenant))]
    answer = api_client("account_manager").post(
        "/api/v1/lifecycle/transitions", {"items": items, "dry_run": True}, format="json"
    )
    # The owner of one, an address for each; one has no owner, and neither has contacts.
    assert answer.json()["effects"] == [
        {"name": "Write", "kind": "email", "count": 2, "recipients": 3, "suppressed": 3},
        {"name": "Later", "kind": "forecast", "count": 2, "recipients": 2, "suppressed": 0},
    ]


def test_the_dialog_shows_them(page_client: Callable[..., Client], customer: Customer, users: People) -> None:
    page = page_client("account_manager").get(f"/customers/{customer.id}/move").content.decode()
    assert "About Vale &amp; Sons: At-Risk" in page and "boss@acme.example" in page
    assert "60 minutes later, if still there" in page


@pytest.mark.parametrize(
    ("on", "after", "state"),
    [
        ("enter", [], "sending"),
        ("enter", ["Churned"], "suppressed"),
        ("enter", ["Churned", "At-Risk"], "suppressed"),
        ("leave", [], "sending"),
        ("leave", ["Churned"], "sending"),
        ("leave", ["Prospect"], "suppressed"),
        ("leave", ["Prospect", "Churned"], "suppressed"),
    ],
)
def test_a_delayed_effect_looks_again_before_it_runs(db: None, on: str, after: list[str], state: str) -> None:
    stages = ["At-Risk"] if on == "enter" else ["Prospect"]
    effect = {"name": "Later", "kind": "forecast", "delay_minutes": 60, "on": on, "stages": stages, "cap_per_hour": 9}
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [effect]})
    customer = CustomerFactory(tenant=tenant)
    move(tenant, customer, "At-Risk")
    with tenant_context(tenant.id):
        first = EffectRun.objects.get(tenant_id=tenant.id)
    assert claim_all(tenant) == []
    for stage in after:
        move(tenant, customer, stage)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(id=first.id).update(due_at=utc_now())
    claim_all(tenant)
    with tenant_context(tenant.id):
        first.refresh_from_db()
    assert (first.state, first.reason) == (state, "left_stage" if state == "suppressed" else "")


def test_an_effect_s_own_cap_holds_what_is_above_it(db: None) -> None:
    effect = {"name": "Forecast", "kind": "forecast", "cap_per_hour": 3, **RISK}
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [effect]})
    for _ in range(5):
        move(tenant, CustomerFactory(tenant=tenant), "At-Risk")
    with tenant_context(tenant.id):
        EffectLane.objects.filter(tenant_id=tenant.id).update(max_in_flight=100)
    assert len(claim_all(tenant)) == 3
    with tenant_context(tenant.id):
        assert EffectRun.objects.filter(tenant_id=tenant.id, state="held", reason="cap").count() == 2


def test_events_start_effects_also_for_a_new_customer_and_replays_start_none(db: None) -> None:
    effects = [
        {"name": "Welcome", "on": "enter", "stages": ["Prospect"], "kind": "email", "to": ["contacts"]},
        {"name": "Signed", "on": "enter", "stages": ["Active"], "kind": "forecast"},
        {"name": "By hand", "on": "enter", "kind": "forecast", "sources": ["UI", "API"]},
    ]
    acme = Speaker(TenantFactory(configuration={**RULES, "effects": effects}))
    make_people(acme.tenant)
    people = [{"name": "Ann", "email": "ann@x.example"}]

    def started(external_id: str) -> list[tuple[str, str, str]]:
        customer = acme.customer(external_id)
        with tenant_context(acme.tenant.id):
            found = EffectRun.objects.filter(tenant_id=acme.tenant.id, customer_id=customer.id).order_by("id")
            return [(run.effect, run.state, run.recipient.partition(":")[0]) for run in found]

    acme.hear(acme.created("c1", contacts=people), acme.created("c2"), acme.renewed("c1", minutes=1))
    assert started("c1") == [("Welcome", "held", "contact"), ("Signed", "due", "")]
    assert started("c2") == [("Welcome", "suppressed", "contacts")]
    with tenant_context(acme.tenant.id):
        assert EffectRun.objects.filter(tenant_id=acme.tenant.id).values("request_id").distinct().count() == 3
    acme.hear(acme.created("c3", contacts=people), acme.renewed("c3", minutes=1), replaying=True)
    assert (acme.stage("c3"), started("c3")) == ("Active", [])


def test_the_dialog_says_what_is_later_and_where_the_reason_will_stand(db: None, client: Client) -> None:
    alert = {
        "name": "Escalate", "kind": "alert", "to": ["owner"], "subject": "At risk: {{ reason }}",
        "escalate": {"to": ["managers"], "after_minutes": 60}, **RISK,
    }  # fmt: skip
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [alert]})
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, owner=people.viewer.username)
    client.force_login(people.tenant_admin)
    page = client.get(f"/customers/{customer.id}/move").content.decode()
    assert "At risk: …" in page
    assert page.count("if no one has acknowledged it") == 1
