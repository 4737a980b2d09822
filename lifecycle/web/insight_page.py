"""What the page *Insight* is asked for, and what it shows of it: tables, charts, and addresses of lists."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict
from django.urls import reverse
from django.utils.dateformat import format as format_date
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.insight.flows import moves_between, totals_over_time
from lifecycle.rules.insight.saving import compare_actions
from lifecycle.rules.insight.stages import NO_STAGE
from lifecycle.services.imports.cells import guard
from lifecycle.services.insight import reading
from lifecycle.services.insight.asking import (
    AskedList,
    InvalidQuestion,
    read_behind,
    read_period,
    write_behind,
    write_period,
)
from lifecycle.services.insight.at_risk import read_at_risk
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import read_episodes
from lifecycle.web import charts, insight_risk, insight_saving, insight_tables
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.insight_tables import Link, Table
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST, RISK
from tenants.sentences.figures import say_day, say_short_day

MOST_DAYS_SHOWN: Final = 365
FORECAST: Final = "forecast"
VIEWS: Final[Mapping[str, str | Promise]] = {
    "stages": gettext_lazy("Stages over time"),
    "flow": gettext_lazy("Flow"),
    "conversion": gettext_lazy("Conversion"),
    "time": gettext_lazy("Time in stage"),
    "cohorts": gettext_lazy("Cohorts"),
    "risk": gettext_lazy("Risk"),
    "save": gettext_lazy("Save rate"),
}


def list_views(question: "Question", current: str) -> list[tuple[str, str | Promise, bool]]:
    """The views of Insight, those of a period and the forecast: address, label, whether it is the one shown."""
    views: list[tuple[str, str | Promise, bool]] = [
        (question.address(show=name), label, name == current) for name, label in VIEWS.items()
    ]
    return [*views, (reverse("insight-forecast"), _("Churn forecast"), current == FORECAST)]


@dataclass(frozen=True, slots=True)
class Question:
    """What the address asks for. ``trouble`` says what of it could not be read; the usual takes its place."""

    view: str
    period: Period
    trouble: str = ""

    @classmethod
    def read(cls, asked: QueryDict, today: dt.date) -> "Question":
        """Read it: ``show``, ``from``, ``to``, ``owner``, ``segment``."""
        troubles = []
        while True:
            try:
                period = read_period(asked, today)
                break
            except InvalidQuestion as error:
                troubles.append(str(error))
                asked = asked.copy()
                del asked[error.name]
        reader = AddressReader(asked)
        view = reader.choose("show", VIEWS, "stages")
        return cls(view, period, " ".join([*troubles, *reader.troubles]))

    def parameters(self) -> dict[str, str]:
        """The period and whose, as an address has them."""
        return write_period(self.period)

    def address(self, **more: str) -> str:
        """Where this is shown, with more parameters."""
        return f"{reverse('insight')}?{urlencode(self.parameters() | {'show': self.view} | more)}"

    def link(self, figure: str, **of: Any) -> str:
        """Where the customers behind a figure are listed."""
        return f"{reverse('insight-customers')}?{write_behind(self.period, figure, show=self.view, **of)}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A view of the page. ``chart`` is a Chart or a Sankey; ``facts``: what can be said in a sentence."""

    tables: Sequence[Table]
    chart: Any = None
    chart_title: str = ""
    kind: str = ""
    legend: Sequence[str] = field(default_factory=tuple)


def show(question: Question, stages: Stages, *, tenant: TenantRef, now: dt.datetime, may_open: bool) -> Shown:
    """The view that is asked for. Three statements at most, and one for an owner, whatever the number of customers."""
    link: Link = question.link if may_open else lambda *_args, **_kwargs: ""
    return _SHOW[question.view](_ViewRequest(question.period.counted(tenant), stages, link, tenant, now))


@dataclass(frozen=True, slots=True)
class _ViewRequest:
    """What every view is made of."""

    period: Period
    stages: Stages
    link: Link
    tenant: TenantRef
    now: dt.datetime


