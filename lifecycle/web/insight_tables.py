"""The figures of the page *Insight* as tables: what the charts show, in numbers that lead to who is behind them."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.insight.curves import Curve
from lifecycle.rules.insight.flows import GAINS, Flow, StageTotals, balance, gained_and_lost, moves_between
from lifecycle.rules.insight.stages import NO_STAGE
from lifecycle.services.insight.asking import ask_gains
from lifecycle.services.insight.reading import Cohort, Outcomes, Stages
from lifecycle.web.tags import day, short_money
from tenants.rules.configuration.categories import LOST
from tenants.sentences.figures import say_month, say_number, say_percent

# Where a number leads: the figure and what it is of. '' where the reader may not see it.
Link = Callable[..., str]
AFTER: tuple[int, ...] = (30, 90, 180)
GAINED: Mapping[str, str | Promise] = {
    "new": gettext_lazy("New customers"),
    "returned": gettext_lazy("Returned customers"),
    "grown": gettext_lazy("Grown"),
    "shrunk": gettext_lazy("Shrunk"),
    "gone": gettext_lazy("Lost customers"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. ``stage``: its text is the name of one; ``is_head``: it says what its row is about; ``plain``: what a
    file has in its place, a number that programs read, not rounded; empty for the text.
    """

    text: str
    address: str = ""
    plain: str = ""
    is_number: bool = True
    stage: bool = False
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """``name`` is what its file is called and asked for by."""

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    @property
    def columns(self) -> Sequence[tuple[str, bool]]:
        """What each column is called, and whether numbers are in it: a head is on the side of what it is over."""
        return [(text, bool(self.rows) and self.rows[0][at].is_number) for at, text in enumerate(self.heads)]

    @property
    def labelled_rows(self) -> Sequence[Sequence[tuple[str, Cell]]]:
        """The rows, each cell with what its column is called: on a phone the heads are not in sight."""
        return [list(zip(self.heads, row, strict=False)) for row in self.rows]


def head(text: str, *, stage: bool = False) -> Cell:
    """What its row is about."""
    return Cell(text, is_number=False, stage=stage, is_head=True)


def _text(text: str) -> Cell:
    return Cell(text, is_number=False)


def count(number: int, address: str = "") -> Cell:
    """How many, and where they are listed."""
    return Cell(say_number(number), address if number else "", str(number))


def _share(number: int, of: int, address: str = "") -> Cell:
    if not of:
        return Cell("–")
    return Cell(
        f"{say_percent(number / of)} ({say_number(number)})",
        address if number else "",
        f"{100 * number / of:.0f}% ({number})",
    )


def _part(share: float, address: str) -> Cell:
    return Cell(say_percent(share), address, f"{100 * share:.0f}%")


def _money(amounts: Sequence[tuple[str, Decimal]], address: str = "") -> Cell:
    plain = ", ".join(f"{arr.normalize():f} {currency}".strip() for currency, arr in amounts)
    text = _(", ").join(short_money(arr, currency) for currency, arr in amounts)
    return Cell(text or "–", address if text else "", plain)


def _sum(amount: Decimal, currency: str, address: str = "") -> Cell:
    """The sum of a row that names the currency."""
    return Cell(short_money(amount, currency), address if amount else "", f"{amount.normalize():f}")


