"""The list of customers as its page shows it: what is asked, and the words and addresses around the rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.queries.list_columns import LIST_COLUMNS, ListColumn
from lifecycle.queries.list_filters import LIST_FILTERS, ListFilter
from lifecycle.queries.listing import ORDERINGS, ListQuery
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line, shorten_text
from tenants.sentences import enumerate_names
from tenants.services.configuration.versions import find_renamed, leaving_stages

PAGE = 50
LONGEST_TEXT = 200
# The filters that have a field on the page.
FIELDS = {name: one for name, one in LIST_FILTERS.items() if one.label}
DEFAULT_ORDERING = "-updated_at"
# Those who look at customers that need them want the most urgent first; of a few customers that costs little.
RISK, URGENT = "risk", "-urgency"

ORDER_LABELS: Mapping[str, str | Promise] = {
    "-urgency": gettext_lazy("Most urgent first"),
    "-updated_at": gettext_lazy("Latest change first"),
    "updated_at": gettext_lazy("Longest unchanged first"),
    "name": gettext_lazy("By name, A to Z"),
    "-name": gettext_lazy("By name, Z to A"),
    "health": gettext_lazy("Lowest health first"),
    "-health": gettext_lazy("Highest health first"),
    "-arr": gettext_lazy("Highest revenue first"),
    "arr": gettext_lazy("Lowest revenue first"),
    "renewal_on": gettext_lazy("Next renewal first"),
    "-renewal_on": gettext_lazy("Latest renewal first"),
    "urgency": gettext_lazy("Least urgent first"),
}
CATEGORY_LABELS: Mapping[str, str | Promise] = {
    "acquisition": gettext_lazy("Acquisition"),
    "onboarding": gettext_lazy("Onboarding"),
    "engaged": gettext_lazy("Engaged"),
    "risk": gettext_lazy("At risk"),
    "renewal": gettext_lazy("Renewal"),
    "lost": gettext_lazy("Lost"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One head of the table. ``order`` is where a click leads, ``sorted`` the ARIA word for how it is sorted now."""

    label: str | Promise
    number: bool = False
    order: str = ""
    sorted: str = ""


@dataclass(frozen=True, slots=True)
class FilterField:
    """A filter as a field of the form: its value, and values to choose from with what they mean."""

    filter: ListFilter
    value: str
    suggested: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class View:
    """One of the ready-made views above the list: a category, or all customers."""

    label: str | Promise
    address: str
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class ListParameters:
    """What the address asks for. ``unknown`` says which of its filters there is not: nothing is listed then.

    ``note``: that a stage is called otherwise now. ``texts``: the filters that the page has a field for, by name.
    """

    stage: str = ""
    category: str = ""
    search: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    stuck: bool = False
    ordering: str = DEFAULT_ORDERING
    cursor: str = ""
    unknown: str = ""
    note: str = ""

    @classmethod
    def read(cls, parameters: QueryDict, policy: Policy, tenant: TenantRef) -> "ListParameters":
        """Read the parameters. A stage may be asked for by a name it had before; an unknown order is the usual one.

        One statement, or two, for a stage that the live configuration does not know.
        """
        asked, category, ordering = (parameters.get(name, "") for name in ("stage", "category", "ordering"))
        stuck = parameters.get("stuck") == "1"
        default = URGENT if category == RISK or stuck else DEFAULT_ORDERING
        stage = find_stage(asked, policy, tenant)
        unknown = note = ""
        if asked and not stage:
            unknown = _("There is no stage “%(name)s”. Choose one of: %(stages)s.") % {
                "name": shorten_text(asked),
                "stages": enumerate_names(policy.stages),
            }
        elif category and category not in CATEGORY_LABELS:
            unknown = _("There is no view “%(name)s”.") % {"name": shorten_text(category)}
        if stage and clean_line(asked) != stage:
            note = _("“%(before)s” is now called “%(stage)s”.") % {
                "before": shorten_text(asked),
                "stage": shorten_text(stage),
            }
        return cls(
            unknown=unknown,
            note=note,
            stage=stage,
            category=category if category in CATEGORY_LABELS else "",
            search=parameters.get("search", "").strip()[:LONGEST_TEXT],
            texts={name: text for name in FIELDS if (text := parameters.get(name, "").strip()[:LONGEST_TEXT])},
            stuck=stuck,
            ordering=ordering if ordering in ORDERINGS and ordering in ORDER_LABELS else default,
            cursor=parameters.get("cursor", ""),
        )

    @property
    def caption(self) -> str:
        """What is listed, and in which order: its filters are those of the page's fields."""
        words = " ".join(FIELDS[name].say(text) for name, text in self.texts.items())
        order = str(ORDER_LABELS[self.ordering]).lower()
        if not words:
            return _("Customers, %(order)s") % {"order": order}
        return _("Customers %(filters)s, %(order)s") % {"filters": words, "order": order}

    @property
    def is_filtered(self) -> bool:
        """Whether something may be hidden."""
        return bool(self.stage or self.category or self.search or self.texts or self.stuck)

    def to_query(self) -> ListQuery:
        """The same for the list itself."""
        chosen = {"stage": (self.stage,) if self.stage else (), "category": self.category, "stuck": self.stuck}
        return ListQuery(
            {name: value for name, value in {**chosen, **self.texts}.items() if value},
            search=self.search or None,
            ordering=self.ordering,
            cursor=self.cursor or None,
            limit=PAGE,
        )


def find_stage(asked: str, policy: Policy, tenant: TenantRef) -> str:
    """The stage of that name, now or formerly; also one that is being removed. Empty if there is none."""
    known = policy.canonical_stage(asked)
    if known or not asked:
        return known or ""
    name = clean_line(asked)
    if name in leaving_stages(tenant):
        return name
    renamed = find_renamed(name, tenant)
    return renamed if renamed is not None and policy.canonical_stage(renamed) else ""


def describe_columns(ordering: str) -> list[Column]:
    """The heads of the table; a second click on the one that is sorted turns the order round."""

    def describe(column: ListColumn) -> Column:
        key = column.ordering.lstrip("-")
        if not key or ordering.lstrip("-") != key:
            return Column(column.label, column.number, column.ordering)
        is_descending = ordering.startswith("-")
        turned = key if is_descending else f"-{key}"
        return Column(column.label, column.number, turned, "descending" if is_descending else "ascending")

    return [describe(column) for column in LIST_COLUMNS]


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
    """A field for each filter of the list that has one. One statement for each that suggests values."""
    return [
        FilterField(one, asked.texts.get(name, ""), one.suggest(tenant) if one.suggest else [])
        for name, one in FIELDS.items()
    ]
