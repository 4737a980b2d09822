"""Which contracts are to be renewed, when, and how likely; and how much revenue past months have kept.

Lost customers have nothing to renew, and erased ones are not named: both are left out.
"""

import calendar
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from lifecycle.queries.health import find_work
from lifecycle.rules.health import NO_WORK, Work, days_in_stage, judge, read_number
from lifecycle.rules.insight.stages import key_of, name_of
from lifecycle.rules.urgency import risk_of
from storage.cursors import fetch_prepared_dicts, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.former_stages import read_former_stages
from tenants.services.configuration.versions import present_names

# So many are on a page of a list, and so many of a day are named in the month.
PER_PAGE: Final = 50
NAMED: Final = 4
# Renewals further in the past than this are no longer listed as overdue.
OVERDUE_DAYS: Final = 180
ONE_DAY: Final = dt.timedelta(days=1)
_OPEN: Final = """
  FROM lifecycle_billingfigures b
  JOIN lifecycle_customer c ON c.tenant_id = b.tenant_id AND c.id = b.customer_id
  JOIN customer_lifecycle_status s ON s.tenant_id = b.tenant_id AND s.customer_id = b.customer_id
  LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = b.tenant_id AND u.customer_id = b.customer_id
 WHERE b.tenant_id = %(tenant_id)s::uuid AND b.renewal_on >= %(start)s::date AND b.renewal_on < %(end)s::date
   AND c.erased_at IS NULL AND NOT s.stage = ANY(%(lost)s::text[])
   AND (%(owner)s::text = '' OR c.owner_key = %(owner)s::text)
   AND (%(segment)s::text = '' OR lower(c.segment) = lower(%(segment)s::text))
"""
_LIST: Final = f"""
SELECT b.customer_id, c.name, c.owner, s.stage, s.stage_entered_at, s.reason_code, b.renewal_on, b.arr, b.currency,
       b.balance_overdue, b.contract_id, b.occurred_at, u.open_issues, u.csat
{_OPEN}
 ORDER BY b.renewal_on, b.customer_id LIMIT %(limit)s::int OFFSET %(offset)s::int
"""
_DAYS: Final = f"""
SELECT renewal_on, customers, customer_id, name FROM (
    SELECT b.renewal_on, b.customer_id, c.name, count(*) OVER (PARTITION BY b.renewal_on) AS customers,
           row_number() OVER (PARTITION BY b.renewal_on ORDER BY b.customer_id) AS place
    {_OPEN}) due
 WHERE place <= %(named)s::int ORDER BY renewal_on, place
"""  # noqa: S608  constants
_MONTHS: Final = f"""
SELECT date_trunc('month', b.renewal_on::timestamp)::date AS month, count(*) AS customers
{_OPEN}
 GROUP BY 1
"""
# A report holds until the customer's next one: from the ``first`` moment after it to the ``last``. Of what was reported
# before all moments each customer's last is looked up, however much it is. Customers whose reports held over the same
# moments are added up before they are spread over the months; ``gone`` is the last moment before one who is lost was
# lost, ``away`` the moments at which one was who has returned since, or was lost in another stage until then.
KEPT: Final = """
WITH m AS (
    SELECT %(timestamps)s::timestamptz[] AS timestamps, cardinality(%(timestamps)s::timestamptz[]) AS number
), reports AS (
    SELECT b.customer_id, b.currency, r.id, r.effective_at, r.arr,
           width_bucket(r.effective_at, m.timestamps) + 1 AS first,
           COALESCE(width_bucket(lead(r.effective_at) OVER following, m.timestamps), m.number) AS last, m.number
      FROM lifecycle_billingfigures b CROSS JOIN m
     CROSS JOIN LATERAL (
        (SELECT f.id, f.effective_at, (f.figures->>'billing.arr')::numeric AS arr FROM lifecycle_figurechange f
          WHERE f.tenant_id = %(tenant_id)s::uuid AND f.customer_id = b.customer_id AND f.figures ? 'billing.arr'
            AND f.effective_at < (%(timestamps)s::timestamptz[])[1]
          ORDER BY f.effective_at DESC, f.id DESC LIMIT 1)
        UNION ALL
        (SELECT f.id, f.effective_at, (f.figures->>'billing.arr')::numeric FROM lifecycle_figurechange f
          WHERE f.tenant_id = %(tenant_id)s::uuid AND f.customer_id = b.customer_id AND f.figures ? 'billing.arr'
            AND f.effective_at >= (%(timestamps)s::timestamptz[])[1]
            AND f.effective_at < (%(timestamps)s::timestamptz[])[cardinality(%(timestamps)s::timestamptz[])])
     ) r
     WHERE b.tenant_id = %(tenant_id)s::uuid
    WINDOW following AS (PARTITION BY b.customer_id ORDER BY r.effective_at, r.id)
), held AS (
    SELECT r.*, COALESCE(lead(r.arr) OVER (PARTITION BY r.customer_id ORDER BY r.effective_at, r.id), 0) AS next_arr
      FROM reports r WHERE r.first <= r.last
), returned AS MATERIALIZED (
    SELECT p.customer_id, array_agg(DISTINCT i.at ORDER BY i.at) AS away
      FROM m JOIN lifecycle_stay p ON p.tenant_id = %(tenant_id)s::uuid AND p.stage = ANY(%(lost_keys)s::text[])
       AND p.piece = 0 AND p.to_stage <> ''
     CROSS JOIN LATERAL generate_series(
        width_bucket(p.began, m.timestamps) + 1, width_bucket(p.left_at, m.timestamps)) AS i(at)
     GROUP BY p.customer_id
), alike AS (
    SELECT h.currency, h.first, h.last, h.number, k.gone, COALESCE(w.away, '{}') AS away,
           count(*) AS customers, sum(h.arr) AS arr, sum(h.next_arr) AS next_arr,
           sum(least(h.arr, h.next_arr)) AS least_arr
      FROM held h
      JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = h.customer_id
      LEFT JOIN returned w ON w.customer_id = h.customer_id
     CROSS JOIN LATERAL (
        SELECT CASE WHEN s.stage = ANY(%(lost)s::text[])
                    THEN width_bucket(s.stage_entered_at, %(timestamps)s::timestamptz[]) ELSE h.number END AS gone
     ) k
     WHERE h.arr > 0 GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT (%(timestamps)s::timestamptz[])[i.at] AS "timestamp", a.currency, sum(a.customers)::bigint AS customers,
       sum(a.arr) AS start_arr,
       sum(CASE WHEN i.at >= a.gone OR i.at + 1 = ANY(a.away) THEN 0
                WHEN i.at = a.last THEN a.next_arr ELSE a.arr END) AS end_arr,
       sum(CASE WHEN i.at >= a.gone OR i.at + 1 = ANY(a.away) THEN 0
                WHEN i.at = a.last THEN a.least_arr ELSE a.arr END) AS kept_arr
  FROM alike a CROSS JOIN LATERAL generate_series(a.first, least(a.last, a.gone, a.number - 1)) AS i(at)
 WHERE NOT i.at = ANY(a.away)
 GROUP BY i.at, a.currency ORDER BY "timestamp" DESC, start_arr DESC
"""
_UNKNOWN: Final = """
SELECT count(*) AS customers FROM lifecycle_billingfigures b
 WHERE b.tenant_id = %(tenant_id)s::uuid AND b.arr > 0
   AND NOT EXISTS (SELECT FROM lifecycle_figurechange f
                    WHERE f.tenant_id = b.tenant_id AND f.customer_id = b.customer_id
                      AND f.effective_at < %(start)s::timestamptz AND f.figures ? 'billing.arr')
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a year."""

    year: int
    number: int

    @property
    def first(self) -> dt.date:
        """Its first day."""
        return dt.date(self.year, self.number, 1)

    def plus(self, months: int) -> "Month":
        """The month so many later, or earlier."""
        years, number = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(years, number + 1)

    def weeks(self) -> list[list[dt.date]]:
        """Its weeks from Monday on, with the days of the months around it that complete them."""
        return calendar.Calendar().monthdatescalendar(self.year, self.number)


