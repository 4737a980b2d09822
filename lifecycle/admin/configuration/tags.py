"""What the configuration's templates ask for beside Django's own."""

from django import template

from tenants.rules.configuration.errors import Finding
from tenants.sentences import describe_finding

register = template.Library()


@register.filter
def sentence(finding: Finding) -> str:
    """What is wrong, or probably not meant, in words."""
    return describe_finding(finding)
