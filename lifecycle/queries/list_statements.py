"""The statements of the customer list: each the form that an index serves, put together from fixed pieces.

Three ways to find a page:

* *walk*: follow the index that has the order already, from the cursor on, until the page is full. With filters it
  gives up after a number of steps: no one can know beforehand how many customers it would have to pass over.
* *sort*: gather all that pass the filters, and sort them. When no index has the order, and when a walk has given up.
* *sort few*: the same for an order that is computed from figures, which are looked up by the customers' ids. It gives
  up when too many pass: reading everybody's figures is cheaper then.

Everything that a caller says is a parameter; only pieces of this file become SQL. Aliases: ``s`` status, ``c``
customer, ``b`` billing, ``u`` support, ``w`` a stage that is looked at, with its own numbers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lifecycle.queries.facts import select
from lifecycle.queries.health import WORK, gather_work
from lifecycle.queries.list_columns import LISTED
from lifecycle.queries.list_filters import ListFilter
from lifecycle.queries.list_orderings import (
    BILLING,
    PAST,
    TODAY,
    Ordering,
    Window,
    beyond,
    order_by,
    row_beyond,
    sign_against,
    sign_of,
    way_of,
)

_STATUS: Final = (
    "s.customer_id, s.stage, s.stage_entered_at, s.updated_at, s.updated_by, s.actor_kind, s.source, s.reason_code,"
    " s.version"
)
_JOINS: Final = {
    "customer": "JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id",
    "billing": "LEFT JOIN lifecycle_billingfigures b ON b.customer_id = s.customer_id",
    "support": "LEFT JOIN lifecycle_supportfigures u ON u.customer_id = s.customer_id",
}
_OF_TENANT: Final = "s.tenant_id = %(tenant_id)s::uuid"
_NUMBERS: Final = """unnest(%(stages)s::text[], %(cutoffs)s::timestamptz[], %(penalties)s::int[], %(max_days)s::int[],
               %(lost)s::boolean[]) AS w(stage, cutoff, penalty, max_days, is_lost)"""
# Customers may still stand in stages that the live configuration does not know any more.
_EVERY_STAGE: Final = f"""(
        SELECT t.name AS stage, w.cutoff, COALESCE(w.penalty, %(health_elsewhere)s::int) AS penalty, w.max_days,
               COALESCE(w.is_lost, false) AS is_lost
          FROM tenants_stage t LEFT JOIN {_NUMBERS} ON w.stage = t.name
         WHERE t.tenant_id = %(tenant_id)s::uuid
    ) w"""
_FOUND: Final = "SELECT array_agg(id) FROM found HAVING count(*) <= %(few)s::int"
_LIMIT: Final = "LIMIT %(limit)s::int + 1"
_STEPS: Final = "LIMIT %(steps)s::int"
# Amounts have up to four decimals: more than what a division by the rate is rounded by.
_ROUNDING: Final = "0.001"
_OF_STATUS: Final = re.compile(r"\b[sw]\.")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which conditions a question has; their values are parameters. ``asked`` are filters that have one of their own.

    ``search`` asks the search function, ``pattern`` compares row by row: for when the search leaves so many customers
    that the function is of no use.
    """

    stages: bool = False
    asked: tuple[ListFilter, ...] = ()
    email: bool = False
    search: bool = False
    pattern: bool = False

    @property
    def beyond_stage(self) -> bool:
        """Whether there is any condition but for the stage."""
        return bool(self.asked) or self.email or self.search or self.pattern


