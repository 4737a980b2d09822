"""A sandbox that is emptied: seals and feed go on, and nothing that was kept elsewhere, or is on its way, is back."""

import dataclasses
import datetime as dt
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.db import connections
from django.test import override_settings

from audit.models import Departure
from audit.services.recording import TOPIC
from audit.services.seals import SealFacts, _sign, describe_seal, facts_of
from lifecycle.delivery.senders import deliver
from lifecycle.messaging.stale_copies import StaleCopies
from lifecycle.models import Customer
from lifecycle.rules.envelopes import receive
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import read_emptied
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.summaries import read_profile
from lifecycle.services.demo import sandboxes
from lifecycle.services.events import outbox
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.feed import read_feed
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.conftest import People
from tests.effects.test_engine import claim_all, runs
from tests.factories import ADMIN_ACTOR, utc_now
from tests.messaging.speaking import Speaker, as_message
from tests.services.sandboxes.resetting import external_ids, reset, verify
from tests.services.seals.sealing import KEY, errors_of, seal, seals_of


def test_seals_go_on_over_a_reset_and_what_was_published_still_holds(
    sandbox: TenantRef, people: People, tenant: TenantRef
) -> None:
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        reset(sandbox)
        seal("--tenant", sandbox.slug)
        published = [describe_seal(one) for one in seals_of(sandbox)]
        reset(sandbox)
        assert errors_of(sandbox, published=published) == []
        seal("--tenant", sandbox.slug)
        assert [one.number for one in seals_of(sandbox)] == [1, 2]
        assert errors_of(sandbox, published=published) == []
        with tenant_context(sandbox.id):
            left = Departure.objects.order_by("decided_at")
            assert [(one.seals_to, one.to_server, one.deleted_at is not None) for one in left] == [
                (0, "", True),
                (1, "", True),
            ]
        said = verify(sandbox)
        assert "12 customers" in said and "2 seals, 0 broken" in said
        assert "a sandbox: emptied 2 times, last at" in said and "seals up to 1 have no rows" in said
        # A seal that was published and is gone is still missed.
        with tenant_context(sandbox.id):
            third = sign(facts_of(seals_of(sandbox)[0]), KEY, number=3)
        assert errors_of(sandbox, published=[*published, third]) == [(3, "seal_withdrawn")]


def sign(facts: SealFacts, key: bytes, *, number: int) -> dict[str, Any]:
    """A seal of another number, as it would have been published."""
    signed = _sign(dataclasses.replace(facts, number=number), key, complete_to=utc_now())
    return describe_seal(signed)


def test_of_a_tenant_that_is_no_sandbox_no_emptying_is_believed(
    tenant: TenantRef, superuser: Any, sandbox: TenantRef
) -> None:
    superuser.execute(
        "INSERT INTO audit_departure (id, tenant_id, slug, to_server, compared, decided_at, deleted_at, seals_to)"
        " VALUES (uuidv7(), %s, 'x', '', '{}', now(), now(), 5)",
        [tenant.id],
    )
    superuser.commit()
    assert read_emptied(tenant) is None
    assert read_emptied(sandbox) is None


def test_a_cursor_of_the_feed_that_was_kept_goes_on_with_the_new_story(sandbox: TenantRef, people: People) -> None:
    def page(after: int) -> Any:
        with tenant_context(sandbox.id):
            return read_feed(tenant=sandbox, after=after, limit=1000, now=utc_now())

    reset(sandbox)
    first = page(0)
    kept = first.next_after
    assert [row["position"] for row in first.rows] == list(range(1, kept + 1))
    reset(sandbox)
    second = page(kept)
    assert second.rows[0]["position"] == kept + 1
    assert {row["external_id"] for row in second.rows} == set(external_ids(sandbox))
    assert page(second.next_after).rows == []


