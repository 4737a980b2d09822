"""Tenant admins draft, see, try, publish and take back their lifecycle in the admin."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.models import AdministrationEntry
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document_reader import DocumentReader
from tenants.rules.configuration.starters import STARTERS
from tenants.sentences import describe_finding
from tenants.services.configuration.versions import live_version, open_draft
from tests.admin.test_configuration_sheet import post
from tests.admin.test_walk import browser, choose
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.services.test_publication import SHORTER, move_all, stages_of, written

OVERVIEW = "admin:tenants_configurationversion_changelist"
EDITOR = "admin:tenants_configurationversion_change"


@pytest.fixture
def admin_browser(users: Any) -> Client:
    return browser(users.tenant_admin)


@pytest.fixture
def draft(tenant: TenantRef) -> ConfigurationVersion:
    return new_draft(tenant)


def new_draft(tenant: TenantRef, document: Any = None, **fields: Any) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        made = open_draft(tenant=tenant, actor=system_actor("tests"), now=utc_now(), document=document)
        for name, value in fields.items():
            setattr(made, name, value)
        made.save()
    return made


def reread(tenant: TenantRef, draft: ConfigurationVersion) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        return ConfigurationVersion.objects.get(pk=draft.pk)


def entries(tenant: TenantRef) -> list[tuple[str, str]]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", "reason"))


def editor(draft: ConfigurationVersion) -> str:
    return reverse(EDITOR, args=[draft.pk])


def form_of(answer: Any, do: str = "save") -> dict[str, Any]:
    """What a browser would send from this editor's form."""
    data = post(answer.context["sheet"])
    data["view"], data["do"], data["revision"] = "form", do, str(answer.context["revision"])
    data["comment"] = answer.context["work"].comment
    return dict(data.lists())


def reported(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_in_json_a_stage_may_take_the_name_of_one_that_goes_away(tenant: TenantRef, admin_browser: Client) -> None:
    """MINIMAL without Onboarded, and Prospect is called so now."""
    CustomerFactory(tenant=tenant, stage="Onboarded")
    draft = new_draft(tenant)
    sent = {
        "view": "json",
        "do": "check",
        "revision": "1",
        "text": json.dumps({"stages": ["Onboarded", "Active", "At-Risk", "Churned"]}),
        "live-stage": ["Prospect"],
        "live-name": ["Onboarded"],
        "live-to": [""],
        "live-reason": [""],
    }
    page = admin_browser.post(editor(draft), sent)
    assert "say in the mapping where its customers go" in page.content.decode()
    assert [row.stage for row in page.context["live_rows"]] == ["Prospect", "Onboarded"]
    sent |= {
        "do": "save",
        "live-stage": ["Prospect", "Onboarded"],
        "live-name": ["Onboarded", ""],
        "live-to": ["", "Active"],
        "live-reason": ["", ""],
    }
    admin_browser.post(editor(draft), sent)
    saved = reread(tenant, draft)
    assert (saved.renamed, saved.mapping) == ({"Prospect": "Onboarded"}, {"Onboarded": {"to": "Active"}})
    page = admin_browser.get(reverse("admin:configuration_publish", args=[draft.pk]))
    assert "Stage “Onboarded” is removed; another one gets its name." in page.content.decode()
    assert "Stage “Prospect” is renamed to “Onboarded”." in page.content.decode()
    assert [(row.stage, row.customers, row.to) for row in page.context["gone"]] == [("Onboarded", 1, "Active")]


def test_an_admin_sees_what_is_live_with_the_customers_in_each_stage(tenant: TenantRef, admin_browser: Client) -> None:
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="Active")
    answer = admin_browser.get(reverse(OVERVIEW))
    assert answer.status_code == 200
    body = answer.content.decode()
    assert "Live: version 1" in body
    assert "3 customers</text>" in body
    assert "“Active” (engaged, 3 customers) leads to" in body, "the picture has a text equivalent"
    assert "The first version." in body


