"""An endpoint that is gone, or has failed for five days, is switched off: it is recorded, and the admins hear of it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.test import Client
from rest_framework.test import APIClient

from audit.models import AdministrationEntry
from lifecycle.delivery import senders
from lifecycle.delivery.mail import MailOutcome
from lifecycle.delivery.webhooks import Delivery
from lifecycle.models import EffectLane, EffectRun, Notification
from lifecycle.rules.transitions import Change
from lifecycle.services.effects.actions import Wanted, list_effects, set_pause
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.endpoints import create_endpoint, delete_endpoint, note_failure, note_success
from lifecycle.services.effects.facts import Mail
from lifecycle.services.effects.queue import Job, finish
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import People
from tests.factories import CustomerFactory, TenantFactory, utc_now

ACTOR = system_actor("test")
HOOK = {"name": "Post", "kind": "webhook", "to": ["crm"], "on": "enter", "stages": ["At-Risk"]}
DOCUMENT = {"stages": ["Prospect", "At-Risk"], "effects": [HOOK]}
GONE = (
    "The webhook endpoint “crm” answered that it is gone, and was switched off. What is due for it waits until an admin"
    " resumes it."
)


@pytest.fixture
def tenant(db: None) -> TenantRef:
    tenant = TenantFactory(configuration=DOCUMENT)
    with tenant_context(tenant.id):
        create_endpoint("crm", "https://crm.example/hook", tenant=tenant, actor=ACTOR, now=utc_now())
    return tenant


@pytest.fixture
def job(tenant: TenantRef) -> Job:
    """A webhook that is being sent; another waits behind it."""
    with tenant_context(tenant.id):
        for _ in range(2):
            call = Call(tenant, ACTOR, "API", utc_now(), starts_effects=True)
            apply(call, [Change(CustomerFactory(tenant=tenant).id, "At-Risk")])
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    (job,) = claim(tenant, {lane.id: 1}, now=utc_now())
    return job


def test_an_endpoint_that_is_gone_is_switched_off_and_its_admins_hear_of_it_once(
    tenant: TenantRef,
    users: People,
    job: Job,
    page_client: Callable[..., Client],
    api_client: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(senders, "send_webhook", lambda *_, **__: Delivery("gone", status=410))
    result = senders.deliver(job)
    assert (result.state, result.reason) == ("failed", "endpoint_gone")
    finish([(job, result)])
    assert senders.deliver(job).reason == "gone", "one that was on its way too"
    with tenant_context(tenant.id):
        assert EffectLane.objects.get(id=job.lane_id).disabled_reason == "gone"
        assert sorted(EffectRun.objects.values_list("state", flat=True)) == ["due", "failed"]
        (note,) = Notification.objects.filter(tenant_id=tenant.id)
        (entry,) = AdministrationEntry.objects.filter(tenant_id=tenant.id, action="switch_off_webhook_endpoint")
    assert (note.user_id, note.effect, note.customer_id) == (users.tenant_admin.id, GONE, job.customer_id)
    assert (entry.subject, entry.actor, entry.reason) == (str(job.lane_id), "system:effects_worker", GONE)
    assert GONE in page_client("tenant_admin").get("/notifications").content.decode()
    listed = api_client("tenant_admin").get("/api/v1/webhooks/endpoints", HTTP_ACCEPT_LANGUAGE="de").json()["results"]
    assert [(one["disabled_reason"], one["disabled_why"]) for one in listed] == [
        ("gone", "Der Endpunkt hat geantwortet, dass es ihn nicht mehr gibt, und wurde abgeschaltet.")
    ]
    assert not [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id], "what waits is not sent"


@pytest.mark.parametrize(
    ("kind", "attempts", "state", "reason"),
    [
        ("webhook", 9, "due", "retry"),
        ("webhook", 10, "failed", "given_up"),
        ("email", 4, "due", "retry"),
        ("email", 5, "failed", "given_up"),
    ],
)
def test_of_the_last_attempt_it_is_not_said_that_another_follows_or_who_refused(
    job: Job, monkeypatch: pytest.MonkeyPatch, kind: str, attempts: int, state: str, reason: str
) -> None:
    monkeypatch.setattr(senders, "send_webhook", lambda *_, **__: Delivery("retry", status=503))
    monkeypatch.setattr(senders, "send_mail", lambda *_, **__: MailOutcome("not_sent", retry=True, reason="Busy."))
    last = replace(job, attempts=attempts)
    mail = Mail("Ann", "ann@acme.example", "Hello", "Hello")
    result = senders.deliver(last) if kind == "webhook" else senders._mail(last, mail)
    assert (result.state, result.reason) == (state, reason)
    assert ("it is tried again" in explain_reason(reason)) is (state == "due")
    assert "Refused" not in explain_reason(reason)


def test_what_did_not_leave_is_not_said_to_be_refused_by_its_receiver(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that webhooks may not go to, a recipient that is none."""
    monkeypatch.setattr(senders, "send_webhook", lambda *_, **__: Delivery("refused", error="Not public."))
    assert senders.deliver(job).reason == "not_sent"
    mail = Mail("Ann", "nowhere", "Hello", "Hello")
    for code, reason in ((None, "not_sent"), (550, "refused")):
        outcome = MailOutcome("not_sent", reason="No.", code=code)
        monkeypatch.setattr(senders, "send_mail", lambda *_, outcome=outcome, **__: outcome)
        result = senders._mail(job, mail)
        assert (result.state, result.reason) == ("failed", reason)
        assert explain_reason(reason) != reason


