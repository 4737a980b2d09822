"""The fields that filters of the customer list compare, one entry each: how values are read, said, and asked in SQL.

``lifecycle.rules.expressions`` has the language. Everything that a caller says becomes a parameter of the statement;
only what is written here becomes SQL. Aliases are those of ``list_statements``.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.queries.health import health_of
from lifecycle.queries.list_condition_kinds import (
    AGE,
    AT_LEAST,
    AT_MOST,
    CATEGORY,
    COUNT,
    DAY,
    DAYS,
    FLAG,
    IS,
    MOVE,
    NUMBER,
    SCORE,
    STAGE,
    TEXT,
    TIME,
    WITHIN,
    Asking,
    InvalidWhere,
    Kind,
    say_date,
)
from lifecycle.queries.list_filters import FORMER_NAMES, ListFilter
from lifecycle.queries.urgency import WORTH
from lifecycle.rules.expressions import Condition, Expression, Group, InvalidExpression, Negation, parse_expression
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import fold_text, shorten_text
from tenants.rules.values import is_day
from tenants.sentences import enumerate_names
from tenants.sentences.figures import say_number
from tenants.services.configuration.versions import present_name, present_names

CUSTOMER, BILLING, SUPPORT = frozenset({"customer"}), frozenset({"billing"}), frozenset({"support"})


@dataclass(frozen=True, slots=True)
class ConditionField:
    """One field. ``sql`` makes the condition of an operator and values; ``words`` say it where a general sentence
    ("Stage is Trial") would not do.
    """

    name: str
    label: str | Promise
    kind: Kind
    sql: Callable[[str, Sequence[str], Asking], str]
    needs: frozenset[str] = frozenset()
    words: Callable[[str, Sequence[str]], str] | None = None


def _in_stages(asking: Asking, stages: Sequence[str]) -> str:
    return f"s.stage = ANY({asking.add(list(stages), 'text[]')})"


def _ask_stage(_operator: str, values: Sequence[str], asking: Asking) -> str:
    return _in_stages(asking, values)


def _ask_category(_operator: str, values: Sequence[str], asking: Asking) -> str:
    return _in_stages(asking, [stage for value in values for stage in asking.policy.stages_in(value)])


def _ask_at_risk(_operator: str, values: Sequence[str], asking: Asking) -> str:
    condition = _in_stages(asking, asking.policy.stages_in("risk"))
    return condition if values[0] == "true" else f"NOT {condition}"


def _ask_stuck(_operator: str, values: Sequence[str], _asking: Asking) -> str:
    return f"(s.stage_entered_at <= w.cutoff) IS {'' if values[0] == 'true' else 'NOT '}TRUE"


def _ask_owner(_operator: str, values: Sequence[str], asking: Asking) -> str:
    return f"c.owner_key = ANY({asking.add([fold_text(value) for value in values], 'text[]')})"


def _ask_text(column: str) -> Callable[[str, Sequence[str], Asking], str]:
    """Whether the column, which has no capitals, is one of the values; it holds '' where nothing is known."""

    def ask(_operator: str, values: Sequence[str], asking: Asking) -> str:
        # Once, and by the database: Python has other small letters for some.
        small = "SELECT lower(v) FROM unnest({}) v"
        return f"{column} = ANY(ARRAY({small.format(asking.add(list(values), 'text[]'))}))"

    return ask


def _ask_number(key: str, kind: str) -> Callable[[str, Sequence[str], Asking], str]:
    def ask(operator: str, values: Sequence[str], asking: Asking) -> str:
        if values[0] == "":
            return f"({key}) IS NULL"
        return f"({key}) {'=' if operator == IS else operator} {asking.add(values[0], kind)}"

    return ask


def _ask_health(operator: str, values: Sequence[str], asking: Asking) -> str:
    compiled = health_of(asking.policy)
    asking.parameters.update(compiled.parameters)
    return _ask_number(compiled.score, "int")(operator, values, asking)


def _ask_age(column: str) -> Callable[[str, Sequence[str], Asking], str]:
    """Whole days since the time in the column; 0 for one that lies ahead."""

    def ask(operator: str, values: Sequence[str], asking: Asking) -> str:
        if values[0] == "":
            return f"{column} IS NULL"
        days = int(values[0])
        since = asking.now - dt.timedelta(days=days)
        longer = f"{column} <= {asking.add(since, 'timestamptz')}" if days else f"{column} IS NOT NULL"
        shorter = f"{column} > {asking.add(since - dt.timedelta(days=1), 'timestamptz')}"
        return {AT_LEAST: longer, AT_MOST: shorter, IS: f"({longer} AND {shorter})"}[operator]

    return ask


def _ask_time(column: str) -> Callable[[str, Sequence[str], Asking], str]:
    """Of a date its whole day in UTC, from its first to its last."""

    def ask(operator: str, values: Sequence[str], asking: Asking) -> str:
        first = dt.datetime.fromisoformat(values[0])
        if is_day(values[0]):
            first = first.replace(tzinfo=dt.UTC)
            last = f"{column} < {asking.add(first + dt.timedelta(days=1), 'timestamptz')}"
        else:
            last = f"{column} <= {asking.add(first, 'timestamptz')}"
        since = f"{column} >= {asking.add(first, 'timestamptz')}"
        return {AT_LEAST: since, AT_MOST: last, IS: f"({since} AND {last})"}[operator]

    return ask


def _ask_renewing(_operator: str, values: Sequence[str], asking: Asking) -> str:
    today = timezone.localdate(asking.now)
    last = today + dt.timedelta(days=int(values[0]))
    return f"b.renewal_on BETWEEN {asking.add(today, 'date')} AND {asking.add(last, 'date')}"


def _ask_changed(_operator: str, values: Sequence[str], asking: Asking) -> str:
    """Whether history has such a step. It keeps the names of then: those that are called so now are looked for."""
    came_from, went_to, since = values
    renames = present_names(asking.tenant) if came_from or went_to else {}

    def names(stage: str) -> list[str]:
        former = {(before, number - 1) for number, renamed in renames.items() for before in renamed}
        return sorted({stage, *(name for name, version in former if present_name(name, version, renames) == stage)})

    conditions = ["h.tenant_id = s.tenant_id", "h.customer_id = s.customer_id", "h.from_stage IS NOT NULL"]
    for column, stage in (("h.from_stage", came_from), ("h.to_stage", went_to)):
        if stage:
            conditions.append(f"{column} = ANY({asking.add(names(stage), 'text[]')})")
    if since:
        midnight = dt.datetime.combine(dt.date.fromisoformat(since), dt.time(), dt.UTC)
        conditions.append(f"h.changed_at >= {asking.add(midnight, 'timestamptz')}")
    return f"EXISTS (SELECT FROM customer_lifecycle_history h WHERE {' AND '.join(conditions)})"


def _say_changed(_operator: str, values: Sequence[str]) -> str:
    came_from, went_to, since = values
    params = {"from": shorten_text(came_from), "to": shorten_text(went_to), "since": since and say_date(since)}
    match bool(came_from), bool(went_to), bool(since):
        case True, True, True:
            sentence = _("moved from “%(from)s” to “%(to)s” since %(since)s")
        case True, True, False:
            sentence = _("moved from “%(from)s” to “%(to)s”")
        case True, False, True:
            sentence = _("left “%(from)s” since %(since)s")
        case True, False, False:
            sentence = _("left “%(from)s”")
        case False, True, True:
            sentence = _("moved to “%(to)s” since %(since)s")
        case False, True, False:
            sentence = _("moved to “%(to)s”")
        case False, False, True:
            sentence = _("changed stage since %(since)s")
        case _:
            sentence = _("ever changed stage")
    return sentence % params


def _say_flag(yes: str | Promise, no: str | Promise) -> Callable[[str, Sequence[str]], str]:
    return lambda _operator, values: str(yes if values[0] == "true" else no)


def _say_renewing(_operator: str, values: Sequence[str]) -> str:
    days = int(values[0])
    sentence = ngettext("renewal is due within %(days)s day", "renewal is due within %(days)s days", days)
    return sentence % {"days": say_number(days)}


CONDITIONS: Final[Mapping[str, ConditionField]] = {
    entry.name: entry
    for entry in (
        ConditionField("stage", gettext_lazy("stage"), STAGE, _ask_stage),
        ConditionField("category", gettext_lazy("category"), CATEGORY, _ask_category),
        ConditionField(
            "at_risk",
            gettext_lazy("at risk"),
            FLAG,
            _ask_at_risk,
            words=_say_flag(gettext_lazy("at risk"), gettext_lazy("not at risk")),
        ),
        ConditionField(
            "stuck",
            gettext_lazy("stuck in stage"),
            FLAG,
            _ask_stuck,
            words=_say_flag(gettext_lazy("stuck in stage"), gettext_lazy("not stuck in stage")),
        ),
        ConditionField("owner", gettext_lazy("owner"), TEXT, _ask_owner, CUSTOMER),
        ConditionField("segment", gettext_lazy("segment"), TEXT, _ask_text("lower(c.segment)"), CUSTOMER),
        ConditionField("industry", gettext_lazy("industry"), TEXT, _ask_text("c.industry_key"), CUSTOMER),
        ConditionField("days_in_stage", gettext_lazy("time in stage"), DAYS, _ask_age("s.stage_entered_at")),
        ConditionField("updated_at", gettext_lazy("last change"), TIME, _ask_time("s.updated_at")),
        ConditionField("changed", gettext_lazy("stage changed"), MOVE, _ask_changed, words=_say_changed),
        ConditionField("renewal_within", gettext_lazy("renewal within"), WITHIN, _ask_renewing, BILLING, _say_renewing),
        ConditionField("renewal_on", gettext_lazy("renewal date"), DAY, _ask_number("b.renewal_on", "date"), BILLING),
        ConditionField("arr", gettext_lazy("ARR"), NUMBER, _ask_number(WORTH, "numeric"), BILLING),
        ConditionField("health", gettext_lazy("health"), SCORE, _ask_health, BILLING | SUPPORT),
        ConditionField("open_issues", gettext_lazy("open issues"), COUNT, _ask_number("u.open_issues", "int"), SUPPORT),
        ConditionField(
            "company_age", gettext_lazy("age of the last report from CRM"), AGE, _ask_age("c.occurred_at"), CUSTOMER
        ),
        ConditionField(
            "billing_age", gettext_lazy("age of the last report from Billing"), AGE, _ask_age("b.occurred_at"), BILLING
        ),
        ConditionField(
            "support_age", gettext_lazy("age of the last report from Support"), AGE, _ask_age("u.occurred_at"), SUPPORT
        ),
    )
}


def read_where(text: str, policy: Policy, tenant: TenantRef) -> Expression:
    """The expression with each value in its one spelling. Raises InvalidWhere.

    A stage may be called by a name that it had before. No statements but for stages that the policy does not know.
    """
    try:
        return check_expression(parse_expression(text), policy, tenant)
    except InvalidExpression as error:
        raise InvalidWhere(say_invalid(error)) from error


def check_expression(expression: Expression, policy: Policy, tenant: TenantRef) -> Expression:
    """The same with each value in its one spelling. Raises InvalidWhere for what the fields do not have."""
    match expression:
        case Group(joint, parts):
            return Group(joint, tuple(check_expression(part, policy, tenant) for part in parts))
        case Negation(part):
            return Negation(check_expression(part, policy, tenant))
        case Condition():
            return _check_condition(expression, policy, tenant)


def _check_condition(condition: Condition, policy: Policy, tenant: TenantRef) -> Condition:
    one = CONDITIONS.get(FORMER_NAMES.get(condition.field, condition.field))
    if one is None:
        sentence = _("There is no field “%(name)s”; the fields are %(known)s.")
        params = {"name": shorten_text(condition.field), "known": enumerate_names(tuple(CONDITIONS))}
        raise InvalidWhere(sentence % params)
    kind = one.kind
    if condition.operator not in kind.operators:
        sentence = _("“%(name)s” cannot be compared with %(operator)s; write %(known)s.")
        known = enumerate_names([f"{one.name}{operator}" for operator in kind.operators], alternatives=True)
        raise InvalidWhere(sentence % {"name": one.name, "operator": condition.operator, "known": known})
    values, count = condition.values, len(condition.values)
    if kind.parts:
        return Condition(one.name, condition.operator, _read_parts(one, values, policy, tenant))
    if count > 1 and not kind.many:
        raise InvalidWhere(
            _("“%(name)s” takes one value. %(expected)s") % {"name": one.name, "expected": kind.expected(policy)}
        )
    try:
        read = tuple(value if value == "" and kind.optional else kind.read(value, policy, tenant) for value in values)
        if "" in read and condition.operator != IS:
            raise InvalidWhere(_("There is no value to compare with."))
    except InvalidWhere as error:
        raise InvalidWhere(f"{error} {kind.expected(policy)}", one.name) from error
    return Condition(one.name, condition.operator, tuple(dict.fromkeys(read)))


def _read_parts(one: ConditionField, values: Sequence[str], policy: Policy, tenant: TenantRef) -> tuple[str, ...]:
    try:
        if len(values) != len(one.kind.parts):
            raise InvalidWhere(_("Some values are missing, or too many."))
        return tuple(
            kind.read(value, policy, tenant) if value.strip() else ""
            for kind, value in zip(one.kind.parts, values, strict=True)
        )
    except InvalidWhere as error:
        raise InvalidWhere(f"{error} {one.kind.expected(policy)}", one.name) from error


def compile_where(expression: Expression, policy: Policy, tenant: TenantRef, now: dt.datetime) -> ListFilter:
    """The expression as a filter of ``list_statements``. One statement, where stages of the past are asked for."""
    asking = Asking(policy, tenant, now)
    needs: set[str] = set()
    condition = _compile(expression, asking, needs)
    parameters = asking.parameters
    return ListFilter("where", "text", "", condition, frozenset(needs), lambda _value, _now: parameters)


def _compile(expression: Expression, asking: Asking, needs: set[str]) -> str:
    match expression:
        case Group(joint, parts):
            return f"({f' {joint.upper()} '.join(_compile(part, asking, needs) for part in parts)})"
        case Negation(part):
            # Those of whom nothing is known are not among those who are not.
            return f"(({_compile(part, asking, needs)}) IS NOT TRUE)"
        case Condition(name, operator, values):
            one = CONDITIONS[name]
            needs |= one.needs
            return one.sql(operator, values, asking)


def say_where(expression: Expression) -> str:
    """The expression in words, to follow “customers:”."""
    match expression:
        case Group(joint, parts):
            said = [f"({say_where(part)})" if isinstance(part, Group) else say_where(part) for part in parts]
            return (_(" and ") if joint == "and" else _(" or ")).join(said)
        case Negation(part):
            return _("not (%(condition)s)") % {"condition": say_where(part)}
        case Condition():
            return say_condition(expression)


def say_condition(condition: Condition) -> str:
    """One condition in words."""
    one = CONDITIONS[condition.field]
    if one.words is not None:
        return one.words(condition.operator, condition.values)
    known = [value for value in condition.values if value]
    words = list(map(one.kind.say, known))
    said = enumerate_names(words, alternatives=True) if one.kind.quoted else "".join(words)
    if "" in condition.values:
        said = _("%(first)s or %(last)s") % {"first": said, "last": _("not set")} if said else _("not set")
    params = {"field": str(one.label), "value": said}
    match condition.operator:
        case ">=" if one.kind.is_time:
            sentence = _("%(field)s is on or after %(value)s")
        case "<=" if one.kind.is_time:
            sentence = _("%(field)s is on or before %(value)s")
        case ">=":
            sentence = _("%(field)s is at least %(value)s")
        case "<=":
            sentence = _("%(field)s is at most %(value)s")
        case _:
            sentence = _("%(field)s is %(value)s")
    return sentence % params


def explain_invalid(error: InvalidWhere) -> str:
    """What cannot be read, to those who know a field by what it is called."""
    if not error.field:
        return str(error)
    return f"{capfirst(str(CONDITIONS[error.field].label))}: {error.detail}"


def say_invalid(error: InvalidExpression) -> str:
    """What is wrong with an expression that is not well-formed."""
    match error.code:
        case "incomplete":
            return _("The filter ends too early: a condition or a closing bracket is missing.")
        case "no_value":
            return _("A value is missing after “%(text)s”.") % {"text": shorten_text(error.text)}
        case "too_long":
            return _("The filter is longer than %(most)s characters.") % {"most": error.text}
        case "too_many":
            return _("The filter has more than %(most)s conditions.") % {"most": error.text}
        case "too_many_values":
            return _("A condition has more than %(most)s values.") % {"most": error.text}
        case "too_deep":
            return _("The filter has more than %(most)s nested brackets.") % {"most": error.text}
        case _:
            sentence = _(
                "The filter cannot be read from “%(text)s” on. A condition is a field, an operator and a value, such as"
                " owner:ann or arr>=10000; join conditions with and or or."
            )
            return sentence % {"text": shorten_text(error.text)}
