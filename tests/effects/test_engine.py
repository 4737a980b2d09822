"""What a stage change starts is written with it, runs once, and says what became of it."""

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import yaml
from django.conf import settings
from django.db import OperationalError, connections
from rest_framework.test import APIClient

from audit.models import OutboxMessage
from audit.services.keys import ensure_keys
from lifecycle.delivery.senders import deliver
from lifecycle.messaging import describing
from lifecycle.models import Contact, Customer, EffectLane, EffectPause, EffectRun, Notification
from lifecycle.rules.transitions import Change
from lifecycle.services.effects import brakes, facts, moved_on, queue
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.facts import gather_facts, render_mail
from lifecycle.services.effects.forgetting import erase_effects
from lifecycle.services.effects.kinds import Members, Reached, planner_of
from lifecycle.services.effects.queue import Job, Lane, Result, finish, hand_over
from lifecycle.services.moving.fences import lift_quiet, quiet
from lifecycle.services.moving.sides import Side
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.errors import InvalidConfiguration
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import policy_of_version
from tests.conftest import People, make_people
from tests.effects.alerts import run_all
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.late import Late
from tests.mailing import Mailbox

jsonschema = Late("jsonschema")

STAGES = {"stages": ["Prospect", "At-Risk", "Churned"], "categories": {"At-Risk": "risk", "Churned": "lost"}}
RISK = {"on": "enter", "stages": ["At-Risk"]}
ALERT = {"name": "Escalate", "kind": "alert", "to": ["owner", "managers"], **RISK}
MAIL = {"name": "Write", "kind": "email", "to": ["contacts", "boss@acme.example"], **RISK}
FORECAST = {"name": "Forecast", "kind": "forecast", **RISK}


def make_tenant(*effects: dict[str, Any]) -> TenantRef:
    return TenantFactory(configuration={**STAGES, "effects": list(effects)})


def move(
    tenant: TenantRef, *customers: Customer, actor: Any = None, starts: bool = True, stage: str = "At-Risk"
) -> Any:
    call = Call(tenant, actor or system_actor("test"), "API", utc_now(), uuid4(), starts_effects=starts)
    with tenant_context(tenant.id):
        return apply(call, [Change(customer.id, stage) for customer in customers])


def runs(tenant: TenantRef) -> list[EffectRun]:
    with tenant_context(tenant.id):
        return list(EffectRun.objects.filter(tenant_id=tenant.id).order_by("id"))


def lanes_of(tenant: TenantRef) -> list[Lane]:
    return [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]


def claim_all(tenant: TenantRef, room: int = 1000, *, now: dt.datetime | None = None) -> list[Job]:
    return [job for lane in lanes_of(tenant) for job in claim(lane.tenant, {lane.id: room}, now=now or utc_now())]


def test_a_move_starts_a_row_for_each_effect_and_recipient(
    db: None, django_assert_num_queries: Callable[..., Any]
) -> None:
    tenant = make_tenant(ALERT, FORECAST)
    people = make_people(tenant)
    ours = CustomerFactory(tenant=tenant, owner=people.viewer.username.upper())
    unowned = CustomerFactory(tenant=tenant)
    (first, second) = move(tenant, ours, unowned)

    found = {(run.customer_id, run.effect, run.recipient): (run.state, run.reason) for run in runs(tenant)}
    manager = f"user:{people.account_manager.id}"
    assert found == {
        (ours.id, "Escalate", f"user:{people.viewer.id}"): ("due", ""),
        (ours.id, "Escalate", manager): ("due", ""),
        (ours.id, "Forecast", ""): ("due", ""),
        (unowned.id, "Escalate", "owner"): ("suppressed", "no_owner"),
        (unowned.id, "Escalate", manager): ("due", ""),
        (unowned.id, "Forecast", ""): ("due", ""),
    }
    assert {run.history_id for run in runs(tenant)} == {first.history_id, second.history_id}
    assert {run.request_id for run in runs(tenant)} == {runs(tenant)[0].request_id}

    more = [CustomerFactory(tenant=tenant, owner=people.viewer.username) for _ in range(9)]
    with django_assert_num_queries(7):
        move(tenant, more[0])
    with django_assert_num_queries(7):
        move(tenant, *more[1:])


