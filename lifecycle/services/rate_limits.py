"""At most so many changed customers per user in any rolling hour [SEC-5], counted exactly.

The count lives in Redis: one bucket a minute, taken by a script, all or nothing. A bucket is counted until its last
moment is an hour old, so no rolling hour ever holds more than the budget; a user may wait up to a minute longer than
he had to. The truth is the history in PostgreSQL: a count that Redis has lost is made anew from it, and while Redis
is away each batch is counted there, one batch of a user at a time.

Between the two stand two advisory locks of the user, which end with the transaction:

* *in flight* (shared): held before Redis is asked, so that whoever counts the history can wait for batches that
  Redis has let through and that are not committed, hence not in the history, yet;
* *counting* (exclusive): held by the one who counts. Others that wait for it have taken nothing and are not waited for.

A process that has seen Redis fail trusts no count again before it has been dropped and made anew, and what it let
through meanwhile is dropped by it as soon as Redis answers.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.db import connections
from django_redis import get_redis_connection
from prometheus_client import Counter
from redis.exceptions import RedisError

from audit.cursors import prepared_cursor
from lifecycle.services import budget_scripts
from lifecycle.services.outcomes import BudgetExceeded
from tenants.actors import Actor

log = structlog.get_logger(__name__)

POLICY = "updates"
HOUR = 3600
RETRY_SECONDS = 1.0
# How long a count waits for batches in flight; they take milliseconds.
PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.005

fallbacks = Counter("customer360_rate_limit_fallback_total", "Update budgets counted from the history: Redis was away.")
recounts = Counter("customer360_rate_limit_recount_total", "Update budgets that Redis had lost and that were rebuilt.")

TAKE_SHARED = "SELECT pg_advisory_xact_lock_shared(%(key)s::bigint)"
TAKE_EXCLUSIVE = "SELECT pg_advisory_xact_lock(%(key)s::bigint)"
# Other transactions that may have taken from Redis: in flight, and not waiting for their turn to count.
IN_FLIGHT = """
SELECT count(*) FROM pg_locks held
 WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1 AND held.pid <> pg_backend_pid()
   AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND held.classid = %(flight_high)s::bigint::oid AND held.objid = %(flight_low)s::bigint::oid
   AND NOT EXISTS (SELECT FROM pg_locks wanted
                    WHERE wanted.pid = held.pid AND NOT wanted.granted AND wanted.locktype = 'advisory'
                      AND wanted.classid = %(counting_high)s::bigint::oid
                      AND wanted.objid = %(counting_low)s::bigint::oid)
"""
# Whole minutes since each change of the last hour. Over the platform connection: a super admin's changes lie in
# many tenants, and what this transaction has written itself is known already. A history that was loaded from
# elsewhere (backdated) has just been recorded, but was not changed just now; the margin is for clocks that differ.
# A publication moves customers on its own account.
HISTORY = """
SELECT floor(extract(epoch FROM now() - recorded_at) / 60)::int AS age, count(*)
  FROM customer_lifecycle_history
 WHERE changed_by = %s AND recorded_at > now() - interval '60 minutes'
   AND changed_at > now() - interval '2 hours' AND source <> 'Configuration'
 GROUP BY age
"""


class RateLimited(BudgetExceeded):
    """The batch would exceed the budget and nothing was taken. All numbers are whole seconds or customers."""

    def __init__(self, *, wanted: int, limit: int, remaining: int, retry_after: int, reset: int) -> None:
        self.limit, self.remaining, self.retry_after, self.reset = limit, remaining, retry_after, reset
        if wanted > limit:
            again = f"No hour has room for that many: send at most {limit:,} at a time."
        else:
            again = f"Try again in {retry_after} seconds." + (" Or send fewer." if 0 < remaining < wanted else "")
        super().__init__(
            f"This would change {_customers(wanted)}, and {remaining:,} of your {limit:,} changes in any hour are left."
            f" Nothing was changed. {again}"
        )

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Policy, RateLimit and Retry-After."""
        return {**_headers(self.limit, self.remaining, self.reset), "Retry-After": str(self.retry_after)}


