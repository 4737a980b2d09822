"""Texts of effects with fields to be filled in: ``{{ customer.name }}`` and nothing else. No expressions, no tags.

A value is put in as it is and never looked at again, so a company called ``{{ contact.email }}`` is just that.
"""

import re
import string
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

# Every field that a text may use, with what it shows in a sample.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "customer.name": "Hooli",
        "customer.external_id": "C-1001",
        "customer.segment": "Enterprise",
        "customer.industry": "Software",
        "customer.owner": "Ada Lovelace",
        "stage": "Red flag",
        "from_stage": "Healthy",
        "reason": "Low Engagement",
        "changed_on": "2026-03-02",
        "tenant.name": "Acme",
        "recipient.name": "Grace Hopper",
        "link": "https://c360.example.com/customers/1",
    }
)
DEFAULT_SUBJECT: Final = "{{ customer.name }} is now in {{ stage }}"
DEFAULT_BODY: Final = (
    "{{ customer.name }} ({{ customer.external_id }}) moved from {{ from_stage }} to {{ stage }} on {{ changed_on }}.\n"
    "\n"
    "{{ link }}\n"
)
LONGEST_LINE: Final = 255


class Texts(Protocol):
    """What has texts: an effect."""

    @property
    def subject_text(self) -> str:
        """The subject with its fields still to be filled in."""

    @property
    def body_text(self) -> str:
        """The text with its fields still to be filled in."""


class Rendered(NamedTuple):
    """What people get to read."""

    subject: str
    body: str


_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


class _Text(string.Template):
    """``{{ name }}``; ``{{{{`` is two braces. Everything else that begins with two braces is none."""

    delimiter = "{{"
    # Bounded, so that no text makes it look back far.
    pattern = r"""
        \{\{(?:
            (?P<escaped>\{\{) |
            [ \t]{0,20}(?P<named>[^{}\s]{1,100})[ \t]{0,20}\}\} |
            (?P<braced>(?!)) |
            (?P<invalid>)
        )
    """  # type: ignore[assignment]
    flags = re.VERBOSE


def find_fields(text: str) -> Iterator[str]:
    """The names that a text wants to be filled in, each once, in order; some may be no fields."""
    names = (found["named"] for found in _Text.pattern.finditer(text))  # type: ignore[attr-defined]
    return iter(dict.fromkeys(name for name in names if name))


def find_malformed(text: str) -> str | None:
    """The beginning of the first ``{{`` that is not followed by a name and ``}}``, or None."""
    for found in _Text.pattern.finditer(text):  # type: ignore[attr-defined]
        if found["invalid"] is not None:
            return text[found.start() : found.start() + 30].split("\n")[0]
    return None


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in; one without a value is empty. Never raises."""
    names = dict.fromkeys(find_fields(text), "")
    return _Text(text).safe_substitute({**names, **values})


def fill_in_line(text: str, values: Mapping[str, str]) -> str:
    """The same on one line, as a subject must be: a value cannot add a header."""
    return _BREAKS.sub(" ", fill_in(text, values)).strip()[:LONGEST_LINE]


def render(effect: Texts, values: Mapping[str, str]) -> Rendered:
    """The subject, on one line of at most 255 characters, and the body of an effect; ``values`` by field."""
    return Rendered(fill_in_line(effect.subject_text, values), fill_in(effect.body_text, values))