def sort(ordering: Ordering, filters: Filters, window: Window) -> str:
    """Gather, sort, take a page.

    With a search, ``counted`` is how many it found: if more than the parameter ``few``, no page comes.
    """
    found, status = "", "customer_lifecycle_status s"
    if filters.search:
        found = (
            "found AS MATERIALIZED (SELECT f AS id FROM"
            " search_customers(%(search)s::text, %(search_key)s::text, %(few)s::int + 1) f),"
        )
        # OFFSET 0: else each of those found is looked up once for every stage.
        status = f"""(
        SELECT s.* FROM customer_lifecycle_status s
         WHERE {_OF_TENANT} AND {_among("s.customer_id", _FOUND)} OFFSET 0
      ) s"""
    used = [ordering.key, *(one.condition for one in filters.asked)]
    is_about_stages = filters.stages or any("w." in text for text in used)
    stages = f"JOIN {_stages(filters)} ON s.stage = w.stage" if is_about_stages else ""
    wanted = f"""
    SELECT s.customer_id, {ordering.key} AS key
      FROM {status} {stages}
      {_joins(ordering.needs | _needs(filters))} {WORK}
     WHERE {_and([_OF_TENANT, *_conditions(filters)])}"""
    return f"""
WITH {found} {_page_of(gather_work(wanted), ordering, window)}
{_details(ordering, window, counted="found" if filters.search else None)}"""


def sort_few(ordering: Ordering, filters: Filters, window: Window) -> str:
    """As ``sort`` without a search, for a computed order: choose, look up the figures of those alone, sort.

    ``counted`` is how many were chosen: if more than the parameter ``few_figures``, no page comes.
    """
    wanted = f"""
    SELECT s.customer_id, {ordering.key} AS key
      FROM chosen s CROSS JOIN LATERAL (SELECT s.penalty, s.max_days, s.is_lost) w
      LEFT JOIN ({_look_up_figures("lifecycle_billingfigures", "arr, currency, balance_overdue, renewal_on")}
      ) b ON b.customer_id = s.customer_id
      LEFT JOIN ({_look_up_figures("lifecycle_supportfigures", "open_issues, csat")}
      ) u ON u.customer_id = s.customer_id
     WHERE (SELECT ids FROM few) IS NOT NULL"""
    return f"""
WITH chosen AS MATERIALIZED (
    SELECT s.customer_id, s.stage_entered_at, w.penalty, w.max_days, w.is_lost
      FROM customer_lifecycle_status s JOIN {_stages(filters)} ON s.stage = w.stage
      {_joins(_needs(filters))}
     WHERE {_and([_OF_TENANT, *_conditions(filters)])}
     LIMIT %(few_figures)s::int + 1
), few AS MATERIALIZED (
    SELECT array_agg(customer_id) AS ids FROM chosen HAVING count(*) <= %(few_figures)s::int
), {_page_of(wanted, ordering, window)}
{_details(ordering, window, counted="chosen")}"""


def from_matching(
    filters: Filters, needs: frozenset[str] = frozenset(), *, status: str = "customer_lifecycle_status s"
) -> str:
    """FROM and WHERE of a statement about all who pass the filters, in no order, with the tables it ``needs``."""
    conditions = [_OF_TENANT, *_conditions(filters)]
    if filters.search:
        found = "SELECT f FROM search_customers(%(search)s::text, %(search_key)s::text) f"
        conditions.append(_among("s.customer_id", f"SELECT array_agg(f) FROM ({found}) f"))
    is_about_stages = filters.stages or any("w." in one.condition for one in filters.asked)
    return gather_work(f"""
  FROM {status} {f"JOIN {_stages(filters)} ON s.stage = w.stage" if is_about_stages else ""}
  {_joins(needs | _needs(filters))} {WORK}
 WHERE {_and(conditions)}""")


def gather(filters: Filters, *, bounded: bool) -> str:
    """The ids of all who pass the filters, in no order, at most the parameter ``most`` and one.

    ``bounded``: no more than the parameter ``looked_at`` of those in the stages are looked at.
    """
    status = "customer_lifecycle_status s"
    if bounded:
        in_stages = "AND s.stage = ANY(%(stages)s::text[])" if filters.stages else ""
        status = f"(SELECT * FROM {status} WHERE {_OF_TENANT} {in_stages} LIMIT %(looked_at)s::int) s"
    return f"SELECT s.customer_id {from_matching(filters, status=status)} LIMIT %(most)s::int + 1"


