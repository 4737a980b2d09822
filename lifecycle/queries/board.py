"""The board: the customers that the list's filters leave, by stage. Counts of all of them, cards of the latest few."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from lifecycle.queries.listing import ListQuery
from lifecycle.queries.selection import match_customers
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy

_BILLING: Final = frozenset({"billing"})
_COLUMNS: Final = "SELECT s.stage, COALESCE(b.currency, ''), count(*), sum(b.arr){matching} GROUP BY 1, 2"
# Each column along the index of its stage, until it has enough: for a question that every customer of a stage passes.
_WALK: Final = """
  FROM unnest(%(columns)s::text[]) AS k(stage)
 CROSS JOIN LATERAL (
    SELECT s.customer_id{matching} AND s.stage = k.stage AND {beyond}
     ORDER BY s.updated_at DESC, s.customer_id DESC LIMIT %(cards)s::int + 1
 ) x
"""
# Where filters leave few of a stage, all that pass are gathered once.
_GATHER: Final = """
  FROM (SELECT m.customer_id, row_number() OVER (
                   PARTITION BY m.stage ORDER BY m.updated_at DESC, m.customer_id DESC) AS place
          FROM (SELECT s.customer_id, s.stage, s.updated_at{matching}
                   AND s.stage = ANY(%(columns)s::text[]) AND {beyond}) m) x
"""
_BEYOND: Final = "(s.updated_at, s.customer_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)"
_CARDS: Final = """
SELECT s.customer_id, s.stage, s.version, s.stage_entered_at, s.updated_at, c.name, c.external_id, c.owner,
       b.arr, b.currency, b.renewal_on
  {found}
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = x.customer_id
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
 WHERE {enough}
 ORDER BY s.updated_at DESC, s.customer_id DESC
"""


@dataclass(frozen=True, slots=True)
class Money:
    """The annual revenue of a column in one currency."""

    currency: str
    arr: Decimal


@dataclass(frozen=True, slots=True)
class Total:
    """All customers of a column. Money is never added across currencies."""

    customers: int = 0
    money: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One customer on the board."""

    customer_id: UUID
    stage: str
    version: int
    stage_entered_at: dt.datetime
    updated_at: dt.datetime
    name: str
    external_id: str
    owner: str
    arr: Decimal | None
    currency: str | None
    renewal_on: dt.date | None


@dataclass(frozen=True, slots=True)
class Place:
    """After which card a column goes on."""

    updated_at: dt.datetime
    customer_id: UUID


def count_columns(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> dict[str, Total]:
    """The total of each stage that has customers. One statement, in the tenant's context."""
    matched = match_customers(query, tenant=tenant, policy=policy, now=now, needs=_BILLING)
    if matched is None:
        return {}
    matching, parameters = matched
    numbers: dict[str, int] = defaultdict(int)
    money: dict[str, list[Money]] = defaultdict(list)
    for stage, currency, count, arr in sorted(_fetch(_COLUMNS.format(matching=matching), parameters)):
        numbers[stage] += count
        if arr is not None:
            money[stage].append(Money(currency, arr))
    return {stage: Total(number, tuple(money[stage])) for stage, number in numbers.items()}


def list_cards(
    query: ListQuery,
    stages: Collection[str],
    *,
    tenant: TenantRef,
    policy: Policy,
    now: dt.datetime,
    limit: int,
    after: Place | None = None,
    is_filtered: bool = False,
) -> dict[str, tuple[list[Card], Place | None]]:
    """The cards of each stage, the latest change first, and where the column goes on (None: it is complete).

    ``is_filtered``: by more than the stage. One statement whatever the number of stages and customers, in the tenant's
    context.
    """
    matched = match_customers(query, tenant=tenant, policy=policy, now=now)
    by_stage: dict[str, list[Card]] = {stage: [] for stage in stages}
    if matched is not None:
        matching, parameters = matched
        parameters = parameters | {
            "columns": text_array(stages),
            "cards": limit,
            "after_at": after.updated_at if after else None,
            "after_id": after.customer_id if after else None,
        }
        found = (_GATHER if is_filtered else _WALK).format(matching=matching, beyond=_BEYOND if after else "true")
        enough = "x.place <= %(cards)s::int + 1" if is_filtered else "true"
        for row in _fetch(_CARDS.format(found=found, enough=enough), parameters):
            card = Card(*row)
            by_stage[card.stage].append(card)
    return {stage: (cards[:limit], _following(cards, limit)) for stage, cards in by_stage.items()}


def _following(cards: list[Card], limit: int) -> Place | None:
    if len(cards) <= limit:
        return None
    last = cards[limit - 1]
    return Place(last.updated_at, last.customer_id)


def _fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