def test_each_version_says_who_made_it_why_and_what_it_changed(
    tenant: TenantRef, users: Any, admin_browser: Client
) -> None:
    publish(admin_browser, new_draft(tenant, {**MINIMAL, "max_days": {"Active": 30}}), "Thirty days are enough")
    answer = admin_browser.get(reverse(OVERVIEW))
    body = answer.content.decode()
    assert "Thirty days are enough" in body
    assert users.tenant_admin.full_name in body
    assert "“Active” may last at most 30 days instead of any time." in body
    shown = admin_browser.get(editor(answer.context["versions"][0].version))
    assert "A published version cannot be changed" in shown.content.decode()


def test_the_pages_need_no_exception_from_the_content_security_policy(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    CustomerFactory(tenant=tenant)
    for page in pages_of(draft):
        answer = admin_browser.get(page)
        assert answer.status_code in (200, 302), page
        body = answer.content.decode()
        assert re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", body) is None, page
        assert re.search(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)", body) is None, page


def pages_of(draft: ConfigurationVersion) -> list[str]:
    return [
        reverse(OVERVIEW),
        reverse("admin:tenants_configurationversion_add"),
        editor(draft),
        f"{editor(draft)}?view=json",
        *(
            reverse(f"admin:configuration_{name}", args=[draft.pk])
            for name in ("try", "publish", "discard", "download")
        ),
        reverse("admin:configuration_moves"),
        reverse("admin:configuration_revert"),
        reverse("admin:refusals_summary"),
    ]


@pytest.mark.parametrize("role", ["viewer", "account_manager", "service"])
def test_no_one_below_an_admin_opens_any_of_the_pages(
    tenant: TenantRef, users: Any, draft: ConfigurationVersion, role: str
) -> None:
    before = written(tenant)
    for page in pages_of(draft):
        client = browser(users.of(role))
        assert client.get(page).status_code in (302, 403), page
        assert client.post(page, {"do": "save", "comment": "x", "expected_version": "1"}).status_code in (302, 403)
    assert written(tenant) == before


def test_another_tenants_admin_finds_no_draft_by_its_address(
    tenant: TenantRef, other_users: Any, draft: ConfigurationVersion
) -> None:
    before = written(tenant)
    client = browser(other_users.tenant_admin)
    for page in pages_of(draft):
        if str(draft.pk) in page:
            assert client.get(page).status_code == 404, page
            assert client.post(page, {"do": "save", "comment": "x", "expected_version": "1"}).status_code == 404
    assert written(tenant) == before


def test_a_super_admin_works_on_the_configuration_of_the_tenant_they_have_chosen(
    tenant: TenantRef, users: Any, draft: ConfigurationVersion
) -> None:
    client = browser(users.super_admin)
    assert client.get(reverse(OVERVIEW))["Location"].startswith("/tenants?next=")
    for page in pages_of(draft)[1:]:
        assert client.get(page).status_code == 302, page
    choose(client, tenant)
    assert client.get(editor(draft)).status_code == 200


@pytest.mark.parametrize("base", ["live", "empty", *STARTERS])
def test_a_draft_begins_with_what_is_live_with_a_starter_or_with_nothing(
    tenant: TenantRef, admin_browser: Client, base: str
) -> None:
    answer = admin_browser.post(
        reverse("admin:tenants_configurationversion_add"), {"base": base, "comment": "For spring"}, follow=True
    )
    assert answer.status_code == 200
    draft = answer.context["draft"]
    expected = {"live": MINIMAL["stages"], "empty": []}.get(base) or (
        list(STARTERS[base].document["stages"]) if base in STARTERS else []
    )
    assert draft.document["stages"] == expected
    assert draft.comment == "For spring"
    assert entries(tenant)[-1] == ("open_draft", "For spring")


def test_saving_the_form_keeps_what_it_says(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)))
    data |= {"stage-3-days": ["21"], "stage-3-reasons": ["Price\r\n\r\n Silence "], "stage-0-color": ["#112233"]}
    answer = admin_browser.post(editor(draft), data, follow=True)
    assert reported(answer) == "Draft saved as revision 2."
    saved = reread(tenant, draft).document
    assert saved["max_days"] == {"At-Risk": 21}
    assert saved["reason_codes"] == {"At-Risk": ["Price", "Silence"]}
    assert saved["colors"] == {"Prospect": "#112233"}
    assert entries(tenant)[-1][0] == "save_draft"


