"""The editor with the largest configuration that the product takes: the page stays small, and nothing is lost."""

import json
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from lifecycle.admin.configuration import folding
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.effect_reader import MOST_EFFECTS
from tenants.rules.configuration.sections import MOST_CONDITIONS, MOST_RULES, MOST_STAGES
from tenants.services.configuration.versions import open_draft, save_draft
from tests.factories import ADMIN_ACTOR, utc_now

STAGES = [f"Stage number {number:02}, with a name of some length" for number in range(MOST_STAGES)]
LARGEST: dict[str, Any] = {
    "stages": STAGES,
    "initial": STAGES[0],
    "transitions": {stage: [other for other in STAGES if other != stage] for stage in STAGES},
    "categories": dict.fromkeys(STAGES, "engaged"),
    "required_reason_codes": STAGES,
    "reason_codes": {stage: ["Price & value", "Too late"] for stage in STAGES},
    "max_days": dict.fromkeys(STAGES, 30),
    "event_rules": [
        {
            "event": "customer.updated",
            "from": STAGES,
            "to": STAGES[number % MOST_STAGES],
            "reason_code": "Price & value",
            "when": [
                {"field": "billing.arr", "op": "in", "value": [number, f"{condition}", "50% = half; \"q\" + 'é'"]}
                for condition in range(MOST_CONDITIONS)
            ],
        }
        for number in range(MOST_RULES)
    ],
    "effects": [
        {
            "name": f"Effect {number}",
            "on": "enter",
            "stages": STAGES,
            "kind": "email",
            "to": ["owner", "a+b@acme.example"],
            "template": "Bye & thanks = 100%",
            "subject": "Bye & thanks = 100%",
        }
        for number in range(MOST_EFFECTS)
    ],
}
# As many rules as are folded, and nothing else: what is done with one of them depends neither on their number nor on
# how much each of them says.
FOLDED: dict[str, Any] = {
    "stages": STAGES[:6],
    "initial": STAGES[0],
    "reason_codes": {stage: ["Price & value", "Too late"] for stage in STAGES[:6]},
    "categories": dict.fromkeys(STAGES[:6], "engaged"),
    "event_rules": [
        {**rule, "from": STAGES[:6], "to": STAGES[number % 6], "when": rule["when"][:3]}
        for number, rule in enumerate(LARGEST["event_rules"][:12])
    ],
}


class Form(HTMLParser):
    """The fields that a browser would send for the editor's form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._select = self._area = ""
        self._text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value")
        if tag == "input" and name and given.get("type") not in ("submit", "file"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.fields.append((name, "on" if value is None else value))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            if value is None:
                self._area, self._text = self._select, []
            else:
                self.fields.append((self._select, value))
        elif tag == "textarea":
            self._area, self._text = name, []

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "option") and self._area:
            self.fields.append((self._area, "".join(self._text).removeprefix("\n")))
            self._area = ""
        elif tag == "select":
            self._select = ""

    def sent(self, do: str) -> dict[str, list[str]]:
        """The data of a test client's POST, with a button pressed."""
        data: dict[str, list[str]] = {"do": [do]}
        for name, value in self.fields:
            data.setdefault(name, []).append(value)
        return data


@pytest.fixture
def draft(tenant: TenantRef) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        return open_draft(document=LARGEST, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())


@pytest.fixture
def folded(tenant: TenantRef) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        return open_draft(document=FOLDED, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())


def editor(draft: ConfigurationVersion) -> str:
    return reverse("admin:tenants_configurationversion_change", args=[draft.pk])


def saved(tenant: TenantRef, draft: ConfigurationVersion) -> Any:
    with tenant_context(tenant.id):
        return ConfigurationVersion.objects.get(pk=draft.pk).document


