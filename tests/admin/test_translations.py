"""Whatever the configuration's pages say goes through gettext, so that a catalog is all that another language needs."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import trans_real

from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.sentences.writing import forget_sentences
from tenants.actors import TenantRef
from tenants.rules.configuration.definitions import CATEGORIES, EFFECT_KINDS, EFFECT_MOMENTS, EFFECT_SOURCES
from tenants.rules.configuration.effect_kinds import RECIPIENTS
from tests.admin.drafts import editor, new_draft, publish
from tests.factories import MINIMAL, CustomerFactory

# What no one translates: names that people gave, and words of the configuration's JSON.
NAMES = ("Prospect", "Onboarded", "Active", "At-Risk", "Churned", "Lead", "Nowhere", "Fewer stages", "Late", "Escalate")
DATA = (
    *NAMES,
    "System (tests)",
    *CATEGORIES,
    *EFFECT_KINDS,
    *EFFECT_MOMENTS,
    *EFFECT_SOURCES,
    *EVENT_TYPES,
    *RECIPIENTS,
    "EUR",
    "USD",
    "API",
    "UTC",
)
UNREAD = ("script", "style", "pre", "textarea", "code", "option", "time")
SAID = ("aria-label", "title", "placeholder", "alt")
TRANSLATED = re.compile(r"⟦[^⟦⟧]*⟧")
# Without an end tag.
VOID = ("input", "br", "img", "link", "meta", "hr", "rect", "path", "circle")


class Words(HTMLParser):
    """What a page says within its content: its text, and its labels."""

    def __init__(self, within: str) -> None:
        super().__init__()
        self.within = within
        self.text = ""
        self.labels: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if not self.open and self.within not in (tag, values.get("id")):
            return
        self.labels += [str(values[name]) for name in SAID if values.get(name)]
        if tag == "input" and values.get("type") == "submit":
            self.labels.append(str(values.get("value")))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self.open and not any(tag in UNREAD for tag in self.open):
            self.text += f"{data}\n"


def untranslated(answer: Any, *people: str, within: str = "content") -> list[str]:
    """What a page says beside what gettext gave out and what is data; ``within`` a tag, or what has that id."""
    words = Words(within)
    words.feed(answer.content.decode())
    assert "⟦" in words.text
    left = []
    for said in (words.text, *words.labels):
        rest = said
        while rest != (rest := TRANSLATED.sub("\n", rest)):
            pass
        for name in sorted((*DATA, *people), key=len, reverse=True):
            rest = rest.replace(name, " ")
        left += [line.strip() for line in rest.splitlines() if re.search("[A-Za-z]{2}", line)]
    return left


@pytest.fixture
def pseudo_locale(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language in which every sentence is what it is in English, in brackets."""

    def say(_: object, message: str) -> str:
        # Before it is what it means there.
        return f"⟦{message.rpartition(trans_real.CONTEXT_SEPARATOR)[2]}⟧"

    def say_number(_: object, singular: str, plural: str, count: int) -> str:
        return f"⟦{singular if count == 1 else plural}⟧"

    monkeypatch.setattr(trans_real.DjangoTranslation, "gettext", say)
    monkeypatch.setattr(trans_real.DjangoTranslation, "ngettext", say_number)
    forget_sentences()
    yield
    forget_sentences()


def test_every_sentence_of_the_configurations_pages_can_be_translated(
    tenant: TenantRef, users: Any, admin_browser: Client, request: pytest.FixtureRequest
) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    CustomerFactory(tenant=tenant, stage="Active")
    first = new_draft(tenant, {**MINIMAL, "max_days": {"Active": 30}, "effects": []}, comment="Fewer stages")
    publish(admin_browser, first, "Fewer stages")
    shorter = {
        "stages": ["Lead", "Onboarded", "Active", "Churned"],
        "transitions": {"Lead": ["Onboarded"], "Active": ["Churned"]},
        "required_reason_codes": ["Churned"],
        "event_rules": [{"event": "contract.renewed", "to": "Active", "from": ["Lead"], "reason_code": "Late"}],
        "effects": [{"name": "Escalate", "on": "enter", "kind": "alert", "to": ["owner"], "categories": ["risk"]}],
        "currency": "EUR",
        "rates": {"USD": 0.92},
    }
    draft = new_draft(tenant, shorter, renamed={"Prospect": "Lead"}, comment="Fewer stages")
    invalid = new_draft(tenant, {**shorter, "initial": "Nowhere", "max_days": {"Active": -1}, "colors": {"Lead": "x"}})
    request.getfixturevalue("pseudo_locale")
    who = users.tenant_admin.full_name

    pages = [
        reverse("admin:tenants_configurationversion_changelist"),
        reverse("admin:tenants_configurationversion_add"),
        *(f"{editor(one)}?view={view}" for one in (draft, invalid) for view in ("form", "json")),
        *(
            reverse(f"admin:configuration_{page}", args=[one.pk])
            for one in (draft, invalid)
            for page in ("try", "effects", "publish", "discard")
        ),
        reverse("admin:configuration_revert"),
        reverse("admin:tenants_configurationversion_change", args=[first.pk]),
    ]
    for page in pages:
        answer = admin_browser.get(page)
        assert answer.status_code == 200, page
        assert untranslated(answer, who) == [], page


def test_what_is_not_translated_is_found(pseudo_locale: None, admin_browser: Client) -> None:
    answer = admin_browser.get(reverse("admin:tenants_configurationversion_add"))
    answer.content = answer.content.replace("⟦Create draft⟧".encode(), b"Begin the draft")

    assert untranslated(answer) == ["Begin the draft"]