def count(filters: Filters, *, bounded: bool) -> str:
    """How many ``gather`` finds, and, where it is ``bounded``, how many it looked at, and one if there are more."""
    in_stages = "AND s.stage = ANY(%(stages)s::text[])" if filters.stages else ""
    seen = f"SELECT FROM customer_lifecycle_status s WHERE {_OF_TENANT} {in_stages} LIMIT %(looked_at)s::int + 1"
    looked_at = f"(SELECT count(*) FROM ({seen}) l)" if bounded else "0"
    return f"SELECT count(*), {looked_at} FROM ({gather(filters, bounded=bounded)}) g"


def _look_up_figures(table: str, columns: str) -> str:
    return f"""
        SELECT customer_id, {columns} FROM {table}
         WHERE tenant_id = %(tenant_id)s::uuid AND {_among("customer_id", "SELECT ids FROM few")}"""


def _among(column: str, ids: str) -> str:
    """As an array: an index that looks for one steps from leaf to leaf, and begins at the root only once in a while."""
    return f"{column} = ANY(({ids})::uuid[])"


def _page_of(wanted: str, ordering: Ordering, window: Window) -> str:
    # Materialised: a planner that sees ORDER BY and LIMIT may be tempted to walk an index past all the other rows.
    return f"""wanted AS MATERIALIZED ({wanted}
), page AS (
    SELECT * FROM wanted s
     WHERE {_and(beyond(ordering, window))}
     ORDER BY {order_by(ordering, window, "s.key", "s.customer_id")} {_LIMIT}
)"""


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
     ORDER BY x.key {way_of(ordering, window)}, x.customer_id {way_of(ordering, window)} {_LIMIT}"""
    ctes = [f"walked AS {'' if bounded else 'NOT '}MATERIALIZED ({walked}\n)"]
    if ordering.nullable:
        ctes += _with_keyless(page, ordering, filters, window, bounded=bounded)
        page = f"SELECT * FROM both_parts s ORDER BY {order} {_LIMIT}"
    ctes.append(f"page AS ({page}\n)")
    return f"\nWITH {', '.join(ctes)}\n{_details(ordering, window, counted='walked' if bounded else None)}"


def _path_of_status(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """Each stage's part of the index, merged: enough of each to fill the page."""
    conditions = [_OF_TENANT, "s.stage = w.stage", *row_beyond(ordering, window, "s.updated_at", "s.customer_id")]
    limit = _STEPS if bounded else _LIMIT
    return f"""
    SELECT x.customer_id, x.updated_at AS key
      FROM {_stages(filters)}
     CROSS JOIN LATERAL (
        SELECT s.customer_id, s.updated_at FROM customer_lifecycle_status s
         WHERE {_and(conditions)}
         ORDER BY {order_by(ordering, window, "s.updated_at", "s.customer_id")} {limit}
     ) x
     ORDER BY {order_by(ordering, window, "x.updated_at", "x.customer_id")} {limit}"""


def _path_of_customers(ordering: Ordering, _: Filters, window: Window, bounded: bool) -> str:
    conditions = ["c.tenant_id = %(tenant_id)s::uuid", *row_beyond(ordering, window, ordering.key, "c.id")]
    return f"""
    SELECT c.id AS customer_id, {ordering.key} AS key FROM lifecycle_customer c
     WHERE {_and(conditions)}
     ORDER BY {order_by(ordering, window, ordering.key, "c.id")} {_STEPS if bounded else ""}"""