def _show_stages(asked: _ViewRequest) -> Shown:
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    days = asked.period.days
    shown = totals_over_time(flows, len(days) - 1)
    tables = insight_tables.stock_tables(days, shown, asked.stages, asked.link)
    names = _names(asked.stages, {key for at in shown for key in at})
    points = [
        (say_short_day(on), {key: one.customers for key, one in at.items()}) for on, at in zip(days, shown, strict=True)
    ]
    title = _("Customers by stage")
    return Shown(
        [*tables, insight_tables.value_table(flows, asked.stages, asked.link)],
        charts.stacked(points, names),
        title,
        "area",
        tuple(names.values()),
    )


def _show_flow(asked: _ViewRequest) -> Shown:
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    moves = moves_between(flows)
    names = {NO_STAGE: _("New customers"), **_names(asked.stages, {key for pair in moves for key in pair})}
    picture = charts.sankey(moves, names) if moves else None
    return Shown(
        insight_tables.flow_tables(flows, asked.stages, asked.link), picture, _("Moves between stages"), "sankey"
    )


def _show_conversion(asked: _ViewRequest) -> Shown:
    reached = reading.read_reached(asked.period, tenant=asked.tenant)
    _curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    return Shown(insight_tables.conversion_tables(reached, outcomes, asked.stages, asked.link))


def _show_time(asked: _ViewRequest) -> Shown:
    curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    names = {
        key: name for key, name in _names(asked.stages, set(curves)).items() if key in curves and curves[key].stays
    }
    lines = {key: [(step.days, step.staying) for step in curves[key].steps] for key in names}
    longest = max((steps[-1][0] for steps in lines.values() if steps), default=1)
    picture = charts.curves(lines, names, min(longest, MOST_DAYS_SHOWN))
    tables = insight_tables.time_tables(curves, outcomes, asked.stages, asked.link)
    return Shown(tables, picture, _("Share still in stage, by days"), "line", tuple(names.values()))


def _show_cohorts(asked: _ViewRequest) -> Shown:
    cohorts = reading.read_cohorts(
        asked.period, asked.stages.of_category(LOST), tenant=asked.tenant, today=asked.now.date()
    )
    return Shown(insight_tables.cohort_tables(cohorts, asked.stages, asked.link))


def _show_risk(asked: _ViewRequest) -> Shown:
    moves = reading.read_reasons(asked.period, asked.stages.of_category(RISK), tenant=asked.tenant)
    found = read_at_risk(asked.period, asked.stages, tenant=asked.tenant, now=asked.now)
    return Shown(
        [
            insight_risk.at_risk_table(found, asked.stages, asked.link),
            *insight_risk.move_tables(moves, asked.stages, asked.link),
        ]
    )


def _show_saving(asked: _ViewRequest) -> Shown:
    episodes = read_episodes(asked.period, asked.stages, tenant=asked.tenant, now=asked.now)
    return Shown([insight_saving.save_table(compare_actions(episodes), asked.stages, asked.link)])


_SHOW: Final[Mapping[str, Callable[[_ViewRequest], Shown]]] = {
    "stages": _show_stages,
    "flow": _show_flow,
    "conversion": _show_conversion,
    "time": _show_time,
    "cohorts": _show_cohorts,
    "risk": _show_risk,
    "save": _show_saving,
}


def _names(stages: Stages, found: set[str]) -> dict[str, str]:
    return {key: stages.name(key) for key in stages.ordered(found)}


