"""How well each band of a health tells who churns: played over the tenant's own past, for a draft and what is live.

On the first of each of the last months every customer is judged as it stood then, with the figures that held then, and
counted as churned if it came to a stage of the category "lost" within 90 days. Months of which 90 days are not over are
left out, as are customers who were lost already. Figures whose past is not kept are not known.

A person waits for it at a page, so no more than ``MOST_JUDGED`` customers are judged, of a large tenant one in so many,
and one person at a time has it played.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from lifecycle.queries.health import health_of, penalty_of
from lifecycle.queries.insight.health import count_churned
from lifecycle.rules.insight.shares import Share, measure_share
from lifecycle.services.insight.reading import Stages, midnight
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy

HORIZON_DAYS: Final = 90
LANDMARKS: Final = 12
BATCH: Final = 2000
MOST_JUDGED: Final = 5000
BANDS: Final = ("good", "watch", "poor", "unknown")
LOST: Final = "lost"
_FIRST: Final = UUID(int=0)
_TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('health backtest:' || %(tenant_id)s::text, 0))"
_COUNT: Final = "SELECT count(*) FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s"


@dataclass(frozen=True, slots=True)
class BandSaid:
    """Of all looks that fell into a band: the share that churned within 90 days; and of all churned, its share."""

    band: str
    share: Share
    of_churned: float | None


@dataclass(frozen=True, slots=True)
class HealthBacktest:
    """``landmarks``: the days on which one in ``every`` customers was judged. What each band of both formulas said."""

    landmarks: Sequence[dt.date]
    every: int
    live: Sequence[BandSaid]
    draft: Sequence[BandSaid]


def find_landmarks(now: dt.datetime, most: int = LANDMARKS) -> list[dt.date]:
    """The first days of the last months of which 90 days are over, the oldest first."""
    day = (now - dt.timedelta(days=HORIZON_DAYS)).date().replace(day=1)
    days = [day]
    while len(days) < most:
        days.append((days[-1] - dt.timedelta(days=1)).replace(day=1))
    return sorted(days)


def backtest_health(
    live: Policy,
    draft: Policy,
    names: Mapping[str, str],
    *,
    tenant: TenantRef,
    now: dt.datetime,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> HealthBacktest | None:
    """Judge the past by both; None while it is being played for someone else. ``names``: live stages in the draft.

    Three statements for 5,000 customers or more, and four; in the tenant's context and one transaction. ``progress``
    gets customers done and all.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TRY_TURN, {"tenant_id": tenant.id})
        if cursor.fetchone() != (True,):
            return None
        cursor.execute(_COUNT, {"tenant_id": tenant.id})
        (customers,) = cursor.fetchone() or (0,)
    every = max(1, math.ceil(customers / MOST_JUDGED))
    stages = Stages.of(live, tenant)
    landmarks = find_landmarks(now)
    moments = [midnight(day) for day in landmarks]
    compiled, drafted = health_of(live), health_of(draft).drafted
    draft_names = [names.get(name, name) for name in live.stages]
    lost = [key for key, name in zip(stages.keys, draft_names, strict=True) if draft.category(name) == LOST]
    parameters: dict[str, Any] = {
        "tenant_id": tenant.id,
        "moments": moments,
        "last": moments[-1],
        "horizon": HORIZON_DAYS,
        "batch": BATCH,
        "every": every,
        "lost": text_array(lost),
        "stages": text_array(stages.keys),
        **_numbers("", live, live.stages),
        **_numbers("draft_", draft, draft_names),
        **compiled.parameters,
        **drafted.parameters,
    }
    statement = count_churned(compiled, drafted)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 6)
    with connection.cursor() as cursor:
        after, done, count = _FIRST, 0, BATCH
        while count == BATCH:
            cursor.execute(statement, parameters | {"after": after})
            count = 0
            for formula, band, *numbers in cursor.fetchall():
                if formula != "last":
                    sums[formula, band] = [one + other for one, other in zip(sums[formula, band], numbers, strict=True)]
                elif band is not None:
                    after, count = UUID(band), int(numbers[0])
            done += count
            progress(done, customers // every)
    return HealthBacktest(landmarks, every, _tell("live", sums), _tell("draft", sums))


def _tell(formula: str, sums: Mapping[tuple[str, str], Sequence[int]]) -> list[BandSaid]:
    of_bands = {band: numbers for (one, band), numbers in sums.items() if one == formula}
    churned = sum(numbers[2] for numbers in of_bands.values())
    said = []
    for band in BANDS:
        rows, customers, hits, squares, products, hit_squares = of_bands.get(band, (0,) * 6)
        share = measure_share(rows, customers, hits, squares=squares, products=products, hit_squares=hit_squares)
        said.append(BandSaid(band, share, hits / churned if churned else None))
    return said


def _numbers(prefix: str, policy: Policy, stages: Sequence[str]) -> dict[str, Any]:
    days = [policy.max_days(stage) for stage in stages]
    return {
        f"{prefix}penalties": plain_array(penalty_of(policy, stage) for stage in stages),
        f"{prefix}max_days": plain_array("NULL" if limit is None else limit for limit in days),
        f"{prefix}good_from": policy.health.good_from,
        f"{prefix}watch_from": policy.health.watch_from,
    }