def test_imports_and_undo_start_nothing(db: None) -> None:
    tenant = make_tenant(ALERT)
    make_people(tenant)
    move(tenant, CustomerFactory(tenant=tenant), starts=False)
    assert runs(tenant) == []


def test_the_one_who_makes_the_change_is_not_alerted(db: None) -> None:
    tenant = make_tenant(ALERT)
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, owner=people.account_manager.username)
    actor = system_actor("test")
    object.__setattr__(actor, "name", str(people.account_manager.id))
    move(tenant, customer, actor=actor)
    assert [(run.state, run.reason) for run in runs(tenant)] == [("suppressed", "own_change")]


def test_a_move_that_is_rolled_back_starts_nothing(db: None) -> None:
    tenant = make_tenant(ALERT)
    make_people(tenant)
    customer = CustomerFactory(tenant=tenant)
    with pytest.raises(ZeroDivisionError), tenant_context(tenant.id):
        apply(
            Call(tenant, system_actor("test"), "API", utc_now(), starts_effects=True), [Change(customer.id, "At-Risk")]
        )
        raise ZeroDivisionError
    assert runs(tenant) == []


def test_mail_to_customers_is_held_and_let_go_after_ten_minutes(db: None) -> None:
    tenant = make_tenant(MAIL)
    move(tenant, CustomerFactory(tenant=tenant))
    no_one, boss = sorted(runs(tenant), key=lambda run: run.state, reverse=True)
    assert (no_one.recipient, no_one.state, no_one.reason) == ("contacts", "suppressed", "no_contact")
    assert (boss.recipient, boss.state, boss.reason) == ("boss@acme.example", "held", "recall")
    assert boss.due_at - boss.created_at == dt.timedelta(minutes=10)

    queue.release_held()
    assert claim_all(tenant) == []
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id, id=boss.id).update(due_at=utc_now())
    queue.release_held()
    assert [job.id for job in claim_all(tenant)] == [boss.id]


def test_what_is_claimed_is_claimed_once_and_finished_by_its_token(db: None) -> None:
    tenant = make_tenant(FORECAST)
    move(tenant, CustomerFactory(tenant=tenant))
    (job,) = claim_all(tenant)
    assert claim_all(tenant) == []
    assert (job.attempts, job.to_stage, job.from_stage, job.sequence) == (1, "At-Risk", "Prospect", 2)
    outsider = Job(**{**{name: getattr(job, name) for name in job.__slots__}, "token": uuid4()})
    assert not finish([(outsider, Result(EffectRun.DONE))])
    assert finish([(job, Result(EffectRun.DONE, attempt={"status": 200}))])
    assert not finish([(job, Result(EffectRun.FAILED))])
    (run,) = runs(tenant)
    assert (run.state, run.last_attempt, run.finished_at is not None) == ("done", {"status": 200}, True)


def lapse(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id).update(lease_until=utc_now() - dt.timedelta(seconds=1))
    queue.recover_lapsed()


def test_a_dead_worker_s_effect_comes_again_and_its_handed_over_mail_never(db: None) -> None:
    tenant = make_tenant(FORECAST, {**MAIL, "to": ["managers"]})
    make_people(tenant)
    move(tenant, CustomerFactory(tenant=tenant))
    jobs = {job.kind: job for job in claim_all(tenant)}
    assert hand_over(jobs["email"])
    lapse(tenant)
    states = {run.kind: (run.state, run.reason) for run in runs(tenant)}
    assert states == {"forecast": ("due", ""), "email": ("unknown", "interrupted")}
    assert not hand_over(jobs["forecast"]), "its lease is over: another worker may have it"
    assert [job.kind for job in claim_all(tenant)] == ["forecast"]
    assert finish([(jobs["email"], Result(EffectRun.DONE))]), "who knows better corrects what the lease decided"