@dataclass(frozen=True, slots=True)
class Day:
    """How many are due on a day, and the first of them: ``customer_id`` and ``name``."""

    customers: int
    named: list[Row]


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of a month's recurring revenue in one currency was kept."""

    month: Month
    currency: str
    customers: int
    start: Decimal
    kept: Decimal
    end: Decimal

    @property
    def gross(self) -> Decimal:
        """Gross revenue retention in per cent."""
        return _percent(self.kept, self.start)

    @property
    def net(self) -> Decimal:
        """Net revenue retention in per cent."""
        return _percent(self.end, self.start)


def list_renewals(
    start: dt.date,
    end: dt.date,
    *,
    tenant: TenantRef,
    policy: Policy,
    now: dt.datetime,
    owner: str = "",
    segment: str = "",
    limit: int = PER_PAGE,
    offset: int = 0,
) -> list[Row]:
    """What is to be renewed from ``start`` until before ``end``, the first due first. One statement, by its index.

    Each with ``health``, ``band`` and ``likely``: the share of the revenue, in per cent, that is not at risk by the
    customer's health (``rules.urgency.risk_of``). ``owner``: the key of a user name, for theirs alone.
    """
    given = {**_given(start, end, tenant, policy, owner, segment), "limit": limit, "offset": offset}
    rows = fetch_prepared_dicts(_LIST, given, using="default")
    work = find_work([row["customer_id"] for row in rows], policy, tenant=tenant, now=now)
    return [_describe(row, policy, now, work.get(row["customer_id"], NO_WORK)) for row in rows]


def count_months(
    start: dt.date, end: dt.date, *, tenant: TenantRef, policy: Policy, owner: str = "", segment: str = ""
) -> Mapping[dt.date, int]:
    """How many ``list_renewals`` lists of each month that has any, by its first day. One statement."""
    given = _given(start, end, tenant, policy, owner, segment)
    return {row["month"]: row["customers"] for row in fetch_prepared_dicts(_MONTHS, given, using="default")}


