"""Publishing from the editor, and taking a version back."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from lifecycle.admin.configuration import judging
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document_reader import DocumentReader
from tenants.services.configuration.versions import live_version
from tests.admin.drafts import OVERVIEW, editor, entries, form_of, new_draft, publish, reported, reread
from tests.admin.test_walk import browser
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.services.publishing import SHORTER, move_all, stages_of, written


def test_publishing_asks_why_and_moves_the_customers_at_once(
    tenant: TenantRef, users: Any, admin_browser: Client
) -> None:
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    draft = new_draft(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": "Active"})
    before = written(tenant)
    assert "Enter a reason." in publish(admin_browser, draft, "").content.decode()
    assert written(tenant) == before

    answer = publish(admin_browser, draft, "Fewer stages")
    assert reported(answer) == "Version 2 is published."
    assert answer.context["report"] == "3 customers have moved."
    assert stages_of(tenant) == {"Active": 3}
    with tenant_context(tenant.id):
        live = live_version(tenant)
        assert live is not None
        assert (live.number, live.comment, live.published_by) == (2, "Fewer stages", str(users.tenant_admin.pk))
    assert entries(tenant)[-1] == ("publish_configuration", "Fewer stages")


def test_a_document_is_read_once_for_each_page_and_each_publication(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = new_draft(tenant, {**MINIMAL, "max_days": {"Active": 30}})
    admin_browser.get(reverse(OVERVIEW))  # the live version is compiled in this process
    made = 0

    class CountedReader(DocumentReader):
        def __init__(self) -> None:
            nonlocal made
            made += 1
            super().__init__()

    def count(request: Callable[[], Any]) -> int:
        nonlocal made
        made = 0
        assert request().status_code == 200
        return made

    monkeypatch.setattr("tenants.rules.configuration.document.DocumentReader", CountedReader)
    assert count(lambda: admin_browser.get(editor(draft))) == 1
    assert count(lambda: admin_browser.get(reverse("admin:configuration_try", args=[draft.pk]))) == 1
    assert count(lambda: admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk]))) == 1
    # One for the page that is sent, one for what is locked and published, one for the first look at version 2.
    assert count(lambda: publish(admin_browser, draft, "Thirty days")) == 3
    assert count(lambda: admin_browser.get(reverse("admin:configuration_revert"))) == 0
    assert count(lambda: admin_browser.get(reverse(OVERVIEW))) == 0


def test_a_large_move_goes_on_in_the_background_and_its_progress_is_shown(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 2)
    monkeypatch.setattr(stage_migrations, "BATCH", 2)
    answer = publish(admin_browser, new_draft(tenant, SHORTER, mapping={"At-Risk": "Active"}), "Fewer")
    body = answer.content.decode()
    assert "From “At-Risk” to “Active”: 2 of 5" in body
    assert 'hx-trigger="every 2s"' in body
    fragment = admin_browser.get(reverse("admin:configuration_moves"))
    assert '<progress id="move-1" value="2" max="5">' in fragment.content.decode()
    move_all(tenant)
    done = admin_browser.get(reverse("admin:configuration_moves"))
    assert done.headers["HX-Refresh"] == "true", "the whole page is looked at again when all are moved"


def test_publishing_without_a_place_for_customers_is_refused(tenant: TenantRef, admin_browser: Client) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    draft = new_draft(tenant, SHORTER, renamed={"Prospect": "Lead"})
    before = written(tenant)
    answer = publish(admin_browser, draft, "Fewer")
    assert "At-Risk (1)" in answer.content.decode()
    assert written(tenant) == before


def test_publishing_what_somebody_else_changed_in_the_meantime_is_refused(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    before = written(tenant)
    stale_draft = publish(admin_browser, draft, "Go", expected_revision="7")
    assert "the draft is at revision 1, and you edited revision 7" in stale_draft.content.decode()
    stale_version = publish(admin_browser, draft, "Go", expected_version="9")
    assert "version 1 is live, and you expected 9" in stale_version.content.decode()
    assert written(tenant) == before
    assert stale_version.context["form"]["expected_version"].value() == "1", "they decide again on what there is"


def test_a_version_is_taken_back_with_its_customers(tenant: TenantRef, admin_browser: Client) -> None:
    risky = CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(
        admin_browser, new_draft(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": "Active"}), "Fewer"
    )
    page = reverse("admin:configuration_revert")
    shown = admin_browser.get(page)
    assert "Stage “Lead” is renamed to “Prospect”." in shown.content.decode()
    assert shown.context["returning"] == 1
    answer = admin_browser.post(page, {"comment": "A mistake", "expected_version": "2"}, follow=True)
    assert "Version 3 is live: the former configuration again." in reported(answer)
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=risky.id).stage == "At-Risk"
    assert entries(tenant)[-1] == ("revert_publication", "A mistake")


def test_taking_back_asks_where_customers_of_a_stage_go_that_only_the_live_version_has(
    tenant: TenantRef, admin_browser: Client
) -> None:
    document = {**MINIMAL, "stages": [*MINIMAL["stages"], "Paused"]}
    publish(admin_browser, new_draft(tenant, document), "A pause")
    CustomerFactory(tenant=tenant, stage="Paused")
    page = reverse("admin:configuration_revert")
    refused = admin_browser.post(page, {"comment": "No pause", "expected_version": "2"})
    assert "Paused (1)" in refused.content.decode()
    data = {"live-stage": "Paused", "live-to": "Active", "live-reason": ""}
    admin_browser.post(page, {"comment": "No pause", "expected_version": "2", **data})
    assert stages_of(tenant) == {"Active": 1}


def test_a_place_that_was_proposed_and_is_taken_away_is_not_taken_all_the_same(
    tenant: TenantRef, admin_browser: Client
) -> None:
    document = {**MINIMAL, "stages": ["Prospect", "Onboarded", "Paused", "At-Risk", "Churned"]}
    publish(admin_browser, new_draft(tenant, document, mapping={"Active": "Paused"}), "A pause")
    CustomerFactory(tenant=tenant, stage="Paused")
    page = reverse("admin:configuration_revert")
    (row,) = admin_browser.get(page).context["gone"]
    assert (row.stage, row.to) == ("Paused", "Active")
    form = {"comment": "No pause", "expected_version": "2", "live-stage": "Paused", "live-reason": ""}
    refused = admin_browser.post(page, {**form, "live-to": ""})
    assert refused.status_code == 200 and "Paused (1)" in refused.content.decode()
    assert stages_of(tenant) == {"Paused": 1}
    admin_browser.post(page, {**form, "live-to": "Prospect"})
    assert stages_of(tenant) == {"Prospect": 1}


def test_a_rollback_that_is_pressed_twice_leads_where_the_first_press_led(
    tenant: TenantRef, admin_browser: Client
) -> None:
    """It was said that someone else had published, beside a button that would have published the mistake again."""
    publish(admin_browser, new_draft(tenant, {**MINIMAL, "max_days": {"Active": 30}}), "Thirty days")
    page = reverse("admin:configuration_revert")
    form = {"comment": "A mistake", "expected_version": "2"}
    first, second = (admin_browser.post(page, form) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert first.headers["Location"] == second.headers["Location"] == f"{reverse(OVERVIEW)}?published=3"
    late = admin_browser.post(page, {**form, "comment": "I would, too"})
    assert "just updated by someone else" in late.content.decode(), "another wish is another one"
    with tenant_context(tenant.id):
        live = live_version(tenant)
    assert live is not None and live.number == 3


def test_the_first_version_cannot_be_taken_back(tenant: TenantRef, admin_browser: Client) -> None:
    answer = admin_browser.get(reverse("admin:configuration_revert"), follow=True)
    assert reported(answer) == "There is no earlier version to roll back to."


def test_a_new_tenant_publishes_its_first_version_from_a_starter(db: None) -> None:
    from tests.conftest import make_people

    tenant = TenantFactory(configuration=None)
    client = browser(make_people(tenant).tenant_admin)
    assert "Not live yet" in client.get(reverse(OVERVIEW)).content.decode()
    client.post(reverse("admin:tenants_configurationversion_add"), {"base": "marketplace", "comment": ""})
    with tenant_context(tenant.id):
        draft = ConfigurationVersion.objects.get()
    assert reported(publish(client, draft, "We begin")) == "Version 1 is published."
    with tenant_context(tenant.id):
        assert not StageMigration.objects.exists()


def test_publishing_from_the_editor_saves_what_was_typed_first(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)), do="publish") | {"stage-3-days": ["21"]}
    answer = admin_browser.post(editor(draft), data, follow=True)
    assert answer.redirect_chain == [(reverse("admin:configuration_publish", args=[draft.pk]), 302)]
    assert reported(answer) == "Draft saved as revision 2."
    assert not answer.context["is_empty"]
    assert reread(tenant, draft).document["max_days"] == {"At-Risk": 21}

    again = admin_browser.post(editor(draft), form_of(admin_browser.get(editor(draft)), do="publish"))
    assert again.status_code == 302
    assert reread(tenant, draft).revision == 2, "what is saved already is not saved again"


def test_true_that_is_corrected_to_one_is_saved_and_can_be_published(tenant: TenantRef, admin_browser: Client) -> None:
    """The page called the correction nothing to publish, and had not saved it."""
    rule = {"event": "support.issue.closed", "from": ["At-Risk"], "to": "Active"}
    wrong, right = (
        {**MINIMAL, "event_rules": [{**rule, "when": [{"field": "open_issues", "op": "eq", "value": value}]}]}
        for value in (True, 1)
    )
    publish(admin_browser, new_draft(tenant, wrong), "A rule")
    draft = new_draft(tenant, wrong)
    form = {"view": "json", "text": json.dumps(right), "revision": "1", "do": "publish", "comment": draft.comment}
    page = admin_browser.post(editor(draft), form, follow=True)
    assert reread(tenant, draft).document["event_rules"][0]["when"][0]["value"] is not True
    assert not page.context["is_empty"]


def test_a_draft_that_changes_nothing_is_not_offered_for_publication(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    page = admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk])).content.decode()
    assert "is the same as version 1: there is nothing to publish. If you changed it, save it first." in page
    assert re.search(r'value="Publish as version 2" disabled', page)
    checked = admin_browser.post(
        editor(draft), form_of(admin_browser.get(editor(draft)), do="check") | {"stage-3-days": ["21"]}
    )
    assert "Save and publish…" in checked.content.decode()


def test_a_stage_that_json_spells_with_a_blank_or_in_another_form_is_not_removed(
    tenant: TenantRef, admin_browser: Client
) -> None:
    publish(admin_browser, new_draft(tenant, {**MINIMAL, "stages": [*MINIMAL["stages"], "Gekündigt"]}), "One more")
    CustomerFactory(tenant=tenant, stage="Gekündigt")
    spelled = ["Prospect ", *MINIMAL["stages"][1:], "Geku\u0308ndigt"]
    draft = new_draft(tenant, {**MINIMAL, "stages": spelled})
    page = admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk]))
    assert page.context["gone"] == [] and page.context["is_empty"]


def test_what_takes_the_place_of_a_version_that_cannot_be_read_any_more_is_offered_for_publication(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "policy_of", lambda _version: None)
    page = admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk]))
    assert not page.context["is_empty"] and "there is nothing to publish" not in page.content.decode()


def test_a_draft_changed_by_somebody_else_is_not_published_over(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)), do="publish") | {"stage-3-days": ["21"]}
    admin_browser.post(editor(draft), form_of(admin_browser.get(editor(draft)), do="save") | {"stage-3-days": ["9"]})
    answer = admin_browser.post(editor(draft), data)
    assert answer.status_code == 200
    assert "The draft was just updated by someone else" in answer.content.decode()
    assert reread(tenant, draft).document["max_days"] == {"At-Risk": 9}


def test_the_report_of_a_publication_says_what_is_true_when_it_is_read(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    customers = [CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late") for _ in range(3)]
    draft = new_draft(tenant, SHORTER, mapping={"At-Risk": "Active", "Prospect": "Lead"})
    address = publish(admin_browser, draft, "Fewer stages").redirect_chain[-1][0]

    def report() -> str:
        page = admin_browser.get(address)
        (line,) = [one.moved for one in page.context["versions"] if one.version.number == 2]
        assert page.context["report"] == line and line in page.content.decode()
        return line

    assert report() == "3 customers are being moved."
    with tenant_context(tenant.id):
        apply(Call(tenant, system_actor("t"), "API", utc_now()), [Change(customers[0].id, "Churned", reason_code="X")])
    next(move_customers(tenant, now=utc_now(), size=1))
    assert report() == "1 of 3 customers have moved; the others are being moved."
    move_all(tenant)
    assert report() == "2 of 3 customers have moved. 1 had already been moved elsewhere."
    admin_browser.cookies["django_language"] = "de"
    assert report() == "2 von 3 Kunden sind verschoben worden. 1 war schon anderswohin verschoben worden."
    assert admin_browser.get(reverse(OVERVIEW)).context["report"] == "", "it is for those who have just published"
