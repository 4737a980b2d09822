"""Events that come before their customer, or before a publication, wait and take effect in their order."""

import datetime as dt
import time
from threading import Event
from typing import Any

import pytest

from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.events.processing import CONSUMER, sweep_parked
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import TenantFactory
from tests.messaging.speaking import NOON, RULES, Speaker, at, outcomes


def test_an_update_before_the_creation_waits_for_it(acme: Speaker) -> None:
    early = acme.updated(minutes=2, segment="SMB")
    now = at(30)
    assert outcomes(acme.hear(early, now=now)) == ["parked"]
    (parked,) = acme.parked()
    assert (parked.external_id, parked.parked_at, parked.expires_at) == ("c1", now, now + dt.timedelta(minutes=15))
    assert b"SMB" not in bytes(parked.value), "the table holds the message in clear"
    assert outcomes(acme.hear(early)) == ["duplicate"]
    results = acme.hear(acme.created(minutes=1))
    assert outcomes(results) == ["applied", "applied"]
    assert [result.released for result in results] == [False, True]
    assert acme.customer().segment == "SMB"
    assert acme.parked() == []
    assert acme.inbox()[early.event.id] == "applied"


def test_an_update_before_the_creation_in_one_batch_does_not_even_wait(acme: Speaker) -> None:
    batch = [acme.renewed(minutes=2), acme.created(minutes=1), acme.updated(minutes=3, segment="SMB")]
    assert outcomes(acme.hear(*batch)) == ["applied+moved", "applied", "applied"]
    assert acme.stages() == ["Prospect", "Active"]


def test_parked_events_take_effect_in_the_order_of_their_log(acme: Speaker) -> None:
    """The clock of the sender jumps: by time alone the first would come last and be stale."""
    acme.hear(acme.closed(minutes=6, csat=5, open_issues=1))
    acme.hear(acme.closed(minutes=5, csat=1))
    acme.hear(acme.renewed(minutes=4))
    results = acme.hear(acme.created(minutes=1))
    assert outcomes(results) == ["applied", "applied+moved", "applied", "stale"]
    assert [result.received.event.type for result in results[1:]] == [
        "contract.renewed",
        "support.issue.closed",
        "support.issue.closed",
    ]
    assert acme.stages() == ["Prospect", "Active"]


def test_what_was_parked_comes_before_what_comes_later(acme: Speaker) -> None:
    """Another consumer has created the customer, and its parked events are not released yet."""
    acme.hear(acme.renewed(minutes=1))
    with tenant_context(acme.tenant.id):
        parked = acme.parked()[0]
        type(parked).objects.filter(id=parked.id).delete()
    acme.hear(acme.created())
    with tenant_context(acme.tenant.id):
        parked.save(force_insert=True)
    results = acme.hear(acme.closed(minutes=2, csat=1))
    assert outcomes(results) == ["applied+moved", "applied+moved"]
    assert acme.stages() == ["Prospect", "Active", "At-Risk"]


def test_parked_events_of_a_customer_from_elsewhere_are_released_by_the_sweep(acme: Speaker) -> None:
    from tests.factories import CustomerFactory

    event = acme.updated("c9", minutes=1, segment="Enterprise")
    acme.hear(event)
    customer = CustomerFactory(tenant=acme.tenant, external_id="c9", segment="SMB")
    with tenant_context(acme.tenant.id):
        type(customer).objects.filter(id=customer.id).update(occurred_at=NOON)
    sweep_parked(actor=CONSUMER, now=dt.datetime.now(dt.UTC), seconds=120)
    assert acme.parked() == []
    assert acme.customer("c9").segment == "Enterprise"
    assert acme.inbox()[event.event.id] == "applied"


def test_an_event_whose_customer_never_comes_is_dead_after_its_time(acme: Speaker) -> None:
    event = acme.renewed(minutes=1)
    acme.hear(event, now=at(10))
    sweep_parked(actor=CONSUMER, now=at(24.9), seconds=120)
    assert (len(acme.parked()), acme.dead_letters()) == (1, [])
    sweep_parked(actor=CONSUMER, now=at(25), seconds=120)
    assert acme.parked() == []
    (dead_letter,) = acme.dead_letters()
    assert (dead_letter.code, dead_letter.event_id, dead_letter.failed_at) == (
        "unknown_customer",
        event.event.id,
        at(25),
    )
    assert acme.inbox()[event.event.id] == "dead"
    sweep_parked(actor=CONSUMER, now=at(30), seconds=120)
    assert len(acme.dead_letters()) == 1


def test_a_parked_event_that_the_rules_refuse_is_dead_when_it_is_released(acme: Speaker) -> None:
    speaker = Speaker(
        TenantFactory(
            configuration={
                "stages": ["A", "B"],
                "required_reason_codes": ["B"],
                "event_rules": [{"event": "contract.renewed", "to": "B"}],
            }
        )
    )
    early = speaker.renewed(minutes=1)
    speaker.hear(early)
    results = speaker.hear(speaker.created())
    assert outcomes(results) == ["applied", "dead:reason_required"]
    assert [dead_letter.code for dead_letter in speaker.dead_letters()] == ["reason_required"]
    assert speaker.inbox()[early.event.id] == "dead"


def test_an_event_that_waited_for_a_publication_is_judged_by_it(acme: Speaker, in_threads: Any) -> None:
    """By the former configuration the rule would be refused: no transition led back from Churned."""
    acme.hear(acme.created(), acme.renewed(minutes=1))
    with tenant_context(acme.tenant.id):
        change = Change(acme.customer().id, "Churned", reason_code="Price", effective_at=at(2))
        apply(Call(acme.tenant, system_actor("tests"), "API", at(2)), [change])
    document = RULES | {"transitions": RULES["transitions"] | {"Churned": ["Active"]}}
    is_published = Event()

    def publish() -> None:
        with tenant_context(acme.tenant.id):
            publish_configuration(document, tenant=acme.tenant, actor=system_actor("tests"), now=at(3))
            is_published.set()
            time.sleep(0.3)

    def hear() -> list[str]:
        assert is_published.wait(60)
        return outcomes(acme.hear(acme.renewed(minutes=4)))

    _, heard = in_threads(2, lambda number: (publish, hear)[number]())
    assert heard == ["applied+moved"]
    assert (acme.stage(), acme.history()[-1].configuration_version) == ("Active", 2)
    assert acme.dead_letters() == []


def test_an_event_of_which_no_rule_speaks_is_no_error_in_a_stage_that_goes_away(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker has not come yet.
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    acme.hear(acme.created(), acme.renewed(minutes=1))
    stages = [stage for stage in RULES["stages"] if stage != "Active"]
    rule = {"event": "contract.renewed", "from": ["Onboarded"], "to": "Churned", "reason_code": "Signed"}
    document = {"stages": stages, "event_rules": [rule]}
    with tenant_context(acme.tenant.id):
        publish_configuration(
            document, mapping={"Active": "Prospect"}, tenant=acme.tenant, actor=system_actor("tests"), now=at(2)
        )
    assert outcomes(acme.hear(acme.renewed(minutes=3))) == ["applied"]
    assert (acme.stage(), acme.dead_letters()) == ("Active", [])
