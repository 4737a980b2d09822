"""Mistakes made on purpose: each run with one of them must fail, or the comparison proves nothing."""

from collections.abc import Callable
from typing import Any


def answer_before_commit() -> None:
    """Some changes are answered and then rolled back: the answer went out before the commit, which failed."""
    from django.db import transaction

    from lifecycle.api.viewsets import customers

    count = 0
    view: Any = customers.LifecycleViewSet
    inner = view.partial_update

    def answer(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        nonlocal count
        response = inner(self, request, *args, **options)
        count += 1
        if count % 10 == 0:
            transaction.set_rollback(True)
        return response

    view.partial_update = answer


def never_invalidate() -> None:
    """Copies of status are kept as they are: neither the writer nor the relay touches them."""
    from lifecycle.services.cache import copies

    copies.refresh_statuses = lambda *_, **__: None
    copies.drop_older = lambda *_, **__: True


def mark_first() -> None:
    """The relay marks rows as published when it has read them, and forgets every tenth."""
    from lifecycle.messaging.lanes import Lane

    inner = Lane.produce
    count = 0

    def produce(self: Any, flight: Any, key: Any, value: Any, headers: Any) -> None:
        nonlocal count
        count += 1
        if count % 10:
            inner(self, flight, key, value, headers)
        flight.delivered = True

    Lane.produce = produce  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    function.__name__: function for function in (answer_before_commit, never_invalidate, mark_first)
}