def test_nothing_that_was_kept_in_redis_is_shown_of_a_customer_that_is_gone(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = Customer.objects.get(external_id="SB-000001").id
    for _ in range(2):
        assert read_profile(former, tenant=sandbox, now=utc_now()) is not None
    reset(sandbox)
    assert read_profile(former, tenant=sandbox, now=utc_now()) is None


def test_the_relay_drops_it_for_a_run_that_died_right_after_its_commit(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = Customer.objects.get(external_id="SB-000001").id
    assert read_profile(former, tenant=sandbox, now=utc_now()) is not None
    with patch("django.db.transaction.on_commit"):
        reset(sandbox)
    StaleCopies().look_back()
    StaleCopies().look()
    assert read_profile(former, tenant=sandbox, now=utc_now()) is None


def test_an_event_that_was_sent_before_the_reset_is_not_applied_after_it(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    speaker = Speaker(sandbox)
    sent_before = utc_now()
    reset(sandbox)
    name = speaker.customer("SB-000003").name

    def say(name: str, sent_at: dt.datetime | None) -> Any:
        document = speaker.document("customer.updated", "SB-000003", name=name)
        document["time"] = utc_now().isoformat()
        message = as_message(document, topic="customer.updated")
        return receive(dataclasses.replace(message, sent_at=sent_at))

    (result,) = speaker.hear(say("Of yesterday", sent_before))
    assert (result.outcome, speaker.customer("SB-000003").name) == ("stale", name)
    assert set(speaker.inbox().values()) == {"stale"}
    assert [one.outcome for one in speaker.hear(say("Of today", utc_now()))] == ["applied"]
    assert speaker.customer("SB-000003").name == "Of today"
    # What came another way than the log has no such time.
    assert [one.outcome for one in speaker.hear(say("By file", None))] == ["applied"]


def test_an_event_that_is_sent_while_the_sandbox_is_emptied_is_not_applied_after_it(
    sandbox: TenantRef, people: People
) -> None:
    reset(sandbox)
    speaker, sent = Speaker(sandbox), []
    written = sandboxes.record_administration

    def record(*what: Any, **facts: Any) -> None:
        # Of what waits for a reset nothing is later than this.
        written(*what, **facts)
        sent.append(utc_now())

    with patch.object(sandboxes, "record_administration", record):
        reset(sandbox)
    name = speaker.customer("SB-000003").name
    document = speaker.document("customer.updated", "SB-000003", name="Of yesterday") | {"time": utc_now().isoformat()}
    message = dataclasses.replace(as_message(document, topic="customer.updated"), sent_at=sent[0])
    (result,) = speaker.hear(receive(message))
    assert (result.outcome, speaker.customer("SB-000003").name) == ("stale", name)


EFFECTS = [
    {"name": "To customers", "kind": "email", "to": ["contacts", "boss@acme.example"]},
    {"name": "To us", "kind": "email", "to": ["managers"]},
    {"name": "Campaign", "kind": "event", "topic": "renewal.campaign.requested"},
    {"name": "Alert", "kind": "alert", "to": ["managers"]},
]


def test_nothing_leaves_a_sandbox_for_customers(sandbox: TenantRef, people: People, mailbox: Any) -> None:
    document = {
        **sandboxes.STORY.document,
        "effects": [{"on": "enter", "stages": ["Churned"], "hold_minutes": 0, **one} for one in EFFECTS],
    }
    reset(sandbox)
    with tenant_context(sandbox.id):
        publish_configuration(document, tenant=sandbox, actor=ADMIN_ACTOR, now=utc_now())
        customer = Customer.objects.exclude(status__stage="Churned").order_by("external_id").first()
    assert customer is not None
    with tenant_context(sandbox.id):
        (moved,) = apply(
            Call(sandbox, ADMIN_ACTOR, "API", utc_now(), None, starts_effects=True),
            [Change(customer.id, "Churned", "Price")],
        )
    assert moved.refused is None
    became = {}
    for job in claim_all(sandbox):
        result = deliver(job)
        became[job.effect, job.recipient.partition(":")[0]] = (result.state, result.reason)
    assert became == {
        ("To customers", "contact"): ("suppressed", "sandbox"),
        ("To customers", "boss@acme.example"): ("suppressed", "sandbox"),
        ("To us", "user"): ("done", ""),
        ("Campaign", "renewal.campaign.requested"): ("suppressed", "sandbox"),
        ("Alert", "user"): ("done", ""),
    }
    assert len(runs(sandbox)) == len(became)


def test_every_answer_about_a_sandbox_and_every_page_of_it_says_so(
    sandbox: TenantRef, people: People, tenant: TenantRef, users: People, api_client: Any, page_client: Any
) -> None:
    reset(sandbox)
    there, here = api_client(people.viewer, tenant=sandbox), api_client(users.viewer)
    assert there.get("/api/v1/customers").headers["Customer360-Sandbox"] == "resets=daily"
    assert there.get("/api/v1/customers/nothing").headers["Customer360-Sandbox"] == "resets=daily"
    assert "Customer360-Sandbox" not in here.get("/api/v1/customers").headers
    words = "This is a sandbox. Every night, just after midnight (UTC)"
    assert words in page_client(people.viewer).get("/customers").content.decode()
    assert words not in page_client(users.viewer).get("/customers").content.decode()


def test_what_is_published_again_says_nothing_of_the_emptied_history(sandbox: TenantRef, people: People) -> None:
    """A message without a value would go out for each row that is gone."""
    since = utc_now()
    ids = []
    for _ in range(2):
        reset(sandbox)
        with tenant_context(sandbox.id):
            customer = Customer.objects.exclude(status__stage="Churned").order_by("external_id").first()
            assert customer is not None
            (moved,) = apply(Call(sandbox, ADMIN_ACTOR, "UI", utc_now()), [Change(customer.id, "Churned", "Price")])
            ids.append(moved.history_id)
        with connections["relay"].cursor() as cursor:
            cursor.execute("UPDATE audit_outbox SET published_at = clock_timestamp() WHERE published_at IS NULL")
    outbox.republish(since=since, topic=TOPIC)
    found = [one.history for one in outbox.fetch_pending(1_000, skip=()) if one.tenant_id == sandbox.id]
    again = {UUID(str(history["id"])) if history else None for history in found}
    assert ids[1] in again and not {ids[0], None} & again