@dataclass(frozen=True, slots=True)
class _Taken:
    """One take. ``incarnation`` is None when it was counted from the history."""

    count: int
    bucket: int = 0
    incarnation: bytes | None = None


class _Outage:
    """What this process knows of Redis being away."""

    def __init__(self) -> None:
        self._retry_at = 0.0
        self._has_failed = False
        self._good: set[str] = set()
        self._touched: set[str] = set()
        self._lock = threading.Lock()
        self._repaying = False

    def is_over(self) -> bool:
        """Whether Redis may be asked."""
        return time.monotonic() >= self._retry_at

    def trusts(self, key: str) -> bool:
        """Whether the count under the key was made, or used, since Redis last failed here."""
        return not self._has_failed or key in self._good

    def trust(self, key: str) -> None:
        """The count under the key was dropped and made anew."""
        if self._has_failed:
            self._good.add(key)

    def note(self, error: Exception) -> None:
        """Redis has failed: no count is trusted, and it is left alone for a moment."""
        log.warning("update budgets are counted from the history: Redis is away", error=str(error))
        with self._lock:
            self._has_failed = True
            self._good.clear()
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def touch(self, key: str) -> None:
        """A batch was let through that Redis does not know of: drop the count as soon as Redis answers."""
        with self._lock:
            self._touched.add(key)
            if self._repaying:
                return
            self._repaying = True
        threading.Thread(target=self._repay, name="rate-limit-repay", daemon=True).start()

    def _repay(self) -> None:
        while True:
            with self._lock:
                keys = list(self._touched)
            try:
                _client().delete(*keys)
            except RedisError:
                time.sleep(RETRY_SECONDS)
                continue
            with self._lock:
                self._touched.difference_update(keys)
                if not self._touched:
                    self._repaying = False
                    return


outage = _Outage()


