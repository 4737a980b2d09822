"""An admin sees what an effect of a draft would say before publishing it, with a customer that there is."""

import pytest
from django.test import Client
from django.urls import reverse

from lifecycle.models import EffectRun
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.admin.drafts import new_draft
from tests.conftest import People
from tests.factories import CustomerFactory

EFFECTS = [
    {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["owner", "boss@acme.example"],
     "subject": "{{ customer.name }}: {{ stage }}", "body": "Dear {{ recipient.name }},\nfrom {{ from_stage }}"},
    {"name": "Publish", "on": "leave", "stages": ["Active"], "kind": "event", "topic": "renewal.campaign.requested"},
    {"name": "Ask", "on": "enter", "kind": "forecast", "enabled": False},
]  # fmt: skip
DOCUMENT = {"stages": ["Active", "At-Risk"], "categories": {"At-Risk": "risk"}, "effects": EFFECTS}


def show(client: Client, draft: object, **chosen: str) -> str:
    answer = client.get(reverse("admin:configuration_effects", args=[getattr(draft, "pk")]), chosen)  # noqa: B009
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_words_the_recipients_and_the_time_are_those_of_the_customer(
    tenant: TenantRef, users: People, admin_browser: Client
) -> None:
    CustomerFactory(tenant=tenant, external_id="C-1", name="A <b> & Co", stage="Active", owner=users.viewer.username)
    draft = new_draft(tenant, DOCUMENT)

    page = show(admin_browser, draft, effect="Write", customer="C-1")

    assert '<pre id="shown-subject" class="json">A &lt;b&gt; &amp; Co: At-Risk</pre>' in page
    assert f"Dear {users.viewer.full_name},\nfrom Active</pre>" in page
    assert f"<span>{users.viewer.full_name}</span>" in page
    assert "<span>boss@acme.example</span> · Held for a while" in page
    with tenant_context(tenant.id):
        assert not EffectRun.objects.filter(tenant_id=tenant.id).exists()


def test_kinds_for_other_systems_show_their_message_and_others_say_what_they_are(
    tenant: TenantRef, admin_browser: Client
) -> None:
    CustomerFactory(tenant=tenant, external_id="C-1", stage="Active")
    draft = new_draft(tenant, DOCUMENT)

    page = show(admin_browser, draft, effect="Publish")
    assert "&quot;type&quot;: &quot;renewal.campaign.requested&quot;" in page
    assert "&quot;external_id&quot;: &quot;C-1&quot;" in page
    assert "Switched off: it does not run." in show(admin_browser, draft, effect="Ask")


def test_one_that_is_switched_off_and_one_that_only_some_start_are_shown_with_a_move_that_starts_them(
    tenant: TenantRef, admin_browser: Client
) -> None:
    CustomerFactory(tenant=tenant, external_id="C-1", name="Ann", stage="Active")
    effects = [
        {"name": "Off", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"], "enabled": False},
        {"name": "Some", "on": "leave", "from": ["At-Risk"], "kind": "alert", "to": ["owner"]},
    ]
    draft = new_draft(tenant, {**DOCUMENT, "effects": effects})
    assert "Ann, from “Active” to “At-Risk”" in show(admin_browser, draft, effect="Off")
    assert "Ann, from “At-Risk” to “Active”" in show(admin_browser, draft, effect="Some")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (DOCUMENT, "There is no such customer: write its ID as in your own systems."),
        ({"stages": ["Active"]}, "The draft has no automations yet."),
        ({**DOCUMENT, "effects": [{"name": "x"}]}, "The draft has errors: correct them first, then look again."),
    ],
)
def test_what_cannot_be_shown_says_why(
    tenant: TenantRef, admin_browser: Client, document: dict[str, object], sentence: str
) -> None:
    assert sentence in show(admin_browser, new_draft(tenant, document), customer="Nowhere")


def test_another_tenant_s_customer_is_not_found(
    tenant: TenantRef, other_tenant: TenantRef, admin_browser: Client
) -> None:
    CustomerFactory(tenant=other_tenant, external_id="C-9", name="Secret Inc", stage="Trial")
    page = show(admin_browser, new_draft(tenant, DOCUMENT), effect="Write", customer="C-9")
    assert "There is no such customer" in page
    assert "Secret Inc" not in page
