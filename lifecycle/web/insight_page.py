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

from lifecycle.queries.insight.reading import BEHIND
from lifecycle.rules.insight.flows import moves_between, standing_over_time
from lifecycle.rules.insight.saving import compare_actions
from lifecycle.rules.insight.stages import NO_STAGE
from lifecycle.services.imports.cells import guard
from lifecycle.services.insight import reading
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import mature_before, read_episodes
from lifecycle.web import charts, insight_saving, insight_tables
from lifecycle.web.insight_tables import LOST, RISK, Link, Table
from tenants.actors import TenantRef
from tenants.rules.texts import shorten_text

LONGEST_TEXT: Final = 150
LONGEST_PERIOD: Final = 3660
MOST_PAGES: Final = 10_000
MOST_STAGES: Final = 200
USUAL_DAYS: Final = 365
MOST_DAYS_SHOWN: Final = 365
EARLIEST: Final = dt.date(1990, 1, 1)
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


class InvalidQuestion(Exception):
    """The address asks for something that there is not; the message says what."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the address asks for. ``trouble`` says what of it could not be read; the usual stands for that."""

    view: str
    period: Period
    trouble: str = ""

    @classmethod
    def read(cls, asked: QueryDict, today: dt.date) -> "Question":
        """Read it: ``show``, ``from``, ``to``, ``owner``, ``segment``."""
        trouble = ""
        end, begin = today, today - dt.timedelta(days=USUAL_DAYS - 1)
        try:
            end = min(read_day(asked.get("to", ""), end), today)
            begin = read_day(asked.get("from", ""), end - dt.timedelta(days=USUAL_DAYS - 1))
            if begin > end or (end - begin).days > LONGEST_PERIOD:
                raise InvalidQuestion(_("The period must begin before it ends, and be no longer than ten years."))
        except InvalidQuestion as error:
            trouble = str(error)
            end, begin = today, today - dt.timedelta(days=USUAL_DAYS - 1)
        owner, segment = (
            asked.get(name, "").replace("\x00", "").strip()[:LONGEST_TEXT] for name in ("owner", "segment")
        )
        view = asked.get("show", "")
        return cls(view if view in VIEWS else "stages", Period(begin, end, owner, segment), trouble)

    def parameters(self) -> dict[str, str]:
        """The period and whose, as an address has them."""
        period = self.period
        asked = {"from": period.begin.isoformat(), "to": period.end.isoformat()}
        return asked | {name: text for name, text in (("owner", period.owner), ("segment", period.segment)) if text}

    def address(self, **more: str) -> str:
        """Where this is shown, with more parameters."""
        return f"{reverse('insight')}?{urlencode(self.parameters() | {'show': self.view} | more)}"

    def link(self, figure: str, **of: Any) -> str:
        """Where the customers behind a figure are listed."""
        bounds = {"start": self.period.begin - dt.timedelta(days=1), "end": self.period.end}
        if of.get("day") in bounds:
            of["day"] = bounds[of["day"]].isoformat()
        return f"{reverse('insight-customers')}?{urlencode(self.parameters() | {'figure': figure} | of, doseq=True)}"


def read_day(text: str, usual: dt.date) -> dt.date:
    """A day as addresses have it; '' is the usual one. Raises InvalidQuestion."""
    if not text:
        return usual
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidQuestion(
            _("“%(text)s” is no day. Write it as 2026-01-31.") % {"text": shorten_text(text)}
        ) from error
    if not EARLIEST <= day <= dt.date(9000, 1, 1):
        raise InvalidQuestion(_("“%(text)s” is too long ago, or too far ahead.") % {"text": text})
    return day


@dataclass(frozen=True, slots=True)
class Shown:
    """A view of the page. ``chart`` is a Chart or a Sankey; ``facts``: what can be said in a sentence."""

    tables: Sequence[Table]
    chart: Any = None
    chart_title: str = ""
    kind: str = ""
    legend: Sequence[str] = field(default_factory=tuple)


