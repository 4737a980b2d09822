"""The short lists that the first page shows everyone of a tenant: which renewals come, and who stays too long."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.utils import timezone

from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.services.cache import copies
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.configuration.policy import Policy

MOST_LISTED: Final = 8
RENEWAL_DAYS: Final = 60
# What is shown of each, but for the name: it may be erased, and nothing looks for it in what is kept for everyone.
_SHOWN: Final = (
    "customer_id", "stage", "arr", "currency", "renewal_on", "days_to_renewal", "days_over", "days_in_stage",
)  # fmt: skip
ShortLists = dict[str, list[dict[str, Any]]]


def read_short_lists(*, tenant: TenantRef, policy: Policy, now: dt.datetime) -> ShortLists:
    """``renewals``: the next ones, but for those who are lost; ``late``: the most urgent of those past the target of
    their stage, but for those at risk. As the customer list has them, what is shown of each but for the name
    (``add_names``).

    Kept for 5 minutes, not beyond the end of the day (UTC's, and that of who asks), and never older than the last
    change of any customer; where the score asks for notes or tasks, which are no such change, not at all. One round
    trip to Redis on a hit; else two statements more, or three. Call inside the tenant's context.
    """
    if policy.health.needs_work:
        return _list(tenant, policy, now)
    days = f"{now.date()} {timezone.localdate(now)}"
    reading = copies.read_totals(tenant.id, "short_lists", str(policy.version), days)
    if reading.value is None:
        found = orjson.dumps(_list(tenant, policy, now))
        reading.offer(found)
    else:
        found = reading.value
    lists: ShortLists = orjson.loads(found)
    return lists


def ids_of(lists: ShortLists) -> list[str]:
    """The customers of all lists."""
    return [str(row["customer_id"]) for rows in lists.values() for row in rows]


def add_names(lists: ShortLists, names: Mapping[str, str]) -> ShortLists:
    """The lists with what the customers are called; without those of whom it is not known, for they are gone."""
    return {
        title: [row | {"name": names[id_]} for row in rows if (id_ := str(row["customer_id"])) in names]
        for title, rows in lists.items()
    }


def _list(tenant: TenantRef, policy: Policy, now: dt.datetime) -> ShortLists:
    others = tuple(stage for stage in policy.stages if policy.category(stage) != RISK)
    # Who is lost has nothing to renew, as on the page of renewals: they would take the place of those who have.
    staying = tuple(stage for stage in policy.stages if policy.category(stage) != LOST)
    renewing = {"stage": staying, "renewal_within": RENEWAL_DAYS}
    asked = {
        "renewals": ListQuery(renewing, ordering="renewal_on", limit=MOST_LISTED),
        "late": ListQuery({"stage": others, "stuck": True}, ordering="-urgency", limit=MOST_LISTED),
    }
    pages = {name: list_customers(query, tenant=tenant, policy=policy, now=now) for name, query in asked.items()}
    return {name: [{shown: row[shown] for shown in _SHOWN} for row in page.rows] for name, page in pages.items()}