def test_the_form_and_the_json_are_the_same_document(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)), do="json")
    data["stage-2-days"] = ["14"]
    as_json = admin_browser.post(editor(draft), data)
    text = as_json.context["text"]
    assert json.loads(text)["max_days"] == {"Active": 14}
    assert reread(tenant, draft).revision == 1, "looking at the other side saves nothing"
    changed = text.replace('"Active": 14', '"Active": 28')
    back = admin_browser.post(
        editor(draft), {"view": "json", "text": changed, "revision": "1", "do": "form", "comment": ""}
    )
    assert back.context["sheet"].stages[2].days == "28"
    admin_browser.post(editor(draft), {"view": "json", "text": changed, "revision": "1", "do": "save", "comment": ""})
    assert admin_browser.get(editor(draft)).context["sheet"].stages[2].days == "28"


def test_a_file_is_uploaded_and_downloaded(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    file = SimpleUploadedFile("lifecycle.json", json.dumps(SHORTER).encode(), content_type="application/json")
    answer = admin_browser.post(
        editor(draft), {"view": "json", "text": "{}", "file": file, "revision": "1", "do": "save"}, follow=True
    )
    assert reported(answer) == "Draft saved as revision 2."
    assert reread(tenant, draft).document == SHORTER
    download = admin_browser.get(reverse("admin:configuration_download", args=[draft.pk]))
    assert json.loads(download.content) == SHORTER
    assert download.headers["Content-Disposition"] == f'attachment; filename="{tenant.slug}-draft.json"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"stages": [', "not valid JSON at line 1, column 13"),
        ("[]", "must be a JSON object"),
        ('{"stages": ["A\\u0000"]}', "NUL"),
        ('{"a": 1, "a": 2}', "twice"),
    ],
)
def test_what_is_no_json_stays_in_the_field_and_is_not_saved(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion, text: str, sentence: str
) -> None:
    answer = admin_browser.post(editor(draft), {"view": "json", "text": text, "revision": "1", "do": "save"})
    assert answer.status_code == 200
    assert sentence in answer.context["work"].refusal
    assert answer.context["text"] == text
    assert reread(tenant, draft).revision == 1


def test_json_that_rows_cannot_hold_is_shown_as_json_with_the_reason(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant, {"stages": ["A", 7], "colour": {}})
    answer = admin_browser.get(editor(draft))
    body = answer.content.decode()
    assert "The form cannot show this draft" in body
    assert "There is no key “colour”; did you mean “colors”?" in body
    assert [(line, error.code) for line, error in answer.context["lined_findings"]] == [
        (3, "unknown_key"),
        (2, "wrong_type"),
    ]


def test_an_invalid_draft_is_saved_shows_its_errors_and_cannot_be_published(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)))
    data |= {"stage-1-name": ["active"], "stage-3-days": ["soon"]}
    admin_browser.post(editor(draft), data)
    answer = admin_browser.get(editor(draft))
    rows = answer.context["sheet"].stages
    assert [error.code for error in rows[2].findings["name"]] == ["duplicate"]
    assert [error.code for error in rows[3].findings["days"]] == ["wrong_type"]
    before = written(tenant)
    page = reverse("admin:configuration_publish", args=[draft.pk])
    refused = admin_browser.post(page, {"comment": "Now", "expected_version": "1", "expected_revision": "2"})
    assert refused.status_code == 200
    assert "The draft cannot be published as it is" in refused.content.decode()
    assert written(tenant) == before


