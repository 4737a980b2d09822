"""One row that fails for good, wherever it waits, stops nothing: not the consumer, not the rows behind it."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, OperationalError
from psycopg.errors import LockNotAvailable

from lifecycle.messaging.batch_processing import Batch, BatchProcessor
from lifecycle.models import CustomerLifecycleStatus, DeadLetter, ParkedEvent, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.events import parked, tenant_batches
from lifecycle.services.events.dead_letter_actions import (
    DeadLetterRefused,
    find_dead_letters,
    open_message,
    replay_dead_letters,
    rewrap_dead_letters,
)
from lifecycle.services.events.processing import CONSUMER, Result, sweep_parked
from lifecycle.services.transitions.outcomes import Call
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory
from tests.messaging.kafka import Broker, await_that, working
from tests.messaging.speaking import RULES, Speaker, at, outcomes

# In no format that is known.
RUBBISH = b"\x09rubbish"
OPERATOR = system_actor("operator:olga")
WITHOUT_PROSPECT: dict[str, Any] = {
    **RULES,
    "stages": ["Onboarded", "Active", "At-Risk", "Churned"],
    "transitions": {},
    "event_rules": [],
}


@pytest.fixture(autouse=True)
def nothing_put_off() -> Iterator[None]:
    def forget() -> None:
        parked._put_off.clear()
        parked._sizes.clear()
        parked._last.clear()

    forget()
    yield
    forget()


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Events whose segment is one of these break the database's rules, as a value would that only it refuses."""
    segments: set[str] = set()
    record = tenant_batches.record_customers

    def fail(facts: Any, **options: Any) -> Any:
        if any(fact.company.get("segment") in segments for fact in facts):
            raise DataError("value out of range")
        return record(facts, **options)

    monkeypatch.setattr(tenant_batches, "record_customers", fail)
    return segments


def sweep(*speakers: Speaker, now: dt.datetime | None = None) -> list[Result]:
    """What became of theirs: what other tests have left to wait may have run out of time by now, and dies of it."""
    swept = sweep_parked(actor=CONSUMER, now=now or dt.datetime.now(dt.UTC), seconds=120)
    return _of(swept, *speakers)


def wait_for_customers(speaker: Speaker, *names: str) -> None:
    """An event of each waits, and then the customers come by another entry point."""
    for name in names:
        waiting = speaker.updated(name, id=f"e-{name}", minutes=1, segment=name)
        assert outcomes(speaker.hear(waiting)) == ["parked"]
    for name in names:
        CustomerFactory(tenant=speaker.tenant, external_id=name)


def segments(speaker: Speaker, *names: str) -> list[str]:
    return [speaker.customer(name).segment for name in names]


def alter(speaker: Speaker, external_id: str, **columns: Any) -> None:
    with tenant_context(speaker.tenant.id):
        assert ParkedEvent.objects.filter(external_id=external_id).update(**columns) == 1


def test_a_parked_event_that_fails_for_good_is_dead_and_those_behind_it_are_applied(
    acme: Speaker, globex: Speaker, poison: set[str]
) -> None:
    wait_for_customers(acme, "a", "invalid", "b", "worse", "c")
    wait_for_customers(globex, "g")
    poison |= {"invalid", "worse"}
    swept = {result.received.event.id: result for result in sweep(acme, globex)}
    assert {name: result.outcome for name, result in swept.items()} == {
        **dict.fromkeys(("e-a", "e-b", "e-c", "e-g"), "applied"),
        **dict.fromkeys(("e-invalid", "e-worse"), "dead"),
    }
    assert segments(acme, "a", "b", "c") == ["a", "b", "c"]
    assert segments(globex, "g") == ["g"]
    assert [(dead_letter.event_id, dead_letter.code, dead_letter.attempts) for dead_letter in acme.dead_letters()] == [
        ("e-invalid", "internal_error", 3),
        ("e-worse", "internal_error", 3),
    ]
    assert acme.inbox()["e-invalid"] == "dead"
    assert acme.parked() == [] and sweep(acme, globex) == []
    # The cause is corrected: nothing was lost.
    poison.clear()
    dead_letters = find_dead_letters(tenant=acme.tenant.slug)
    assert [done.outcome for done in replay_dead_letters(dead_letters, actor=OPERATOR, now=at(60))] == [
        "applied",
        "applied",
    ]
    assert segments(acme, "invalid", "worse") == ["invalid", "worse"]


