"""Drafts in the editor: begun, saved as form or JSON, tried, discarded."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from lifecycle.rules.transitions import Change
from lifecycle.sentences.codes import name_entry_point
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.starters import STARTERS
from tenants.sentences import describe_finding
from tests.admin.drafts import editor, entries, form_of, new_draft, publish, reported, reread
from tests.admin.uploads import fields_of
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.publishing import SHORTER, written


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


def test_a_new_draft_that_is_asked_for_twice_is_one(tenant: TenantRef, admin_browser: Client) -> None:
    address = reverse("admin:tenants_configurationversion_add")
    form = {**fields_of(admin_browser.get(address)), "base": "live", "comment": "For spring"}
    first, second = (admin_browser.post(address, form).headers["Location"] for _ in range(2))
    assert first == second
    assert admin_browser.post(address, {**form, "comment": "For fall"}).headers["Location"] != first
    again = {**fields_of(admin_browser.get(address)), "base": "live", "comment": "For spring"}
    assert admin_browser.post(address, again).headers["Location"] != first
    assert entries(tenant).count(("open_draft", "For spring")) == 2


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


def test_a_stage_that_is_being_emptied_keeps_the_name_that_json_gave_it_in_the_form(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved there, the draft had a new stage, and no place for the customers."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(admin_browser, new_draft(tenant, SHORTER, mapping={"At-Risk": "Active", "Prospect": "Lead"}), "Fewer")
    document = {**SHORTER, "stages": [*SHORTER["stages"], "Danger"]}
    draft = new_draft(tenant, document, renamed={"At-Risk": "Danger"})
    shown = admin_browser.get(editor(draft))
    assert [row.stage for row in shown.context["sheet"].gone] == []
    admin_browser.post(editor(draft), form_of(shown))
    saved = reread(tenant, draft)
    assert (saved.revision, saved.renamed, saved.mapping) == (2, {"At-Risk": "Danger"}, {})


def test_in_json_what_is_missing_is_said_beside_the_stage_whatever_its_name(
    tenant: TenantRef, admin_browser: Client
) -> None:
    publish(admin_browser, new_draft(tenant, {**MINIMAL, "stages": [*MINIMAL["stages"], "On / off", "1"]}), "More")
    CustomerFactory(tenant=tenant, stage="On / off")
    # A stage of today in another case has to be called a rename: that is said at its place in the list.
    draft = new_draft(tenant, {**MINIMAL, "stages": ["Prospect", "onboarded", "Active", "At-Risk", "Churned"]})
    rows = admin_browser.get(editor(draft), {"view": "json"}).context["live_rows"]
    assert {row.stage: [finding.path for finding in row.findings] for row in rows} == {
        "Onboarded": [],
        "On / off": ["/mapping/On ~1 off"],
        "1": [],
    }


def test_what_was_said_of_stages_is_kept_beside_a_text_that_is_no_json(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    """A comma too many, and the renamed stage was a new one, and the customers of the removed one had no place."""
    sent = {
        "view": "json",
        "text": json.dumps(SHORTER).replace("{", "{,", 1),
        "revision": "1",
        "do": "save",
        "live-stage": ["Prospect", "At-Risk"],
        "live-name": ["Lead", ""],
        "live-to": ["", "Active"],
        "live-reason": ["", "Gone"],
    }
    wrong = admin_browser.post(editor(draft), sent)
    assert "not valid JSON" in wrong.context["work"].refusal
    rows = wrong.context["live_rows"]
    assert [(row.stage, row.renamed_to, row.to, row.reason) for row in rows] == [
        ("Prospect", "Lead", "", ""),
        ("At-Risk", "", "Active", "Gone"),
    ]
    body = wrong.content.decode()
    assert "<option selected>Lead</option>" in body and "<option selected>Active</option>" in body
    shown = {
        "live-stage": [row.stage for row in rows],
        "live-name": [row.renamed_to for row in rows],
        "live-to": [row.to for row in rows],
        "live-reason": [row.reason for row in rows],
    }
    admin_browser.post(editor(draft), {**sent, **shown, "text": json.dumps(SHORTER)})
    saved = reread(tenant, draft)
    assert saved.renamed == {"Prospect": "Lead"}
    assert saved.mapping == {"At-Risk": {"to": "Active", "reason_code": "Gone"}}


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


@pytest.mark.parametrize("do", ["save", "publish"])
def test_a_save_that_is_pressed_twice_leads_where_the_first_press_led(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion, do: str
) -> None:
    """It was said that someone else had changed the draft, and that nothing was saved."""
    mine = form_of(admin_browser.get(editor(draft)), do=do) | {"stage-2-days": ["5"]}
    first, second = (admin_browser.post(editor(draft), mine) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert second.headers["Location"].partition("?")[0] == first.headers["Location"].partition("?")[0]
    saved = reread(tenant, draft)
    assert (saved.revision, saved.document["max_days"]) == (2, {"Active": 5})


def test_work_on_a_draft_that_was_discarded_in_the_meantime_becomes_a_draft_of_its_own(
    tenant: TenantRef, users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft))) | {"stage-2-days": ["5"], "comment": ["Faster"]}
    page = reverse("admin:configuration_discard", args=[draft.pk])
    admin_browser.post(page, {"comment": "Not now", "expected_version": "1", "expected_revision": "1"})
    assert admin_browser.get(editor(draft)).status_code == 404

    who = users.tenant_admin.full_name
    looked = admin_browser.post(editor(draft), data | {"do": ["check"]})
    assert f"{who} discarded this draft while you were editing it. Save the draft to keep" in looked.content.decode()
    assert looked.context["sheet"].stages[2].days == "5"
    with tenant_context(tenant.id):
        assert not ConfigurationVersion.objects.filter(comment="Faster").exists(), "a check saves nothing"

    saved = admin_browser.post(editor(draft), data, follow=True)
    assert reported(saved) == (
        f"{who} discarded this draft while you were editing it. What you had in front of you is kept as this new draft."
    )
    # Also where the button was pressed twice.
    assert admin_browser.post(editor(draft), data, follow=True).redirect_chain == saved.redirect_chain
    with tenant_context(tenant.id):
        kept = ConfigurationVersion.objects.get(comment="Faster")
    assert (kept.published_at, kept.document["max_days"]) == (None, {"Active": 5})
    assert saved.redirect_chain == [(editor(kept), 302)]


def test_work_on_a_draft_that_was_published_in_the_meantime_becomes_a_draft_of_its_own(
    tenant: TenantRef, users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    shown = admin_browser.get(editor(draft))
    mine = form_of(shown) | {"stage-2-days": ["5"], "comment": ["Faster"]}
    theirs = form_of(shown) | {"stage-1-name": ["Welcomed"], "stage-2-days": ["50"]}
    admin_browser.post(editor(draft), theirs)
    assert reported(publish(admin_browser, draft, "Slower")) == "Version 2 is published."

    saved = admin_browser.post(editor(draft), mine, follow=True)
    assert reported(saved) == (
        f"{users.tenant_admin.full_name} published this draft as version 2 while you were editing it."
        " What you had in front of you is kept as this new draft."
    )
    with tenant_context(tenant.id):
        kept = ConfigurationVersion.objects.get(comment="Faster")
    assert (kept.published_at, kept.document["max_days"], kept.renamed) == (None, {"Active": 5}, {})
    assert reread(tenant, draft).document["max_days"] == {"Active": 50}, "what is published stays as it is"


def test_a_draft_that_never_was_takes_no_work(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    data = form_of(admin_browser.get(editor(draft)))
    with tenant_context(tenant.id):
        before = ConfigurationVersion.objects.count()
    nowhere = reverse("admin:tenants_configurationversion_change", args=["01900000-0000-7000-8000-000000000000"])
    assert admin_browser.post(nowhere, data).status_code == 404
    with tenant_context(tenant.id):
        assert ConfigurationVersion.objects.count() == before


def test_a_draft_is_discarded_with_a_reason(
    tenant: TenantRef, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    page = reverse("admin:configuration_discard", args=[draft.pk])
    shown = admin_browser.post(page, {"comment": "", "expected_version": "1", "expected_revision": "1"})
    assert "Enter a reason." in shown.content.decode()
    assert "Kept in the administration log, with your name." in shown.content.decode(), "there will be no version"
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
        apply(Call(tenant, system_actor("tests"), "EventListener", utc_now()), [change])
    draft = new_draft(tenant, {**MINIMAL, "transitions": {"Prospect": ["Onboarded"], "Onboarded": ["Active"]}})
    before = written(tenant)
    answer = admin_browser.get(reverse("admin:configuration_try", args=[draft.pk]))
    body = answer.content.decode()
    assert "<strong>1</strong> of the 1 recorded moves would be blocked." in body
    assert f'href="{reverse("customer-page", args=[customer.id])}"' in body
    assert f"<td>{name_entry_point('EventListener')}</td>" in body
    assert "EventListener" not in body
    assert "“Active”: 1 customer could not be moved to another stage" in body
    assert written(tenant) == before
