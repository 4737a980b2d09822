"""Texts of effects with fields to be filled in: ``{{ customer.name }}`` and nothing else. No expressions, no tags.

A value is put in as it is and never looked at again, so a company called ``{{ contact.email }}`` is just that.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

# Field -> what it is, as the documentation says it.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "customer.name": "the company's name",
        "customer.external_id": "its id in your own systems",
        "customer.segment": "its segment",
        "customer.industry": "its industry",
        "customer.owner": "the name of its account manager",
        "stage": "the stage that it is in now",
        "from_stage": "the stage that it was in before",
        "reason": "the reason that was given",
        "changed_on": "the day of the change, in UTC",
        "tenant.name": "your company's name",
        "link": "the address of the customer's page",
    }
)
# Only for e-mail to contacts and people, of whom there is one a message.
RECIPIENT_FIELDS: Final[Mapping[str, str]] = MappingProxyType({"recipient.name": "the recipient's name"})

_PLACE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

DEFAULT_SUBJECT: Final = "{{ customer.name }} is now in {{ stage }}"
DEFAULT_BODY: Final = (
    "{{ customer.name }} ({{ customer.external_id }}) moved from {{ from_stage }} to {{ stage }} on {{ changed_on }}.\n"
    "\n"
    "{{ link }}\n"
)


def find_unknown_fields(text: str) -> Sequence[str]:
    """The fields of a text that are not known, in their order."""
    known = FIELDS.keys() | RECIPIENT_FIELDS.keys()
    return [name for name in _PLACE.findall(text) if name not in known]


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in; one without a value is empty."""
    return _PLACE.sub(lambda found: values.get(found[1], ""), text)


def fill_in_line(text: str, values: Mapping[str, str]) -> str:
    """The same on one line, as a subject must be: a value cannot add a header."""
    return _BREAKS.sub(" ", fill_in(text, values)).strip()
