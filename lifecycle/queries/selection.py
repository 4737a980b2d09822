"""All customers that a question of the list finds: how many, and which. Order and place of a page do not count."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from lifecycle.queries import list_statements as statements
from lifecycle.queries.list_filters import LIST_FILTERS
from lifecycle.queries.listing import ListQuery, Search, chosen_stages
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy

MOST_COUNTED: Final = 10_000
# So many customers are looked at, at most, by filters that no index serves.
MOST_LOOKED_AT: Final = 100_000
NO_BOUND: Final = 2**31 - 2


@dataclass(frozen=True, slots=True)
class Count:
    """How many customers. Not ``is_exact``: there are at least so many, and no more were looked for."""

    number: int
    is_exact: bool = True


def count_all_customers(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> int:
    """How many the question finds, however many those are. One statement; inside the tenant's context."""
    search = _search(query, tenant=tenant, policy=policy, now=now)
    if search is None:
        return 0
    (row,) = _fetch(statements.count(search.filters, bounded=False), search.parameters | {"most": NO_BOUND})
    number: int = row[0]
    return number


def count_customers(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> Count:
    """How many the question finds, up to MOST_COUNTED. One statement; inside the tenant's context.

    Filters that no index serves look at the first MOST_LOOKED_AT customers of the stages asked for.
    """
    search = _search(query, tenant=tenant, policy=policy, now=now)
    if search is None:
        return Count(0)
    bounded = not (query.search or any(LIST_FILTERS[name].indexed for name in query.filters))
    parameters = search.parameters | {"most": MOST_COUNTED, "looked_at": MOST_LOOKED_AT}
    (row,) = _fetch(statements.count(search.filters, bounded=bounded), parameters)
    number, seen = row
    return Count(min(number, MOST_COUNTED), is_exact=number <= MOST_COUNTED and seen <= MOST_LOOKED_AT)


def select_customers(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime, most: int) -> list[UUID]:
    """The ids of all whom the question finds, in their order; of more than ``most``, ``most`` and one of them.

    One statement; inside the tenant's context.
    """
    search = _search(query, tenant=tenant, policy=policy, now=now)
    if search is None:
        return []
    ids = statements.gather(search.filters, bounded=False)
    return sorted(row[0] for row in _fetch(ids, search.parameters | {"most": most}))


def match_customers(
    query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime, needs: frozenset[str] = frozenset()
) -> tuple[str, dict[str, Any]] | None:
    """All whom the question finds, for a statement of one's own: its FROM and WHERE, and their parameters.

    Aliases and ``needs`` are those of ``list_statements``. None: no stage is left, and so no customer.
    """
    search = _search(query, tenant=tenant, policy=policy, now=now)
    return None if search is None else (statements.from_matching(search.filters, needs), search.parameters)


def _search(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> Search | None:
    stages = chosen_stages(query, policy)
    return None if stages == [] else Search(query, stages, policy, None, tenant, now)


def _fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
