"""What figures from the history are asked for, as addresses of pages and of the API have it: the period, and a list."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from lifecycle.queries.insight import at_risk
from lifecycle.queries.insight.behind import BEHIND
from lifecycle.rules.insight.flows import GAINS, Flow
from lifecycle.rules.insight.saving import WAYS as SAVED_WAYS
from lifecycle.services.insight.episodes import name_stages
from lifecycle.services.insight.reading import Period, Stages, midnight
from lifecycle.services.insight.saving import mature_before
from tenants.rules.configuration.categories import LOST
from tenants.rules.texts import shorten_text

LONGEST_TEXT: Final = 150
LONGEST_REASON: Final = 255
LONGEST_CURRENCY: Final = 3
LONGEST_PERIOD: Final = 3660
MOST_PAGES: Final = 9_999
MOST_STAGES: Final = 200
USUAL_DAYS: Final = 365
EARLIEST: Final = dt.date(1990, 1, 1)
# What addresses call the parameters of a list behind a figure, beside those of the period.
OF_A_LIST: Final = ("figure", "day", "cohort", "stage", "from_stage", "way", "reason", "currency")


class InvalidQuestion(Exception):
    """The address asks for something that there is not; the message says what, ``name`` in which parameter."""

    def __init__(self, sentence: str, name: str = "") -> None:
        super().__init__(sentence)
        self.name = name


def read_day(text: str, usual: dt.date, name: str = "day") -> dt.date:
    """A day as addresses have it; '' is the usual one. Raises InvalidQuestion."""
    if not text:
        return usual
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidQuestion(
            _("“%(text)s” is not a day. Write it as 2026-01-31.") % {"text": shorten_text(text)}, name
        ) from error
    if not EARLIEST <= day <= dt.date(9000, 1, 1):
        raise InvalidQuestion(_("“%(text)s” is too long ago, or too far ahead.") % {"text": text}, name)
    return day


def usual_begin(end: dt.date) -> dt.date:
    """Where a period begins that ends on a day: a year."""
    return end - dt.timedelta(days=USUAL_DAYS - 1)


def read_period(asked: QueryDict, today: dt.date, *, may_be_ahead: bool = False) -> Period:
    """``from``, ``to``, ``owner`` and ``segment``; the last twelve months where they say nothing, of everybody.

    It ends today at the latest, unless it ``may_be_ahead``. Raises InvalidQuestion.
    """
    end = read_day(asked.get("to", ""), today, "to")
    end = end if may_be_ahead else min(end, today)
    begin = read_day(asked.get("from", ""), usual_begin(end), "from")
    # Where the reader is, the day may have begun already that ``today`` in UTC is not yet.
    if end == today < begin <= timezone.localdate():
        begin = today
    if begin > end or (end - begin).days > LONGEST_PERIOD:
        raise InvalidQuestion(_("The period must begin before it ends, and be no longer than ten years."), "from")
    return Period(begin, end, *read_whose(asked))


def read_whose(asked: QueryDict) -> tuple[str, str]:
    """``owner`` and ``segment``; '' for everybody's."""
    owner, segment = (asked.get(name, "").replace("\x00", "").strip()[:LONGEST_TEXT] for name in ("owner", "segment"))
    return owner, segment


def write_period(period: Period) -> dict[str, str]:
    """The parameters that ``read_period`` reads."""
    asked = {"from": period.begin.isoformat(), "to": period.end.isoformat()}
    return asked | {name: text for name, text in (("owner", period.owner), ("segment", period.segment)) if text}


def write_behind(period: Period, figure: str, **of: Any) -> str:
    """The parameters that ``read_behind`` reads. A ``day`` may be 'start' or 'end': those of the period."""
    bounds = {"start": period.begin - dt.timedelta(days=1), "end": period.end}
    if of.get("day") in bounds:
        of["day"] = bounds[of["day"]].isoformat()
    return urlencode(write_period(period) | {"figure": figure} | of, doseq=True)


def ask_gains(flows: Sequence[Flow], stages: Stages) -> dict[str, dict[str, list[str]]]:
    """What the lists behind the revenue that a period gained and lost are asked for, by the way it went (GAINS)."""
    lost = list(stages.of_category(LOST))
    others = [key for key in stages.ordered({flow.to_stage for flow in flows}) if key not in lost]
    asked = {way: {"stage": others} for way in GAINS}
    return asked | {"gone": {"stage": lost}, "returned": {"stage": others, "from_stage": lost}}


@dataclass(frozen=True, slots=True)
class AskedList:
    """The list of what a figure counts. ``asked`` is what ``list_behind`` needs; None of the reason is any."""

    figure: str
    asked: Mapping[str, Any]
    page: int
    keys: Sequence[str]
    sources: Sequence[str]
    way: str
    day: dt.date
    cohort: dt.date
    reason: str | None


def read_behind(asked: QueryDict, period: Period, *, now: dt.datetime) -> AskedList:
    """Read what ``write_behind`` wrote, and ``page``. Raises InvalidQuestion."""
    figure = asked.get("figure", "")
    if figure not in BEHIND:
        raise InvalidQuestion(_("There is no such figure."), "figure")
    day = read_day(asked.get("day", ""), period.end)
    cohort = read_day(asked.get("cohort", ""), period.begin, "cohort")
    keys, sources = (_read_keys(asked, name) for name in ("stage", "from_stage"))
    way = asked.get("way", "")[:LONGEST_TEXT].replace("\x00", "")
    if way not in ("", "*", "-", *SAVED_WAYS, *at_risk.WAYS, *GAINS) and not _is_key(way):
        raise InvalidQuestion(_("There is no such stage."), "way")
    page = read_page(asked)
    reason = asked.get("reason", "")[:LONGEST_REASON].replace("\x00", "") if "reason" in asked else None
    values = {
        "stages": keys,
        "from_stages": sources or None,
        "timestamp": midnight(day + dt.timedelta(days=1)),
        "way": way,
        "cohort": cohort,
        "reason": reason,
        "currency": asked.get("currency", "")[:LONGEST_CURRENCY].replace("\x00", ""),
        "mature": mature_before(now),
        "risk": name_stages(keys),
        "now": now,
    }
    return AskedList(figure, values, page, keys, sources, way, day, cohort, reason)


def read_page(asked: QueryDict) -> int:
    """``page``. Raises InvalidQuestion."""
    try:
        return min(max(1, int(asked.get("page", "1"))), MOST_PAGES)
    except ValueError as error:
        raise InvalidQuestion(_("There is no such page."), "page") from error


def _read_keys(asked: QueryDict, name: str) -> list[str]:
    keys = [key[:LONGEST_TEXT].replace("\x00", "") for key in asked.getlist(name)[:MOST_STAGES]]
    if any(key and not _is_key(key) for key in keys):
        raise InvalidQuestion(_("There is no such stage."), name)
    return keys


def _is_key(text: str) -> bool:
    version, colon, _name = text.partition(":")
    return bool(colon) and version.isascii() and version.isdigit() and len(version) < 9
