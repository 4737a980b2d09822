"""The walks of the customer list: an index that has the order already is followed, from the cursor on.

Each path is named by its ordering (``Ordering.walks``). Aliases are those of ``list_statements``.
"""

import re
from collections.abc import Callable
from typing import Final

from lifecycle.queries.list_orderings import (
    BILLING,
    PAST,
    TODAY,
    Ordering,
    Window,
    order_by,
    row_beyond,
    sign_against,
    sign_of,
    way_of,
)
from lifecycle.queries.list_pieces import (
    LIMIT,
    OF_TENANT,
    STEPS,
    Filters,
    conditions_of,
    conjunction,
    details,
    join,
    needs_of,
    stages_of,
)

# Amounts have up to four decimals: more than what a division by the rate is rounded by.
_ROUNDING: Final = "0.001"
_OF_STATUS: Final = re.compile(r"\b[sw]\.")


def is_bounded(ordering: Ordering, filters: Filters) -> bool:
    """Whether the walk may give up: it passes over customers. Only the status' own index knows the stages."""
    return filters.beyond_stage or (filters.stages and ordering.walks != "status")


def walk(ordering: Ordering, filters: Filters, window: Window) -> str:
    """Follow the index until the page is full.

    A bounded walk gives up after the parameter ``steps``; ``counted`` is how many it took.
    """
    bounded = is_bounded(ordering, filters)
    walked = _PATHS[ordering.walks or ""](ordering, filters, window, bounded)
    order = order_by(ordering, window, "s.key", "s.customer_id")
    page = f"""
    SELECT x.customer_id, x.key
      FROM walked x CROSS JOIN LATERAL {_look_up(filters)}
     ORDER BY x.key {way_of(ordering, window)}, x.customer_id {way_of(ordering, window)} {LIMIT}"""
    ctes = [f"walked AS {'' if bounded else 'NOT '}MATERIALIZED ({walked}\n)"]
    if ordering.nullable:
        ctes += _with_keyless(page, ordering, filters, window, bounded=bounded)
        page = f"SELECT * FROM both_parts s ORDER BY {order} {LIMIT}"
    ctes.append(f"page AS ({page}\n)")
    return f"\nWITH {', '.join(ctes)}\n{details(ordering, window, counted='walked' if bounded else None)}"


