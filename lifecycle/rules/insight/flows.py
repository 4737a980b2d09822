"""Who was where on which day, from the moves between: what came in = what went out + what is there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from lifecycle.rules.insight.stages import NO_STAGE

# What a period gains (the first three) and loses of revenue.
GAINS: Final = ("new", "returned", "grown", "shrunk", "gone")


class Flow(NamedTuple):
    """How many moved from one stage to another in a part of a period, with their revenue in one currency.

    ``part``: 0 for all that was before the period. A change of revenue without a move has both stages the same.
    """

    part: int
    from_stage: str
    to_stage: str
    currency: str
    customers: int
    arr: Decimal


@dataclass(frozen=True, slots=True)
class StageTotals:
    """How many are in a stage at the end of a day, and their revenue by currency."""

    customers: int = 0
    money: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """One stage over a period: ``start`` + ``came`` = ``left`` + ``end``."""

    start: int
    came: int
    left: int

    @property
    def end(self) -> int:
        """Those that are there at the end of the period."""
        return self.start + self.came - self.left


def totals_over_time(flows: Iterable[Flow], parts: int) -> list[dict[str, StageTotals]]:
    """For each of the parts 0..``parts``: stage -> who is in it at its end."""
    came: list[dict[str, int]] = [defaultdict(int) for _ in range(parts + 1)]
    money: list[dict[tuple[str, str], Decimal]] = [defaultdict(Decimal) for _ in range(parts + 1)]
    for flow in flows:
        if flow.part > parts:
            continue
        is_move = flow.from_stage != flow.to_stage or flow.customers
        came[flow.part][flow.to_stage] += flow.customers
        money[flow.part][flow.to_stage, flow.currency] += flow.arr
        if is_move and flow.from_stage != NO_STAGE:
            came[flow.part][flow.from_stage] -= flow.customers
            money[flow.part][flow.from_stage, flow.currency] -= flow.arr
    result: list[dict[str, StageTotals]] = []
    number: dict[str, int] = defaultdict(int)
    worth: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for part in range(parts + 1):
        for stage, change in came[part].items():
            number[stage] += change
        for key, amount in money[part].items():
            worth[key] += amount
        result.append(
            {
                stage: StageTotals(
                    number[stage],
                    tuple((currency, arr) for (of, currency), arr in sorted(worth.items()) if of == stage and arr),
                )
                for stage in number
            }
        )
    return result


def balance(flows: Sequence[Flow], stages: Iterable[str]) -> dict[str, Balance]:
    """Each stage over the period: part 0 is what was before it."""
    start: dict[str, int] = defaultdict(int)
    came: dict[str, int] = defaultdict(int)
    left: dict[str, int] = defaultdict(int)
    for flow in flows:
        if not flow.customers:
            continue
        if flow.part:
            came[flow.to_stage] += flow.customers
            left[flow.from_stage] += flow.customers
        else:
            start[flow.to_stage] += flow.customers
            start[flow.from_stage] -= flow.customers
    return {stage: Balance(start[stage], came[stage], left[stage]) for stage in stages}


def moves_between(flows: Iterable[Flow]) -> dict[tuple[str, str], int]:
    """(from, to) -> how many moved in the period."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for flow in flows:
        if flow.part and flow.customers:
            counts[flow.from_stage, flow.to_stage] += flow.customers
    return dict(counts)


def gained_and_lost(flows: Iterable[Flow], lost: Iterable[str]) -> dict[str, Mapping[str, Decimal]]:
    """Currency -> what the period gained (``new``, ``returned``, ``grown``) and lost (``shrunk``, ``gone``).

    ``lost`` are the stages of those who are customers no more; their revenue counts as gone.
    """
    left = set(lost)
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for flow in flows:
        if not flow.part:
            continue
        sums = found[flow.currency]
        if not flow.customers:
            if flow.to_stage not in left:
                sums["grown" if flow.arr > 0 else "shrunk"] += flow.arr
        elif flow.to_stage not in left:
            if flow.from_stage == NO_STAGE:
                sums["new"] += flow.arr
            elif flow.from_stage in left:
                sums["returned"] += flow.arr
        elif flow.from_stage not in left and flow.from_stage != NO_STAGE:
            sums["gone"] -= flow.arr
    return {currency: dict(sums) for currency, sums in sorted(found.items()) if any(sums.values())}
