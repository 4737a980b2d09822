"""The parameters of the customer list: each known, each well-formed, or the request is refused."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import django_filters
from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from lifecycle.models import Customer
from lifecycle.queries.list_columns import COLUMN_OF, COLUMNS_BY_NAME, ListColumn, choose_columns
from lifecycle.queries.list_condition_kinds import InvalidWhere
from lifecycle.queries.list_conditions import CONDITIONS, read_where
from lifecycle.queries.list_filters import LIST_FILTERS, LONGEST_STAY, ListFilter, rename_parameters
from lifecycle.queries.list_named import NAMED, join_conditions, read_named
from lifecycle.queries.listing import BEST_MATCH, DEFAULT_LIMIT, DEFAULT_ORDERING, MOST, ORDERINGS, ListQuery
from lifecycle.rules.expressions import LONGEST, Expression
from tenants.actors import TenantRef
from tenants.refusals import RequestRefused
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line, shorten_text
from tenants.sentences import enumerate_names
from tenants.services.configuration.versions import leaving_stages

# So many errors of a request are named.
MOST_NAMED = 20
LONGEST_SEARCH = 200
LONGEST_CURSOR = 2000
YES_NO = (("true", "true"), ("false", "false"))
COUNT, VIEW, COLUMNS = "count", "view", "columns"
COUNT_HELP = "Whether `total` says how many rows there are on all pages together. Counting them takes time."


class _TextsField(forms.Field):
    """Every value that a parameter was given."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> tuple[str, ...]:
        return tuple(text for text in value or () if text)


class TextsFilter(django_filters.Filter):
    """Any of several texts; the parameter may be repeated."""

    field_class = _TextsField


class _WholeNumberField(forms.IntegerField):
    """A whole number in plain digits."""

    def to_python(self, value: Any) -> int | None:
        if value and not _has_only_digits(value):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class WholeNumberFilter(django_filters.Filter):
    """A whole number within bounds."""

    field_class = _WholeNumberField


def _parameter_of(one: ListFilter) -> django_filters.Filter:
    """How a filter of the list is read from an address."""
    match one.kind:
        case "stages":
            return TextsFilter(help_text=one.help)
        case "category":
            return django_filters.ChoiceFilter(choices=[(name, name) for name in CATEGORIES], help_text=one.help)
        case "flag":
            return django_filters.ChoiceFilter(choices=YES_NO, help_text=one.help)
        case "days":
            return WholeNumberFilter(min_value=0, max_value=LONGEST_STAY, help_text=one.help)
        case "text":
            return django_filters.CharFilter(max_length=one.longest, help_text=one.help)


class CustomerFilters(django_filters.FilterSet):
    """The filters of ``GET /customers``. They are read here and applied by ``lifecycle.queries.listing``."""

    vars().update({name: _parameter_of(one) for name, one in LIST_FILTERS.items()})
    vars().update({name: django_filters.CharFilter(help_text=one.help) for name, one in NAMED.items()})
    search = django_filters.CharFilter(
        max_length=LONGEST_SEARCH,
        help_text="Part of the name or the external id (up to two letters: the beginning of either); "
        "or a whole e-mail address of a contact. Case and accents do not matter; where fewer than ten are found so, "
        "those that are spelled alike come behind them.",
    )
    where = django_filters.CharFilter(
        max_length=LONGEST,
        help_text='Conditions with and, or, not and brackets: `stage:"At Risk",Trial and (owner:ann or health<=40)`. A'
        " condition is a field, an operator (`:` is, `>=`, `<=`) and a value, or several with commas, of which one must"
        ' hold; values with blanks stand in double quotes, and `""` finds those who have none. Fields: '
        + ", ".join(CONDITIONS)
        + ". changed takes three values: from, to and since.",
    )
    ordering = django_filters.ChoiceFilter(
        choices=[(name, name) for name in ORDERINGS],
        help_text=f"The order. If none is given, {DEFAULT_ORDERING}; for a search {BEST_MATCH}, the best match first.",
    )
    cursor = django_filters.CharFilter(max_length=LONGEST_CURSOR, help_text="The page to read, from next or previous.")
    limit = WholeNumberFilter(
        min_value=1,
        max_value=MOST,
        help_text=f"Customers per page; {DEFAULT_LIMIT} if none.",
    )
    count = django_filters.ChoiceFilter(choices=YES_NO, help_text=COUNT_HELP)
    view = django_filters.CharFilter(
        help_text="The id of a saved view: its filters, order and columns. A parameter beside it, also one that is"
        " empty, holds in place of the view's of that name; all others hold together.",
    )
    columns = TextsFilter(
        help_text="Which columns each row has: repeat it, or give several with commas. A column may be named by any of"
        " its fields. `id`, `customer_id` and the customer's external id and name are always there; without it, and"
        " without a view that has chosen some, everything is.",
    )

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = []


