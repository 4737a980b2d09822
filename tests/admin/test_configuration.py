"""Tenant admins draft, see, try, publish and take back their lifecycle in the admin."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.starters import STARTERS
from tenants.services.configuration.versions import live_version
from tests.admin.drafts import EDITOR, OVERVIEW, editor, new_draft, publish
from tests.admin.test_walk import browser, choose
from tests.factories import MINIMAL, CustomerFactory, TenantFactory
from tests.services.publishing import written


def test_an_admin_sees_what_is_live_with_the_customers_in_each_stage(tenant: TenantRef, admin_browser: Client) -> None:
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="Active")
    answer = admin_browser.get(reverse(OVERVIEW))
    assert answer.status_code == 200
    body = answer.content.decode()
    assert "Live: version 1" in body
    assert "3 customers</text>" in body
    assert "“Active” (Engaged, 3 customers) leads to" in body, "the picture has a text equivalent"
    assert "The first version." in body


def test_categories_are_called_what_they_mean_and_by_their_word_in_configurations(
    tenant: TenantRef, admin_browser: Client
) -> None:
    CustomerFactory(tenant=tenant, stage="Active")
    german = {"headers": {"accept-language": "de"}}
    assert "„Active“ (Aktiv (engaged), 1 Kund" in admin_browser.get(reverse(OVERVIEW), **german).content.decode()
    draft = new_draft(tenant, {**MINIMAL, "categories": {"Active": "risk"}})
    shown = re.sub(r"\s+", " ", admin_browser.get(editor(draft), **german).content.decode())
    assert '<option value="risk" data-color="#b54708" selected>Gefährdet (risk)</option>' in shown
    shown = re.sub(r"\s+", " ", admin_browser.get(editor(draft)).content.decode())
    assert '<option value="risk" data-color="#b54708" selected>At risk (risk)</option>' in shown


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
