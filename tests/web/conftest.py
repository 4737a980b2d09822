"""Customers to look at, and how to read what a page says."""

import re
from html.parser import HTMLParser

import pytest

from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now

HTMX = {"HX-Request": "true"}


class Markup(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def markup_of(response):
    """The tags of a response."""
    return Markup(response.content.decode())


def text_of(response):
    """What a person reads: no tags, no repeated blanks."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", text)
    for entity, sign in (
        ("&nbsp;", " "),
        ("&#x27;", "'"),
        ("&quot;", '"'),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ):
        text = text.replace(entity, sign)
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def move(tenant):
    """``move(customer, "At-Risk", "Low Engagement")``: as the system does."""

    def work(customer, stage, reason=None, *, note=None, actor=None, source="API"):
        with tenant_context(tenant.id):
            (outcome,) = apply(
                Call(tenant, actor or system_actor("tests"), source, utc_now()),
                [Change(customer_id=customer.id, stage=stage, reason_code=reason, note=note)],
            )
        assert outcome.moved, outcome
        return outcome.record

    return work