def test_a_mail_whose_lease_ends_before_it_is_handed_over_is_sent_later(db: None, mailbox: Mailbox) -> None:
    """The machine slept, and the thread was faster than the look that takes back: the mail had been said to be refused,
    and was never sent.
    """
    tenant = make_tenant({**MAIL, "to": ["managers"]})
    people = make_people(tenant)
    move(tenant, CustomerFactory(tenant=tenant))
    (job,) = claim_all(tenant)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id).update(lease_until=utc_now() - dt.timedelta(seconds=1))
    assert finish([(job, deliver(job))])
    assert mailbox.about(people.account_manager.email) == []
    assert [(run.state, run.finished_at) for run in runs(tenant)] == [("due", None)]
    (again,) = claim_all(tenant)
    finish([(again, deliver(again))])
    assert len(mailbox.about(people.account_manager.email)) == 1
    assert [run.state for run in runs(tenant)] == ["done"]


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        (Result("done", attempt={"request": {"name": "Hooli"}, "response": "Hello Ada"}), "done", ""),
        (Result("due", "retry", utc_now(), {"request": {"name": "Hooli"}}), "cancelled", "erased"),
        # Its worker died.
        (None, "cancelled", "erased"),
    ],
)
def test_of_what_was_on_its_way_as_its_customer_was_erased_nothing_is_kept(
    db: None, result: Result | None, state: str, reason: str
) -> None:
    """What was sent and answered was written after the erasure, and kept for 90 days."""
    tenant = make_tenant(FORECAST)
    customer = CustomerFactory(tenant=tenant)
    move(tenant, customer)
    (job,) = claim_all(tenant)
    with tenant_context(tenant.id):
        assert erase_effects(tenant.id, customer.id, now=utc_now()) == 0
    assert not hand_over(job), "what had not left yet does not leave"
    if result is None:
        lapse(tenant)
    else:
        assert finish([(job, result)])
    (run,) = runs(tenant)
    assert (run.state, run.reason, run.last_attempt) == (state, reason, None)
    assert run.finished_at is not None


@pytest.mark.parametrize("is_erased_first", [True, False])
def test_of_what_ends_after_its_lease_and_the_erasure_of_its_customer_nothing_is_kept(
    db: None, is_erased_first: bool
) -> None:
    """Its worker was stopped for longer than the lease, and knows at last that the mail arrived."""
    tenant = make_tenant(FORECAST)
    customer = CustomerFactory(tenant=tenant)
    move(tenant, customer)
    (job,) = claim_all(tenant)
    assert hand_over(job)
    for is_erasure in (is_erased_first, not is_erased_first):
        if is_erasure:
            with tenant_context(tenant.id):
                assert erase_effects(tenant.id, customer.id, now=utc_now()) == 0
        else:
            lapse(tenant)
    assert [run.state for run in runs(tenant)] == ["unknown"]
    assert finish([(job, Result("done", attempt={"request": {"name": "Hooli"}}))])
    (run,) = runs(tenant)
    assert (run.state, run.last_attempt) == ("done", None)


def test_while_a_tenant_moves_the_mover_takes_back_what_a_dead_worker_holds(db: None) -> None:
    """To workers the tenant's work is hidden then: without the mover what it held would hold up the move for ever."""
    tenant, other = make_tenant(FORECAST), make_tenant(FORECAST)
    for one in (tenant, other):
        move(one, CustomerFactory(tenant=one))
        assert len(claim_all(one)) == 1
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as connection:
        side = Side("main", connection, "")
        quiet(side, tenant.id)
        try:
            lapse(tenant)
            assert [run.state for run in runs(tenant)] == ["sending"]
            assert queue.recover_lapsed_of(other.id) == 0, "its lease goes on"
            assert queue.recover_lapsed_of(tenant.id) == 1
            assert [run.state for run in runs(tenant)] == ["due"]
        finally:
            lift_quiet(side, tenant.id)


def test_a_pause_of_the_tenant_and_of_one_effect(db: None) -> None:
    tenant = make_tenant(FORECAST, {**FORECAST, "name": "Other"})
    move(tenant, CustomerFactory(tenant=tenant))

    def pause(effect: str) -> EffectPause:
        with tenant_context(tenant.id):
            return EffectPause.objects.create(
                tenant_id=tenant.id, effect=effect, paused_at=utc_now(), paused_by="x", reason="x"
            )

    whole = pause("")
    assert lanes_of(tenant) == []
    with tenant_context(tenant.id):
        whole.delete()
    pause("Forecast")
    assert [job.effect for job in claim_all(tenant)] == ["Other"]


