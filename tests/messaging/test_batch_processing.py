"""Batches that fail: halved down to the message at fault, held while something is away, stopped when all fails."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import DataError, IntegrityError, InterfaceError, InternalError, OperationalError, ProgrammingError

from lifecycle.messaging import batch_processing
from lifecycle.messaging.batch_processing import (
    BREAKER,
    TRIES,
    Batch,
    BatchProcessor,
    KnownTenants,
    TooManyFailures,
    is_transient,
)
from lifecycle.services.events import processing
from lifecycle.services.events.processing import CONSUMER, Result
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.messaging.speaking import Speaker, as_message, outcomes


def with_state(error: Exception, cause: type[psycopg.Error]) -> Exception:
    error.__cause__ = cause()
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("server closed the connection unexpectedly"), True),
        (InterfaceError("connection already closed"), True),
        (with_state(OperationalError(), psycopg.errors.DeadlockDetected), True),
        (with_state(OperationalError(), psycopg.errors.SerializationFailure), True),
        (with_state(OperationalError(), psycopg.errors.LockNotAvailable), True),
        (with_state(OperationalError(), psycopg.errors.QueryCanceled), True),
        (with_state(OperationalError(), psycopg.errors.AdminShutdown), True),
        (with_state(OperationalError(), psycopg.errors.DiskFull), True),
        (with_state(InternalError(), psycopg.errors.ReadOnlySqlTransaction), True),
        (with_state(ProgrammingError(), psycopg.errors.UndefinedColumn), True),
        (with_state(OperationalError(), psycopg.errors.ProgramLimitExceeded), False),
        (with_state(DataError(), psycopg.errors.NumericValueOutOfRange), False),
        (with_state(IntegrityError(), psycopg.errors.ForeignKeyViolation), False),
        (ValueError("a bug"), False),
        (KeyError("a bug"), False),
    ],
)
def test_what_another_try_may_fix_is_known_from_what_it_cannot(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected


class Trouble:
    """process_events, with messages that fail and a count of the transactions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **failing: Exception) -> None:
        self.failing = failing
        self.sizes: list[int] = []
        self.inner = processing.process_events
        monkeypatch.setattr(batch_processing, "process_events", self)

    def __call__(self, batch: Any, **options: Any) -> list[Result]:
        self.sizes.append(len(batch))
        for received in batch:
            if error := self.failing.get(received.event.external_id):
                raise error
        return self.inner(batch, **options)


def run(processor: BatchProcessor, *received: Any) -> list[Result]:
    results: list[Result] = []
    processor.report = results.append
    batch = Batch(list(received))
    while batch.parts:
        processor.step(batch)
    assert batch.done == [one.message for one in received], "in the order of the log"
    return results


