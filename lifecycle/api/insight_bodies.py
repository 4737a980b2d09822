"""The answers of Insight, made of what the services read: each number with the address of the list behind it."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from lifecycle.api.insight_responses import MOVED, PUBLISHED, STILL_THERE
from lifecycle.queries.insight.at_risk import WAYS
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.insight.flows import GAINS, StageTotals, balance, gained_and_lost, moves_between, totals_over_time
from lifecycle.rules.insight.saving import ALIKE, COMPARABLE, RECOVERED, Saved, Share, compare_actions
from lifecycle.services.insight import reading
from lifecycle.services.insight.asking import ask_gains
from lifecycle.services.insight.at_risk import read_at_risk
from lifecycle.services.insight.reading import Moved, Period, Stages
from lifecycle.services.insight.saving import read_episodes
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST, RISK

Body = dict[str, Any]
_STAYING: Final = (30, 90, 180)


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What an answer is made of. ``link``: the address of the list that counts a figure; None where it is not shown."""

    period: Period
    stages: Stages
    tenant: TenantRef
    now: dt.datetime
    link: Callable[..., str | None]

    def count(self, number: int, figure: str, **of: Any) -> Body:
        """A number and its list."""
        return {"count": number, "link": self.link(figure, **of) if number else None}

    def name(self, key: str) -> str | None:
        """What a stage is called; None for none."""
        return self.stages.name(key) or None

    def of_risk(self) -> Body:
        """What lists of those at risk are asked for."""
        return {"stage": list(self.stages.of_category(RISK)), "from_stage": list(self.stages.of_category(LOST))}


def show_stages(asked: FigureRequest) -> Body:
    """Customers and revenue by stage at the ends of days; what the period gained and lost."""
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    days = asked.period.days
    totals = totals_over_time(flows, len(days) - 1)
    keys = asked.stages.ordered({key for at in totals for key, one in at.items() if one.customers or one.money})
    nothing = StageTotals()
    gains, of = gained_and_lost(flows, asked.stages.of_category(LOST)), ask_gains(flows, asked.stages)

    def links(currency: str, sums: Mapping[str, Decimal]) -> Body:
        return {
            way: asked.link("revenue", way=way, currency=currency, **of[way]) if sums.get(way) else None
            for way in GAINS
        }

    return {
        "days": [
            {
                "day": day,
                "stages": [
                    {
                        "stage": asked.stages.name(key),
                        "customers": asked.count(
                            at.get(key, nothing).customers, "standing", stage=[key], day=day.isoformat()
                        ),
                        "revenue": [{"currency": one, "arr": arr} for one, arr in at.get(key, nothing).money],
                    }
                    for key in keys
                ],
            }
            for day, at in zip(days, totals, strict=True)
        ],
        "gained_and_lost": [
            {
                "currency": currency,
                **{way: sums.get(way, Decimal()) for way in GAINS},
                "links": links(currency, sums),
            }
            for currency, sums in gains.items()
        ],
    }


def show_flow(asked: FigureRequest) -> Body:
    """Moves between stages, and each stage's balance."""
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    keys = asked.stages.ordered({key for flow in flows for key in (flow.from_stage, flow.to_stage)})
    return {
        "stages": [
            {
                "stage": asked.stages.name(key),
                "start": asked.count(one.start, "standing", stage=[key], day="start"),
                "came": asked.count(one.came, "moves", stage=[key]),
                "left": asked.count(one.left, "left", stage=[key]),
                "end": asked.count(one.end, "standing", stage=[key], day="end"),
            }
            for key, one in balance(flows, keys).items()
        ],
        "moves": [
            {
                "from_stage": asked.name(source),
                "to_stage": asked.stages.name(to),
                "moves": asked.count(number, "moves", stage=[to], from_stage=[source]),
            }
            for (source, to), number in sorted(moves_between(flows).items())
        ],
    }


def show_conversion(asked: FigureRequest) -> Body:
    """Which later stages customers came to, and where stays led next."""
    reached = reading.read_reached(asked.period, tenant=asked.tenant)
    _curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    keys = asked.stages.ordered({key for pair in reached for key in pair if key} | set(outcomes))
    shown = []
    for key in keys:
        ways = outcomes[key].ways if key in outcomes else {}
        shown.append(
            {
                "stage": asked.stages.name(key),
                "customers": asked.count(reached.get((key, ""), 0), "reached", stage=[key], way=""),
                "reached": [
                    {
                        "stage": asked.stages.name(to),
                        "customers": asked.count(reached[key, to], "reached", stage=[key], way=to),
                    }
                    for to in keys
                    if reached.get((key, to))
                ],
                "stays": asked.count(sum(ways.values()), "stays", stage=[key], way="*"),
                "next": [
                    {
                        "outcome": {"": STILL_THERE, "-": PUBLISHED}.get(way, MOVED),
                        "to_stage": None if way in ("", "-") else asked.stages.name(way),
                        "stays": asked.count(number, "stays", stage=[key], way=way),
                    }
                    for way, number in sorted(ways.items())
                ],
            }
        )
    return {"stages": shown}


