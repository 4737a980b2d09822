"""Texts of effects with fields to be filled in: ``{{ customer.name }}`` and nothing else. No expressions, no tags.

A value is put in as it is and never looked at again, so a company called ``{{ contact.email }}`` is just that.
"""

import re
from collections.abc import Mapping
from typing import Final

_PLACE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")

DEFAULT_SUBJECT: Final = "{{ customer.name }} is now in {{ stage }}"
DEFAULT_BODY: Final = (
    "{{ customer.name }} ({{ customer.external_id }}) moved from {{ from_stage }} to {{ stage }} on {{ changed_on }}.\n"
    "\n"
    "{{ link }}\n"
)


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in; one without a value is empty."""
    return _PLACE.sub(lambda found: values.get(found[1], ""), text)


def fill_in_line(text: str, values: Mapping[str, str]) -> str:
    """The same on one line, as a subject must be: a value cannot add a header."""
    return _BREAKS.sub(" ", fill_in(text, values)).strip()