def _path_of_status(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """Each stage's part of the index, merged: enough of each to fill the page."""
    conditions = [OF_TENANT, "s.stage = w.stage", *row_beyond(ordering, window, "s.updated_at", "s.customer_id")]
    limit = STEPS if bounded else LIMIT
    return f"""
    SELECT x.customer_id, x.updated_at AS key
      FROM {stages_of(filters)}
     CROSS JOIN LATERAL (
        SELECT s.customer_id, s.updated_at FROM customer_lifecycle_status s
         WHERE {conjunction(conditions)}
         ORDER BY {order_by(ordering, window, "s.updated_at", "s.customer_id")} {limit}
     ) x
     ORDER BY {order_by(ordering, window, "x.updated_at", "x.customer_id")} {limit}"""


def _path_of_customers(ordering: Ordering, _: Filters, window: Window, bounded: bool) -> str:
    """Those that have the key; a window that begins among those without, and goes on there, has none of them."""
    column, way = ordering.column or ordering.key, way_of(ordering, window)
    conditions = ["c.tenant_id = %(tenant_id)s::uuid"]
    if window.after == "key":
        conditions += row_beyond(ordering, window, column, "c.id")
    elif window.after == "null" and window.forward:
        conditions.append("false")
    if ordering.column:
        conditions.append(f"{column} <> ''")
    return f"""
    SELECT c.id AS customer_id, {column} AS key FROM lifecycle_customer c
     WHERE {conjunction(conditions)}
     ORDER BY {column} {way}, c.id {way} {STEPS if bounded else ""}"""


def _path_of_renewals(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """Those that have the key. A window that begins among those without, and goes on there, has none of them."""
    conditions = [*_billed(ordering, filters, window), "b.renewal_on IS NOT NULL"]
    return _walk_billing(ordering, window, conditions, STEPS if bounded else "")


def _path_of_next(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """The renewals ahead, and those that have passed from today backwards: two walks of one index, merged."""
    conditions = _billed(ordering, filters, window)
    ahead = [*conditions, f"b.renewal_on >= {TODAY}"]
    passed = [*conditions, f"b.renewal_on < {TODAY}"]
    if window.after == "key":
        # What the row comparison says already, in the form that the index understands.
        ahead.append(f"b.renewal_on {sign_of(ordering, window)}= {TODAY} + %(key)s::int")
        passed.append(f"b.renewal_on {sign_against(ordering, window)}= {TODAY} - (%(key)s::int - {PAST})")
    limit = STEPS if bounded else LIMIT
    return f"""
    SELECT x.customer_id, x.key FROM (
        ({_walk_billing(ordering, window, ahead, limit)})
        UNION ALL
        ({_walk_billing(ordering, window, passed, limit, turned=True)})
    ) x
     ORDER BY {order_by(ordering, window, "x.key", "x.customer_id")} {limit}"""


def _path_of_worth(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """Each currency's part of the index, merged by what the amounts are worth."""
    conditions = [*_billed(ordering, filters, window), "b.currency = m.currency", "b.arr IS NOT NULL"]
    if window.after == "key":
        sign = sign_of(ordering, window)
        margin = f"{'-' if sign == '>' else '+'} {_ROUNDING}"
        conditions.append(f"b.arr {sign}= %(key)s::numeric / m.rate {margin}")
    limit = STEPS if bounded else LIMIT
    way = way_of(ordering, window)
    return f"""
    SELECT x.customer_id, x.key
      FROM unnest(%(currencies)s::text[], %(rates)s::numeric[]) AS m(currency, rate)
     CROSS JOIN LATERAL (
        SELECT b.customer_id, {ordering.key} AS key FROM lifecycle_billingfigures b
         WHERE {conjunction(conditions)}
         ORDER BY b.arr {way}, b.customer_id {way} {limit}
     ) x
     ORDER BY x.key {way}, x.customer_id {way} {limit}"""


_PATHS: Final[dict[str, Callable[[Ordering, Filters, Window, bool], str]]] = {
    "status": _path_of_status,
    "customer": _path_of_customers,
    "worth": _path_of_worth,
    "renewal": _path_of_renewals,
    "next": _path_of_next,
}


def _billed(ordering: Ordering, filters: Filters, window: Window) -> list[str]:
    conditions = ["b.tenant_id = %(tenant_id)s::uuid"]
    if window.after == "key":
        conditions += row_beyond(ordering, window, f"({ordering.key})", "b.customer_id")
    elif window.after == "null" and window.forward:
        conditions.append("false")
    if ordering.walks != "worth":
        # What a filter asks of the status, too, can only be judged where the customer is looked up.
        conditions += [
            one.condition for one in filters.asked if one.needs == BILLING and not _OF_STATUS.search(one.condition)
        ]
    return conditions


def _walk_billing(
    ordering: Ordering, window: Window, conditions: list[str], limit: str, *, turned: bool = False
) -> str:
    """Along the index of renewals; ``turned``: from late to early where the order goes from early to late."""
    way = way_of(ordering, window)
    along = ("ASC" if way == "DESC" else "DESC") if turned else way
    return f"""
    SELECT b.customer_id, {ordering.key} AS key FROM lifecycle_billingfigures b
     WHERE {conjunction(conditions)}
     ORDER BY b.renewal_on {along}, b.customer_id {way} {limit}"""


def _with_keyless(page: str, ordering: Ordering, filters: Filters, window: Window, *, bounded: bool) -> list[str]:
    """Before or after ``page`` come the customers without the key; whichever is second only if there is room left."""
    conditions = [OF_TENANT, f"({ordering.key}) IS NULL", *conditions_of(filters)]
    if window.after == "null":
        conditions.append(f"s.customer_id {sign_of(ordering, window)} %(id)s::uuid")
    elif window.after == "key" and not window.forward:
        conditions.append("false")
    if window.forward:
        conditions.append("(SELECT count(*) FROM keyed) <= %(limit)s::int")
        if bounded:
            conditions.append("(SELECT count(*) FROM walked) < %(steps)s::int")
    keyless = f"""
    SELECT s.customer_id, NULL::{ordering.type} AS key
      FROM customer_lifecycle_status s JOIN {stages_of(filters)} ON w.stage = s.stage
      {join(needs_of(filters) | ordering.needs)}
     WHERE {conjunction(conditions)}
     ORDER BY s.customer_id {way_of(ordering, window)} {LIMIT}"""
    parts = {"keyed": page, "keyless": keyless}
    if not window.forward:
        room = "(SELECT count(*) FROM keyless) <= %(limit)s::int"
        parts = {"keyless": keyless, "keyed": f"SELECT * FROM ({page}\n) s WHERE {room}"}
    return [
        *(f"{name} AS MATERIALIZED ({part}\n)" for name, part in parts.items()),
        "both_parts AS (SELECT * FROM keyed UNION ALL SELECT * FROM keyless)",
    ]


def _look_up(filters: Filters) -> str:
    """Whether a customer that the walk meets passes the filters.

    OFFSET 0 keeps the planner from turning it into a join that looks at everybody first and sorts afterwards. What is
    walked has the index's own columns only, so that nothing else is read of those that are passed over.
    """
    conditions = [OF_TENANT, "s.customer_id = x.customer_id", *conditions_of(filters)]
    return f"""(
        SELECT
          FROM customer_lifecycle_status s JOIN {stages_of(filters)} ON w.stage = s.stage
          {join(needs_of(filters))}
         WHERE {conjunction(conditions)} OFFSET 0
     ) passing"""