def read_list_query(
    parameters: QueryDict, *, tenant: TenantRef, policy: Policy, also: tuple[str, ...] = ()
) -> ListQuery:
    """The question that the parameters ask, at an address that has some ``also``.

    Raises RequestRefused with an error for each that is wrong.
    """
    parameters = rename_parameters(parameters)
    errors = [
        *_find_unknown(parameters, (*CustomerFilters.base_filters, *also)),
        *_find_repeated(parameters, ("stage", COLUMNS)),
    ]
    filters = CustomerFilters(parameters, queryset=Customer.objects.none())
    form = filters.form
    if not form.is_valid():
        for name, found in form.errors.get_json_data().items():
            errors += [_describe(name, f"{error['message']} {_expect(name)}") for error in found]
    data = form.cleaned_data
    stages, unknown = _find_stages(data.get("stage") or (), tenant=tenant, policy=policy)
    errors += unknown
    where, invalid = _read_conditions(data, policy, tenant)
    errors += invalid
    if errors:
        raise _refuse(errors)
    asked = {name: data[name] for name in LIST_FILTERS} | {"stage": stages}
    for name, one in LIST_FILTERS.items():
        if one.kind == "flag":
            asked[name] = asked[name] == "true" or None
    return ListQuery(
        {name: value for name, value in asked.items() if value not in (None, "", ())},
        search=data["search"] or None,
        ordering=data["ordering"] or (BEST_MATCH if data["search"] else DEFAULT_ORDERING),
        cursor=data["cursor"] or None,
        limit=data["limit"] or DEFAULT_LIMIT,
        where=where,
    )


def _read_conditions(
    data: Mapping[str, Any], policy: Policy, tenant: TenantRef
) -> tuple[Expression | None, list[dict[str, str]]]:
    """What ``where`` and the parameters that are conditions ask for together, and an error for each that is wrong."""
    where, named, errors = None, [], []
    for name in ("where", *NAMED):
        text = data.get(name)
        if not text:
            continue
        try:
            if name in NAMED:
                named.append(read_named(name, text, policy, tenant))
            else:
                where = read_where(text, policy, tenant)
        except InvalidWhere as error:
            errors.append(_describe(name, str(error)))
    try:
        return join_conditions(where, named), errors
    except InvalidWhere as error:
        return None, [*errors, _describe("where", str(error))]


def read_columns(parameters: QueryDict) -> tuple[ListColumn, ...] | None:
    """The columns that are asked for, None for no choice. Raises RequestRefused for one that there is not."""
    names = [name.strip() for text in parameters.getlist(COLUMNS) for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in COLUMN_OF]
    if unknown:
        sentence = _("There is no column “%(name)s”; the columns are %(known)s.")
        known = enumerate_names(COLUMNS_BY_NAME)
        raise _refuse([_describe(COLUMNS, sentence % {"name": shorten_text(name), "known": known}) for name in unknown])
    return choose_columns(names) if names else None


def read_limit(parameters: QueryDict) -> int:
    """The length of a page. Raises RequestRefused."""
    text = parameters.get("limit", "")
    if not text:
        return DEFAULT_LIMIT
    limit = int(text) if _has_only_digits(text) and len(text) <= 4 else 0
    if not 1 <= limit <= MOST:
        raise refuse_parameter(
            "limit", f"{_('“%(text)s” is not a page size.') % {'text': shorten_text(text)}} {_expect('limit')}"
        )
    return limit


def read_count(parameters: QueryDict) -> bool:
    """Whether the whole list is to be counted. Raises RequestRefused."""
    return read_flag(parameters, COUNT)