def stock_tables(
    days: Sequence[dt.date], shown: Sequence[Mapping[str, StageTotals]], stages: Stages, link: Link
) -> list[Table]:
    """Customers and their revenue by stage, at the ends of days; the latest first."""
    keys = stages.ordered({key for at in shown for key, one in at.items() if one.customers or one.money})
    heads = [_("Day"), *(stages.name(key) for key in keys)]
    nothing = StageTotals()
    points = list(zip(days, shown, strict=True))[::-1]
    return [
        Table(
            "customers-by-stage",
            _("Customers by stage at the end of each day"),
            [*heads, _("Total")],
            [
                [
                    head(day(on)),
                    *(
                        count(at.get(key, nothing).customers, link("standing", stage=[key], day=on.isoformat()))
                        for key in keys
                    ),
                    count(
                        sum(one.customers for key, one in at.items() if key),
                        link("standing", stage=keys, day=on.isoformat()),
                    ),
                ]
                for on, at in points
            ],
        ),
        Table(
            "revenue-by-stage",
            _("Annual revenue by stage at the end of each day"),
            heads,
            [
                [
                    head(day(on)),
                    *(
                        _money(at.get(key, nothing).money, link("standing", stage=[key], day=on.isoformat()))
                        for key in keys
                    ),
                ]
                for on, at in points
            ],
            note=_("As it was reported by then. Before the first report that is kept, that one counts."),
        ),
    ]


def value_table(flows: Sequence[Flow], stages: Stages, link: Link) -> Table:
    """Revenue that the period gained and lost, by currency."""
    found = gained_and_lost(flows, stages.of_category(LOST))
    asked = ask_gains(flows, stages)
    return Table(
        "revenue-gained-and-lost",
        _("Annual revenue gained and lost"),
        [_("Currency"), *map(str, GAINED.values()), _("Change")],
        [
            [
                head(currency or _("No currency")),
                *(
                    _sum(sums.get(way, Decimal()), currency, link("revenue", way=way, currency=currency, **asked[way]))
                    for way in GAINS
                ),
                _sum(sum(sums.values(), Decimal()), currency),
            ]
            for currency, sums in found.items()
        ],
    )


def flow_tables(flows: Sequence[Flow], stages: Stages, link: Link) -> list[Table]:
    """What came into each stage and left it, and from where to where."""
    moves = moves_between(flows)
    keys = stages.ordered({key for flow in flows for key in (flow.from_stage, flow.to_stage)})
    balances = balance(flows, keys)
    sources = [NO_STAGE, *keys]
    return [
        Table(
            "balance",
            _("Customers of each stage: at the start + came in − left = at the end"),
            [_("Stage"), _("At the start"), _("Came in"), _("Left"), _("At the end")],
            [
                [
                    head(stages.name(key), stage=True),
                    count(one.start, link("standing", stage=[key], day="start")),
                    count(one.came, link("moves", stage=[key])),
                    count(one.left, link("left", stage=[key])),
                    count(one.end, link("standing", stage=[key], day="end")),
                ]
                for key, one in balances.items()
            ],
        ),
        Table(
            "moves",
            _("Moves from the stage of the row to that of the column"),
            [_("From"), *(stages.name(key) for key in keys)],
            [
                [
                    head(stages.name(source) or _("New customers"), stage=source != NO_STAGE),
                    *(
                        count(moves.get((source, key), 0), link("moves", stage=[key], from_stage=[source]))
                        for key in keys
                    ),
                ]
                for source in sources
            ],
        ),
    ]


def conversion_tables(
    reached: Mapping[tuple[str, str], int], outcomes: Mapping[str, Outcomes], stages: Stages, link: Link
) -> list[Table]:
    """Which later stages customers came to, and where each stay led next."""
    keys = stages.ordered({key for pair in reached for key in pair})
    nexts = stages.ordered({way for one in outcomes.values() for way in one.ways if way not in ("", "-")})
    return [
        Table(
            "conversion",
            _("Of the customers who first came to a stage in these months: those who have come to a later one since"),
            [_("From"), _("Customers"), *(stages.name(key) for key in keys)],
            [
                [
                    head(stages.name(key), stage=True),
                    count(all_of := reached.get((key, ""), 0), link("reached", stage=[key], way="")),
                    *(_share(reached.get((key, to), 0), all_of, link("reached", stage=[key], way=to)) for to in keys),
                ]
                for key in keys
            ],
            note=_("Stages in between may have been skipped. Back in the same stage is a return."),
        ),
        Table(
            "next-stage",
            _("Stays that began in these months: where they led next"),
            [
                _("Stage"),
                _("Stays"),
                _("Still there"),
                *(stages.name(key) for key in nexts),
                _("Moved by a publication"),
            ],
            [
                [
                    head(stages.name(key), stage=True),
                    count(one.stays, link("stays", stage=[key], way="*")),
                    *(
                        _share(one.ways.get(way, 0), one.stays, link("stays", stage=[key], way=way))
                        for way in ("", *nexts, "-")
                    ),
                ]
                for key in stages.ordered(set(outcomes))
                if (one := outcomes.get(key)) is not None
            ],
        ),
    ]


