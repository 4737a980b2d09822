"""Pages about what is no longer there say what became of it and by whom, and lead on."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from lifecycle.admin.configuration import publishing
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tests.admin.drafts import OVERVIEW, editor, publish
from tests.admin.test_walk import browser
from tests.admin.uploads import text_of

PAGES = ("try", "effects", "rules", "health", "publish", "discard", "download")
NOT_OURS = "You only see customers of your own tenant"


def discard(client: Client, draft: ConfigurationVersion) -> None:
    page = reverse("admin:configuration_discard", args=[draft.pk])
    client.post(page, {"comment": "Not now", "expected_version": "1", "expected_revision": "1"})


def test_a_discarded_draft_says_who_discarded_it_and_why_and_leads_to_the_lifecycle(
    tenant: TenantRef, users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    discard(admin_browser, draft)
    for address in (editor(draft), *(reverse(f"admin:configuration_{name}", args=[draft.pk]) for name in PAGES)):
        answer = admin_browser.get(address)
        shown = text_of(answer)
        assert answer.status_code == 404
        assert f"{users.tenant_admin.full_name} discarded this draft on " in shown, address
        assert "“Not now”" in shown and NOT_OURS not in shown
        assert f'href="{reverse(OVERVIEW)}"' in answer.content.decode()
    admin_browser.cookies["django_language"] = "de"
    assert f"{users.tenant_admin.full_name} hat diesen Entwurf am " in text_of(admin_browser.get(editor(draft)))


def test_a_draft_that_was_published_names_its_version_and_leads_there(
    tenant: TenantRef, users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    page = reverse("admin:configuration_try", args=[draft.pk])
    publish(admin_browser, draft, "Go")
    answer = admin_browser.get(page)
    assert answer.status_code == 404
    assert f"{users.tenant_admin.full_name} published this draft as version 2 on " in text_of(answer)
    assert f'href="{editor(draft)}"' in answer.content.decode()
    assert admin_browser.get(editor(draft)).status_code == 200


@pytest.mark.parametrize(
    ("page", "service", "what"),
    [
        ("discard", "discard_draft", "discarded this draft on "),
        ("publish", "publish_draft", "published this draft as version 2 on "),
    ],
)
def test_a_button_that_is_pressed_twice_says_what_the_first_press_has_done(
    tenant: TenantRef,
    users: Any,
    admin_browser: Client,
    draft: ConfigurationVersion,
    in_threads: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    service: str,
    what: str,
) -> None:
    """The second press had found the draft before the first was through, and the page to discard it met an error."""
    act = getattr(publishing, service)

    def first(draft_id: Any, **given: Any) -> None:
        with tenant_context(tenant.id):
            act(draft_id, **given)

    def second(draft_id: Any, **given: Any) -> Any:
        assert in_threads(1, lambda _: first(draft_id, **given)) == [None]
        return act(draft_id, **given)

    monkeypatch.setattr(publishing, service, second)
    answer = admin_browser.post(
        reverse(f"admin:configuration_{page}", args=[draft.pk]),
        {"comment": "Once", "expected_version": "1", "expected_revision": "1"},
    )
    assert answer.status_code == 404
    assert f"{users.tenant_admin.full_name} {what}" in text_of(answer)


def test_of_another_tenants_draft_nothing_is_said(
    tenant: TenantRef, users: Any, other_users: Any, admin_browser: Client, draft: ConfigurationVersion
) -> None:
    other = browser(other_users.tenant_admin)
    for _ in range(2):
        answer = other.get(editor(draft))
        assert answer.status_code == 404
        assert "There is no such draft or version. It may have been discarded." in text_of(answer)
        assert users.tenant_admin.full_name not in text_of(answer)
        discard(admin_browser, draft)


def test_an_uploaded_file_that_is_gone_says_what_became_of_it(admin_browser: Client, users: Any) -> None:
    page = reverse("admin:lifecycle_importupload_change", args=["01900000-0000-7000-8000-000000000000"])
    answer = admin_browser.get(page)
    assert answer.status_code == 404
    assert "The file is no longer stored: it was discarded, it expired, or a customer was erased." in text_of(answer)
    assert f'href="{reverse("admin:lifecycle_importupload_changelist")}"' in answer.content.decode()
    with translation.override("de"):
        assert NOT_OURS in text_of(admin_browser.get("/nowhere")), "an address that never was is still said to be none"
