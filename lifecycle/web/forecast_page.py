"""The churn forecast as pages show it: of one customer in words, and of the tenant with its proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.models import CustomerForecast, ForecastFit
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES
from lifecycle.rules.forecast.landmarks import RENEWAL_DAYS
from lifecycle.rules.forecast.model import whole_points
from lifecycle.rules.forecast.tables import GATE, Bin, Proof
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.sentences.fields import FIELD_NAMES
from lifecycle.services.insight.forecasts import Learned, Likely, read_forecast
from lifecycle.web.charts import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Chart, Mark, Shape
from lifecycle.web.insight_tables import Cell, Table
from tenants.actors import TenantRef
from tenants.sentences.figures import say_day, say_number, say_percent, sign_percent

PARTS: Final[Mapping[str, str | Promise]] = {
    "stage": gettext_lazy("Stage"),
    "time_in_stage": gettext_lazy("Time in stage"),
    "time_as_customer": gettext_lazy("Time as a customer"),
    "moves": gettext_lazy("Stage changes so far"),
    "earlier_risk": gettext_lazy("At risk before, in the last year"),
    "revenue": FIELD_NAMES[ARR],
    "revenue_change": gettext_lazy("Change in revenue over half a year"),
    "overdue_balance": FIELD_NAMES[BALANCE],
    "issues": FIELD_NAMES[ISSUES],
    "satisfaction": FIELD_NAMES[CSAT],
    "renewal": gettext_lazy("Renewal within %(days)s days"),
}


@dataclass(frozen=True, slots=True)
class ShownChance:
    """Whole per cents. ``parts``: name and points, which add up to ``chance`` less ``typical``, the largest first."""

    chance: int
    low: int
    high: int
    typical: int
    parts: Sequence[tuple[str, str]]
    made_on: Any
    is_current: bool
    horizon: int = HORIZON_DAYS


def show_chance(customer_id: UUID, version: int, *, tenant: TenantRef) -> ShownChance | None:
    """The customer's forecast; None where there is none to show. One statement."""
    found = read_forecast(customer_id, tenant=tenant)
    return None if found is None else describe_chance(found, version)


def describe_chance(found: CustomerForecast, version: int) -> ShownChance:
    """A forecast as it is shown; ``version``: the number of the customer's stage changes now."""
    chance, typical = round(100 * found.chance), round(100 * found.typical)
    whole = whole_points(found.points, chance - typical)
    order = sorted(whole, key=lambda part: (-abs(whole[part]), part))
    return ShownChance(
        chance,
        round(100 * found.low),
        round(100 * found.high),
        typical,
        [(name_part(part), f"{whole[part]:+d}".replace("-", "−")) for part in order if whole[part]],
        found.made_at,
        found.sequence == version,
    )


def name_part(part: str) -> str:
    """What a feature of the forecast is called."""
    name = str(PARTS.get(part, part))
    return name % {"days": say_number(int(RENEWAL_DAYS))} if part == "renewal" else name


def describe_state(learned: Learned | None) -> str:
    """Whether there are forecasts, and why not."""
    if learned is None:
        return _("No forecast has been made yet. It is learned each night from your own customers' past.")
    found, proof = learned.found, learned.proof
    if learned.state == ForecastFit.TOO_LITTLE or proof is None:
        return _(
            "There is not enough history for a forecast. To learn from, it takes %(needed)s customers that churned; "
            "there are %(fit)s. To test it on later months, it takes %(needed_test)s; there are %(test)s."
        ) % {
            "needed": say_number(found["needed_to_fit"]),
            "fit": say_number(found["fit"]),
            "needed_test": say_number(found["needed_to_test"]),
            "test": say_number(found["test"]),
        }
    sentence = _(
        "Forecasts are hidden. On %(windows)s months that it had not seen, this forecast was not better than stage and "
        "time in stage alone by more than chance: z is %(z)s, and more than %(gate)s is needed."
    )
    if learned.is_shown:
        sentence = _(
            "On %(windows)s months that it had not seen, this forecast was better than stage and time in stage alone "
            "by more than chance: z is %(z)s, and more than %(gate)s is needed."
        )
    return sentence % {"windows": proof.windows, "z": _say_signed(proof.z), "gate": say_number(GATE)}