def test_what_is_late_is_so_also_beside_an_effect_that_is_paused(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pause of a tenant, for months perhaps, had kept the alarm silent about all else that it starts."""
    tenant = make_tenant(FORECAST, {**FORECAST, "name": "Other"})
    move(tenant, CustomerFactory(tenant=tenant))
    # Other tests leave behind what is due.
    monkeypatch.setattr(queue, "_OLDEST", f"{queue._OLDEST} AND t.id = '{tenant.id}'")

    def pause(effect: str) -> None:
        with tenant_context(tenant.id):
            EffectPause.objects.create(
                tenant_id=tenant.id, effect=effect, paused_at=utc_now(), paused_by="x", reason="x"
            )

    with tenant_context(tenant.id):
        for name, hours in (("Forecast", 3), ("Other", 1)):
            late = EffectRun.objects.filter(tenant_id=tenant.id, effect=name)
            assert late.update(due_at=utc_now() - dt.timedelta(hours=hours)) == 1
    assert 3 * 3600 <= queue.measure_oldest() < 4 * 3600
    pause("Forecast")
    assert 3600 <= queue.measure_oldest() < 2 * 3600
    pause("")
    assert queue.measure_oldest() == 0


def test_a_cap_lets_so_many_through_whatever_the_number_of_workers(
    db: None, monkeypatch: pytest.MonkeyPatch, in_threads: Callable[..., list[Any]]
) -> None:
    monkeypatch.setattr(brakes, "EMAILS_AN_HOUR", 7)
    tenant = make_tenant({**MAIL, "to": ["managers"]})
    make_people(tenant)
    with tenant_context(tenant.id):
        EffectLane.objects.filter(tenant_id=tenant.id).update(max_in_flight=100)
    move(tenant, *[CustomerFactory(tenant=tenant) for _ in range(20)])
    with tenant_context(tenant.id):
        EffectLane.objects.filter(tenant_id=tenant.id).update(max_in_flight=100)
    # Of one hour, which may end while a busy machine is at it.
    now = utc_now()

    def take(_: int) -> int:
        count = 0
        while lanes_of(tenant):
            count += len(claim_all(tenant, room=2, now=now))
        return count

    taken = in_threads(6, take)
    assert sum(taken) == 7, taken
    held = [run for run in runs(tenant) if run.state == "held"]
    assert {run.reason for run in held} == {"cap"}
    assert len(held) == 13


def test_a_lane_never_has_more_in_flight_than_it_may(db: None, in_threads: Callable[..., list[Any]]) -> None:
    tenant = make_tenant(FORECAST)
    move(tenant, *[CustomerFactory(tenant=tenant) for _ in range(30)])
    taken = in_threads(6, lambda _: sum(len(claim_all(tenant)) for _ in range(5)))
    assert sum(taken) == 8
    with tenant_context(tenant.id):
        EffectLane.objects.filter(tenant_id=tenant.id).update(is_ill=True)
        EffectRun.objects.filter(tenant_id=tenant.id, state="sending").update(state="done")
    assert len(claim_all(tenant)) == 1, "an endpoint that fails is tried by one at a time"


def test_another_tenant_s_effects_are_out_of_sight(db: None, other_tenant: TenantRef) -> None:
    tenant = make_tenant(FORECAST)
    move(tenant, CustomerFactory(tenant=tenant))
    with tenant_context(other_tenant.id):
        assert EffectRun.objects.count() == 0
        assert EffectLane.objects.filter(name="forecast").count() == 0
    connections["default"].close()


def test_a_person_s_change_alerts_the_owner(db: None, api_client: Callable[..., APIClient], users: People) -> None:
    """From the API to the owner's notification, by the worker that runs in production."""
    tenant = make_tenant(ALERT)
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, owner=people.viewer.username)
    client = api_client(people.account_manager)
    answer = client.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "At-Risk"}, format="json")
    assert answer.status_code == 200, answer.content
    run_all()
    states = {run.recipient: (run.state, run.reason) for run in runs(tenant)}
    assert states == {
        f"user:{people.viewer.id}": ("done", ""),
        f"user:{people.account_manager.id}": ("suppressed", "own_change"),
    }
    with tenant_context(tenant.id):
        (note,) = Notification.objects.filter(tenant_id=tenant.id)
    assert (note.user_id, note.effect, note.from_stage, note.to_stage) == (
        people.viewer.id,
        "Escalate",
        "Prospect",
        "At-Risk",
    )