def write_csv(table: Table) -> str:
    """A table as a file, safe to open in a spreadsheet: numbers are whole and plain, in whatever language."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([guard(head) for head in table.heads])
    for row in table.rows:
        texts = [(cell.plain or cell.text, cell.is_number) for cell in row]
        writer.writerow([text if is_number else guard(text) for text, is_number in texts])
    return "\ufeff" + text.getvalue()


@dataclass(frozen=True, slots=True)
class Behind:
    """A list of what a figure counts, as its address asks for it, and what it lists in a sentence."""

    figure: str
    asked: Mapping[str, Any]
    page: int
    sentence: str

    @classmethod
    def read(cls, asked: QueryDict, question: Question, stages: Stages, *, now: dt.datetime) -> "Behind":
        """Read the address that ``Question.link`` made. Raises InvalidQuestion."""
        if question.trouble:
            raise InvalidQuestion(question.trouble)
        found = read_behind(asked, question.period, now=now)
        return cls(found.figure, found.asked, found.page, _say(found, question.period, stages))


# Figure, and what is asked of it -> what is listed.
_SENTENCES: Final[Mapping[tuple[str, str], str | Promise]] = {
    ("standing", ""): gettext_lazy("Customers in %(stage)s at the end of %(day)s"),
    ("moves", ""): gettext_lazy("Moves to %(stage)s from %(begin)s to %(end)s"),
    ("moves", "from"): gettext_lazy("Moves from %(from)s to %(stage)s from %(begin)s to %(end)s"),
    ("moves", "reason"): gettext_lazy("Moves from %(from)s to %(stage)s from %(begin)s to %(end)s: %(reason)s"),
    ("left", ""): gettext_lazy("Stays in %(stage)s that ended from %(begin)s to %(end)s"),
    ("stays", "*"): gettext_lazy("Stays in %(stage)s that began in the months from %(begin)s to %(end)s"),
    ("stays", ""): gettext_lazy("Stays in %(stage)s that began in the months from %(begin)s to %(end)s and go on"),
    ("stays", "-"): gettext_lazy(
        "Stays in %(stage)s that began in the months from %(begin)s to %(end)s: moved by a publication"
    ),
    ("stays", "way"): gettext_lazy(
        "Stays in %(stage)s that began in the months from %(begin)s to %(end)s and led to %(way)s"
    ),
    ("reached", ""): gettext_lazy("Customers who first came to %(stage)s in the months from %(begin)s to %(end)s"),
    ("reached", "way"): gettext_lazy(
        "Customers who first came to %(stage)s in the months from %(begin)s to %(end)s and to %(way)s later"
    ),
    ("saved", ""): gettext_lazy(
        "Customers that became at risk from %(begin)s to %(end)s (%(reason)s). First week: %(done)s"
    ),
    ("at_risk", ""): gettext_lazy("Customers that became at risk from %(begin)s to %(end)s (%(reason)s): %(done)s"),
    ("revenue", ""): gettext_lazy("Annual revenue (%(currency)s) gained and lost from %(begin)s to %(end)s: %(done)s"),
    ("came", ""): gettext_lazy("Customers who joined in %(month)s"),
    ("cohort", ""): gettext_lazy("Customers who joined in %(month)s and were still customers at the end of %(day)s"),
}


def _say(found: AskedList, period: Period, stages: Stages) -> str:
    """What is listed, in a sentence."""
    done = {
        "at_risk": insight_risk.WAYS.get(found.way, ""),
        "revenue": insight_tables.GAINED.get(found.way, ""),
        "saved": insight_saving.say_way(found.way),
    }
    names = {
        "stage": _(", ").join(stages.name(key) for key in found.keys),
        "from": _(", ").join(stages.name(key) or _("new customers") for key in found.sources),
        "way": stages.name(found.way) if ":" in found.way else "",
        "day": say_day(found.day),
        "month": format_date(found.cohort, "F Y"),
        "begin": say_day(period.begin),
        "end": say_day(period.end),
        "reason": _("any reason") if found.reason is None else found.reason or _("no reason"),
        "done": str(done.get(found.figure, "")),
        "currency": found.asked["currency"] or _("no currency"),
    }
    asked = ""
    if found.figure in ("stays", "reached"):
        asked = "way" if ":" in found.way else found.way
    elif found.figure == "moves":
        asked = "reason" if found.reason is not None else "from" if found.sources else ""
    return str(_SENTENCES.get((found.figure, asked), _SENTENCES[found.figure, ""])) % names