def test_two_rows_of_one_name_stay_in_the_form_until_one_is_renamed(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)))
    data |= {"stage-1-name": ["Active"], "stage-1-days": ["9"]}
    answer = admin_browser.post(editor(draft), data)
    assert "Two stages are called “Active”" in answer.content.decode()
    assert [row.name for row in answer.context["sheet"].stages][:3] == ["Prospect", "Active", "Active"]
    assert answer.context["sheet"].stages[1].days == "9"
    assert reread(tenant, draft).revision == 1


def test_a_stage_is_added_by_a_button_without_saving_anything(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    answer = admin_browser.post(editor(draft), form_of(admin_browser.get(editor(draft)), do="add_stage"))
    assert len(answer.context["sheet"].stages) == 6
    assert "Saved, revision 1" in answer.content.decode(), "an empty row is nothing yet"
    named = admin_browser.post(editor(draft), form_of(answer, do="check") | {"stage-5-name": ["Paused"]})
    assert "Not saved yet" in named.content.decode()
    assert reread(tenant, draft).revision == 1


def test_a_changed_name_is_a_rename_and_shown_as_one(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)))
    data["stage-0-name"] = ["Lead"]
    admin_browser.post(editor(draft), data)
    answer = admin_browser.get(editor(draft))
    body = answer.content.decode()
    assert "Renamed from “Prospect”: its customers stay in it." in body
    assert "Stage “Prospect” is renamed to “Lead”." in body
    assert reread(tenant, draft).renamed == {"Prospect": "Lead"}
    admin_browser.post(editor(draft), form_of(answer, do="new_stage:0") | {"do": ["new_stage:0"]})
    other = admin_browser.post(editor(draft), form_of(answer, do="new_stage:0"))
    assert other.context["sheet"].stages[0].origin == ""
    assert [row.stage for row in other.context["sheet"].gone] == ["Prospect"]