@pytest.mark.parametrize(
    ("hours", "is_off"),
    [
        ([0, 1, 13, 13 + 119], False),
        ([0, 1, 13, 13 + 120], True),
        # A second one soon after the first is the same failure; one much later begins a new count.
        ([0, 1, 11, 200], False),
        ([0, 30, 30 + 130], False),
    ],
)
def test_one_that_has_only_failed_for_five_days_is_switched_off(
    tenant: TenantRef, users: People, job: Job, hours: list[int], is_off: bool
) -> None:
    began = utc_now()
    with tenant_context(tenant.id):
        said = [note_failure(job, now=began + dt.timedelta(hours=after)) for after in hours]
        notes = list(Notification.objects.filter(tenant_id=tenant.id).values_list("user_id", "effect"))
    assert said == [*[None] * (len(hours) - 1), "failing" if is_off else None]
    sentence = GONE.replace("answered that it is gone", "has failed for five days")
    assert notes == ([(users.tenant_admin.id, sentence)] if is_off else [])


def test_a_success_begins_the_count_again(tenant: TenantRef, job: Job) -> None:
    began = utc_now()
    with tenant_context(tenant.id):
        note_failure(job, now=began)
        note_failure(job, now=began + dt.timedelta(hours=13))
        note_success(job.lane_id, tenant=tenant)
        assert note_failure(job, now=began + dt.timedelta(hours=140)) is None
        assert not Notification.objects.filter(tenant_id=tenant.id).exists()


def test_one_that_was_resumed_has_as_many_in_flight_as_it_may_once_it_answers(
    tenant: TenantRef, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had stayed ill: a resumption begins the count of failures again, and by that a success was not noted."""
    with tenant_context(tenant.id):
        note_failure(job, now=utc_now())
        set_pause(False, endpoint="crm", reason="fixed", tenant=tenant, actor=ACTOR, now=utc_now())
        assert EffectLane.objects.get(id=job.lane_id).is_ill, "one at a time, until it has answered"
    monkeypatch.setattr(senders, "send_webhook", lambda *_, **__: Delivery("done", status=200))
    assert senders.deliver(job).state == "done"
    with tenant_context(tenant.id):
        assert not EffectLane.objects.get(id=job.lane_id).is_ill


def test_what_waits_for_an_endpoint_says_why(
    tenant: TenantRef, users: People, job: Job, page_client: Callable[..., Client]
) -> None:
    """And in the admin as over the API, which alone had said that an automation is paused."""

    def look() -> tuple[set[str], str]:
        with tenant_context(tenant.id):
            reasons = {run.reason for run in list_effects(Wanted(state="due"), tenant=tenant, limit=9)}
        return reasons, page_client("tenant_admin").get("/admin/lifecycle/effectrun/?state=due").content.decode()

    def pause(paused: bool, **named: str) -> None:
        with tenant_context(tenant.id):
            set_pause(paused, reason="x", tenant=tenant, actor=ACTOR, now=utc_now(), **named)

    reasons, page = look()
    assert reasons == {""} and "Paused by an admin." not in page
    for named in ({"endpoint": "crm"}, {"effect": "Post"}):
        pause(True, **named)
        reasons, page = look()
        assert reasons == {"paused"} and "Paused by an admin." in page
        pause(False, **named)
    with tenant_context(tenant.id):
        note_failure(job, now=utc_now(), is_gone=True)
    reasons, page = look()
    assert reasons == {"endpoint_gone"}
    assert "The endpoint answered that it is gone, and was switched off." in page


@pytest.mark.parametrize("is_paused", [False, True])
def test_what_was_being_sent_to_an_endpoint_that_is_removed_then_ends(
    tenant: TenantRef, job: Job, monkeypatch: pytest.MonkeyPatch, is_paused: bool
) -> None:
    """It was not taken and had been due for ever, as no worker looked at the lane."""
    looked = senders.look_up([job])[job.id]
    with tenant_context(tenant.id):
        if is_paused:
            set_pause(True, endpoint="crm", reason="leaving", tenant=tenant, actor=ACTOR, now=utc_now())
        assert delete_endpoint(job.lane_id, tenant=tenant, actor=ACTOR, now=utc_now())
    monkeypatch.setattr(senders, "send_webhook", lambda *_, **__: Delivery("retry", status=500))
    assert finish([(job, senders.deliver(job, looked))])
    with tenant_context(tenant.id):
        assert EffectRun.objects.filter(state="due").update(due_at=utc_now()) == 1
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    (late,) = claim(tenant, {lane.id: 1}, now=utc_now())
    finish([(late, senders.deliver(late))])
    with tenant_context(tenant.id):
        assert set(EffectRun.objects.values_list("state", "reason")) == {("cancelled", "endpoint_removed")}
