"""Two consumers at once, batches of any size, and rows that belong to no tenant."""

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import NO_TENANT, DeadLetter, InboxEvent
from lifecycle.rules.envelopes import Received, receive
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.events.processing import CONSUMER, process_events, store_dead_letter
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.messaging.speaking import Speaker, as_message, at, outcomes


def test_two_consumers_with_the_same_events_apply_each_once(acme: Speaker, in_threads: object) -> None:
    acme.hear(acme.created())
    batch = [acme.renewed(minutes=1)] + [
        acme.closed(minutes=2 + number, csat=1 if number % 2 == 0 else 5) for number in range(20)
    ]
    results = in_threads(8, lambda _: acme.hear(*batch))  # type: ignore[operator]
    assert [result for result in results if isinstance(result, Exception)] == []
    applied = [outcome for result in results for outcome in outcomes(result) if outcome != "duplicate"]
    assert applied == ["applied+moved"] * 21
    assert len(acme.history()) == 22


def test_creation_races_make_one_customer(acme: Speaker, in_threads: object) -> None:
    results = in_threads(8, lambda number: acme.hear(acme.created(minutes=number, name=f"N{number}")))  # type: ignore[operator]
    assert {tuple(outcomes(result)) for result in results} <= {("applied",), ("stale",)}
    assert acme.customer().name == "N7"
    assert acme.stages() == ["Prospect"]


def test_a_dry_run_changes_nothing(acme: Speaker) -> None:
    assert outcomes(acme.hear(acme.created(), dry_run=True)) == ["applied"]
    assert acme.inbox() == {}
    assert outcomes(acme.hear(acme.created())) == ["applied"]


def test_a_message_that_cannot_be_processed_becomes_a_dead_letter_by_its_place(acme: Speaker) -> None:
    event = acme.created()
    refusal = Refusal("internal_error", "No idea.")
    for expected in ("dead", "duplicate"):
        result = store_dead_letter(event, refusal, tenant=acme.tenant, attempts=3, now=at(1))
        assert result.outcome == expected
    (dead_letter,) = acme.dead_letters()
    assert (dead_letter.code, dead_letter.attempts) == ("internal_error", 3)
    # Its id is free still: once the cause is fixed it is applied.
    assert outcomes(acme.hear(event)) == ["applied"]


def test_statements_do_not_grow_with_the_batch(acme: Speaker) -> None:
    def count(*batch: Received) -> int:
        with CaptureQueriesContext(connection) as queries:
            acme.hear(*batch)
        return len(queries)

    def create_and_renew(number: int, prefix: str) -> list[Received]:
        names = [f"{prefix}{index}" for index in range(number)]
        return [acme.created(name) for name in names] + [acme.renewed(name, minutes=1) for name in names]

    def close(number: int, **options: Any) -> list[Received]:
        return [acme.closed(f"b{index}", **options) for index in range(number)]

    acme.hear(*create_and_renew(1, "w"))
    assert [count(*create_and_renew(number, prefix)) for number, prefix in ((1, "a"), (100, "b"))] == [16, 16]
    # Judged and not moved: the rows are locked once, and what has copies is noted. Moved: one statement more, and one
    # for the row that is announced. In both cases one keeps the figure that changed.
    assert [count(*close(number, minutes=2, csat=3)) for number in (1, 100)] == [12, 12]
    assert [count(*close(number, minutes=3, csat=1)) for number in (1, 100)] == [14, 14]


def test_rows_of_no_one_are_hidden_from_every_tenant(acme: Speaker) -> None:
    message = as_message(b"junk", topic="customer.updated", key=b"k")
    acme.hear(receive(message))
    with tenant_context(acme.tenant.id):
        assert not DeadLetter.objects.filter(offset=message.offset).exists()
        assert not InboxEvent.objects.filter(tenant_id=NO_TENANT).exists()
    assert not DeadLetter.objects.filter(offset=message.offset).exists(), "without a context there is nothing to see"


def test_no_tenant_can_be_no_one(db: None) -> None:
    assert not Tenant.objects.using("platform").filter(id=NO_TENANT).exists()


def test_process_events_of_no_messages_is_nothing(acme: Speaker) -> None:
    assert process_events([], tenants={}, actor=CONSUMER, now=at(0)) == []
    assert isinstance(acme.tenant, TenantRef)


def test_an_event_older_than_one_that_confirmed_the_stage_does_not_move_it(db: None) -> None:
    """The confirmation writes no history, and yet in the right order the customer would stand where it stands."""
    speaker = Speaker(
        TenantFactory(
            configuration={
                "stages": ["A", "B", "C"],
                "event_rules": [
                    {"event": "contract.renewed", "to": "B"},
                    {"event": "support.issue.closed", "to": "C"},
                ],
            }
        )
    )
    speaker.hear(speaker.created(), speaker.renewed(minutes=1))
    assert outcomes(speaker.hear(speaker.renewed(minutes=10))) == ["applied"]
    late = speaker.closed(minutes=5)
    assert outcomes(speaker.hear(late)) == ["applied"]
    assert speaker.stages() == ["A", "B"]
    assert outcomes(speaker.hear(speaker.closed(minutes=11))) == ["applied+moved"]
    assert outcomes(speaker.hear(speaker.renewed(minutes=12), speaker.renewed(minutes=20))) == [
        "applied+moved",
        "applied",
    ]
    # The same within one batch.
    batch = [speaker.renewed(minutes=30), speaker.closed(minutes=25), speaker.closed(minutes=31)]
    assert outcomes(speaker.hear(*batch)) == ["applied", "applied", "applied+moved"]
    assert speaker.stages() == ["A", "B", "C", "B", "C"]
    assert speaker.customer().field_times["stage"] == 1772454600000000