def test_a_batch_is_halved_down_to_the_message_that_fails(acme: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = Trouble(monkeypatch, c5=ValueError("a bug"))
    batch = [acme.created(f"c{number}") for number in range(8)]
    results = run(BatchProcessor(actor=CONSUMER), *batch)
    assert outcomes(results) == ["applied"] * 5 + ["dead:internal_error"] + ["applied"] * 2
    # 8 fails; 4 well; 4 fails; 2 fails; 1 well; 1 fails three times; 2 well.
    assert trouble.sizes == [8, 4, 4, 2, 1, 1, 1, 1, 2]
    (dead_letter,) = acme.dead_letters()
    assert (dead_letter.code, dead_letter.attempts) == ("internal_error", 3)
    assert dead_letter.sentence.startswith("The event could not be processed (ValueError).")
    assert acme.stage("c4") == acme.stage("c6") == "Prospect"


def test_a_transient_error_leaves_the_batch_as_it_is(acme: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = Trouble(monkeypatch, c1=OperationalError("away"))
    processor = BatchProcessor(actor=CONSUMER)
    batch = Batch([acme.created("c0"), acme.created("c1")])
    for _ in range(10):
        with pytest.raises(OperationalError):
            processor.step(batch)
    assert trouble.sizes == [2] * 10
    assert batch.done == []
    trouble.failing.clear()
    processor.step(batch)
    assert len(batch.done) == 2
    assert acme.dead_letters() == []


def test_a_statement_that_takes_too_long_is_tried_in_halves(acme: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = with_state(OperationalError(), psycopg.errors.QueryCanceled)
    trouble = Trouble(monkeypatch, c3=slow)
    processor = BatchProcessor(actor=CONSUMER)
    batch = Batch([acme.created(f"c{number}") for number in range(4)])
    with pytest.raises(OperationalError):
        while batch.parts:
            processor.step(batch)
    assert trouble.sizes == [4, 2, 2, 1, 1]
    assert len(batch.done) == 3, "the message that is slow alone is held, not skipped"


def test_many_failures_in_a_row_stop_the_consumer_and_not_the_data(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trouble(monkeypatch, **{f"c{number}": ValueError("a bug") for number in range(100)})
    processor = BatchProcessor(actor=CONSUMER)
    batch = Batch([acme.created(f"c{number}") for number in range(100)])
    with pytest.raises(TooManyFailures):
        while batch.parts:
            processor.step(batch)
    assert len(batch.done) == BREAKER == len(acme.dead_letters())


def test_a_success_in_between_resets_the_breaker(acme: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = {f"c{number}": ValueError("a bug") for number in range(0, 60, 2)}
    Trouble(monkeypatch, **failing)
    results = run(BatchProcessor(actor=CONSUMER), *[acme.created(f"c{number}") for number in range(60)])
    assert outcomes(results).count("dead:internal_error") == 30


def test_what_the_database_will_not_store_becomes_a_dead_letter_alone(acme: Speaker) -> None:
    """A real refusal of PostgreSQL, not a made-up one: the schema lets pass what the column does not."""
    long = acme.created("c1")
    long.event.data["name"] = "x" * 300  # type: ignore[union-attr,index]
    results = run(BatchProcessor(actor=CONSUMER), acme.created("c0"), long, acme.created("c2"))
    assert outcomes(results) == ["applied", "dead:internal_error", "applied"]
    (dead_letter,) = acme.dead_letters()
    assert "xxx" not in dead_letter.sentence


def test_messages_of_partitions_that_were_lost_are_dropped(acme: Speaker) -> None:
    kept, lost = acme.created("c1"), acme.renewed("c1")
    batch = Batch([kept, lost, acme.created("c2")])
    batch.drop({("contract.renewed", 0)})
    assert [len(part) for part in batch.parts] == [2]
    batch.drop({("customer.created", 0)})
    assert not batch.parts


def test_what_comes_behind_a_failing_message_that_was_lost_has_all_its_tries(
    acme: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trouble(monkeypatch, c1=ValueError("a bug"), c2=ValueError("a bug"))
    processor = BatchProcessor(actor=CONSUMER)
    batch = Batch([acme.created("c1"), acme.renewed("c2")])
    while batch.tries < TRIES - 1:
        processor.step(batch)
    batch.drop({("customer.created", 0)})
    processor.step(batch)
    assert [len(part) for part in batch.parts] == [1], "it is tried again"
    while batch.parts:
        processor.step(batch)
    (dead_letter,) = acme.dead_letters()
    assert dead_letter.attempts == TRIES


def test_a_partition_that_was_let_go_is_not_set_back_when_the_batch_ends(acme: Speaker) -> None:
    """It was committed as it went. Its next owner may have come further, and it may be ours again by now."""
    kept, lost = acme.created("c1"), acme.renewed("c1")
    batch = Batch([kept, lost])
    batch.finish()
    place = ("contract.renewed", 0)
    assert batch.offsets() == {("customer.created", 0): kept.message.offset + 1, place: lost.message.offset + 1}
    batch.drop({place})
    assert batch.offsets() == {("customer.created", 0): kept.message.offset + 1}


def test_tenants_are_believed_for_a_few_seconds(
    acme: Speaker, globex: Speaker, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(batch_processing, "time", SimpleNamespace(monotonic=lambda: now[0]))
    tenants = KnownTenants()
    slugs = {acme.tenant.slug, globex.tenant.slug, "no one-here"}
    with django_assert_num_queries(1, using="platform"):
        assert tenants.find(slugs) == {acme.tenant.slug: acme.tenant, globex.tenant.slug: globex.tenant}
        assert tenants.find({acme.tenant.slug}) == {acme.tenant.slug: acme.tenant}
    with tenant_context(acme.tenant.id):
        Tenant.objects.filter(id=acme.tenant.id).update(is_suspended=True)
    now[0] = 4.9
    assert tenants.find({acme.tenant.slug}) == {acme.tenant.slug: acme.tenant}
    now[0] = 5.1
    assert tenants.find({acme.tenant.slug}) == {}


def test_a_flood_of_unknown_tenants_does_not_fill_the_memory(acme: Speaker) -> None:
    tenants = KnownTenants()
    for start in range(0, 30_000, 3000):
        tenants.find({f"no one-{number}" for number in range(start, start + 3000)} | {acme.tenant.slug})
    assert [list(known) for known in tenants._known.values()] == [[acme.tenant.slug]]


def test_a_tenant_that_was_made_after_its_first_event_is_known_at_once(acme: Speaker) -> None:
    tenants, slug = KnownTenants(), f"late-{uuid4().hex[:12]}"
    assert tenants.find({acme.tenant.slug, slug}) == {acme.tenant.slug: acme.tenant}
    made = TenantFactory(slug=slug)
    assert tenants.find({acme.tenant.slug, slug}) == {acme.tenant.slug: acme.tenant, slug: made}


def test_results_are_counted_by_type_outcome_and_code(acme: Speaker) -> None:
    from lifecycle.messaging import metrics

    def read(name: str, **labels: str) -> float:
        return metrics.CONSUMER.get_sample_value(name, labels) or 0.0

    applied = {"type": "customer.created", "outcome": "applied", "code": ""}
    dead = {"type": "unknown", "outcome": "dead", "code": "unreadable"}
    before = [read("customer360_events_total", **labels) for labels in (applied, dead)]
    moved = read("customer360_events_moved_total", type="contract.renewed")
    processor = BatchProcessor(actor=CONSUMER)
    batch = processor.read([as_message(b"junk", topic="t", key=b"k"), acme.created().message, acme.renewed().message])
    while batch.parts:
        processor.step(batch)
    assert [read("customer360_events_total", **labels) for labels in (applied, dead)] == [one + 1 for one in before]
    assert read("customer360_events_moved_total", type="contract.renewed") == moved + 1


def test_what_is_dead_is_logged_with_event_tenant_and_trace(acme: Speaker) -> None:
    from structlog.testing import capture_logs

    document = acme.document("customer.created", "c\0", id="e-77")
    document["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    processor = BatchProcessor(actor=CONSUMER)
    batch = processor.read([as_message(document, topic="customer.created")])
    with capture_logs() as logs:
        processor.step(batch)
    (entry,) = [entry for entry in logs if entry["event"] == "event is dead"]
    assert (entry["event_id"], entry["tenant"], entry["correlation_id"], entry["error_code"], entry["log_level"]) == (
        "e-77",
        acme.tenant.slug,
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "invalid_data",
        "warning",
    )
