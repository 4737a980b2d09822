"""What past months have kept of their revenue, counted beside the requests: anyone who opens the page finds it counted.

Counting reads every report of months. What it comes to changes with reports and moves alone, and slowly: so
``move_customers`` counts, once an hour where something was recorded, and pages read the copy. Where there is none (a
new tenant, a new month, another configuration, Redis away) one of those who ask counts, and the process remembers it.
"""

import contextlib
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

import orjson
import structlog
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from redis.exceptions import RedisError

from lifecycle.services.work.renewals import Month, Retention, count_unknown, measure_retention, months_before
from storage.cursors import fetch_prepared
from storage.failures import QUERY_CANCELED, sql_state
from storage.redis import ask
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import NoConfiguration, live_policy

log = structlog.get_logger(__name__)

PAST_MONTHS: Final = 6
# So old the copy may be while customers change; and so old while none does, for what a long transaction brought late.
COUNTED_AGAIN: Final = dt.timedelta(hours=1)
COUNTED_IN_ANY_CASE: Final = dt.timedelta(hours=6)
# Where no one counts again, pages do after so long.
LIFETIME: Final = dt.timedelta(hours=24)
# Where nothing can be kept, a process counts a tenant no more often than that.
_PAUSE: Final = dt.timedelta(minutes=5)
_TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('kept-revenue:' || %(tenant_id)s::text, 0))"
# The newest report and the newest move: ids begin with the time.
_NEWEST: Final = """
SELECT (SELECT id FROM lifecycle_figurechange WHERE tenant_id = %(tenant_id)s::uuid ORDER BY id DESC LIMIT 1),
       (SELECT id FROM customer_lifecycle_history WHERE tenant_id = %(tenant_id)s::uuid ORDER BY id DESC LIMIT 1)
"""
# Whether someone has moved on whose former stays are not kept yet. Both tables are read once, whatever the planner
# knows of them: a join it would do row by row where they have just been filled.
_IS_BEHIND: Final = """
SELECT EXISTS (
    SELECT customer_id, version FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s::uuid AND version > 1
    EXCEPT
    SELECT customer_id, sequence FROM lifecycle_insight_state WHERE tenant_id = %(tenant_id)s::uuid)
"""


@dataclass(frozen=True, slots=True)
class KeptRevenue:
    """What each of the past months has kept, the latest first, and of how many customers it is not known.

    ``newest``: the report and the move that had been recorded last when it was counted, at ``counted_at``; no move
    where stays were not caught up with all of them, so that it is counted again.
    """

    months: list[Retention]
    unknown: int
    counted_at: dt.datetime
    newest: list[str]


# What this process counted for those who asked, by key, and when; None: it took too long.
_counted_here: dict[str, tuple[dt.datetime, KeptRevenue | None]] = {}


def read_kept_revenue(*, tenant: TenantRef, policy: Policy, now: dt.datetime) -> KeptRevenue | None:
    """Of the months before this one. None where it is not known yet: someone else counts, or it took too long.

    Call inside the tenant's context. No statement; a few where nothing is kept and nothing was counted lately.
    """
    if (kept := _find(tenant, policy, now)) is not None:
        return kept
    key = _key(tenant, policy, now)
    counted_at, kept = _counted_here.get(key, (None, None))
    if counted_at is not None and now - _PAUSE < counted_at <= now:
        return kept
    if not _take_turn(tenant):
        return None
    kept = _try_to_count(tenant, policy, now)
    for other, (at, _) in list(_counted_here.items()):
        if not now - _PAUSE < at <= now:
            _counted_here.pop(other, None)
    _counted_here[key] = now, kept
    return kept


def find_kept_count(
    month: Month, currency: str, *, tenant: TenantRef, policy: Policy, now: dt.datetime
) -> tuple[int, dt.datetime] | None:
    """How many customers pages say of a month and a currency, and when they were counted; None where they say nothing.

    No statement.
    """
    kept = _find(tenant, policy, now) or _counted_here.get(_key(tenant, policy, now), (None, None))[1]
    if kept is None or month not in months_before(_month_of(kept.counted_at), PAST_MONTHS):
        return None
    found = (row.customers for row in kept.months if (row.month, row.currency) == (month, currency))
    return next(found, 0), kept.counted_at