def show_durations(asked: FigureRequest) -> Body:
    """How long stays last, those that go on counted."""
    curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    shown = []
    for key in asked.stages.ordered(set(curves)):
        if key not in curves or not curves[key].stays:
            continue
        curve, one = curves[key], outcomes[key]
        left = curve.steps[-1].left if curve.steps else {}
        shown.append(
            {
                "stage": asked.stages.name(key),
                "stays": asked.count(one.stays, "stays", stage=[key], way="*"),
                "still_there": asked.count(one.ways.get("", 0), "stays", stage=[key], way=""),
                "quarter_left_by_day": curve.days_until(0.75),
                "half_left_by_day": curve.days_until(0.5),
                "three_quarters_left_by_day": curve.days_until(0.25),
                "staying": [{"days": days, "share": curve.staying_at(days)} for days in _STAYING],
                "left_within_90_days": [
                    {"to_stage": asked.stages.name(way), "share": curve.left_by(HORIZON_DAYS, way)}
                    for way in sorted(left)
                ],
            }
        )
    return {"stages": shown}


def show_cohorts(asked: FigureRequest) -> Body:
    """Customers by the month in which they came."""
    lost = list(asked.stages.of_category(LOST))
    cohorts = reading.read_cohorts(asked.period, lost, tenant=asked.tenant, today=asked.now.date())
    return {
        "cohorts": [
            {
                "month": one.month,
                "customers": asked.count(one.customers, "came", cohort=one.month.isoformat()),
                "still": [
                    {
                        "day": day,
                        "customers": asked.count(
                            still, "cohort", cohort=one.month.isoformat(), day=day.isoformat(), stage=lost
                        ),
                    }
                    for day, still in one.still
                ],
            }
            for one in cohorts
        ]
    }


def show_risk(asked: FigureRequest) -> Body:
    """Entering and leaving risk by reason, how it ended, and what was done until then."""
    risk = asked.stages.of_category(RISK)
    moves = reading.read_reasons(asked.period, risk, tenant=asked.tenant)
    found = read_at_risk(asked.period, asked.stages, tenant=asked.tenant, now=asked.now)
    of = asked.of_risk()
    return {
        "reasons": [
            {
                "reason_code": one.reason,
                **{
                    way: asked.count(one.counts[way], "at_risk", way=way, **_for_reason(of, one.reason)) for way in WAYS
                },
            }
            for one in found
        ],
        "came": [_show_move(asked, one) for one in moves if one.to_stage in risk],
        "left": [_show_move(asked, one) for one in moves if one.from_stage in risk],
    }


def _show_move(asked: FigureRequest, one: Moved) -> Body:
    return {
        "reason_code": one.reason_code,
        "from_stage": asked.name(one.from_stage),
        "to_stage": asked.stages.name(one.to_stage),
        "moves": asked.count(
            one.count, "moves", stage=[one.to_stage], from_stage=[one.from_stage], reason=one.reason_code
        ),
    }


def show_save_rate(asked: FigureRequest) -> Body:
    """Who recovered, by what was done, beside those alike for whom nothing was done."""
    episodes = read_episodes(asked.period, asked.stages, tenant=asked.tenant, now=asked.now)
    return {"actions": [_show_saved(asked, one) for one in compare_actions(episodes)]}


def _show_saved(asked: FigureRequest, one: Saved) -> Body:
    of = _for_reason(asked.of_risk(), one.reason)

    def listed(share: Share | None, side: str, *more: str) -> Body | None:
        if share is None:
            return None
        number = share.recovered if more else share.count
        return asked.count(number, "saved", way=" ".join((one.action, side, *more)), **of)

    return {
        "reason_code": one.reason,
        "done": one.action,
        "customers": asked.count(one.all.count, "saved", way=one.action, **of),
        "recovered": asked.count(one.all.recovered, "saved", way=f"{one.action} {RECOVERED}", **of),
        "share": _show_share(one.all if one.all.count else None),
        "comparable": one.comparable,
        "comparable_customers": listed(one.matched, COMPARABLE),
        "comparable_recovered": listed(one.matched, COMPARABLE, RECOVERED),
        "matched": _show_share(one.matched),
        "alike_customers": listed(one.alike, ALIKE),
        "alike_recovered": listed(one.alike, ALIKE, RECOVERED),
        "alike": _show_share(one.alike),
        "difference": one.difference,
    }


def _for_reason(of: Body, reason: str | None) -> Body:
    return of if reason is None else of | {"reason": reason}


def _show_share(share: Share | None) -> Body | None:
    return None if share is None else asdict(share)


VIEWS: Final[Mapping[str, Callable[[FigureRequest], Body]]] = {
    "stages": show_stages,
    "flow": show_flow,
    "conversion": show_conversion,
    "durations": show_durations,
    "cohorts": show_cohorts,
    "risk": show_risk,
    "save_rate": show_save_rate,
}


def show_listed(rows: Sequence[Mapping[str, Any]], stages: Stages) -> list[Body]:
    """The rows of ``list_behind`` as they are answered."""
    return [
        {
            **row,
            **{name: stages.name(row[name]) or None for name in ("from_stage", "to_stage")},
            "stage": stages.name(row["stage"]),
            "entered_at": row["entered"],
        }
        for row in rows
    ]