def proof_tables(proof: Proof) -> list[Table]:
    """What the forecast was worth on months that it had not seen."""

    def row(name: str, brier: float, calls: float | None) -> list[Cell]:
        return [
            Cell(name, is_number=False, is_head=True),
            Cell(say_number(brier, 4), plain=f"{brier:.4f}"),
            Cell("–") if calls is None else Cell(say_number(calls, 1), plain=f"{calls:.1f}"),
        ]

    return [
        Table(
            "forecast-proof",
            _("The forecast and its baseline, on months that neither had seen"),
            [_("Forecast"), _("Brier score"), _("Churned among the first ten calls")],
            [
                row(_("This forecast"), proof.brier, proof.calls),
                row(_("Stage and time in stage"), proof.brier_baseline, proof.calls_baseline),
                row(_("The same chance for everyone"), proof.brier_rate, None),
            ],
            note=_(
                "The Brier score is the mean squared error: the lower, the better. First calls are the ten customers "
                "with the highest chances of a month; the figure is the mean of the months. Customers that a "
                "publication moved to a lost stage are weighted for: what would have become of them is not known."
            ),
        ),
        Table(
            "forecast-calibration",
            _("Predicted and actual churn: ten groups of forecasts, from the lowest to the highest"),
            [
                _("Group"),
                _("Forecasts"),
                _("Of them churned"),
                _("Predicted"),
                _("Actual"),
                _("95% interval"),
                _("Prediction within interval"),
            ],
            [_bin_row(number, one) for number, one in enumerate(proof.bins, 1)],
            note=_(
                "Even a perfect forecast has all ten inside only six times in ten, and at least eight nearly always. A "
                "customer counts in each month."
            ),
        ),
    ]


def _say_signed(number: float) -> str:
    return say_number(number, 2).replace("-", "−")


def _percent(*shares: float) -> Cell:
    """A share, or from one to the other; a file has it as programs read it."""
    points = [100 * share for share in shares]
    text, plain = "–".join(say_number(one, 1) for one in points), "–".join(f"{one:.1f}" for one in points)
    return Cell(sign_percent(text), plain=f"{plain}%")


def _bin_row(number: int, one: Bin) -> list[Cell]:
    return [
        Cell(str(number), is_head=True),
        Cell(say_number(one.rows), plain=str(one.rows)),
        Cell(say_number(one.churned), plain=str(one.churned)),
        _percent(one.said),
        _percent(one.came),
        _percent(one.low, one.high),
        Cell(_("Yes") if one.is_inside else _("No"), is_number=False),
    ]


def highest_table(customers: Sequence[Likely], owner_names: Mapping[str, str]) -> Table:
    """Whom to call first. ``owner_names``: what owners are called, as ``people.name_owners``."""
    return Table(
        "forecast-highest",
        _("The customers with the highest chances"),
        [
            _("Customer"),
            _("Stage"),
            _("Owner"),
            _("Chance within %(days)s days") % {"days": HORIZON_DAYS},
            _("95% interval"),
        ],
        [
            [
                Cell(one.name, reverse("customer-page", args=[one.customer_id]), is_number=False),
                Cell(one.stage, is_number=False, stage=True),
                Cell(owner_names.get(one.owner, one.owner) or "–", plain=one.owner or "–", is_number=False),
                Cell(say_percent(one.chance), plain=f"{100 * one.chance:.0f}%"),
                _between(one.low, one.high),
            ]
            for one in customers
        ],
    )


def _between(low: float, high: float) -> Cell:
    between = f"{100 * low:.0f}–{100 * high:.0f}"
    return Cell(sign_percent(between), plain=f"{between}%")


def calibration_chart(bins: Sequence[Bin]) -> Chart:
    """What was said to the right, what came upwards, each with its interval; a perfect forecast is on the line."""
    most = max((max(one.said, one.high) for one in bins), default=0.0) or 1.0
    step = next(size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if most / size <= 5 or size == 0.25)
    across, down = WIDTH - LEFT - 8, HEIGHT - TOP - BOTTOM

    def x(share: float) -> float:
        return round(LEFT + across * share / most, 1)

    def y(share: float) -> float:
        return round(TOP + down * (1 - share / most), 1)

    shapes = [Shape(f"M{x(0)} {y(0)}L{x(most)} {y(most)}", "", _("Predicted equals actual"))]
    for one in bins:
        at, size = x(one.said), 4
        title = _("Predicted %(said)s, actual %(came)s") % {
            "said": _percent(one.said).text,
            "came": _percent(one.came).text,
        }
        path = f"M{at} {y(one.low)}V{y(one.high)}M{at - size} {y(one.came) - size}h{2 * size}v{2 * size}h{-2 * size}Z"
        shapes.append(Shape(path, "", title))
    ticks = [step * number for number in range(int(most / step) + 1)]
    labels = [say_percent(tick) for tick in ticks]
    return Chart(
        shapes,
        [Mark(x(tick), HEIGHT - 8, label) for tick, label in zip(ticks, labels, strict=True)],
        [Mark(LEFT - 8, y(tick) + 4, label) for tick, label in zip(ticks, labels, strict=True)],
        [y(tick) for tick in ticks],
    )


def describe_past(learned: Learned) -> str:
    """Of what it was learned, and when."""
    found = learned.found
    sentence = _(
        "Made on %(day)s from %(customers)s customers, %(landmarks)s months and %(fit)s customers that churned before "
        "the test. It asks at the beginning of each month which customers churn within %(days)s days, whatever they do "
        "in between."
    )
    return sentence % {
        "days": HORIZON_DAYS,
        # As the customers' pages say it.
        "day": say_day(timezone.localdate(learned.made_at)),
        "customers": say_number(found.get("customers", 0)),
        "landmarks": say_number(found["landmarks"]),
        "fit": say_number(found["fit"]),
    }