def test_in_json_a_missing_stage_can_be_called_a_rename(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    page = {
        "view": "json",
        "text": json.dumps(SHORTER),
        "revision": "1",
        "do": "save",
        "live-stage": ["Prospect", "At-Risk"],
        "live-name": ["Lead", ""],
        "live-to": ["", "Active"],
        "live-reason": ["", "Gone"],
    }
    admin_browser.post(editor(draft), page)
    saved = reread(tenant, draft)
    assert saved.renamed == {"Prospect": "Lead"}
    assert saved.mapping == {"At-Risk": {"to": "Active", "reason_code": "Gone"}}
    rows = admin_browser.get(f"{editor(draft)}?view=json").context["live_rows"]
    assert [(row.stage, row.renamed_to, row.to, row.reason) for row in rows] == [
        ("Prospect", "Lead", "", ""),
        ("At-Risk", "", "Active", "Gone"),
    ]


def test_a_stage_with_customers_that_goes_away_asks_where_they_go(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    answer = admin_browser.post(editor(draft), form_of(admin_browser.get(editor(draft)), do="remove_stage:3"))
    (gone,) = answer.context["sheet"].gone
    assert (gone.stage, gone.customers) == ("At-Risk", 1)
    assert [describe_finding(finding) for finding in gone.findings["to"]] == [
        "1 customer is in “At-Risk”: choose their target stage."
    ]
    data = form_of(answer) | {"gone-0-to": ["2"], "gone-0-reason": ["Stage removed"]}
    admin_browser.post(editor(draft), data)
    assert reread(tenant, draft).mapping == {"At-Risk": {"to": "Active", "reason_code": "Stage removed"}}


def test_two_admins_do_not_overwrite_one_another_silently(
    tenant: TenantRef, users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    mine = form_of(admin_browser.get(editor(draft))) | {"stage-2-days": ["5"]}
    theirs = form_of(admin_browser.get(editor(draft))) | {"stage-2-days": ["50"]}
    admin_browser.post(editor(draft), theirs)

    answer = admin_browser.post(editor(draft), mine)
    body = answer.content.decode()
    assert (
        "The draft was just updated by someone else. Your change was not saved: the draft is at revision 2, and you"
        " edited revision 1." in body
    )
    assert f"Revision 2 was saved by {users.tenant_admin.full_name}" in body
    assert ("theirs", '  "max_days": {"Active": 50}') in answer.context["conflict"]["lines"]
    assert ("own", '  "max_days": {"Active": 5}') in answer.context["conflict"]["lines"]
    assert answer.context["sheet"].stages[2].days == "5", "nothing of their own is lost"
    assert reread(tenant, draft).document["max_days"] == {"Active": 50}

    admin_browser.post(editor(draft), form_of(answer))
    assert reread(tenant, draft).document["max_days"] == {"Active": 5}, "saving again replaces it on purpose"


def test_work_on_a_draft_that_was_discarded_in_the_meantime_is_not_lost(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft))) | {"stage-2-days": ["5"]}
    with tenant_context(tenant.id):
        ConfigurationVersion.objects.filter(pk=draft.pk).delete()
    assert admin_browser.post(editor(draft), data).status_code == 404


def test_a_draft_is_discarded_with_a_reason(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    page = reverse("admin:configuration_discard", args=[draft.pk])
    shown = admin_browser.post(page, {"comment": "", "expected_version": "1", "expected_revision": "1"})
    assert "Enter a reason." in shown.content.decode()
    answer = admin_browser.post(
        page, {"comment": "Not now", "expected_version": "1", "expected_revision": "1"}, follow=True
    )
    assert reported(answer) == "Draft discarded."
    with tenant_context(tenant.id):
        assert not ConfigurationVersion.objects.filter(pk=draft.pk).exists()
    assert entries(tenant)[-1] == ("discard_draft", "Not now")


def test_trying_a_draft_names_what_it_would_refuse_with_examples(tenant: TenantRef, admin_browser: Client) -> None:
    customer = CustomerFactory(tenant=tenant)
    with tenant_context(tenant.id):
        change = Change(customer_id=customer.id, stage="Active")
        apply(Call(tenant, system_actor("tests"), "API", utc_now()), [change])
    draft = new_draft(tenant, {**MINIMAL, "transitions": {"Prospect": ["Onboarded"], "Onboarded": ["Active"]}})
    before = written(tenant)
    answer = admin_browser.get(reverse("admin:configuration_try", args=[draft.pk]))
    body = answer.content.decode()
    assert "<strong>1</strong> of the 1 recorded moves would be blocked." in body
    assert f'href="{reverse("customer-page", args=[customer.id])}"' in body
    assert "“Active”: 1 customer could not be moved to another stage" in body
    assert written(tenant) == before


def publish(client: Client, draft: ConfigurationVersion, comment: str, **fields: Any) -> Any:
    page = reverse("admin:configuration_publish", args=[draft.pk])
    shown = client.get(page)
    data = {name: shown.context["form"][name].value() for name in ("expected_version", "expected_revision")}
    return client.post(page, {**data, "comment": comment, **fields}, follow=True)


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
    assert reported(answer) == "Version 2 is published. 3 customers are being moved."
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


def test_the_first_version_cannot_be_taken_back(tenant: TenantRef, admin_browser: Client) -> None:
    answer = admin_browser.get(reverse("admin:configuration_revert"), follow=True)
    assert reported(answer) == "There is no earlier version to roll back to."


def test_a_new_tenant_publishes_its_first_version_from_a_starter(db: None) -> None:
    from tests.conftest import make_people
    from tests.factories import TenantFactory

    tenant = TenantFactory(configuration=None)
    client = browser(make_people(tenant).tenant_admin)
    assert "Not live yet" in client.get(reverse(OVERVIEW)).content.decode()
    client.post(reverse("admin:tenants_configurationversion_add"), {"base": "marketplace", "comment": ""})
    with tenant_context(tenant.id):
        draft = ConfigurationVersion.objects.get()
    assert reported(publish(client, draft, "We begin")) == "Version 1 is published."
    with tenant_context(tenant.id):
        assert not StageMigration.objects.exists()


def test_an_address_that_is_no_id_is_not_found(admin_browser: Client) -> None:
    for address in ("x", str(UUID(int=7)), "history"):
        assert admin_browser.get(reverse(EDITOR, args=[address])).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"view": "form", "do": "save"},
        {"view": "form", "do": "save", "revision": "x", "stage": ["0", "0", "zero", "9" * 9]},
        {"view": "form", "do": "save", "revision": "1", "comment": "x" * 501},
        {
            "view": "form",
            "do": "save",
            "revision": "9" * 30,
            "stage": "0",
            "stage-0-name": "A\x00B",
            "initial": "?\x00",
        },
        {"view": "form", "do": "save", "revision": "1", "stage": "0", "stage-0-name": "A", "stage-0-origin": "Ghost"},
        {
            "view": "form",
            "do": "save",
            "revision": "1",
            "rule": "0",
            "rule-0-when": "0",
            "rule-0-when-0-value": '"\\u0000"',
        },
        {"view": "form", "do": "save", "revision": "1", "gone": "0", "gone-0-stage": "x\x00", "gone-0-to": "?y\x00"},
        {"view": "json", "do": "save", "revision": "1", "text": "\x00"},
        {"view": "json", "do": "form", "revision": "1", "text": '{"stages": ' + "[" * 200},
        {
            "view": "json",
            "do": "save",
            "revision": "1",
            "text": "{}",
            "live-stage": ["Active", "Ghost"],
            "live-name": "\x00",
        },
    ],
)
def test_no_forged_form_is_an_internal_error(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion, form: dict[str, Any]
) -> None:
    assert admin_browser.post(editor(draft), form).status_code in (200, 302)
    assert admin_browser.get(editor(draft)).status_code == 200
    for page in ("try", "publish"):
        assert admin_browser.get(reverse(f"admin:configuration_{page}", args=[draft.pk])).status_code == 200
    page = reverse("admin:configuration_publish", args=[draft.pk])
    assert admin_browser.post(page, {"comment": "x", "expected_version": "one"}).status_code == 200
    with tenant_context(tenant.id):
        live = live_version(tenant)
        assert live is not None
        assert live.number == 1


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


def test_a_draft_changed_by_somebody_else_is_not_published_over(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)), do="publish") | {"stage-3-days": ["21"]}
    admin_browser.post(editor(draft), form_of(admin_browser.get(editor(draft)), do="save") | {"stage-3-days": ["9"]})
    answer = admin_browser.post(editor(draft), data)
    assert answer.status_code == 200
    assert "The draft was just updated by someone else" in answer.content.decode()
    assert reread(tenant, draft).document["max_days"] == {"At-Risk": 9}


def test_a_tenant_without_a_configuration_is_not_offered_the_live_one(users: Any, admin_browser: Client) -> None:
    new = TenantFactory(configuration=None)
    client = browser(users.super_admin)
    choose(client, new)
    add = reverse("admin:tenants_configurationversion_add")
    page = client.get(add)
    assert "The live configuration" not in page.content.decode()
    assert page.context["form"].initial["base"] == next(iter(STARTERS))
    refused = client.post(add, {"base": "live", "comment": "", "change_reason": "Ticket 7"})
    assert refused.status_code == 200
    assert refused.context["form"].errors["base"]
    with tenant_context(new.id):
        assert not ConfigurationVersion.objects.filter(published_at=None).exists()
    assert "The live configuration" in admin_browser.get(add).content.decode()
