"""What is around the rows of the list of customers: its heads, the columns to choose, ready-made views and fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from lifecycle.queries.list_columns import LIST_COLUMNS, ListColumn
from lifecycle.queries.list_filters import MOST_SUGGESTED, ListFilter
from lifecycle.web.list_page import FIELDS, ListParameters
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import fold_text
from tenants.sentences.categories import CATEGORY_LABELS


@dataclass(frozen=True, slots=True)
class Column:
    """One head of the table. ``order`` is where a click leads, ``sorted`` the ARIA word for how it is sorted now."""

    name: str
    label: str | Promise
    number: bool = False
    order: str = ""
    sorted: str = ""


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A column that may be shown: the addresses that show or hide it, and move it; '' where that cannot be."""

    label: str | Promise
    is_shown: bool
    toggle: str
    earlier: str = ""
    later: str = ""


@dataclass(frozen=True, slots=True)
class FilterField:
    """A filter as a field of the form: its value, and values to choose from with what they mean.

    ``is_choice``: these are all there are, with the value itself.
    """

    filter: ListFilter
    value: str
    suggested: list[tuple[str, str]]
    is_choice: bool

    @property
    def meanings(self) -> list[str]:
        """What the suggested values mean; one that has no meaning means itself."""
        return [meaning or value for value, meaning in self.suggested]


@dataclass(frozen=True, slots=True)
class View:
    """One of the ready-made views above the list: a category, or all customers."""

    label: str | Promise
    address: str
    count: int
    is_current: bool


def describe_columns(chosen: Sequence[ListColumn], ordering: str) -> list[Column]:
    """The heads of the table; a second click on the one that is sorted turns the order round."""

    def describe(column: ListColumn) -> Column:
        key = column.ordering.lstrip("-")
        if not key or ordering.lstrip("-") != key:
            return Column(column.name, column.label, column.number, column.ordering)
        is_descending = ordering.startswith("-")
        turned = key if is_descending else f"-{key}"
        return Column(column.name, column.label, column.number, turned, "descending" if is_descending else "ascending")

    return [describe(column) for column in chosen]


def describe_choice_of_columns(asked: ListParameters) -> list[ColumnChoice]:
    """Every column: those that are shown, in their order, then the others; each with where a click leads."""
    shown = [column.name for column in asked.columns]
    # Two or three addresses for each column: what they share is written once.
    start = asked.address(columns="")
    joint = "" if start.endswith("?") else "&"

    def leading_to(names: Sequence[str]) -> str:
        return f"{start}{joint}{urlencode({'columns': ','.join(names), 'edit': 'columns'})}"

    choices = []
    for at, column in enumerate(asked.columns):
        others = shown[:at] + shown[at + 1 :]
        choices.append(
            ColumnChoice(
                column.label,
                is_shown=True,
                toggle=leading_to(others) if others and column.name != LIST_COLUMNS[0].name else "",
                earlier=leading_to([*others[: at - 1], column.name, *others[at - 1 :]]) if at else "",
                later=leading_to([*others[: at + 1], column.name, *others[at + 1 :]]) if others[at:] else "",
            )
        )
    hidden = [column for column in LIST_COLUMNS if column not in asked.columns]
    return choices + [ColumnChoice(one.label, False, leading_to([*shown, one.name])) for one in hidden]


def describe_views(asked: ListParameters, summary: Mapping[str, Any], policy: Policy) -> list[View]:
    """All customers, each category that the configuration has stages of, and those who stay too long.

    ``summary`` is that of the tenant.
    """
    address, total = reverse("customer-list"), summary["total"]
    counts = {stage["stage"]: stage["customers"] for stage in summary["stages"]}
    views = [View(_("All"), address, total["customers"], not asked.category and not asked.stuck)]
    for category, label in CATEGORY_LABELS.items():
        stages = policy.stages_in(category)
        if stages:
            count = sum(counts.get(stage, 0) for stage in stages)
            target = f"{address}?{urlencode({'category': category})}"
            views.append(View(label, target, count, asked.category == category))
    if any(policy.max_days(stage) is not None for stage in policy.stages):
        views.append(View(_("Stuck in stage"), f"{address}?stuck=1", total["over_expected"], asked.stuck))
    return views


def describe_fields(asked: ListParameters, tenant: TenantRef) -> list[FilterField]:
    """A field for each filter of the list that has one. Two statements for each that suggests values."""
    return [_describe_field(one, asked.texts.get(name, ""), tenant) for name, one in FIELDS.items()]


def _describe_field(one: ListFilter, value: str, tenant: TenantRef) -> FilterField:
    suggested = one.suggest(tenant) if one.suggest else []
    if not suggested or len(suggested) > MOST_SUGGESTED:
        return FilterField(one, value, suggested[:MOST_SUGGESTED], is_choice=False)
    known = {key: key for key, _meaning in suggested}
    value = known.get(fold_text(value), value)
    if value and value not in known:
        suggested = [*suggested, (value, value)]
    return FilterField(one, value, suggested, is_choice=True)
