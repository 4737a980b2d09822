"""The figures of a past day in words."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from lifecycle.queries.list_columns import LIST_COLUMNS
from lifecycle.web.naming import spell_value

LABELS: Final[Mapping[str, str | Promise]] = {
    "billing.arr": _("ARR"),
    "billing.mrr": _("MRR"),
    "billing.currency": _("Currency"),
    "billing.balance_overdue": _("Overdue balance"),
    "billing.renewal_on": _("Renewal"),
    "billing.contract_starts_on": _("Contract starts"),
    "billing.contract_ends_on": _("Contract ends"),
    "support.open_issues": _("Open issues"),
    "support.csat": _("CSAT"),
}
_OF_COMPANY: Final = {column.name: column.label for column in LIST_COLUMNS}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as it held on the day, and since when."""

    label: str | Promise
    text: str
    since: dt.datetime


def describe_figures(figures: Mapping[str, tuple[Any, dt.datetime]]) -> list[Figure]:
    """The figures that pages have a name for, in the order of ``LABELS``; those of the company first."""
    currency = str(figures.get("billing.currency", ("", None))[0] or "")
    labels = {**_OF_COMPANY, **LABELS}
    return [
        Figure(labels.get(path, path), spell_value(path, figures[path][0], currency), figures[path][1])
        for path in [*sorted(set(figures) - LABELS.keys()), *(path for path in LABELS if path in figures)]
    ]
