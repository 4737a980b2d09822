"""An admin makes the health the tenant's own in the editor, sees what the draft would make of it, and publishes it."""

import datetime as dt

from django.test import Client
from django.urls import reverse

from lifecycle.models import HealthPlay
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.insight.health_plays import work_off_health_plays
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tests.admin.drafts import editor, form_of, new_draft, reread
from tests.admin.test_walk import browser
from tests.conftest import People
from tests.factories import CustomerFactory, utc_now
from tests.services.acts import publish
from tests.web.conftest import text_of


def show(client: Client, draft: ConfigurationVersion, **asked: str) -> str:
    answer = client.get(reverse("admin:configuration_health", args=[draft.pk]), asked)
    assert answer.status_code == 200
    return text_of(answer)


def test_the_usual_health_is_made_one_s_own_previewed_and_published(tenant: TenantRef, admin_browser: Client) -> None:
    customer = CustomerFactory(tenant=tenant, name="Ann")
    now = utc_now()
    with tenant_context(tenant.id):
        fact = CustomerFacts(customer.external_id, "/support", now - dt.timedelta(days=1), support={"open_issues": 5})
        record_customers([fact], tenant=tenant, actor=system_actor("t"), source="Import", now=now, create=False)
    draft = new_draft(tenant)
    form = form_of(admin_browser.get(editor(draft)), "own_health")
    own = admin_browser.post(editor(draft), form)
    row = own.context["sheet"].health.parts[3]
    assert (row.name, row.points, row.begin, row.end) == ("issues", "15", "0", "5")
    form = form_of(own)
    form[f"part-{row.key}-points"] = ["many"]
    refused = admin_browser.post(editor(draft), form_of(own, "check") | {f"part-{row.key}-points": ["many"]})
    assert "The number of points must be a whole number." in refused.content.decode()
    form[f"part-{row.key}-points"] = ["75"]
    admin_browser.post(editor(draft), form)
    saved = reread(tenant, draft)
    assert saved.document["health"]["parts"][3] == {
        "name": "issues", "measure": "open_issues", "points": 75, "from": 0, "to": 5
    }  # fmt: skip

    page = show(admin_browser, saved)
    assert "1 customer would become poor, 0 would become good." in page
    assert "Ann Prospect good (85) poor (25)" in page
    assert "No customer changes." in show(admin_browser, saved, to="good")
    assert "Judged on the first of each month from" not in page
    address = reverse("admin:configuration_health", args=[saved.pk])
    assert admin_browser.post(address).headers["Location"] == f"{address}#past-heading"
    running = admin_browser.get(address).content.decode()
    assert "0 of 1 customers" in running and f'hx-get="{address}?part=play"' in running
    list(work_off_health_plays(tenant, now=utc_now()))
    part = admin_browser.get(address, {"part": "play"}).content.decode()
    assert "hx-get" not in part and "Judged on the first of each month from" in part
    assert "Judged on the first of each month from" in show(admin_browser, saved)
    assert "has changed since" not in part

    with tenant_context(tenant.id):
        publish(tenant, saved.document)
        summary = read_summary(customer.id, tenant=tenant, now=utc_now())
    assert summary is not None
    assert (summary["health"]["score"], summary["health"]["band"]) == (25, "poor")


def test_a_play_of_a_draft_that_was_saved_since_says_so(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant)
    address = reverse("admin:configuration_health", args=[draft.pk])
    admin_browser.post(address)
    list(work_off_health_plays(tenant, now=utc_now()))
    assert "has changed since" not in show(admin_browser, draft)
    with tenant_context(tenant.id):
        ConfigurationVersion.objects.filter(pk=draft.pk).update(revision=draft.revision + 1)
    assert "The draft or the live configuration has changed since" in show(admin_browser, draft)


def test_an_account_manager_plays_no_health(tenant: TenantRef, users: People) -> None:
    answer = browser(users.account_manager).post(reverse("admin:configuration_health", args=[new_draft(tenant).pk]))
    assert answer.status_code in (302, 403)
    with tenant_context(tenant.id):
        assert not HealthPlay.objects.exists()


def test_a_draft_with_errors_is_not_previewed(tenant: TenantRef, admin_browser: Client) -> None:
    draft = new_draft(tenant, {"stages": ["A"], "health": {"parts": []}})
    assert "The draft has errors: correct them first, then look again." in show(admin_browser, draft)
    admin_browser.post(reverse("admin:configuration_health", args=[draft.pk]))
    with tenant_context(tenant.id):
        assert not HealthPlay.objects.exists()
