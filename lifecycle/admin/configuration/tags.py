"""What the configuration's templates ask for beside Django's own."""

from django import template
from django.utils.translation import gettext

from tenants.rules.configuration.errors import Finding
from tenants.sentences import describe_finding
from tenants.sentences.figures import say_number

register = template.Library()


@register.filter
def sentence(finding: Finding) -> str:
    """What is wrong, or probably not meant, in words."""
    return describe_finding(finding)


@register.filter
def percent(share: float) -> str:
    """A share from 0 to 1 in per cent, with one decimal."""
    return gettext("%(percent)s%%") % {"percent": say_number(100 * share, 1)}