class UpdateBudget:
    """The budget of one actor for one transaction; a ``lifecycle.services.transitions.Budget``.

    Call inside the transaction that changes the customers. Actors without a budget (the system) pass freely.
    ``clock`` replaces the time of Redis, in seconds since 1970, for simulations.
    """

    def __init__(self, tenant_id: UUID, actor: Actor, *, clock: Callable[[], float] | None = None) -> None:
        self._tenant_id = tenant_id
        self._actor = actor.name
        self.limit = actor.updates_per_hour
        self._key = f"c360:updates:{actor.name}"
        self._clock = clock
        self._taken: list[_Taken] = []
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
        """Take ``count`` changes, all or nothing. Raises RateLimited.

        One statement and one round trip to Redis; more when the count has to be made from the history.
        """
        if self.limit is None or count <= 0:
            return
        if outage.is_over() and outage.trusts(self._key):
            self._lock(TAKE_SHARED, "in flight")
            if self._ask_redis(count):
                return
        self._take_while_counting(count)

    def give_back(self, count: int) -> None:
        """Return the last ``count`` changes taken, for a batch that was not written."""
        while count > 0 and self._taken:
            last = self._taken.pop()
            part = min(count, last.count)
            count -= part
            if part < last.count:
                self._taken.append(_Taken(last.count - part, last.bucket, last.incarnation))
            if last.incarnation is not None and outage.is_over():
                self._return_to_redis([part, last.bucket, last.incarnation])
        self._usage = None

    def _return_to_redis(self, arguments: list[Any]) -> None:
        _attempt(lambda: budget_scripts.give_back(_client(), self._key, arguments))

    def _take_while_counting(self, count: int) -> None:
        """The slow way: alone among this user's batches, from Redis if another has counted meanwhile."""
        self._lock(TAKE_EXCLUSIVE, "counting")
        has_redis = outage.is_over()
        if has_redis and outage.trusts(self._key) and self._ask_redis(count):
            return
        if has_redis and not outage.trusts(self._key):
            # From here on nobody can take from a count that may lack something.
            has_redis = _attempt(lambda: _client().delete(self._key)) is not None
        self._wait_for_those_in_flight()
        ages = self._read_history()
        if has_redis and self._ask_redis(count, ages=ages):
            return
        fallbacks.inc()
        self._judge_by_history(count, ages)
        outage.touch(self._key)

    def _ask_redis(self, count: int, *, ages: Mapping[int, int] | None = None) -> bool:
        """Take from Redis, whose count is made from ``ages`` if there is none.

        False when there is no count, or no Redis. Raises RateLimited.
        """
        clock = "" if self._clock is None else repr(self._clock())
        arguments = [count, self.limit, clock, *self._describe_history(ages)]
        answer = _attempt(lambda: budget_scripts.take(_client(), self._key, arguments))
        if answer is None or answer[0] == budget_scripts.NO_COUNT:
            return False
        if ages is not None:
            recounts.inc()
            outage.trust(self._key)
        status, used, wait, reset, bucket, incarnation = answer
        if status == budget_scripts.REFUSED:
            self._refuse(count, used=used, retry_after=wait, reset=reset)
        self._taken.append(_Taken(count, bucket, incarnation))
        self._remember(used, reset)
        return True

    def _describe_history(self, ages: Mapping[int, int] | None) -> list[Any]:
        """What a count is made from: an incarnation, then age and changes by turns."""
        if ages is None:
            return [b""]
        return [uuid4().bytes, 0, self._own(), *(number for age in ages.items() for number in age)]

    def _own(self) -> int:
        """What this transaction has taken: it is not in the history that others have committed."""
        return sum(taken.count for taken in self._taken)

    def _judge_by_history(self, count: int, ages: Mapping[int, int]) -> None:
        used = sum(ages.values()) + self._own()
        limit = self.limit or 0
        if used + count > limit:
            room, wait = limit - used, HOUR
            for age in sorted(ages, reverse=True):
                room += ages[age]
                if room >= count:
                    # Rows of this minute are gone when the youngest of them is an hour old.
                    wait = (60 - age) * 60
                    break
            self._refuse(count, used=used, retry_after=wait, reset=(60 - min(ages, default=0)) * 60)
        self._taken.append(_Taken(count))
        self._remember(used + count, HOUR)

    def _refuse(self, count: int, *, used: int, retry_after: int, reset: int) -> None:
        limit = self.limit or 0
        raise RateLimited(
            wanted=count,
            limit=limit,
            remaining=max(0, limit - used),
            retry_after=max(1, retry_after),
            reset=reset,
        )

    def _remember(self, used: int, reset: int) -> None:
        self._usage = (max(0, (self.limit or 0) - used), reset)

    def _read_history(self) -> dict[int, int]:
        with connections["platform"].cursor() as cursor:
            cursor.execute(HISTORY, [self._actor])
            return {max(0, age): count for age, count in cursor.fetchall()}

    def _lock(self, statement: str, purpose: str) -> None:
        with prepared_cursor("default") as cursor:
            cursor.execute(statement, {"key": _lock_key(purpose, self._actor)})

    def _wait_for_those_in_flight(self) -> None:
        flight, counting = _lock_key("in flight", self._actor), _lock_key("counting", self._actor)
        parameters = {
            "flight_high": (flight >> 32) & 0xFFFFFFFF,
            "flight_low": flight & 0xFFFFFFFF,
            "counting_high": (counting >> 32) & 0xFFFFFFFF,
            "counting_low": counting & 0xFFFFFFFF,
        }
        until = time.monotonic() + PATIENCE_SECONDS
        with prepared_cursor("default") as cursor:
            while True:
                cursor.execute(IN_FLIGHT, parameters)
                if not cursor.fetchone()[0]:
                    return
                if time.monotonic() >= until:
                    log.warning("a batch in flight is not waited for any longer", tenant=str(self._tenant_id))
                    return
                time.sleep(POLL_SECONDS)


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RedisError as error:
        outage.note(error)
        return None


def _client() -> Any:
    return get_redis_connection("default")


def _lock_key(purpose: str, actor: str) -> int:
    digest = hashlib.sha256(f"updates {purpose}: {actor}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {"RateLimit-Policy": _policy(limit), "RateLimit": f'"{POLICY}";r={remaining};t={reset}'}


def _policy(limit: int) -> str:
    return f'"{POLICY}";q={limit};w={HOUR}'


def _customers(count: int) -> str:
    return "1 customer" if count == 1 else f"{count:,} customers"
