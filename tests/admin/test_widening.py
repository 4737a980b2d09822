"""No one widens an automation or a rule by accident: the form asks, and the check and the publication say it."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from lifecycle.admin.configuration.documents import write_document
from tenants.actors import TenantRef
from tenants.sentences.findings import FINDINGS
from tenants.sentences.in_form import IN_FORM
from tests.admin.drafts import editor, form_of, new_draft, publish, reread
from tests.admin.sheets import laid_out
from tests.admin.uploads import text_of
from tests.factories import MINIMAL
from tests.services.publishing import publish as publish_now

ESCALATE: dict[str, Any] = {
    "name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"], "sources": ["UI"]
}  # fmt: skip
RULE: dict[str, Any] = {
    "name": "Quiet", "when": [{"field": "support.open_issues", "op": "ge", "value": 3}], "stages": ["Active"],
    "action": "propose", "to": "At-Risk",
}  # fmt: skip
DOCUMENT = {**MINIMAL, "effects": [ESCALATE], "risk_rules": [RULE]}
WIDER = {
    **MINIMAL,
    "effects": [{key: value for key, value in ESCALATE.items() if key not in ("stages", "sources")}],
    "risk_rules": [{key: value for key, value in RULE.items() if key != "stages"}],
}
SAID = (
    "Any stage at all would start this automation; in the live version it is started by “At-Risk”.",
    "This automation would be started by every change; in the live version, by those that come from people in the app.",
    "This rule would look at customers in every stage that is not lost; in the live version, at those in “Active”.",
)


def test_taking_the_last_mark_away_is_an_error_that_says_what_to_choose(
    tenant: TenantRef, admin_browser: Client
) -> None:
    draft = new_draft(tenant, DOCUMENT)
    shown = admin_browser.get(editor(draft))
    (effect,), (rule,) = shown.context["sheet"].effects, shown.context["sheet"].risks
    unmarked = {f"effect-{effect.key}-stages": [], f"risk-{rule.key}-stages": []}
    saved = text_of(admin_browser.post(editor(draft), form_of(shown) | unmarked, follow=True))
    assert "Choose at least one stage or category, or mark “any stage at all”." in saved
    assert "or mark “for customers in every stage that is not lost”." in saved
    kept = reread(tenant, draft).document
    assert (kept["effects"][0]["stages"], kept["risk_rules"][0]["stages"]) == ([], [])
    refused = text_of(publish(admin_browser, draft, "Go"))
    assert "Automations : Choose at least one stage or category, or mark “any stage at all”." in refused
    assert "Nothing was published: correct the errors first." in refused and "leave the key out" not in refused

    again = admin_browser.get(editor(draft))
    (effect,), (rule,) = again.context["sheet"].effects, again.context["sheet"].risks
    marked = {f"effect-{effect.key}-any": ["on"], f"risk-{rule.key}-any": ["on"]}
    admin_browser.post(editor(draft), form_of(again) | marked)
    kept = reread(tenant, draft).document
    assert "stages" not in kept["effects"][0] and "stages" not in kept["risk_rules"][0], "on purpose it can be done"


def test_an_admin_who_publishes_what_starts_more_often_reads_it_on_every_page(
    tenant: TenantRef, admin_browser: Client
) -> None:
    publish_now(tenant, DOCUMENT)
    draft = new_draft(tenant, WIDER)
    pages = [reverse(f"admin:configuration_{name}", args=[draft.pk]) for name in ("try", "publish")]
    for page in (editor(draft), *pages):
        shown = text_of(admin_browser.get(page))
        for sentence in SAID:
            assert sentence in shown, (page, sentence)
    changes = text_of(admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk])))
    assert "The automation “Escalate” is started by any stage at all; before, it was started by “At-Risk”." in changes
    admin_browser.cookies["django_language"] = "de"
    german = text_of(admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk])))
    assert "Die Automatisierung „Escalate“ wird durch jede beliebige Phase ausgelöst; bisher durch „At-Risk“." in german


def test_a_draft_without_a_chosen_stage_is_laid_out_and_written_as_it_is() -> None:
    document = {**DOCUMENT, "effects": [{**ESCALATE, "stages": []}], "risk_rules": [{**RULE, "stages": []}]}
    sheet = laid_out(document)
    assert (sheet.effects[0].everywhere, sheet.risks[0].everywhere) == (False, False)
    written = write_document(sheet)
    assert (written["effects"][0]["stages"], written["risk_rules"][0]["stages"]) == ([], [])


def test_a_reason_for_the_customers_of_a_removed_stage_is_offered_from_their_new_one(
    tenant: TenantRef, admin_browser: Client
) -> None:
    document = {
        "stages": ["Prospect", "Onboarded", "Active", "Churned"],
        "required_reason_codes": ["Churned"],
        "reason_codes": {"Churned": ["Price", "Competitor"]},
    }
    draft = new_draft(tenant, document, mapping={"At-Risk": {"to": "Churned"}})
    offered = (
        '<datalist id="reasons-of-3"><option value="Price"></option><option value="Competitor"></option></datalist>'
    )
    for view, field in (("form", 'id="gone-0-reason"'), ("json", 'id="live-reason-0"')):
        page = admin_browser.get(editor(draft), {"view": view}).content.decode()
        assert offered in page
        (field_of_reason,) = [one for one in page.split("<input") if field in one.partition(">")[0]]
        assert 'list="reasons-of-3"' in field_of_reason.partition(">")[0]
        assert 'data-reasons="reasons-of-3"' in page, "another stage brings its own list"


def test_what_a_form_says_speaks_of_its_fields_and_not_of_keys(tenant: TenantRef, admin_browser: Client) -> None:
    wrong = [{**ESCALATE, "to": []}, {"name": "Ask", "on": "enter", "stages": ["Active"], "kind": "event"}]
    wrong[0].pop("to")
    draft = new_draft(tenant, {**MINIMAL, "effects": wrong, "rates": {"USD": 0.9}})
    shown = text_of(admin_browser.get(editor(draft)))
    assert "Enter at least one recipient: “alert people in the app” needs one." in shown
    assert "Choose a topic: “publish an event” needs one." in shown
    assert "Choose your currency: exchange rates say" in shown
    assert "must say in “to”" not in shown
    json = text_of(admin_browser.get(editor(draft), {"view": "json"}))
    assert "An automation of kind “alert” must say in “to” whom it is for." in json, "the JSON has keys"


def test_every_sentence_for_the_form_speaks_of_what_the_finding_knows() -> None:
    for name, sentence in IN_FORM.items():
        if not name.startswith("empty_"):
            asked = set(re.findall(r"%\((\w+)\)s", str(sentence)))
            assert asked <= set(re.findall(r"%\((\w+)\)s", str(FINDINGS[name]))) | {"measure", "kind"}, name
        assert "“key" not in str(sentence) and "leave the key" not in str(sentence)
