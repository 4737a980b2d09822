"""What the first page shows: who is at risk now, customers by stage, which renewals come, who stays too long."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lifecycle.services.configuration.stage_migrations import unfinished_moves
from lifecycle.services.customers.totals import read_tenant_summary
from lifecycle.services.home.short_lists import RENEWAL_DAYS, add_names, ids_of, read_short_lists
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.home import SCOPES, gather_home
from lifecycle.web.pages import tenant_stream
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.sentences.figures import say_number
from tenants.services.configuration.policies import live_policy

RISK, LOST = "risk", "lost"
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Amount:
    """Annual revenue in one currency."""

    currency: str
    arr: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """One stage in the picture. ``start`` and ``width`` on the bar of all, ``relative`` to the largest; of 100."""

    stage: str
    customers: int
    money: Sequence[Amount]
    start: float
    width: float
    relative: float


@dataclass(frozen=True, slots=True)
class Total:
    """Some customers and their money."""

    customers: int
    money: Sequence[Amount]


def gather_overview(request: TenantRequest, *, now: dt.datetime) -> dict[str, Any]:
    """The context of the first page; a number of statements that does not depend on the number of customers."""
    asked = AddressReader(request.GET)
    asked.choose("whose", SCOPES)
    policy = live_policy(request.tenant.id)
    stages = read_tenant_summary(tenant=request.tenant)["stages"]
    shares = share_out(stages)
    lists = read_short_lists(tenant=request.tenant, policy=policy, now=now)
    home = gather_home(request, policy, now=now, named=ids_of(lists))
    return {
        **home,
        **add_names(lists, home["scope"].names),
        "troubles": asked.troubles,
        "at_risk": add_up(stages, policy.stages_in(RISK)),
        "total": add_up(stages, set(policy.stages) - set(policy.stages_in(LOST))),
        "shares": shares,
        "shares_in_words": ", ".join(f"{share.stage} {say_number(share.customers)}" for share in shares),
        "renewal_days": RENEWAL_DAYS,
        "stage_colors": stage_colors(policy),
        "moves": unfinished_moves(request.tenant) if home["scope"].has_moves else (),
        "stream": tenant_stream(request),
    }


def share_out(stages: Sequence[Mapping[str, Any]]) -> list[Share]:
    """The picture's measures, in the order of the stages."""
    whole = sum(stage["customers"] for stage in stages) or 1
    largest = max((stage["customers"] for stage in stages), default=0) or 1
    shares, start = [], 0.0
    for stage in stages:
        width = WIDTH * stage["customers"] / whole
        money = read_money(stage)
        relative = WIDTH * stage["customers"] / largest
        shares.append(Share(stage["stage"], stage["customers"], money, start, width, relative))
        start += width
    return shares


def add_up(stages: Sequence[Mapping[str, Any]], chosen: Collection[str]) -> Total:
    """The sums over the chosen stages."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    customers = 0
    for stage in stages:
        if stage["stage"] in chosen:
            customers += stage["customers"]
            for amount in read_money(stage):
                sums[amount.currency] += amount.arr
    return Total(customers, [Amount(currency, arr) for currency, arr in sorted(sums.items())])


def read_money(stage: Mapping[str, Any]) -> list[Amount]:
    """The revenue of a stage, a currency each; nothing for currencies without any."""
    return [Amount(money["currency"], Decimal(money["arr"])) for money in stage["money"] if Decimal(money["arr"])]
