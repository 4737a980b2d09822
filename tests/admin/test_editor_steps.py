"""The editor's steps and the look at what is being typed: what they say, and that nothing is written by looking."""

from typing import Any

from django.test import Client
from django.urls import reverse

from lifecycle.admin.configuration.drafts import MOST_FILED
from lifecycle.admin.configuration.layout import lay_out
from lifecycle.admin.configuration.places import Filed, file_findings
from lifecycle.admin.configuration.steps import TITLES, find_changed, find_opened, list_steps
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tests.admin.drafts import editor, form_of, new_draft, reread
from tests.admin.sheets import WITH_EVERYTHING
from tests.admin.test_walk import browser, choose
from tests.factories import MINIMAL, SAAS
from tests.rules.documents import check
from tests.services.publishing import written


def look(draft: ConfigurationVersion) -> str:
    return reverse("admin:configuration_look", args=[draft.pk])


def filed(document: Any) -> list[Filed]:
    sheet = lay_out(document, renamed={}, live_stages=())
    return file_findings(sheet, document, check(document))


def test_every_step_says_in_one_line_what_it_holds() -> None:
    sheet = lay_out(WITH_EVERYTHING, renamed={}, live_stages=())
    steps = list_steps(sheet, (), opened=("rules",))
    assert {key: step.holds for key, step in steps.items()} == {
        "stages": "6 stages, new customers begin in “Trial”",
        "transitions": "13 transitions",
        "reasons": "2 stages require a reason",
        "rules": "2 event rules, 2 at-risk rules",
        "automations": "4 automations, 1 switched off",
        "health": "3 parts of your own",
        "data": "EUR, 1 order of sources",
    }
    assert [key for key, step in steps.items() if step.is_open] == ["rules"]


def test_findings_are_counted_at_their_step_and_lead_to_their_field() -> None:
    document = {
        **SAAS,
        "max_days": {"Live": 0},
        "event_rules": [
            {"event": "contract.renewed", "to": "Live", "when": [{"field": "arr", "op": "gt", "value": []}]}
        ],
        "currency": "Thaler",
        "source_priority": {"billing.arr": ["billing"]},
    }
    anchors = {(one.step, one.anchor) for one in filed(document) if one.finding.severity == "error"}
    assert anchors >= {
        ("stages", "stage-2-days"),
        ("rules", "rule-6-when-0-value"),
        ("data", "currency"),
        ("data", "source-0-path"),
    }
    sheet = lay_out(document, renamed={}, live_stages=())
    steps = list_steps(sheet, filed(document), opened=())
    assert {key for key, step in steps.items() if step.errors} == {"stages", "rules", "data"}
    assert {key for key, step in steps.items() if step.is_open} == {"stages", "rules", "data"}


def test_the_step_of_a_button_and_what_was_changed_are_open() -> None:
    assert find_opened(["health", "nonsense"], "add_risk") == {"health", "rules"}
    assert find_opened([], "raise_source:0:1") == {"data"}
    assert find_opened([], "save") == set()
    assert find_changed({**SAAS, "currency": "EUR"}, SAAS) == {"data"}
    assert find_changed({**SAAS, "reason_codes": {}}, SAAS) == {"reasons"}
    assert find_changed(None, SAAS) == set()


def test_a_look_says_what_is_wrong_and_writes_nothing(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant, MINIMAL)
    sent = form_of(admin_browser.get(editor(draft)), "look")
    sent["stage-0-name"] = ["Lead"]
    sent["stage-1-days"] = ["soon"]
    before = written(tenant)
    answer = admin_browser.post(look(draft), sent)
    body = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-at="stage-1-days"' in body
    assert "<h2" in body and "1 error" in body
    assert 'id="holds-stages" hx-swap-oob="true"' in body
    sent["stage-1-days"] = ["30"]
    body = admin_browser.post(look(draft), sent).content.decode()
    assert ">Lead</text>" in body and "No errors, 2 warnings" in body and 'data-at="stage-1-days"' not in body
    assert written(tenant) == before
    assert (reread(tenant, draft).document, reread(tenant, draft).revision) == (MINIMAL, 1)


def test_a_look_at_json_says_why_it_cannot_be_read(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant, MINIMAL)
    sent = {"view": "json", "do": "look", "revision": "1", "text": '{"stages": ['}
    body = admin_browser.post(look(draft), sent).content.decode()
    assert "Not readable yet" in body and "finding error" in body


def test_a_look_names_only_so_many_findings(tenant: TenantRef, admin_browser: Client) -> None:
    document = {"stages": ["A", "B"], "event_rules": [{"event": "contract.renewed", "to": "Nowhere"}] * 70}
    draft = new_draft(tenant, document)
    answer = admin_browser.get(editor(draft))
    assert len(answer.context["filed"]) == MOST_FILED == 50
    body = admin_browser.post(look(draft), form_of(answer, "look")).content.decode()
    assert body.count("data-at=") == MOST_FILED
    assert "And 20 more" in body


def test_a_look_takes_as_many_statements_however_long_the_draft_is(
    tenant: TenantRef, admin_browser: Client, django_assert_num_queries: Any
) -> None:
    drafts = [new_draft(tenant, one) for one in (MINIMAL, WITH_EVERYTHING)]
    sent = [form_of(admin_browser.get(editor(one)), "look") for one in drafts]
    with django_assert_num_queries(10) as counted:
        admin_browser.post(look(drafts[0]), sent[0])
    with django_assert_num_queries(len(counted)):
        admin_browser.post(look(drafts[1]), sent[1])


def test_looking_is_for_those_who_may_edit(
    tenant: TenantRef, users: Any, other_users: Any, admin_browser: Client
) -> None:
    draft = new_draft(tenant, MINIMAL)
    sent = form_of(admin_browser.get(editor(draft)), "look")
    assert admin_browser.get(look(draft)).status_code == 405
    assert browser(other_users.tenant_admin).post(look(draft), sent).status_code == 404
    for role in ("viewer", "account_manager", "service"):
        assert browser(users.of(role)).post(look(draft), sent).status_code in (302, 403)
    client = browser(users.super_admin)
    assert client.post(look(draft), sent).status_code == 302
    choose(client, tenant)
    # A look changes nothing: no one has to say why.
    assert "No errors, 2 warnings" in client.post(look(draft), sent).content.decode()


def test_the_steps_that_were_open_are_open_after_saving(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant, MINIMAL)
    assert [key for key, step in admin_browser.get(editor(draft)).context["steps"].items() if step.is_open] == [
        "stages"
    ]
    sent = form_of(admin_browser.get(editor(draft))) | {"open": ["health"], "currency": ["EUR"]}
    answer = admin_browser.post(editor(draft), sent, follow=True)
    # The form writes what was left to be guessed, such as categories: that is a change of the stages.
    assert {key for key, step in answer.context["steps"].items() if step.is_open} == {"data", "health", "stages"}
    sent = form_of(answer) | {"open": ["rules"], "folds": ["yes"], "currency": ["CHF"]}
    answer = admin_browser.post(editor(draft), sent, follow=True)
    assert [key for key, step in answer.context["steps"].items() if step.is_open] == ["rules"]
    sent = form_of(answer) | {"folds": ["yes"], "currency": ["EUR"]}
    answer = admin_browser.post(editor(draft), sent, follow=True)
    assert not any(step.is_open for step in answer.context["steps"].values())
    with tenant_context(tenant.id):
        assert ConfigurationVersion.objects.get(pk=draft.pk).document["currency"] == "EUR"
    assert set(TITLES) == set(answer.context["steps"])