def test_the_form_of_the_largest_configuration_is_small_and_saving_it_loses_nothing(
    tenant: TenantRef, page_client: Any, draft: ConfigurationVersion
) -> None:
    browser: Client = page_client("tenant_admin")
    began = time.process_time()
    answer = browser.get(editor(draft))
    assert time.process_time() - began < 10
    assert answer.status_code == 200
    assert len(answer.content) < 1_210_000
    form = Form(answer.content.decode())
    assert len(form.fields) < 5_000
    assert browser.post(editor(draft), form.sent("save")).status_code == 302
    assert parse_configuration(saved(tenant, draft)) == parse_configuration(LARGEST)


def test_a_folded_rule_is_opened_changed_folded_moved_and_saved(
    tenant: TenantRef, page_client: Any, folded: ConfigurationVersion
) -> None:
    browser: Client = page_client("tenant_admin")
    form = Form(browser.get(editor(folded)).content.decode())
    names = [name for name, _ in form.fields if name.startswith("rule-") and name.endswith("-folded")]
    assert len(names) == len(FOLDED["event_rules"])
    key = names[7].split("-")[1]

    opened = Form(browser.post(editor(folded), form.sent(f"open_rule:{key}")).content.decode()).sent("x")
    assert f"rule-{key}-folded" not in opened
    assert opened[f"rule-{key}-reason"] == ["Price & value"]
    opened[f"rule-{key}-reason"] = ["Too late"]
    opened["do"] = [f"fold_rule:{key}"]

    again = Form(browser.post(editor(folded), opened).content.decode()).sent(f"up_rule:{key}")
    assert f"rule-{key}-folded" in again
    moved = Form(browser.post(editor(folded), again).content.decode()).sent("save")
    assert browser.post(editor(folded), moved).status_code == 302
    rules = saved(tenant, folded)["event_rules"]
    assert rules[6] == {**FOLDED["event_rules"][7], "reason_code": "Too late"}
    assert rules[7] == FOLDED["event_rules"][6]
    assert rules[:6] + rules[8:] == FOLDED["event_rules"][:6] + FOLDED["event_rules"][8:]


RISKS: dict[str, Any] = {
    "stages": ["Live", "Wobbly & = 5%"],
    "risk_rules": [
        {
            "name": f"Rule {number}",
            "when": [
                {"field": "support.open_issues", "op": "ge", "value": number},
                {"field": "segment", "op": "in", "value": ["5", "a, b"]},
                {"field": "segment", "op": "exists", "value": False},
            ],
            "for_days": 14,
            "stages": ["Live"],
            "categories": ["engaged", "renewal"],
            "action": "move",
            "to": "Wobbly & = 5%",
            "reason_code": "Low & < high",
            **({} if number else {"enabled": False}),
        }
        for number in range(12)
    ],
}


