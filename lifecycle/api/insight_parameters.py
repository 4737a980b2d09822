"""The parameters of Insight: how they are described, and the period and the list that they ask for."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from lifecycle.api.filters import refuse_choice, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.openapi.configuration import NO_NUL
from lifecycle.queries.insight.behind import BEHIND
from lifecycle.services.insight.asking import (
    LONGEST_CURRENCY,
    LONGEST_REASON,
    LONGEST_TEXT,
    MOST_PAGES,
    MOST_STAGES,
    OF_A_LIST,
    AskedList,
    InvalidQuestion,
    read_behind,
    read_period,
)
from lifecycle.services.insight.reading import Period
from tenants.refusals import RequestRefused

OF_A_PERIOD: Final = ("from", "to", "owner", "segment")
_REPEATABLE: Final = ("stage", "from_stage")
_DAY: Final = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_TEXT: Final = {"type": "string", "maxLength": LONGEST_TEXT, "pattern": NO_NUL}
_STAGE: Final = {"type": "string", "maxLength": LONGEST_TEXT, "pattern": r"^(?:[0-9]{1,8}:[^\x00]*)?$"}
_STAGES: Final = {"type": "array", "items": _STAGE, "maxItems": MOST_STAGES}
_AS_LINKED: Final = "As a `link` has it."
_SCHEMAS: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "from": (_DAY, "The first day (UTC), from 1990 on; without it, a year before `to`."),
    "to": (_DAY, "The last day; today without it."),
    "owner": (_TEXT, "Of the customers who have this owner today."),
    "segment": (_TEXT, "Of the customers who are in this segment today."),
    "figure": ({"type": "string", "enum": list(BEHIND)}, _AS_LINKED),
    "day": (_DAY, _AS_LINKED),
    "cohort": (_DAY, _AS_LINKED),
    "stage": (_STAGES, _AS_LINKED),
    "from_stage": (_STAGES, _AS_LINKED),
    "way": (_TEXT, _AS_LINKED),
    "reason": ({"type": "string", "maxLength": LONGEST_REASON, "pattern": NO_NUL}, _AS_LINKED),
    "currency": ({"type": "string", "maxLength": LONGEST_CURRENCY, "pattern": NO_NUL}, _AS_LINKED),
    "cursor": ({"type": "string", "pattern": "^[1-9][0-9]{0,3}$"}, "`next_cursor` of the page before, of 50 rows."),
}

Read = TypeVar("Read")


def _describe(*names: str) -> tuple[OpenApiParameter, ...]:
    return tuple(
        OpenApiParameter(name, dict(_SCHEMAS[name][0]), description=_SCHEMAS[name][1], required=name == "figure")
        for name in names
    )


PERIOD: Final = _describe(*OF_A_PERIOD)
PAGE: Final = _describe("cursor")
LIST: Final = _describe(*OF_A_LIST)
OF_KEPT: Final = ("from", "to", "currency", "cursor")
KEPT: Final = _describe(*OF_KEPT)


def ask_period(parameters: QueryDict, *more: str, today: dt.date, may_be_ahead: bool = False) -> Period:
    """The period of an address that takes ``more`` beside it. Raises RequestRefused."""
    refuse_unknown_parameters(parameters, (*OF_A_PERIOD, *more), repeatable=_REPEATABLE)
    for name, values in parameters.lists():
        for value in values:
            _check(name, value)
    return _read(lambda: read_period(parameters, today, may_be_ahead=may_be_ahead))


def ask_list(parameters: QueryDict, period: Period, *, now: dt.datetime) -> AskedList:
    """The list behind a figure of the period. Raises RequestRefused."""
    if parameters.get("figure") not in BEHIND:
        raise refuse_choice("figure", BEHIND)
    return _read(lambda: read_behind(parameters, period, now=now))


def ask_kept(parameters: QueryDict, *, today: dt.date) -> tuple[dt.date, str]:
    """The month of ``from``, as a day of it, and the currency. Raises RequestRefused."""
    refuse_unknown_parameters(parameters, OF_KEPT)
    for name, value in parameters.items():
        _check(name, str(value))
    return _read(lambda: read_period(parameters, today)).begin, str(parameters.get("currency", ""))


def ask_page(parameters: QueryDict) -> int:
    """The number of the page, which is its cursor; ``ask_period`` has looked at it."""
    return int(parameters.get("cursor", "1"))


def show_page(request: Request, answer: Any, rows: Sequence[Any], count: int, page: int, size: int) -> Response:
    """A page of a list behind a figure, with how many there are and where the pages around it are."""
    here = request.build_absolute_uri()
    last = min(MOST_PAGES, -(-count // size))
    body = {
        "results": rows,
        "total": count,
        "next": replace_query_param(here, "cursor", page + 1) if page < last else None,
        "next_cursor": str(page + 1) if page < last else None,
        "previous": replace_query_param(here, "cursor", page - 1) if page > 1 else None,
    }
    return Response(answer.render(body))


def _check(name: str, value: str) -> None:
    schema, _help = _SCHEMAS[name]
    schema = schema.get("items", schema)
    if len(value) > schema.get("maxLength", LONGEST_REASON) or not re.search(schema.get("pattern", ""), value):
        raise refuse_parameter(
            name,
            _("The parameter “%(name)s” is not in the expected format. See the API documentation.") % {"name": name},
        )


def _read(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except InvalidQuestion as error:
        if error.name:
            raise refuse_parameter(error.name, str(error)) from error
        raise RequestRefused("invalid_request", str(error)) from error
