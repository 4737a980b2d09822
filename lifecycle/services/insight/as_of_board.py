"""The board as of the end of a past day: how many were in each stage, with what value, and who came to it last."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from lifecycle.queries.insight.past import LATEST
from lifecycle.services.insight.as_of import EFFECTIVE, PastQuestion, count_by_stage, name_as_of, read_stage_counts
from lifecycle.services.insight.reading import Stages
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef

CARDS: Final = 20


@dataclass(frozen=True, slots=True)
class PastColumn:
    """One stage. ``money``: currency and revenue of all its customers; ``cards``: those who came to it last."""

    stage: str
    customers: int
    money: Sequence[tuple[str, Decimal]]
    cards: Sequence[dict[str, Any]]


def read_past_board(
    day: dt.date, *, stages: Stages, tenant: TenantRef, known: str = EFFECTIVE, owner: str = "", segment: str = ""
) -> list[PastColumn]:
    """The stages of today in their order, and those of former days in which there were customers then.

    Three statements, and two for an owner, whatever the number of stages and customers. Call inside the tenant's
    context. Customers are called what they were called then; owner and segment are those of today. How much revenue was
    known by a day is not kept: then there is no ``money``.
    """
    asked = PastQuestion(day, known, owner=owner, segment=segment).counted(tenant)
    found = sorted(read_stage_counts(asked, tenant=tenant))
    customers = count_by_stage(found)
    money: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for one in found:
        if one.arr and known == EFFECTIVE:
            money[one.stage].append((one.currency, one.arr))
    keys = stages.ordered({key for key, count in customers.items() if count})
    given = asked.parameters(tenant) | {
        "columns": text_array(keys),
        "cards": plain_array(min(CARDS, customers[key]) for key in keys),
    }
    cards: dict[str, list[dict[str, Any]]] = defaultdict(list)
    latest = _fetch(LATEST[asked.whose, known], given)
    name_as_of(asked.end, latest, tenant=tenant)
    for row in latest:
        cards[row["stage"]].append(row | {"days_in_stage": (asked.end - row["entered"]).days})
    return [PastColumn(stages.name(key), customers[key], money[key], cards[key]) for key in keys]


def _fetch(statement: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
