"""At most so many changed customers per user in any rolling hour [SEC-5], counted exactly.

The count is the actor's row in PostgreSQL, which ``take_updates`` (migration 0003) locks, judges and changes in the
transaction of the change itself: what is rolled back was never taken. A minute is counted until its last moment is an
hour old, so no rolling hour ever holds more than the budget; a user may wait up to a minute longer than needed.
"""

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.services.transitions.outcomes import BudgetExceeded
from lifecycle.services.transitions.statements import TAKE
from storage.cursors import fetch_prepared
from tenants.actors import Actor
from tenants.rules.messages import Message

POLICY: Final = "updates"
# The rolling hour of the budget. Changes are counted by the minute, so one is free again after at most a minute more.
HOUR: Final = 3600


class RateLimited(BudgetExceeded):
    """The batch would exceed the budget and nothing was taken. All numbers are whole seconds or customers."""

    def __init__(self, *, wanted: int, limit: int, remaining: int, retry_after: int, reset: int) -> None:
        self.limit, self.remaining, self.retry_after, self.reset = limit, remaining, retry_after, reset
        if wanted > limit:
            again = Message("never_room", {"limit": limit})
        else:
            again = Message("room_for_fewer" if 0 < remaining < wanted else "room_later", {"count": retry_after})
        self.message = Message("over_budget", {"wanted": wanted, "left": remaining, "limit": limit, "again": again})
        super().__init__("rate_limited")

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Policy, RateLimit and Retry-After."""
        return {**_headers(self.limit, self.remaining, self.reset), "Retry-After": str(self.retry_after)}


class UpdateBudget:
    """The budget of one actor for one transaction; a ``lifecycle.services.transitions.apply.Budget``.

    Taken in the transaction that changes the customers, once their rows are locked: the actor's other changes wait at
    the budget until it ends. ``take`` does so by itself; ``ask`` and ``settle`` are for the statement that writes.
    Actors without a budget (the system) pass freely. ``clock`` replaces the database's time, in seconds since 1970, for
    simulations.
    """

    def __init__(self, actor: Actor, *, clock: float | None = None) -> None:
        self._actor = actor.name
        self.limit = actor.updates_per_hour
        self._clock = clock
        self._usage: tuple[int, int] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Policy, and RateLimit once something was taken; nothing for an actor without a budget."""
        if self.limit is None:
            return {}
        if self._usage is None:
            return {"RateLimit-Policy": _policy(self.limit)}
        return _headers(self.limit, *self._usage)

    def take(self, count: int) -> None:
        """Take ``count`` changes, all or nothing, in one statement. Raises RateLimited."""
        asked = self.ask(count)
        if asked is not None:
            (answer,) = fetch_prepared(TAKE, asked, using="default")
            self.settle(count, *answer)

    def ask(self, count: int) -> Mapping[str, Any] | None:
        """The parameters of the statement that takes ``count`` changes; None for an actor without a budget."""
        if self.limit is None:
            return None
        return {
            "budget_actor": self._actor,
            "budget_count": count,
            "budget_limit": self.limit,
            "budget_clock": self._clock,
        }

    def settle(self, count: int, taken: bool, used: int, wait: int, reset: int) -> None:
        """Note what ``take_updates`` has answered. Raises RateLimited when it has not taken ``count``."""
        assert self.limit is not None  # noqa: S101  (nothing was asked otherwise)
        remaining = max(0, self.limit - used)
        if not taken:
            raise RateLimited(
                wanted=count, limit=self.limit, remaining=remaining, retry_after=max(1, wait), reset=reset
            )
        self._usage = (remaining, reset)


def _headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {"RateLimit-Policy": _policy(limit), "RateLimit": f'"{POLICY}";r={remaining};t={reset}'}


def _policy(limit: int) -> str:
    return f'"{POLICY}";q={limit};w={HOUR}'
