"""How well each band of a health tells who churns: played over the tenant's own past, for a draft and what is live.

On the first of each of the last months every customer is judged as it stood then, with the figures that held then, and
counted as churned if it came to a stage of the category "lost" within 90 days. Months of which 90 days are not over are
left out, as are customers who were lost already. Whom a publication moved to such a stage within the 90 days says
nothing of either, and is left out too. Figures whose past is not kept are not known.

That takes minutes for many customers: it is a job, and its sums add up over batches of them.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from lifecycle.queries.health import health_of, stage_numbers
from lifecycle.queries.insight.health import count_churned
from lifecycle.rules.health import BANDS
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.insight.shares import Share, measure_share
from lifecycle.services.insight.reading import Stages, midnight
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.policy import Policy

LANDMARKS: Final = 12
BATCH: Final = 1000
LIVE, DRAFT = "live", "draft"
_FIRST: Final = UUID(int=0)

# By formula and band: looks, customers, churned, and the sums of squares and products that an interval is made of.
Sums = dict[str, dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class BandSaid:
    """Of all looks that fell into a band: the share that churned within 90 days; and of all churned, its share."""

    band: str
    share: Share
    of_churned: float | None


@dataclass(frozen=True, slots=True)
class HealthBacktest:
    """``landmarks``: the days on which all customers were judged. What each band of both formulas said."""

    landmarks: Sequence[dt.date]
    live: Sequence[BandSaid]
    draft: Sequence[BandSaid]


def find_landmarks(now: dt.datetime, most: int = LANDMARKS) -> list[dt.date]:
    """The first days of the last months of which 90 days are over, the oldest first."""
    day = (now - dt.timedelta(days=HORIZON_DAYS)).date().replace(day=1)
    days = [day]
    while len(days) < most:
        days.append((days[-1] - dt.timedelta(days=1)).replace(day=1))
    return sorted(days)


class PastJudge:
    """Judges batches of customers by both formulas. ``names``: live stages in the draft.

    Make it in the tenant's context: two statements at most.
    """

    def __init__(
        self, live: Policy, draft: Policy, names: Mapping[str, str], *, tenant: TenantRef, now: dt.datetime
    ) -> None:
        stages = Stages.of(live, tenant)
        timestamps = [midnight(day) for day in find_landmarks(now)]
        compiled, drafted = health_of(live), health_of(draft).drafted
        draft_names = [names.get(name, name) for name in live.stages]
        lost = {key for key, name in zip(stages.keys, draft_names, strict=True) if draft.category(name) == LOST}
        # A stage that the draft has no more means what it meant.
        gone = {key for key, name in zip(stages.keys, draft_names, strict=True) if name not in draft.definitions}
        lost |= {key for key in stages.of_category(LOST) if key in gone or key not in stages.keys}
        self._statement = count_churned(compiled, drafted)
        self._parameters: dict[str, Any] = {
            "tenant_id": tenant.id,
            "timestamps": timestamps,
            "last": timestamps[-1],
            "horizon": HORIZON_DAYS,
            "lost": text_array(sorted(lost)),
            "stages": text_array(stages.keys),
            **stage_numbers(live, live.stages),
            **stage_numbers(draft, draft_names, prefix="draft_"),
            **compiled.parameters,
            **drafted.parameters,
        }

    def judge(self, sums: Sums, after: UUID | None) -> tuple[UUID | None, int]:
        """Count the next batch of customers in; the last of them, and how many. One statement, in the tenant's context.

        Fewer than BATCH: there are no more.
        """
        count = 0
        with connection.cursor() as cursor:
            cursor.execute(self._statement, self._parameters | {"after": after or _FIRST, "batch": BATCH})
            for formula, band, *numbers in cursor.fetchall():
                if formula != "last":
                    known = sums.setdefault(formula, {}).get(band, [0] * len(numbers))
                    sums[formula][band] = [int(one + other) for one, other in zip(known, numbers, strict=True)]
                elif band is not None:
                    after, count = UUID(band), int(numbers[0])
        return after, count


def describe_sums(sums: Sums, *, now: dt.datetime) -> HealthBacktest:
    """What the bands said, of what has been counted as of ``now``."""
    return HealthBacktest(find_landmarks(now), _tell(sums.get(LIVE, {})), _tell(sums.get(DRAFT, {})))


def _tell(of_bands: Mapping[str, Sequence[int]]) -> list[BandSaid]:
    churned = sum(numbers[2] for numbers in of_bands.values())
    said = []
    for band in BANDS:
        rows, customers, hits, squares, products, hit_squares = of_bands.get(band, (0,) * 6)
        share = measure_share(rows, customers, hits, squares=squares, products=products, hit_squares=hit_squares)
        said.append(BandSaid(band, share, hits / churned if churned else None))
    return said