def test_at_risk_rules_fold_as_the_others_do_and_lose_nothing(tenant: TenantRef, page_client: Any) -> None:
    with tenant_context(tenant.id):
        draft = open_draft(document=RISKS, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    browser: Client = page_client("tenant_admin")
    page = browser.get(editor(draft)).content.decode()
    assert "Rule 1: when Open issues is at least 1 and Segment is one of" in page
    form = Form(page)
    keys = [name.split("-")[1] for name, _ in form.fields if name.startswith("risk-") and name.endswith("-folded")]
    assert len(keys) == 12

    opened = Form(browser.post(editor(draft), form.sent(f"open_risk:{keys[7]}")).content.decode()).sent("x")
    assert f"risk-{keys[7]}-folded" not in opened
    assert opened[f"risk-{keys[7]}-days"] == ["14"]
    opened[f"risk-{keys[7]}-days"] = ["30"]
    opened["do"] = [f"fold_risk:{keys[7]}"]
    again = Form(browser.post(editor(draft), opened).content.decode()).sent(f"up_risk:{keys[7]}")
    assert f"risk-{keys[7]}-folded" in again
    moved = Form(browser.post(editor(draft), again).content.decode()).sent("save")
    assert browser.post(editor(draft), moved).status_code == 302
    rules = saved(tenant, draft)["risk_rules"]
    assert rules[6] == {**RISKS["risk_rules"][7], "for_days": 30}
    assert rules[7] == RISKS["risk_rules"][6]
    assert rules[:6] + rules[8:] == RISKS["risk_rules"][:6] + RISKS["risk_rules"][8:]


def test_no_more_rules_are_open_than_a_page_holds(
    tenant: TenantRef, page_client: Any, folded: ConfigurationVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MOST_OPEN", 2)
    browser: Client = page_client("tenant_admin")
    form = Form(browser.get(editor(folded)).content.decode())
    keys = [name.split("-")[1] for name, _ in form.fields if name.startswith("rule-") and name.endswith("-folded")]
    for key in (keys[6], keys[5], keys[7]):
        form = Form(browser.post(editor(folded), form.sent(f"open_rule:{key}")).content.decode())
    shown = [name for name, _ in form.fields if name.startswith("rule-") and name.endswith("-event")]
    assert shown == [f"rule-{keys[6]}-event", f"rule-{keys[7]}-event"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"stages": [f"Stage {number}" for number in range(200)]}, "“stages” has 200 rows"),
        ({"stages": ["A"], "event_rules": [{"event": "customer.updated", "to": "A"}] * 200}, "200 rows"),
        ({"stages": ["A"], "transitions": {"A": [f"No {number}" for number in range(90)]}}, "more than 40 stages"),
    ],
)
def test_a_draft_that_is_too_long_for_the_form_is_edited_as_json(
    tenant: TenantRef, page_client: Any, draft: ConfigurationVersion, document: Any, sentence: str
) -> None:
    with tenant_context(tenant.id):
        save_draft(
            draft.pk,
            document=document,
            renamed={},
            mapping={},
            expected_revision=1,
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        )
    browser: Client = page_client("tenant_admin")
    answer = browser.get(editor(draft))
    assert sentence in answer.content.decode()
    assert len(answer.content) < 300_000
    form = Form(answer.content.decode())
    assert dict(form.fields)["view"] == "json"
    assert browser.post(editor(draft), form.sent("save")).status_code == 302
    assert saved(tenant, draft) == document


def test_a_form_with_more_than_can_be_read_is_refused_and_nothing_is_saved(
    tenant: TenantRef, page_client: Any, draft: ConfigurationVersion
) -> None:
    browser: Client = page_client("tenant_admin")
    sent = {"view": "form", "do": "save", "revision": "1", "stage": [str(number) for number in range(61)]}
    sent |= {f"stage-{number}-name": f"Stage {number}" for number in range(61)}
    answer = browser.post(editor(draft), sent)
    assert answer.status_code == 200
    assert "Nothing was saved" in answer.content.decode()
    assert saved(tenant, draft) == LARGEST


def test_a_text_that_is_too_long_is_refused_and_nothing_is_saved(
    tenant: TenantRef, page_client: Any, draft: ConfigurationVersion
) -> None:
    browser: Client = page_client("tenant_admin")
    text = json.dumps({"stages": ["A"], "guidance": {"A": "x" * 1_000_000}})
    answer = browser.post(editor(draft), {"view": "json", "do": "save", "revision": "1", "text": text})
    assert answer.status_code == 200
    assert "a configuration has at most 1,000,000. Nothing was saved" in answer.content.decode()
    assert saved(tenant, draft) == LARGEST


def test_two_drafts_of_a_thousand_equal_items_each_are_compared_at_once(
    tenant: TenantRef, page_client: Any, draft: ConfigurationVersion
) -> None:
    """It took 11 seconds of the processor; the browser waits for the comparison only."""
    browser: Client = page_client("tenant_admin")
    with tenant_context(tenant.id):
        save_draft(
            draft.pk,
            document={"stages": [1] * 1000},
            renamed={},
            mapping={},
            expected_revision=1,
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        )
    began = time.process_time()
    sent = {"view": "json", "do": "save", "revision": "1", "text": json.dumps({"stages": [2] * 1000})}
    answer = browser.post(editor(draft), sent)
    assert time.process_time() - began < 2
    assert "Someone else just saved this draft" in answer.content.decode()
    assert saved(tenant, draft) == {"stages": [1] * 1000}
