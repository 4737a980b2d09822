"""Mistakes made on purpose: each run with one of them must fail, or the faults prove nothing."""

from collections.abc import Callable
from typing import Any


def no_dedup() -> None:
    """The inbox takes every event for new."""
    from lifecycle.services.events import inbox

    def claim(tenant_id: Any, events: Any, *, now: Any, replaying: bool = False) -> Any:
        inner(tenant_id, events, now=now, replaying=replaying)
        return set(events)

    inner = inbox.claim
    inbox.claim = claim


def present_period_only() -> None:
    """The inbox forgets an event as soon as the next period has begun."""
    from lifecycle.services.events import inbox

    inbox.CLAIM = inbox.CLAIM.replace(inbox._IS_NEW, "true")  # type: ignore[misc]


def commit_first() -> None:
    """Offsets are committed before the database."""
    from lifecycle.messaging.consumer import EventConsumer

    inner = EventConsumer._work

    def work(self: Any, messages: Any) -> None:
        for message in messages:
            self.positions.to_commit[message.topic, message.partition] = message.offset + 1
        self._commit(list(self.positions.to_commit), asynchronous=False)
        inner(self, messages)

    EventConsumer._work = work  # type: ignore[method-assign]


def mark_first() -> None:
    """Rows are marked when they are given to the producer, not when the broker has them."""
    from lifecycle.messaging.lanes import Lane

    inner = Lane.produce

    def produce(self: Any, flight: Any, key: Any, value: Any, headers: Any) -> None:
        inner(self, flight, key, value, headers)
        flight.delivered = True

    Lane.produce = produce  # type: ignore[method-assign]


def no_leader() -> None:
    """Every relay leads."""
    from lifecycle.services.events import outbox

    outbox.acquire_leadership = lambda: True


def no_stale_check() -> None:
    """An old event moves a customer back."""
    from lifecycle.services.events import moves

    inner = moves.Change
    moves.Change = lambda **fields: inner(**fields)._replace(only_if_newer=False)  # type: ignore[misc,assignment]


def skip_on_error() -> None:
    """A batch that fails is given up."""
    from lifecycle.messaging.batch_processing import Batch, BatchProcessor

    inner = BatchProcessor.step

    def step(self: Any, batch: Batch) -> None:
        try:
            inner(self, batch)
        except Exception:
            batch.finish()

    BatchProcessor.step = step  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (no_dedup, present_period_only, commit_first, mark_first, no_leader, no_stale_check, skip_on_error)
}