def read_flag(parameters: QueryDict, name: str) -> bool:
    """Whether the parameter says true. Raises RequestRefused."""
    asked = parameters.get(name, "")
    if asked not in ("", "true", "false"):
        raise refuse_choice(name, ("true", "false"))
    return asked == "true"


def refuse_parameter(name: str, detail: str) -> RequestRefused:
    """The refusal of a request whose address has one parameter that is wrong, in its path or behind it."""
    return RequestRefused("invalid_request", detail, errors=[_describe(name, detail)])


def refuse_choice(name: str, choices: Iterable[str]) -> RequestRefused:
    """The refusal of a parameter that is none of these."""
    return refuse_parameter(name, _("Choose one of: %(choices)s.") % {"choices": ", ".join(choices)})


def refuse_unknown_parameters(
    parameters: QueryDict, known: tuple[str, ...], *, repeatable: tuple[str, ...] = ()
) -> None:
    """Refuse parameters that an address does not have, or has once. Raises RequestRefused."""
    if not parameters:
        return
    errors = [*_find_unknown(parameters, known), *_find_repeated(parameters, repeatable)]
    if errors:
        raise _refuse(errors)


def _refuse(errors: list[dict[str, str]]) -> RequestRefused:
    """The refusal of what is wrong with the parameters. Thousands are counted, and the first few named."""
    number, reported = len(errors), errors[:MOST_NAMED]
    detail = (
        errors[0]["detail"] if number == 1 else _("%(number)s parameters are wrong; see errors.") % {"number": number}
    )
    if number > len(reported):
        numbers = {"number": number, "named": len(reported)}
        detail = _("%(number)s parameters are wrong; errors has the first %(named)s.") % numbers
    return RequestRefused("invalid_request", detail, errors=reported)


def _has_only_digits(text: str) -> bool:
    """Whether it is 0 to 9 throughout: int() takes signs, spaces, underscores and the digits of every script."""
    return text.isascii() and text.isdigit()


def _find_unknown(parameters: QueryDict, known: Any) -> list[dict[str, str]]:
    sentence = _("There is no parameter “%(name)s”; this address takes none.")
    if known:
        sentence = _("There is no parameter “%(name)s”; the parameters are %(known)s.")
    names = enumerate_names(tuple(known))
    return [
        _describe(name, sentence % {"name": shorten_text(name), "known": names})
        for name in parameters
        if name not in known
    ]


def _find_repeated(parameters: QueryDict, repeatable: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        _describe(
            name, _("The parameter “%(name)s” was given more than once; give it once.") % {"name": shorten_text(name)}
        )
        for name, values in parameters.lists()
        if len(values) > 1 and name not in repeatable
    ]


def _find_stages(
    asked: tuple[str, ...], *, tenant: TenantRef, policy: Policy
) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The stages by their own names, and an error for each that there is not."""
    names = {stage: policy.canonical_stage(stage) for stage in asked}
    if None in names.values():
        # Customers may still be in a stage that is being removed.
        leaving = leaving_stages(tenant)
        for stage, name in names.items():
            if name is None and clean_line(stage) in leaving:
                names[stage] = clean_line(stage)
    unknown = [stage for stage, name in names.items() if name is None]
    stages = enumerate_names(policy.stages) if unknown else ""
    sentence = _("There is no stage “%(name)s”; the stages are %(stages)s.")
    return tuple(name for name in names.values() if name), [
        _describe("stage", sentence % {"name": shorten_text(stage), "stages": stages}) for stage in unknown
    ]


def _expect(name: str) -> str:
    of_kind = {
        "flag": _("Give true or false."),
        "category": _one_of(CATEGORIES),
        "days": _("Give a number of days from 0 to %(most)s.") % {"most": LONGEST_STAY},
    }
    expected = {
        **{filter_.name: of_kind.get(filter_.kind, "") for filter_ in LIST_FILTERS.values()},
        "ordering": _one_of(ORDERINGS),
        "limit": _("Give a number from 1 to %(most)s.") % {"most": MOST},
        COUNT: of_kind["flag"],
    }
    return expected.get(name, "")


def _one_of(names: Iterable[str]) -> str:
    return _("Give one of %(choices)s.") % {"choices": enumerate_names(names, alternatives=True)}


def _describe(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"#/{name}", "parameter": name, "detail": detail.strip(), "code": "invalid_parameter"}