def time_tables(
    curves: Mapping[str, Curve], outcomes: Mapping[str, Outcomes], stages: Stages, link: Link
) -> list[Table]:
    """How long stays last, with those that go on; and how likely each way out is by a day."""
    keys = [key for key in stages.ordered(set(curves)) if key in curves and curves[key].stays]
    ways = stages.ordered({way for key in keys for step in curves[key].steps[-1:] for way in step.left})

    def until(key: str, share: float) -> Cell:
        found = curves[key].days_until(share)
        return Cell(_("not yet")) if found is None else Cell(say_number(found), of_all(key), str(found))

    def of_all(key: str) -> str:
        """An estimate leads to all the stays that it is made of."""
        return link("stays", stage=[key], way="*")

    return [
        Table(
            "time-in-stage",
            _("Days in stage of the stays that began in these months, those that go on counted (Kaplan-Meier)"),
            [
                _("Stage"),
                _("Stays"),
                _("Still there"),
                _("A quarter left by day"),
                _("Half left by day"),
                _("Three quarters left by day"),
                *(_("Stay %(days)s days") % {"days": days} for days in AFTER),
            ],
            [
                [
                    head(stages.name(key), stage=True),
                    count(outcomes[key].stays, of_all(key)),
                    count(outcomes[key].ways.get("", 0), link("stays", stage=[key], way="")),
                    *(until(key, share) for share in (0.75, 0.5, 0.25)),
                    *(_part(curves[key].staying_at(days), of_all(key)) for days in AFTER),
                ]
                for key in keys
            ],
            note=_("A publication that moves customers is no exit: their stays count until then."),
        ),
        Table(
            "ways-out",
            _("Left within %(days)s days, by way out (Aalen-Johansen)") % {"days": HORIZON_DAYS},
            [_("Stage"), *(stages.name(way) for way in ways), _("Still there")],
            [
                [
                    head(stages.name(key), stage=True),
                    *(_part(curves[key].left_by(HORIZON_DAYS, way), of_all(key)) for way in ways),
                    _part(curves[key].staying_at(HORIZON_DAYS), of_all(key)),
                ]
                for key in keys
            ],
        ),
    ]


def cohort_tables(cohorts: Sequence[Cohort], stages: Stages, link: Link) -> list[Table]:
    """The customers of each month, and how many of them were still customers later."""
    longest = max((len(one.still) for one in cohorts), default=0)
    lost = list(stages.of_category(LOST))

    def cells(one: Cohort) -> list[Cell]:
        found = [
            _share(still, one.customers, link("cohort", cohort=one.month.isoformat(), day=on.isoformat(), stage=lost))
            for on, still in one.still
        ]
        return found + [Cell("")] * (longest - len(found))

    return [
        Table(
            "cohorts",
            _("Customers by the month in which they came: how many were still customers at the end of each month"),
            [_("Month"), _("Customers"), *(str(number) for number in range(longest))],
            [
                [
                    head(say_month(one.month)),
                    count(one.customers, link("came", cohort=one.month.isoformat())),
                    *cells(one),
                ]
                for one in cohorts
            ],
            note=_("Those in a stage of lost customers do not count; those who return do. 0 is the month itself."),
        )
    ]
