"""The board as of the end of a past day: how many stood in each stage, with what value, and who came to it last."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from lifecycle.queries.insight.past import BOARD_CARDS, BOARD_COLUMNS
from lifecycle.services.insight.as_of import EFFECTIVE
from lifecycle.services.insight.reading import Stages, midnight
from storage.cursors import text_array
from tenants.actors import TenantRef
from tenants.rules.texts import fold_text

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
    """The stages of today in their order, and those of former days in which somebody stood then.

    Two statements, whatever the number of stages and customers. Call inside the tenant's context. Owner and segment are
    those of today. How much revenue was known by a day is not kept: then there is no ``money``.
    """
    end = midnight(day + dt.timedelta(days=1))
    given: dict[str, Any] = {"tenant_id": tenant.id, "moment": end, "stages": None, "cards": CARDS}
    given |= {"owner": fold_text(owner), "segment": segment}
    customers: dict[str, int] = defaultdict(int)
    money: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for row in sorted(_fetch(BOARD_COLUMNS[known], given), key=lambda row: (row["stage"], row["currency"])):
        customers[row["stage"]] += row["customers"]
        if row["arr"] and known == EFFECTIVE:
            money[row["stage"]].append((row["currency"], row["arr"]))
    keys = stages.ordered(set(customers))
    cards: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _fetch(BOARD_CARDS[known], given | {"columns": text_array(keys)}):
        cards[row["stage"]].append(row | {"days_in_stage": (end - row["entered"]).days})
    return [PastColumn(stages.name(key), customers[key], money[key], cards[key]) for key in keys]


def _fetch(statement: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