def _take_turn(tenant: TenantRef) -> bool:
    """Whether no one else counts for the tenant, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_TRY_TURN, {"tenant_id": tenant.id})
        return bool(cursor.fetchone()[0])


def _try_to_count(tenant: TenantRef, policy: Policy, now: dt.datetime) -> KeptRevenue | None:
    """None where it takes longer than a page may: the rest of the page is shown all the same."""
    try:
        with transaction.atomic():
            return _count(tenant, policy, now)
    except OperationalError as error:
        if sql_state(error) != QUERY_CANCELED:
            raise
        log.warning("revenue of past months takes too long to count in a page", tenant=tenant.slug)
        return None


class RevenueKeeper:
    """Counts again for a process that looks again and again: two looks into indexes where nothing was recorded."""

    def __init__(self, clock: Callable[[], dt.datetime] = timezone.now) -> None:
        self._clock = clock
        # Of a tenant what was counted last, by its key, and when.
        self._counted: dict[UUID, tuple[str, dt.datetime]] = {}

    def keep_revenue(self, tenant: TenantRef, *, enough: Callable[[], bool] = lambda: False) -> int:
        """Whether it was counted, as 0 or 1. Call outside of any transaction."""
        now = self._clock()
        if enough():
            return 0
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            try:
                policy = live_policy(tenant.id)
            except NoConfiguration:
                return 0
            held = _find(tenant, policy, now)
            key = _key(tenant, policy, now)
            if not self._is_due(held, tenant, key, now):
                return 0
            _count(tenant, policy, now)
        self._counted[tenant.id] = key, now
        return 1

    def _is_due(self, held: KeptRevenue | None, tenant: TenantRef, key: str, now: dt.datetime) -> bool:
        if held is None:
            counted, counted_at = self._counted.get(tenant.id, ("", now))
            return counted != key or not now - _PAUSE < counted_at <= now
        age = now - held.counted_at
        return age >= COUNTED_IN_ANY_CASE or (age >= COUNTED_AGAIN and held.newest != _find_newest(tenant))


def _find(tenant: TenantRef, policy: Policy, now: dt.datetime) -> KeptRevenue | None:
    try:
        held = ask(lambda client: client.get(_key(tenant, policy, now)))
    except RedisError:
        return None
    return None if held is None else _load(held)


def _count(tenant: TenantRef, policy: Policy, now: dt.datetime) -> KeptRevenue:
    # First: what is recorded while this counts is seen as new by the next look.
    newest = _find_counted(tenant)
    months = months_before(_month_of(now), PAST_MONTHS)
    measured = measure_retention(months, tenant=tenant, policy=policy)
    kept = KeptRevenue(measured, count_unknown(months[-1], tenant=tenant), now, newest)
    with contextlib.suppress(RedisError):
        ask(lambda client: client.set(_key(tenant, policy, now), _dump(kept), ex=LIFETIME))
    return kept


def _find_newest(tenant: TenantRef) -> list[str]:
    (ids,) = fetch_prepared(_NEWEST, {"tenant_id": tenant.id}, using="default")
    return [str(id_ or "") for id_ in ids]


def _find_counted(tenant: TenantRef) -> list[str]:
    report, move = _find_newest(tenant)
    ((is_behind,),) = fetch_prepared(_IS_BEHIND, {"tenant_id": tenant.id}, using="default")
    return [report, "" if is_behind else move]


def _dump(kept: KeptRevenue) -> bytes:
    months = [
        [row.month.year, row.month.number, row.currency, row.customers, *map(str, (row.start, row.kept, row.end))]
        for row in kept.months
    ]
    return orjson.dumps([months, kept.unknown, kept.counted_at, kept.newest])


def _load(held: bytes) -> KeptRevenue:
    months, unknown, counted_at, newest = orjson.loads(held)
    rows = [
        Retention(Month(year, number), currency, customers, *map(Decimal, amounts))
        for year, number, currency, customers, *amounts in months
    ]
    return KeptRevenue(rows, unknown, dt.datetime.fromisoformat(counted_at), newest)


def _month_of(now: dt.datetime) -> Month:
    today = now.astimezone(dt.UTC).date()
    return Month(today.year, today.month)


def _key(tenant: TenantRef, policy: Policy, now: dt.datetime) -> str:
    """Of each month and each configuration: its stages say who is lost. ``4``: as ``KEPT`` counts."""
    return f"c360:{tenant.id}:kept-revenue:4:{policy.version}:{_month_of(now).first}"