def test_what_was_started_under_older_rules_holds_up_no_one(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may wait for a year. Its version is none to a later release, and the worker ended at it, again and again."""
    tenants = [make_tenant({**ALERT, "to": ["managers"]}) for _ in range(2)]
    for one in tenants:
        make_people(one)
        move(one, CustomerFactory(tenant=one))
    old, other = tenants

    def read(tenant_id: UUID, version: int) -> Policy:
        if tenant_id == old.id:
            raise InvalidConfiguration(())
        return policy_of_version(tenant_id, version)

    for module in (moved_on, facts):
        monkeypatch.setattr(module, "policy_of_version", read)
    run_all()
    assert [(run.state, run.reason) for run in runs(old)] == [("suppressed", "configuration_lost")]
    assert [run.state for run in runs(other)] == ["done"]


@pytest.mark.parametrize(("lease", "state"), [(queue.LEASE, "done"), (dt.timedelta(0), "sending")])
def test_what_has_ended_while_the_database_is_away_is_written_when_it_is_back(
    db: None, monkeypatch: pytest.MonkeyPatch, lease: dt.timedelta, state: str
) -> None:
    """Until its lease is over: another worker may have it by then."""
    from lifecycle.delivery import worker as workers

    tenant = make_tenant(ALERT)
    people = make_people(tenant)
    move(tenant, CustomerFactory(tenant=tenant, owner=people.account_manager.username))
    asked: list[Any] = []

    def write(ended: Any) -> Any:
        if ended[0][0].tenant == tenant:
            asked.append(ended)
            if len(asked) <= 2:
                raise OperationalError("the server closed the connection unexpectedly")
        return finish(ended)

    monkeypatch.setattr(workers, "finish", write)
    monkeypatch.setattr(workers, "LEASE", lease)
    monkeypatch.setattr(workers, "WRITE_AGAIN_SECONDS", 0.05)
    noted: list[str] = []
    run_all(workers.EffectWorker(finished=lambda job, *_: noted.append(job.effect) if job.tenant == tenant else None))
    assert [(run.state, run.attempts) for run in runs(tenant)] == [(state, 1)]
    assert noted == (["Escalate"] if state == "done" else [])


def test_named_people_contacts_of_a_role_and_topics_are_reached(
    db: None, django_assert_num_queries: Callable[..., Any]
) -> None:
    tenant = make_tenant(
        {"name": "Tell", "kind": "alert", "to": ["user:ADA-OF-ACME"], **RISK},
        {"name": "Write", "kind": "email", "to": ["user:outsider", "contacts:sponsor", "contacts:CFO"], **RISK},
        {"name": "Publish", "kind": "event", "topic": "churn.forecast.requested", **RISK},
    )
    people = make_people(tenant)
    with tenant_context(tenant.id):
        User.objects.filter(id=people.viewer.id).update(username="ada-of-acme")
    customer = CustomerFactory(tenant=tenant)
    with tenant_context(tenant.id):
        ensure_keys(tenant.id, [customer.id])
        sponsor = Contact.objects.create(
            tenant_id=tenant.id, customer=customer, name="Ada", email="ada@hooli.example", role="Sponsor"
        )
        Contact.objects.create(tenant_id=tenant.id, customer=customer, name="Bob", role="CFO")
    move(tenant, CustomerFactory(tenant=tenant))
    with django_assert_num_queries(7):
        move(tenant, customer)
    found = {
        (run.effect, run.recipient, run.state, run.reason) for run in runs(tenant) if run.customer_id == customer.id
    }
    assert found == {
        ("Tell", f"user:{people.viewer.id}", "due", ""),
        ("Write", "user:outsider", "suppressed", "no_user"),
        ("Write", f"contact:{sponsor.id}", "held", "recall"),
        ("Write", "contacts:CFO", "suppressed", "no_contact"),
        ("Publish", "churn.forecast.requested", "due", ""),
    }


@pytest.mark.parametrize(
    ("given", "state", "reason", "minutes"),
    [
        ({}, "due", "", 0),
        ({"delay_minutes": 4320}, "due", "delayed", 4320),
        ({"hold_minutes": 30}, "held", "recall", 30),
        ({"hold_minutes": 30, "delay_minutes": 60}, "due", "delayed", 60),
        ({"hold_minutes": 60, "delay_minutes": 30}, "held", "recall", 60),
        ({"kind": "email", "to": ["boss@acme.example"]}, "held", "recall", 10),
        ({"kind": "email", "to": ["boss@acme.example"], "hold_minutes": 0}, "due", "", 0),
    ],
)
def test_a_delay_and_a_hold_say_how_an_effect_begins(
    given: dict[str, Any], state: str, reason: str, minutes: int
) -> None:
    document = {**STAGES, "effects": [{**FORECAST, **given}]}
    (effect,) = parse_configuration(document).effects

    (target,) = planner_of(effect).targets(effect, Reached(), Members(), ())

    assert (target.state, target.reason, target.delay) == (state, reason, dt.timedelta(minutes=minutes))


def test_an_effect_for_some_sources_is_started_by_those_alone(db: None) -> None:
    tenant = make_tenant({**FORECAST, "sources": ["UI"]}, {**FORECAST, "name": "Other", "from": ["Churned"]})
    move(tenant, CustomerFactory(tenant=tenant))
    assert runs(tenant) == []


def test_an_event_is_promised_to_its_topic_as_the_documents_describe_it(db: None) -> None:
    """The relay sends what stands in the outbox; promised twice, it has the same id."""
    topic = "renewal.campaign.requested"
    tenant = make_tenant(
        {"name": "Campaign", "kind": "event", "topic": topic, "template": "renewal", "to": ["x"], **RISK}
    )
    customer = CustomerFactory(tenant=tenant)
    move(tenant, customer)
    (job,) = claim_all(tenant)
    for _ in range(2):
        assert deliver(job).state == "done"

    with tenant_context(tenant.id):
        rows = list(OutboxMessage.objects.filter(tenant_id=tenant.id, topic=topic).order_by("id"))
    assert [bytes(row.key).decode() for row in rows] == [str(customer.id)] * 2
    assert base64.b64decode(rows[0].headers[0][1]) == b"application/cloudevents+json; charset=UTF-8"
    first, second = (json.loads(bytes(row.payload)) for row in rows)
    assert first == second
    assert (first["id"], first["type"], first["tenantid"]) == (str(job.id), topic, tenant.slug)
    assert first["data"] == {
        "tenant": tenant.slug,
        "customer_id": str(customer.id),
        "external_id": customer.external_id,
        "effect": "Campaign",
        "template": "renewal",
        "from_stage": "Prospect",
        "to_stage": "At-Risk",
        "reason_code": "",
        "changed_at": first["time"],
        "sequence": 2,
    }
    document = yaml.load(describing.ASYNCAPI.read_text(), yaml.CSafeLoader)
    described = document["components"]["messages"][topic]["payload"]["schema"]["allOf"][1]
    jsonschema.validate(first, described)
    assert described["properties"]["data"]["required"] == list(first["data"])


def test_a_mail_says_what_its_effect_says_in_the_words_of_the_customer(db: None) -> None:
    tenant = make_tenant(
        {
            "name": "Write",
            "kind": "email",
            "to": ["boss@acme.example"],
            "hold_minutes": 0,
            "subject": "{{ customer.name }} is in {{ stage }}",
            "body": "From {{ from_stage }}; {{ recipient.name }}{{ customer.segment }}.",
            **RISK,
        }
    )
    customer = CustomerFactory(tenant=tenant, name="{{ link }} <b>& Co", segment="SMB")
    move(tenant, customer)
    (job,) = claim_all(tenant)
    with tenant_context(tenant.id):
        mail = render_mail(gather_facts(job))
    assert (mail.to_address, mail.subject) == ("boss@acme.example", "{{ link }} <b>& Co is in At-Risk")
    assert mail.body == "From Prospect; SMB."
