"""What the configuration's templates ask for beside Django's own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import template
from django.utils.text import Truncator

from lifecycle.admin.configuration.places import find_step
from lifecycle.admin.configuration.rows import ConditionRow
from lifecycle.admin.configuration.sheet import RiskRow, RuleRow
from lifecycle.admin.configuration.steps import TITLES
from lifecycle.admin.configuration.words import Offered, offer_fields, say_conditions
from tenants.rules.configuration.errors import Finding
from tenants.rules.configuration.policy import CATEGORY_COLORS
from tenants.sentences import describe_finding, describe_finding_in_form
from tenants.sentences.categories import name_category
from tenants.sentences.figures import say_percent

register = template.Library()
LONGEST_LINE: Final = 120


@register.filter
def sentence(finding: Finding) -> str:
    """What is wrong, or probably not meant, in words."""
    return describe_finding(finding)


@register.filter
def sentence_in_form(finding: Finding) -> str:
    """The same for those who fill in a form: it speaks of fields, not of keys."""
    return describe_finding_in_form(finding)


@register.filter
def step_in_words(finding: Finding) -> str:
    """What the step of the editor is called that a finding is about."""
    return str(TITLES[find_step(finding)])


@register.filter
def percent(share: float) -> str:
    """A share from 0 to 1 in per cent, with one decimal."""
    return say_percent(share, 1)


@register.filter
def title_of_step(key: str) -> str:
    """What a step of the editor is called."""
    return str(TITLES[key])


@register.filter
def category_in_words(category: str) -> str:
    """What a category is called, with its word in configurations and findings."""
    return name_category(category)


@register.filter
def category_color(category: str) -> str:
    """The color of a stage of this category that has none of its own, as ``#rrggbb``; empty without such a category."""
    return CATEGORY_COLORS.get(category, "")


@register.filter
def words_of(words: Mapping[str, Any], key: str) -> str:
    """What something is called; itself, if it has no words."""
    return str(words.get(key, key))


@register.simple_tag
def fields_of(event: str) -> list[Offered]:
    """What conditions on an event can look at."""
    return offer_fields(event)


@register.simple_tag
def conditions_of(rule: RuleRow | RiskRow, offered: Sequence[Offered]) -> str:
    """The conditions of a rule in words, shortened to a line; empty without any."""
    return Truncator(say_conditions(rule.when, offered)).chars(LONGEST_LINE)


@register.filter
def is_offered(condition: ConditionRow, offered: Sequence[Offered]) -> bool:
    """Whether what a condition looks at is among what is offered."""
    return any(one.path == condition.field for one in offered)


@register.filter
def unit_of(condition: ConditionRow, offered: Sequence[Offered]) -> str:
    """What follows the value of a condition."""
    return next((one.unit for one in offered if one.path == condition.field), "")