def list_days(
    start: dt.date, end: dt.date, *, tenant: TenantRef, policy: Policy, owner: str = ""
) -> Mapping[dt.date, Day]:
    """How many are due on each day that has any, and the first few of them. One statement."""
    given = {**_given(start, end, tenant, policy, owner), "named": NAMED}
    found: dict[dt.date, Day] = {}
    for row in fetch_prepared_dicts(_DAYS, given, using="default"):
        found.setdefault(row["renewal_on"], Day(row["customers"], [])).named.append(row)
    return found


def measure_retention(months: Sequence[Month], *, tenant: TenantRef, policy: Policy) -> list[Retention]:
    """What months that follow each other have kept of the revenue they began with, the latest first. One statement.

    Over the customers whose annual recurring revenue (ARR) at the beginning of the month is known and above 0, and who
    were not lost then, by currency::

        gross revenue retention (GRR) = sum of min(ARR at the beginning, ARR at the end) / sum of ARR at the beginning
        net revenue retention (NRR)   = sum of ARR at the end / sum of ARR at the beginning

    New customers do not count. The ARR of a moment is the last that a source had reported to be true before it
    (``FigureChange``); that of a customer who was lost then counts as 0, whether or not they have returned since (their
    former stays, which ``move_customers`` keeps, say when). Currencies are not added up.
    What is not known is left out: ``count_unknown`` says of how many.
    """
    begun = {begin_of(month): month for month in months}
    timestamps = sorted({*begun, *(begin_of(month.plus(1)) for month in months)})
    given = {"timestamps": timestamps, "tenant_id": tenant.id, **lost_stages(policy, tenant)}
    return [
        Retention(
            begun[row["timestamp"]],
            row["currency"],
            row["customers"],
            row["start_arr"],
            row["kept_arr"],
            row["end_arr"],
        )
        for row in fetch_prepared_dicts(KEPT, given, using="default")
    ]


def lost_stages(policy: Policy, tenant: TenantRef) -> Row:
    """The stages of lost customers, by their names, and by the keys that stays know them by; also those that went away
    when they meant that: who was lost there was lost, and is so while it is emptied.

    No statement; the first time after a publication two at most.
    """
    names, renames = policy.stages_in(LOST), present_names(tenant, live=policy.version)
    live = {key_of(name, policy.version, renames): name for name in policy.stages}
    former = {
        key_of(one.name, one.version, renames): one.category for one in read_former_stages(tenant, live=policy.version)
    }
    gone = [key for key, meant in former.items() if meant == LOST and key not in live]
    emptied = {name_of(key, renames) for key in gone}.difference(policy.stages)
    keys = [key for key, name in live.items() if name in names]
    return {"lost": text_array([*names, *sorted(emptied)]), "lost_keys": text_array([*keys, *gone])}


def count_unknown(month: Month, *, tenant: TenantRef) -> int:
    """Customers with revenue today of whom none is known at the beginning of the month. One statement."""
    given = {"start": begin_of(month), "tenant_id": tenant.id}
    (row,) = fetch_prepared_dicts(_UNKNOWN, given, using="default")
    return int(row["customers"])


def _given(
    start: dt.date, end: dt.date, tenant: TenantRef, policy: Policy, owner: str, segment: str = ""
) -> Mapping[str, Any]:
    lost = text_array(policy.stages_in(LOST))
    return {"tenant_id": tenant.id, "start": start, "end": end, "lost": lost, "owner": owner, "segment": segment}


def begin_of(month: Month) -> dt.datetime:
    """When it begins."""
    return dt.datetime.combine(month.first, dt.time(), dt.UTC)


def _describe(row: Row, policy: Policy, now: dt.datetime, work: Work) -> Row:
    judged = judge(
        policy,
        row["stage"],
        days_in_stage(row["stage_entered_at"], now),
        arr=read_number(row["arr"]),
        balance_overdue=read_number(row["balance_overdue"]),
        open_issues=row["open_issues"],
        csat=read_number(row["csat"]),
        days_to_renewal=(row["renewal_on"] - now.date()).days,
        work=work,
    )
    return {
        **row,
        "category": policy.category(row["stage"]),
        # Where one looks; the health, which everyone shares, goes by the day in UTC.
        "days": (row["renewal_on"] - timezone.localdate(now)).days,
        "health": judged.score,
        "band": judged.band,
        "likely": round(100 * (1 - risk_of(judged.penalty))),
    }


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return (100 * part / whole).quantize(Decimal("0.1"))


def months_before(month: Month, count: int) -> Sequence[Month]:
    """The months before this one, the latest first."""
    return [month.plus(-number) for number in range(1, count + 1)]


def read_month(text: str, today: dt.date) -> Month | None:
    """The month of an address, ``2026-11``; this one for none, and None for anything else."""
    if not text:
        return Month(today.year, today.month)
    try:
        found = dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    # The months around it are months too.
    return Month(found.year, found.month) if 1 < found.year < 9998 else None