def show(question: Question, stages: Stages, *, tenant: TenantRef, now: dt.datetime, may_open: bool) -> Shown:
    """The view that is asked for. Three statements at most, whatever the number of customers."""
    link: Link = question.link if may_open else lambda *_args, **_kwargs: ""
    return _SHOW[question.view](_Asked(question.period, stages, link, tenant, now))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every view is made of."""

    period: Period
    stages: Stages
    link: Link
    tenant: TenantRef
    now: dt.datetime


def _show_stages(asked: _Asked) -> Shown:
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    days = asked.period.days
    shown = standing_over_time(flows, len(days) - 1)
    tables = insight_tables.stock_tables(days, shown, asked.stages, asked.link)
    names = _names(asked.stages, {key for at in shown for key in at})
    points = [
        (format_date(on, "j M y"), {key: one.customers for key, one in at.items()})
        for on, at in zip(days, shown, strict=True)
    ]
    title = _("Customers by stage")
    return Shown(
        [*tables, insight_tables.value_table(flows, asked.stages)],
        charts.stacked(points, names),
        title,
        "area",
        tuple(names.values()),
    )


def _show_flow(asked: _Asked) -> Shown:
    flows = reading.read_flows(asked.period, tenant=asked.tenant)
    moves = moves_between(flows)
    names = {NO_STAGE: _("New customers"), **_names(asked.stages, {key for pair in moves for key in pair})}
    picture = charts.sankey(moves, names) if moves else None
    return Shown(
        insight_tables.flow_tables(flows, asked.stages, asked.link), picture, _("Moves between stages"), "sankey"
    )


def _show_conversion(asked: _Asked) -> Shown:
    reached = reading.read_reached(asked.period, tenant=asked.tenant)
    _curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    return Shown(insight_tables.conversion_tables(reached, outcomes, asked.stages, asked.link))


def _show_time(asked: _Asked) -> Shown:
    curves, outcomes = reading.read_stays(asked.period, asked.stages.keys, tenant=asked.tenant, now=asked.now)
    names = {
        key: name for key, name in _names(asked.stages, set(curves)).items() if key in curves and curves[key].stays
    }
    lines = {key: [(step.days, step.staying) for step in curves[key].steps] for key in names}
    longest = max((steps[-1][0] for steps in lines.values() if steps), default=1)
    picture = charts.curves(lines, names, min(longest, MOST_DAYS_SHOWN))
    tables = insight_tables.time_tables(curves, outcomes, asked.stages, asked.link)
    return Shown(tables, picture, _("Share still in stage, by days"), "line", tuple(names.values()))


def _show_cohorts(asked: _Asked) -> Shown:
    cohorts = reading.read_cohorts(
        asked.period, asked.stages.of_category(LOST), tenant=asked.tenant, today=asked.now.date()
    )
    return Shown(insight_tables.cohort_tables(cohorts, asked.stages, asked.link))


def _show_risk(asked: _Asked) -> Shown:
    moves = reading.read_reasons(asked.period, asked.stages.of_category(RISK), tenant=asked.tenant)
    return Shown(insight_tables.risk_tables(moves, asked.stages, asked.link))


def _show_saving(asked: _Asked) -> Shown:
    episodes = read_episodes(asked.period, asked.stages, tenant=asked.tenant, now=asked.now)
    return Shown([insight_saving.save_table(compare_actions(episodes), asked.stages, asked.link)])


_SHOW: Final[Mapping[str, Callable[[_Asked], Shown]]] = {
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
    writer.writerows(
        [cell.plain or (cell.text if cell.is_number else guard(cell.text)) for cell in row] for row in table.rows
    )
    return "\ufeff" + text.getvalue()


@dataclass(frozen=True, slots=True)
class Behind:
    """A list of what a figure counts, as its address asks for it."""

    figure: str
    asked: Mapping[str, Any]
    page: int
    sentence: str

    @classmethod
    def read(cls, asked: QueryDict, question: Question, stages: Stages, *, now: dt.datetime) -> "Behind":
        """Read the address that ``Question.link`` made. Raises InvalidQuestion."""
        figure = asked.get("figure", "")
        if figure not in BEHIND or question.trouble:
            raise InvalidQuestion(question.trouble or _("There is no such figure."))
        day = read_day(asked.get("day", ""), question.period.end)
        cohort = read_day(asked.get("cohort", ""), question.period.begin)
        keys = [key[:LONGEST_TEXT].replace("\x00", "") for key in asked.getlist("stage")[:MOST_STAGES]]
        sources = [key[:LONGEST_TEXT].replace("\x00", "") for key in asked.getlist("from_stage")[:MOST_STAGES]]
        if any(key and not _is_key(key) for key in (*keys, *sources)):
            raise InvalidQuestion(_("There is no such stage."))
        way = asked.get("way", "")[:LONGEST_TEXT].replace("\x00", "")
        if way not in ("", "*", "-", *insight_saving.WAYS) and not _is_key(way):
            raise InvalidQuestion(_("There is no such stage."))
        try:
            page = min(max(1, int(asked.get("page", "1"))), MOST_PAGES)
        except ValueError as error:
            raise InvalidQuestion(_("There is no such page.")) from error
        reason = asked.get("reason", "")[:255].replace("\x00", "") if "reason" in asked else None
        names = {
            "stage": _(", ").join(stages.name(key) for key in keys),
            "from": _(", ").join(stages.name(key) or _("new customers") for key in sources),
            "way": stages.name(way) if ":" in way else "",
            "day": format_date(day, "j M Y"),
            "month": format_date(cohort, "F Y"),
            "begin": format_date(question.period.begin, "j M Y"),
            "end": format_date(question.period.end, "j M Y"),
            "reason": _("any reason") if reason is None else reason or _("no reason"),
            "done": str(insight_saving.WAYS.get(way, "")),
        }
        values = {
            "stages": keys,
            "from_stages": sources or None,
            "moment": reading.midnight(day + dt.timedelta(days=1)),
            "way": way,
            "cohort": cohort,
            "reason": reason,
            "mature": mature_before(now),
        }
        return cls(figure, values, page, _say(figure, way, bool(sources), reason is not None, names))


def _is_key(text: str) -> bool:
    version, colon, _name = text.partition(":")
    return bool(colon) and version.isascii() and version.isdigit() and len(version) < 9


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
        "Customers that came to be at risk from %(begin)s to %(end)s (%(reason)s). First week: %(done)s"
    ),
    ("came", ""): gettext_lazy("Customers who came in %(month)s"),
    ("cohort", ""): gettext_lazy("Customers who came in %(month)s and were still customers at the end of %(day)s"),
}


def _say(figure: str, way: str, has_source: bool, has_reason: bool, names: Mapping[str, str]) -> str:
    """What is listed, in a sentence."""
    asked = ""
    if figure in ("stays", "reached"):
        asked = "way" if ":" in way else way
    elif figure == "moves":
        asked = "reason" if has_reason else "from" if has_source else ""
    return str(_SENTENCES.get((figure, asked), _SENTENCES[figure, ""])) % names
