"""The columns of the customer list: the fields that every row has, and the heads of the table on the page.

A field is in every row when its entry says so (``lifecycle.rules.fields``). A head has one entry here, which says also
what an exported file has of it, and its cell in ``lifecycle.web.list_cells``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from lifecycle.rules.fields import FIELDS

# The fields of a customer that every row shows.
LISTED: Final = tuple(field for field in FIELDS if field.is_listed)

Value = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class ListColumn:
    """One column of the table. ``ordering``: what a first click on its head asks for.

    ``fields``: names and values of its columns in a file. ``is_usual``: shown where no columns are chosen.
    """

    name: str
    label: str | Promise
    fields: Mapping[str, Value]
    number: bool = False
    ordering: str = ""
    is_usual: bool = True


def _plain(*names: str) -> dict[str, Value]:
    """Fields of the row as they are."""
    return {name: lambda row, name=name: row[name] for name in names}  # type: ignore[misc]


LIST_COLUMNS: Final = (
    ListColumn("customer", _("Customer"), _plain("external_id", "name"), ordering="name"),
    ListColumn("stage", _("Stage"), _plain("stage", "category", "reason_code"), ordering="stage"),
    ListColumn(
        "days_in_stage",
        _("In stage"),
        _plain("days_in_stage", "days_over"),
        number=True,
        ordering="-days_in_stage",
    ),
    ListColumn("health", _("Health"), {"health": lambda row: row["health"]["score"]}, number=True, ordering="health"),
    ListColumn("at_stake", _("At stake"), _plain("at_stake"), number=True, ordering="-urgency"),
    ListColumn("arr", _("ARR"), _plain("arr", "currency"), number=True, ordering="-arr"),
    ListColumn("renewal", _("Renewal"), _plain("renewal_on", "days_to_renewal"), number=True, ordering="renewal_on"),
    ListColumn("owner", _("Owner"), _plain("owner"), ordering="owner"),
    ListColumn("segment", _("Segment"), _plain("segment"), ordering="segment", is_usual=False),
    ListColumn("industry", _("Industry"), _plain("industry"), ordering="industry", is_usual=False),
    ListColumn("open_issues", _("Open issues"), _plain("open_issues"), True, "-open_issues", is_usual=False),
    ListColumn("csat", _("CSAT"), _plain("csat"), True, "csat", is_usual=False),
    ListColumn("overdue", _("Overdue"), _plain("balance_overdue"), True, "-balance_overdue", is_usual=False),
    ListColumn("changed", _("Last change"), _plain("updated_at", "updated_by"), True, "-updated_at", is_usual=False),
)
COLUMNS_BY_NAME: Final = {column.name: column for column in LIST_COLUMNS}
# By the name of the column, and of each field that it has.
COLUMN_OF: Final = {name: column for column in LIST_COLUMNS for name in column.fields} | COLUMNS_BY_NAME
USUAL_COLUMNS: Final = tuple(column for column in LIST_COLUMNS if column.is_usual)


def choose_columns(names: Iterable[str]) -> tuple[ListColumn, ...]:
    """The columns of these names, or that have the fields of these names, in this order; the usual ones if there are
    none. The customer is always there.
    """
    chosen = dict.fromkeys(COLUMN_OF[name] for name in names if name in COLUMN_OF)
    if not chosen:
        return USUAL_COLUMNS
    customer = COLUMNS_BY_NAME["customer"]
    return tuple(chosen) if customer in chosen else (customer, *chosen)