def _path_of_renewals(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """Those that have the key. A window that begins among those without, and goes on there, has none of them."""
    conditions = [*_billed(ordering, filters, window), "b.renewal_on IS NOT NULL"]
    return _walk_billing(ordering, window, conditions, _STEPS if bounded else "")


def _path_of_next(ordering: Ordering, filters: Filters, window: Window, bounded: bool) -> str:
    """The renewals ahead, and those that have passed from today backwards: two walks of one index, merged."""
    conditions = _billed(ordering, filters, window)
    ahead = [*conditions, f"b.renewal_on >= {TODAY}"]
    passed = [*conditions, f"b.renewal_on < {TODAY}"]
    if window.after == "key":
        # What the row comparison says already, in the form that the index understands.
        ahead.append(f"b.renewal_on {sign_of(ordering, window)}= {TODAY} + %(key)s::int")
        passed.append(f"b.renewal_on {sign_against(ordering, window)}= {TODAY} - (%(key)s::int - {PAST})")
    limit = _STEPS if bounded else _LIMIT
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
    limit = _STEPS if bounded else _LIMIT
    way = way_of(ordering, window)
    return f"""
    SELECT x.customer_id, x.key
      FROM unnest(%(currencies)s::text[], %(rates)s::numeric[]) AS m(currency, rate)
     CROSS JOIN LATERAL (
        SELECT b.customer_id, {ordering.key} AS key FROM lifecycle_billingfigures b
         WHERE {_and(conditions)}
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
     WHERE {_and(conditions)}
     ORDER BY b.renewal_on {along}, b.customer_id {way} {limit}"""


def _with_keyless(page: str, ordering: Ordering, filters: Filters, window: Window, *, bounded: bool) -> list[str]:
    """Before or after ``page`` come the customers without the key; whichever is second only if there is room left."""
    conditions = [_OF_TENANT, f"({ordering.key}) IS NULL", *_conditions(filters)]
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
      FROM customer_lifecycle_status s JOIN {_stages(filters)} ON w.stage = s.stage
      {_joins(_needs(filters) | {"billing"})}
     WHERE {_and(conditions)}
     ORDER BY s.customer_id {way_of(ordering, window)} {_LIMIT}"""
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
    conditions = [_OF_TENANT, "s.customer_id = x.customer_id", *_conditions(filters)]
    return f"""(
        SELECT
          FROM customer_lifecycle_status s JOIN {_stages(filters)} ON w.stage = s.stage
          {_joins(_needs(filters))}
         WHERE {_and(conditions)} OFFSET 0
     ) passing"""


def _details(ordering: Ordering, window: Window, *, counted: str | None) -> str:
    """What is shown of each row of the page, looked up for these rows alone.

    With ``counted``, the size of that part beside each row, and one row that is empty otherwise if the page is.
    """
    shown = f"""
SELECT p.key, {_STATUS}, c.external_id, {", ".join(select(field) for field in LISTED)}
  FROM page p
  JOIN customer_lifecycle_status s ON {_OF_TENANT} AND s.customer_id = p.customer_id
  {_JOINS["customer"]} {_JOINS["billing"]} {_JOINS["support"]}"""
    if counted is not None:
        shown = (
            f"SELECT p.*, n.counted FROM (SELECT count(*) AS counted FROM {counted}) n LEFT JOIN ({shown}) p ON true"
        )
    return f"{shown} ORDER BY {order_by(ordering, window, 'p.key', 'p.customer_id')}"


def _stages(filters: Filters) -> str:
    return _NUMBERS if filters.stages else _EVERY_STAGE


def _conditions(filters: Filters) -> list[str]:
    conditions = {
        **{one.condition: True for one in filters.asked},
        "s.customer_id IN (SELECT customer_id FROM lifecycle_contact"
        " WHERE tenant_id = %(tenant_id)s::uuid AND email_index = %(email_index)s::bytea)": filters.email,
        "c.erased_at IS NULL AND (c.name_key LIKE %(name_pattern)s::text"
        " OR lower(c.external_id) LIKE lower(%(external_id_pattern)s::text))": filters.pattern,
    }
    return [condition for condition, is_asked in conditions.items() if is_asked]


def _needs(filters: Filters) -> frozenset[str]:
    looked_up = frozenset({"customer"}) if filters.pattern else frozenset[str]()
    return looked_up.union(*(one.needs for one in filters.asked))


def _joins(tables: frozenset[str]) -> str:
    return " ".join(_JOINS[table] for table in sorted(tables))


def _and(conditions: list[str]) -> str:
    return "\n       AND ".join(conditions) if conditions else "true"
