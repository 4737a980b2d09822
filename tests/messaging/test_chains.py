"""A program that answers each of our changes with an event that makes one goes round three times, and no more."""

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from audit.models import RefusedAttempt
from lifecycle.delivery.senders import webhook_body
from lifecycle.messaging.announcements import announce
from lifecycle.models import EffectRun
from lifecycle.rules.envelopes import Event, Message, receive
from lifecycle.rules.transitions import Change
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.events_out import describe_event
from lifecycle.services.effects.facts import gather_facts
from lifecycle.services.events.outbox import Pending
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import TenantFactory
from tests.messaging.speaking import RULES, Speaker, as_message

PUBLISH = {
    "name": "Campaign",
    "on": "enter",
    "stages": ["At-Risk", "Active"],
    "kind": "event",
    "topic": "renewal.campaign.requested",
}


@pytest.fixture
def acme(db: None) -> Iterator[Speaker]:
    return Speaker(TenantFactory(configuration={**RULES, "effects": [PUBLISH]}))


def announcements(speaker: Speaker) -> list[dict[str, Any]]:
    """What the relay sends of each change."""
    sent = []
    for row in speaker.outbox("audit.lifecycle.updated"):
        headers = tuple((name, base64.b64decode(value)) for name, value in row.headers or [])
        history = {"id": "1", "customer_id": "2", "changed_at": dt.datetime(2026, 3, 2, tzinfo=dt.UTC)}
        pending = Pending(1, row.period, speaker.tenant.id, row.topic, b"", None, headers, row.created_at, history)
        value, sent_headers = announce(pending, tenant=speaker.tenant.slug)
        assert "causationdepth" not in dict(sent_headers)
        sent.append(orjson.loads(value or b""))
    return sent


def answer(speaker: Speaker, minutes: int, csat: int, depth: object) -> Any:
    document = speaker.document("support.issue.closed", minutes=minutes, issue_id=f"S{minutes}", csat=csat)
    if depth is not None:
        document["causationdepth"] = depth
    return speaker.hear(receive(as_message(document, topic="support.issue.closed")))


def test_rules_stop_when_the_chain_of_causes_is_three_changes_long(acme: Speaker) -> None:
    acme.hear(acme.created())
    customer = acme.customer()
    with tenant_context(acme.tenant.id):
        call = Call(acme.tenant, system_actor("test"), "API", dt.datetime(2026, 3, 2, 12, 1, tzinfo=dt.UTC))
        apply(call, [Change(customer.id, "Active")])
    assert [sent.get("causationdepth") for sent in announcements(acme)] == [1, None]

    depth = None
    for round_, csat in enumerate((1, 5, 1), 1):
        (result,) = answer(acme, 2 + round_, csat, depth)
        assert (result.outcome, result.moved) == ("applied", True)
        depth = announcements(acme)[-1]["causationdepth"]
        assert depth == round_
    assert acme.stage() == "At-Risk"

    (result,) = answer(acme, 9, 5, depth)
    assert (result.outcome, result.moved) == ("dead", False)
    assert acme.stage() == "At-Risk"
    assert acme.customer().support.last_issue_id == "S9", "what it says of the customer is recorded"
    (letter,) = acme.dead_letters()
    assert letter.code == "causation_depth"
    with tenant_context(acme.tenant.id):
        (attempt,) = RefusedAttempt.objects.filter(tenant_id=acme.tenant.id)
        assert (attempt.code, attempt.from_stage, attempt.to_stage) == ("causation_depth", "At-Risk", "Active")
        assert "moved customers 3 times" in attempt.detail
        runs = EffectRun.objects.filter(tenant_id=acme.tenant.id).order_by("id")
        assert [run.depth for run in runs] == [1, 2, 3]


def test_an_event_that_moves_no_one_may_be_as_deep_as_it_likes(acme: Speaker) -> None:
    acme.hear(acme.created())
    (result,) = answer(acme, 1, 5, 7)
    assert result.outcome == "applied"
    assert acme.dead_letters() == []


def test_what_effects_send_says_how_deep_it_is(acme: Speaker) -> None:
    acme.hear(acme.created(), acme.renewed(minutes=1))
    (lane,) = [lane for lane in find_lanes(1000) if lane.tenant.id == acme.tenant.id]
    (job,) = claim(lane.tenant, {lane.id: 5}, now=dt.datetime.now(dt.UTC))
    with tenant_context(acme.tenant.id):
        facts = gather_facts(job)
    assert describe_event(facts)["causationdepth"] == 1
    assert webhook_body(facts)["data"]["causationdepth"] == 1


@pytest.mark.parametrize(
    ("value", "depth"),
    [(None, 0), (0, 0), (2, 2), ("2", 2), (9, 3), (99999999999, 3), (-1, 3), (1.5, 3), ("many", 3), (True, 3), ([], 3)],
)
def test_a_depth_is_read_and_one_that_is_none_counts_as_the_most(value: object, depth: int) -> None:
    document = {
        "specversion": "1.0", "id": "1", "source": "/crm", "type": "customer.created", "tenantid": "acme",
        "time": "2026-03-02T12:00:00Z", "data": {"external_id": "c1", "name": "Acme"},
    }  # fmt: skip
    given = document if value is None else {**document, "causationdepth": value}
    structured = receive(Message("customer.created", 0, 1, b"c1", orjson.dumps(given))).event
    assert isinstance(structured, Event), structured
    assert structured.depth == depth
    if isinstance(value, str):
        headers = [(f"ce_{name}", str(text).encode()) for name, text in given.items() if name != "data"]
        binary = receive(Message("customer.created", 0, 1, b"c1", orjson.dumps(document["data"]), tuple(headers))).event
        assert isinstance(binary, Event)
        assert binary.depth == depth