def test_a_customer_that_is_held_for_long_keeps_no_one_else_from_being_swept(
    acme: Speaker, globex: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock is waited for longer than a sweep takes: no half of it was ever tried, and no tenant behind this one."""
    wait_for_customers(acme, "a", "b", "held", "c", "d")
    wait_for_customers(globex, "g")
    with tenant_context(acme.tenant.id):
        held = ParkedEvent.objects.get(external_id="held").id
    now, release = 0.0, parked._release

    def wait_for_lock(tenant_id: UUID, ids: Sequence[UUID], **options: Any) -> list[Result]:
        nonlocal now
        if held in ids:
            now += 2 * parked.SWEEP_SECONDS
            raise OperationalError("canceling statement due to lock timeout") from LockNotAvailable()
        return release(tenant_id, ids, **options)

    monkeypatch.setattr(parked, "_release", wait_for_lock)
    monkeypatch.setattr(parked, "time", SimpleNamespace(monotonic=lambda: now))
    for _ in range(12):
        sweep_parked(actor=CONSUMER, now=dt.datetime.now(dt.UTC))
        # Until it is looked at again.
        now += 1
    assert segments(globex, "g") == ["g"]
    assert segments(acme, "a", "b", "c", "d") == ["a", "b", "c", "d"]
    assert [row.external_id for row in acme.parked()] == ["held"]
    assert held in parked._put_off


def test_an_expired_event_that_cannot_be_decrypted_any_more_is_dead_with_its_bytes(acme: Speaker) -> None:
    for name in ("x", "y"):
        acme.hear(acme.updated(name, id=f"e-{name}", minutes=1, segment="s"), now=at(1))
    alter(acme, "x", value=RUBBISH)
    results = sweep(acme, now=at(60))
    assert sorted(outcomes(results)) == ["dead:undecryptable", "dead:unknown_customer"]
    dead = {dead_letter.code: dead_letter for dead_letter in acme.dead_letters()}
    assert bytes(dead["undecryptable"].value or b"") == RUBBISH
    # It can be looked at and replayed, and stays what it is.
    with pytest.raises(DeadLetterRefused, match="altered in the table"):
        open_message(dead["undecryptable"])
    (done,) = replay_dead_letters([dead["undecryptable"]], actor=OPERATOR, now=at(61))
    assert (done.outcome, done.code) == ("dead", "undecryptable")


def test_headers_that_cannot_be_read_cost_the_headers_alone(acme: Speaker) -> None:
    wait_for_customers(acme, "a", "b")
    alter(acme, "a", headers=[["name", "no base64 %"], "neither"])
    assert outcomes(sweep(acme)) == ["applied", "applied"]


def test_what_waits_for_a_master_key_waits_alone(acme: Speaker, settings: Any) -> None:
    wait_for_customers(acme, "locked")
    old = dict(settings.MASTER_KEYS)
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32}
    wait_for_customers(acme, "open")
    assert outcomes(sweep(acme)) == ["applied"]
    assert [row.external_id for row in acme.parked()] == ["locked"]
    assert acme.dead_letters() == []
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32, **old}
    assert sweep(acme) == [], "put off for a minute"
    parked._put_off.clear()
    assert outcomes(sweep(acme)) == ["applied"]
    settings.MASTER_KEYS = old


def test_what_lies_under_a_lost_key_is_dead_when_its_time_is_over_and_comes_back_with_the_key(
    acme: Speaker, settings: Any
) -> None:
    acme.hear(acme.created("a"))
    acme.hear(acme.updated("b", id="e-b", minutes=1, segment="b"), now=at(1))
    old = dict(settings.MASTER_KEYS)
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32}
    results = sweep(acme, now=at(60))
    assert outcomes(results) == ["dead:undecryptable"]
    acme.hear(acme.created("b"))
    (dead_letter,) = acme.dead_letters()
    (done,) = replay_dead_letters([dead_letter], actor=OPERATOR, now=at(61))
    assert (done.outcome, done.code) == ("dead", "undecryptable")
    assert "restore that key" in done.sentence
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32, **old}
    (done,) = replay_dead_letters(acme.dead_letters(), actor=OPERATOR, now=at(62))
    assert (done.outcome, acme.customer("b").segment) == ("applied", "b")
    settings.MASTER_KEYS = old


def test_what_comes_back_with_its_key_and_fails_then_is_not_taken_for_a_duplicate(
    acme: Speaker, settings: Any, poison: set[str]
) -> None:
    """The inbox has it as parked: the second replay had resolved it, and destroyed its bytes."""
    acme.hear(acme.updated("b", id="e-b", minutes=1, segment="b"), now=at(1))
    old = dict(settings.MASTER_KEYS)
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32}
    assert outcomes(sweep(acme, now=at(60))) == ["dead:undecryptable"]
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32, **old}
    acme.hear(acme.created("b"))
    poison.add("b")
    (done,) = replay_dead_letters(acme.dead_letters(), actor=OPERATOR, now=at(61))
    assert (done.outcome, done.code) == ("dead", "internal_error")
    # The cause is corrected.
    poison.clear()
    (done,) = replay_dead_letters(acme.dead_letters(), actor=OPERATOR, now=at(62))
    assert (done.outcome, acme.customer("b").segment) == ("applied", "b")
    settings.MASTER_KEYS = old


def test_a_creation_does_not_die_of_what_waits_for_its_customer(acme: Speaker, poison: set[str]) -> None:
    for name in ("invalid", "good"):
        acme.hear(acme.updated("c1", id=f"e-{name}", minutes=1, segment=name))
    poison.add("invalid")
    results: list[Result] = []
    processor = BatchProcessor(actor=CONSUMER, report=results.append)
    batch = Batch([acme.created("c0"), acme.created("c1", id="made"), acme.created("c2")])
    while batch.parts:
        processor.step(batch)
    assert outcomes(results) == ["applied"] * 3
    assert acme.customer("c1").name == "Acme" and acme.dead_letters() == []
    assert sorted(outcomes(sweep(acme))) == ["applied", "dead:internal_error"]
    assert acme.customer("c1").segment == "good"
    assert [dead_letter.event_id for dead_letter in acme.dead_letters()] == ["e-invalid"]


def test_the_consumer_goes_on_consuming(acme: Speaker, poison: set[str]) -> None:
    wait_for_customers(acme, "invalid", "b")
    poison.add("invalid")
    broker = Broker()
    broker.make_topics()
    with working(broker) as worker:
        await_that(lambda: acme.parked() == [])
        broker.send(acme.document("customer.created", "new", name="New"))
        broker.flush()
        await_that(lambda: "applied" in outcomes([one for one in worker.results if not one.released]))
    assert [dead_letter.event_id for dead_letter in acme.dead_letters()] == ["e-invalid"]
    assert segments(acme, "b") == ["b"]


@pytest.mark.parametrize("chore", ["sweep", "forget", "tidy_dead_letters"])
def test_a_chore_that_fails_ends_no_consumer(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch, chore: str, caplog: pytest.LogCaptureFixture
) -> None:
    from lifecycle.messaging.housekeeping import Housekeeping

    def fail(self: Housekeeping) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Housekeeping, chore, fail)
    broker = Broker()
    broker.make_topics()
    broker.send(acme.document("customer.created", "c1", name="A"))
    broker.flush()
    with working(broker) as worker:
        await_that(lambda: outcomes(_of(worker.results, acme)) == ["applied"])
    assert worker.failure is None
    assert "chore put off" in caplog.text


def test_what_waits_on_other_servers_is_swept_also_while_one_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from lifecycle.messaging import housekeeping

    swept: list[str] = []

    @contextmanager
    def on_server(name: str) -> Iterator[None]:
        if name == "b":
            raise OperationalError("the server is away")
        swept.append(name)
        yield

    monkeypatch.setattr(housekeeping, "server_names", lambda: ("main", "b", "c"))
    monkeypatch.setattr(housekeeping, "on_server", on_server)
    monkeypatch.setattr(housekeeping, "sweep_parked", lambda **_: [])
    monkeypatch.setattr(housekeeping, "count_waiting", lambda: (1, 2))
    parked_before = housekeeping.metrics.parked._value.get()
    chores = housekeeping.Housekeeping(actor=CONSUMER, count=lambda _: None)
    with pytest.raises(OperationalError):
        chores.sweep()
    assert swept == ["main", "c"]
    assert housekeeping.metrics.parked._value.get() == parked_before, "what waits in all is not known"


def test_a_dead_letter_that_fails_leaves_those_behind_it_alone(acme: Speaker, poison: set[str]) -> None:
    acme.hear(acme.created("a"))
    for name in ("invalid", "good"):
        acme.hear(acme.updated("a", id=name, source="/no one", minutes=1, segment=name))
    with tenant_context(acme.tenant.id):
        for dead_letter in acme.dead_letters():
            repaired = (open_message(dead_letter).value or b"").replace(b"/no one", b"/crm")
            dead_letter.value = _seal(repaired, dead_letter)
            dead_letter.save()
    poison.add("invalid")
    dead_letters = list(find_dead_letters(tenant=acme.tenant.slug))
    done = list(replay_dead_letters(dead_letters, actor=OPERATOR, now=at(60)))
    assert [(one.outcome, one.code) for one in done] == [("dead", "internal_error"), ("applied", "")]
    invalid, good = acme.dead_letters()
    assert (invalid.state, invalid.code, invalid.attempts, good.state) == ("open", "internal_error", 2, "replayed")


def test_dead_letters_under_a_lost_key_do_not_keep_the_others_from_the_new_one(acme: Speaker, settings: Any) -> None:
    old = dict(settings.MASTER_KEYS)
    newest = max(old) + 1
    acme.hear(acme.renewed("a", contract_id=5))
    settings.MASTER_KEYS = {newest: b"n" * 32, **old}
    acme.hear(acme.renewed("b", contract_id=5))
    # The first key is lost; then there is another one.
    settings.MASTER_KEYS = {newest + 1: b"m" * 32, newest: b"n" * 32}
    while rewrap_dead_letters():
        pass
    first, second = acme.dead_letters()
    assert [bytes(dead_letter.value or b"")[2] for dead_letter in (first, second)] == [max(old), newest + 1]
    settings.MASTER_KEYS = {**old, newest: b"n" * 32, newest + 1: b"m" * 32}
    while rewrap_dead_letters():
        pass
    settings.MASTER_KEYS = old


# --- moves --------------------------------------------------------------------------------------------------------


def test_a_customer_that_cannot_be_moved_holds_up_no_other(
    acme: Speaker, globex: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from io import StringIO

    from django.core.management import CommandError, call_command

    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    for speaker, names in ((acme, [f"c{number}" for number in range(7)]), (globex, ["g"])):
        for name in names:
            CustomerFactory(tenant=speaker.tenant, external_id=name)
        with tenant_context(speaker.tenant.id):
            publish_configuration(
                {
                    **RULES,
                    "stages": ["Onboarded", "Active", "At-Risk", "Churned"],
                    "transitions": {},
                    "event_rules": [],
                },
                tenant=speaker.tenant,
                actor=OPERATOR,
                now=dt.datetime.now(dt.UTC),
                mapping={"Prospect": "Active"},
            )
    invalid = acme.customer("c3").id
    inner = stage_migrations.apply

    def fail(call: Call, changes: list[Change]) -> Any:
        if any(change.customer_id == invalid for change in changes):
            raise DataError("value out of range")
        return inner(call, changes)

    monkeypatch.setattr(stage_migrations, "apply", fail)
    with pytest.raises(CommandError, match=r"^1 could not be moved"):
        call_command("move_customers", "--once", stdout=StringIO())
    assert [acme.stage(f"c{number}") for number in range(7)] == ["Active"] * 3 + ["Prospect"] + ["Active"] * 3
    assert globex.stage("g") == "Active"
    monkeypatch.setattr(stage_migrations, "apply", inner)
    call_command("move_customers", "--once", stdout=StringIO())
    with tenant_context(acme.tenant.id):
        assert not CustomerLifecycleStatus.objects.filter(stage="Prospect").exists()
        assert not StageMigration.objects.filter(finished_at__isnull=True).exists()


def _of(results: Iterable[Result], *speakers: Speaker) -> list[Result]:
    ids = {speaker.tenant.id for speaker in speakers}
    return [result for result in results if result.tenant_id in ids]


def _seal(value: bytes, dead_letter: DeadLetter) -> bytes:
    from audit.services.message_encryption import encrypt_message

    return encrypt_message(value, tenant_id=dead_letter.tenant_id, row_id=dead_letter.id)
