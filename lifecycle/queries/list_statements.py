"""The statements of the customer list: each the form that an index serves, put together from fixed pieces.

Three ways to find a page:

* *walk* (``list_walks``): follow the index that has the order already, from the cursor on, until the page is full.
  With filters it gives up after a number of steps: no one can know beforehand how many customers it would have to pass
  over.
* *sort*: gather all that pass the filters, and sort them. When no index has the order, and when a walk has given up.
* *sort few*: the same for an order that is computed from figures, which are looked up by the customers' ids. It gives
  up when too many pass: reading everybody's figures is cheaper then.

Everything that a caller says is a parameter; only pieces of these files become SQL. Aliases: ``s`` status, ``c``
customer, ``b`` billing, ``u`` support, ``w`` a stage that is looked at, with its own numbers.
"""

from typing import Final

from lifecycle.queries.health import gather_work
from lifecycle.queries.list_orderings import Ordering, Window, beyond, order_by
from lifecycle.queries.list_pieces import (
    LIMIT,
    OF_TENANT,
    Filters,
    conditions_of,
    conjunction,
    details,
    join,
    needs_of,
    stages_of,
)

_FOUND: Final = "SELECT array_agg(id) FROM found HAVING count(*) <= %(few)s::int"


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
         WHERE {OF_TENANT} AND {_among("s.customer_id", _FOUND)} OFFSET 0
      ) s"""
    used = [ordering.key, *(one.condition for one in filters.asked)]
    is_about_stages = filters.stages or any("w." in text for text in used)
    stages = f"JOIN {stages_of(filters)} ON s.stage = w.stage" if is_about_stages else ""
    if is_about_stages and not filters.stages and not filters.beyond_stage:
        # OFFSET 0: else everyone is looked up stage by stage, in the order of the changes and not as the rows lie.
        status = f"(SELECT * FROM {status} WHERE {OF_TENANT} OFFSET 0) s"
    wanted = f"""
    SELECT s.customer_id, {ordering.key} AS key
      FROM {status} {stages}
      {join(ordering.needs | needs_of(filters))}
     WHERE {conjunction([OF_TENANT, *conditions_of(filters)])}"""
    return f"""
WITH {found} {_page_of(gather_work(wanted), ordering, window)}
{details(ordering, window, counted="found" if filters.search else None)}"""


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
      FROM customer_lifecycle_status s JOIN {stages_of(filters)} ON s.stage = w.stage
      {join(needs_of(filters))}
     WHERE {conjunction([OF_TENANT, *conditions_of(filters)])}
     LIMIT %(few_figures)s::int + 1
), few AS MATERIALIZED (
    SELECT array_agg(customer_id) AS ids FROM chosen HAVING count(*) <= %(few_figures)s::int
), {_page_of(wanted, ordering, window)}
{details(ordering, window, counted="chosen")}"""


def from_matching(
    filters: Filters, needs: frozenset[str] = frozenset(), *, status: str = "customer_lifecycle_status s"
) -> str:
    """FROM and WHERE of a statement about all who pass the filters, in no order, with the tables it ``needs``."""
    conditions = [OF_TENANT, *conditions_of(filters)]
    if filters.search:
        found = "SELECT f FROM search_customers(%(search)s::text, %(search_key)s::text) f"
        conditions.append(_among("s.customer_id", f"SELECT array_agg(f) FROM ({found}) f"))
    is_about_stages = filters.stages or any("w." in one.condition for one in filters.asked)
    return gather_work(f"""
  FROM {status} {f"JOIN {stages_of(filters)} ON s.stage = w.stage" if is_about_stages else ""}
  {join(needs | needs_of(filters))}
 WHERE {conjunction(conditions)}""")


def gather(filters: Filters, *, bounded: bool) -> str:
    """The ids of all who pass the filters, in no order, at most the parameter ``most`` and one.

    ``bounded``: no more than the parameter ``looked_at`` of those in the stages are looked at.
    """
    status = "customer_lifecycle_status s"
    if bounded:
        in_stages = "AND s.stage = ANY(%(stages)s::text[])" if filters.stages else ""
        status = f"(SELECT * FROM {status} WHERE {OF_TENANT} {in_stages} LIMIT %(looked_at)s::int) s"
    return f"SELECT s.customer_id {from_matching(filters, status=status)} LIMIT %(most)s::int + 1"


def count(filters: Filters, *, bounded: bool) -> str:
    """How many ``gather`` finds, and, where it is ``bounded``, how many it looked at, and one if there are more."""
    in_stages = "AND s.stage = ANY(%(stages)s::text[])" if filters.stages else ""
    seen = f"SELECT FROM customer_lifecycle_status s WHERE {OF_TENANT} {in_stages} LIMIT %(looked_at)s::int + 1"
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
    # OFFSET 0: a planner that sees ORDER BY and LIMIT may be tempted to walk an index past all the other rows.
    return f"""page AS (
    SELECT * FROM ({wanted}
     OFFSET 0) s
     WHERE {conjunction(beyond(ordering, window))}
     ORDER BY {order_by(ordering, window, "s.key", "s.customer_id")} {LIMIT}
)"""
