"""The list of customers as its page shows it: what is asked, and how many are found."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from lifecycle.queries.list_columns import COLUMN_OF, USUAL_COLUMNS, ListColumn, choose_columns
from lifecycle.queries.list_condition_kinds import InvalidWhere
from lifecycle.queries.list_conditions import check_expression, explain_invalid, say_condition, say_where
from lifecycle.queries.list_filters import LIST_FILTERS, rename_parameters
from lifecycle.queries.list_named import read_conditions
from lifecycle.queries.listing import BEST_MATCH, ORDERINGS, ListQuery, Page, chosen_stages
from lifecycle.queries.selection import Count
from lifecycle.rules.expressions import Condition, Expression, conditions_of, replace_values, write_expression
from lifecycle.services.lists.counts import read_count
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line, shorten_text
from tenants.sentences import enumerate_names
from tenants.sentences.categories import CATEGORY_LABELS
from tenants.services.configuration.versions import find_renamed, leaving_stages

PAGE = 50
LONGEST_TEXT = 200
SPELLED = {"1": "true", "0": "false"}
# Of columns that there are not so many are named.
MOST_SAID = 3
# The filters that have a field on the page.
FIELDS = {name: one for name, one in LIST_FILTERS.items() if one.label}
DEFAULT_ORDERING = "-updated_at"
# Those who look at customers that need them want the most urgent first; of a few customers that costs little.
RISK, URGENT = "risk", "-urgency"


@dataclass(frozen=True, slots=True)
class ListParameters:
    """What the address asks for. ``unknown`` says which of its filters there is not: nothing is listed then.

    ``note``: what is shown otherwise than asked for, as a stage by its present name. ``texts``: the filters that the
    page has a field for, by name. ``others``: those that only addresses have. ``where``: what is put together of
    conditions. ``view``: the saved one that is open.
    """

    stage: str = ""
    category: str = ""
    search: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    where: Expression | None = None
    columns: tuple[ListColumn, ...] = USUAL_COLUMNS
    stuck: bool = False
    view: str = ""
    ordering: str = DEFAULT_ORDERING
    cursor: str = ""
    unknown: str = ""
    note: str = ""

    @classmethod
    def read(cls, parameters: QueryDict, policy: Policy, tenant: TenantRef) -> "ListParameters":
        """Read the parameters. A stage may be asked for by a name it had before; an unknown order is the usual one.

        One statement, or two, for a stage that the live configuration does not know.
        """
        parameters = rename_parameters(parameters)
        asked, category, ordering = (parameters.get(name, "") for name in ("stage", "category", "ordering"))
        search = parameters.get("search", "").strip()[:LONGEST_TEXT]
        if ordering == BEST_MATCH and not search:
            ordering = ""
        stage = find_stage(asked, policy, tenant)
        unknown: list[str] = []
        if asked and not stage:
            unknown.append(say_no_stage(asked, policy))
        if category and category not in CATEGORY_LABELS:
            unknown.append(_("There is no view “%(name)s”.") % {"name": shorten_text(category)})
        refused: list[InvalidWhere] = []
        others = _read_others(parameters, policy, tenant, refused)
        stuck = others.pop("stuck", False)
        where = read_conditions(parameters, policy, tenant, refused=refused)
        unknown += [explain_invalid(error) for error in refused]
        columns = [name for one in parameters.get("columns", "").split(",") if (name := one.strip())]
        default = usual_ordering(category, search, stuck=stuck)
        return cls(
            unknown=" ".join(unknown),
            note=" ".join(_say_otherwise(asked, stage, ordering, columns)),
            stage=stage,
            category=category if category in CATEGORY_LABELS else "",
            search=search,
            texts={name: text for name in FIELDS if (text := parameters.get(name, "").strip()[:LONGEST_TEXT])},
            others=others,
            where=where,
            columns=choose_columns(columns),
            stuck=stuck,
            ordering=ordering if ordering in ORDERINGS else default,
            cursor=parameters.get("cursor", ""),
            view=parameters.get("view", "")[:LONGEST_TEXT],
        )

    @classmethod
    def from_query(cls, query: str, policy: Policy, tenant: TenantRef) -> "ListParameters":
        """As ``read``, of what an address has behind its question mark. One of too many parts is unknown."""
        try:
            return cls.read(QueryDict(query), policy, tenant)
        except (TooManyFieldsSent, RequestDataTooBig):
            return cls(unknown=_("The address has too many parts."))

    def say(self, owner_names: Mapping[str, str]) -> str:
        """What is listed, and in which order: its filters are those of the page's fields. ``owner_names``: what owners
        are called, as ``people.name_owners``.
        """
        words = " ".join(FIELDS[name].say(owner_names.get(text, text)) for name, text in self.texts.items())
        conditions = [say_condition(Condition(name, ":", (_spell(value),))) for name, value in self.others.items()]
        if self.where is not None:
            conditions.append(say_where(replace_values(self.where, "owner", owner_names)))
        # Of its letters the first one alone is large for its place: German has more, and so has CSAT.
        label = str(ORDERINGS[self.ordering].label)
        order = f"{label[:1].lower()}{label[1:]}"
        params = {"filters": words, "order": order, "conditions": _(" and ").join(conditions)}
        if conditions:
            sentence = _("Customers %(filters)s, %(conditions)s, %(order)s")
            return (sentence if words else _("Customers: %(conditions)s, %(order)s")) % params
        return (_("Customers %(filters)s, %(order)s") if words else _("Customers, %(order)s")) % params

    @property
    def has_usual_order(self) -> bool:
        """Whether this is the order that is used when none is chosen."""
        return self.ordering == usual_ordering(self.category, self.search, stuck=self.stuck)

    @property
    def is_filtered(self) -> bool:
        """Whether something may be hidden."""
        return bool(self.stage or self.category or self.search or self.texts or self.others or self.where or self.stuck)

    @property
    def owners(self) -> list[str]:
        """The owners whose customers are asked for."""
        conditions = [] if self.where is None else conditions_of(self.where)
        asked = [value for one in conditions if one.field == "owner" for value in one.values]
        return [owner for owner in (self.texts.get("owner", ""), *asked) if owner]

    @property
    def expression(self) -> str:
        """What is put together of conditions, in its one spelling."""
        return "" if self.where is None else write_expression(self.where)

    @property
    def column_names(self) -> str:
        """The columns as the address has them; '' for the usual ones."""
        return "" if self.columns == USUAL_COLUMNS else ",".join(column.name for column in self.columns)

    def with_where(self, where: Expression | None) -> "ListParameters":
        """The same from its beginning, with other conditions."""
        return replace(self, where=where, cursor="")

    def parameters(self) -> dict[str, str]:
        """What the address has of it, without the place in the list: the view itself, by which it can be saved."""
        asked = {
            "category": self.category,
            "stage": self.stage,
            "search": self.search,
            **self.texts,
            **{name: _spell(value) for name, value in self.others.items()},
            "stuck": "1" if self.stuck else "",
            "where": self.expression,
            # It is the usual one of a search, and means nothing without it.
            "ordering": "" if self.ordering == BEST_MATCH else self.ordering,
            "columns": self.column_names,
            "view": self.view,
        }
        return {name: value for name, value in asked.items() if value}

    @property
    def query_string(self) -> str:
        """The same as an address has it."""
        return urlencode(self.parameters())

    def address(self, **changed: str) -> str:
        """Where this is shown, with some of its parameters changed; '' takes one away."""
        asked = {name: value for name, value in (self.parameters() | changed).items() if value}
        return f"{reverse('customer-list')}?{urlencode(asked)}"

    def to_query(self) -> ListQuery:
        """The same for the list itself."""
        chosen = {"stage": (self.stage,) if self.stage else (), "category": self.category, "stuck": self.stuck}
        return ListQuery(
            {
                name: value
                for name, value in {**chosen, **self.texts, **self.others}.items()
                if value is not False and value not in ("", ())
            },
            search=self.search or None,
            ordering=self.ordering,
            cursor=self.cursor or None,
            limit=PAGE,
            where=self.where,
        )


def usual_ordering(category: str, search: str, *, stuck: bool) -> str:
    """The order of a list for which none is chosen."""
    if search:
        return BEST_MATCH
    return URGENT if category == RISK or stuck else DEFAULT_ORDERING


def _read_others(
    parameters: QueryDict, policy: Policy, tenant: TenantRef, refused: list[InvalidWhere]
) -> dict[str, Any]:
    """The filters that the page has no field for; what cannot be read is added to ``refused``."""
    found: dict[str, Any] = {}
    for name, one in LIST_FILTERS.items():
        text = parameters.get(name, "").strip()
        if not text or one.kind not in ("flag", "days") or name in FIELDS:
            continue
        try:
            condition = check_expression(Condition(name, ":", (_read_spelled(one.kind, text),)), policy, tenant)
        except InvalidWhere as error:
            refused.append(error)
            continue
        (value,) = next(conditions_of(condition)).values
        if value != "false":
            found[name] = True if one.kind == "flag" else int(value)
    return found


def _say_otherwise(asked: str, stage: str, ordering: str, columns: Sequence[str]) -> Iterator[str]:
    """What is shown otherwise than asked for: a stage by its present name, without columns and orders there are not."""
    if stage and clean_line(asked) != stage:
        names = {"before": shorten_text(asked), "stage": shorten_text(stage)}
        yield _("“%(before)s” is now called “%(stage)s”.") % names
    for name in [name for name in columns if name not in COLUMN_OF][:MOST_SAID]:
        yield _("There is no column “%(name)s”.") % {"name": shorten_text(name)}
    if ordering and ordering not in ORDERINGS:
        yield _("There is no order “%(name)s”. The usual one is used.") % {"name": shorten_text(ordering)}


def _read_spelled(kind: str, text: str) -> str:
    return SPELLED.get(text, text) if kind == "flag" else text


def _spell(value: Any) -> str:
    return "true" if value is True else str(value)


def say_no_stage(asked: str, policy: Policy) -> str:
    """That there is no stage of that name, and which there are."""
    return _("There is no stage “%(name)s”. Choose one of: %(stages)s.") % {
        "name": shorten_text(asked),
        "stages": enumerate_names(policy.stages),
    }


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


def count_found(
    asked: ListParameters, found: Page, summary: Mapping[str, Any], policy: Policy, tenant: TenantRef, now: dt.datetime
) -> Count:
    """How many customers there are in all. One statement, and none where the page, the tenant's summary or a copy says
    it.
    """
    if not asked.cursor and found.next_cursor is None:
        return Count(len(found.rows))
    if asked.search or asked.texts or asked.others or asked.where or asked.stuck:
        return read_count(asked.to_query(), tenant=tenant, policy=policy, now=now)
    stages = chosen_stages(asked.to_query(), policy)
    counts = summary["stages"]
    return Count(sum(one["customers"] for one in counts if stages is None or one["stage"] in stages))
