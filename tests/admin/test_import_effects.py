"""An import of the browser starts what new customers start only when it is asked to, with the number named first."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit.models import AdministrationEntry
from lifecycle.models import Customer, EffectRun, ImportUpload
from lifecycle.services.configuration.publication import publish_configuration
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.admin.test_walk import browser
from tests.admin.uploads import fields_of, import_one_batch, press, row, text_of, upload, work
from tests.conftest import make_people
from tests.factories import ADMIN_ACTOR, TenantFactory, utc_now

FILE = "id,name,stage\n" + "".join(f"C-{number},Company {number},Onboarded\n" for number in range(3))
DOCUMENT: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded"],
    "effects": [
        {"name": "Welcome", "kind": "forecast", "on": "enter", "stages": ["Onboarded"]},
        {"name": "Greet", "kind": "forecast", "on": "enter", "stages": ["Prospect"]},
    ],
}
NUMBER = "Type the number to confirm it"


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def admin_browser(tenant: TenantRef) -> Client:
    return browser(make_people(tenant).tenant_admin)


def set_budget(tenant: TenantRef, budget: int) -> None:
    with tenant_context(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(effects_budget=budget)


def started(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(EffectRun.objects.filter(tenant_id=tenant.id).values_list("effect", flat=True))


def checked(client: Client) -> str:
    """The address of a file after its dry run."""
    page = upload(client, FILE)
    press(client, page, "check")
    work()
    return page


def test_a_dry_run_names_what_would_start_and_an_import_starts_nothing_unasked(
    tenant: TenantRef, admin_browser: Client
) -> None:
    page = checked(admin_browser)
    shown = text_of(admin_browser.get(page))
    assert "What new customers would start 3 Welcome" in shown
    assert "Start these 3 automations with the import" in shown
    assert NUMBER not in shown
    assert started(tenant) == []
    press(admin_browser, page, "import")
    work()
    assert (row(tenant).state, row(tenant).created, started(tenant)) == ("done", 3, [])


def test_asked_to_an_import_starts_what_its_dry_run_has_counted(tenant: TenantRef, admin_browser: Client) -> None:
    page = checked(admin_browser)
    press(admin_browser, page, "import", start_effects="on")
    work()
    assert started(tenant) == ["Welcome"] * 3
    assert "3 started: Welcome" in text_of(admin_browser.get(page))


def test_without_a_dry_run_of_the_same_columns_an_import_cannot_be_asked_to(
    tenant: TenantRef, admin_browser: Client
) -> None:
    page = upload(admin_browser, FILE)
    assert "Do a dry run first" in text_of(press(admin_browser, page, "import", start_effects="on"))
    press(admin_browser, page, "check")
    work()
    changed = press(admin_browser, page, "import", start_effects="on", **{"field-2": ""})
    assert "Do a dry run first" in text_of(changed)
    assert (row(tenant).state, row(tenant).line) == ("ready", 0)
    with tenant_context(tenant.id):
        assert Customer.objects.filter(tenant_id=tenant.id).count() == 0


@pytest.mark.parametrize(("typed", "state"), [("", "ready"), ("4", "ready"), ("three", "ready"), (" 3 ", "importing")])
def test_above_the_budget_the_number_is_to_be_typed(
    tenant: TenantRef, admin_browser: Client, typed: str, state: str
) -> None:
    set_budget(tenant, 2)
    page = checked(admin_browser)
    assert "confirm_effects" in admin_browser.get(page).content.decode()
    answer = press(admin_browser, page, "import", start_effects="on", confirm_effects=typed)
    assert row(tenant).state == state
    assert ("would start 3 automations. Type that number" in text_of(answer)) == (state == "ready")
    work()
    assert len(started(tenant)) == (3 if state == "importing" else 0)


def test_more_than_was_counted_is_not_started(tenant: TenantRef, admin_browser: Client) -> None:
    """A configuration that is published in between has another effect."""
    page = checked(admin_browser)
    press(admin_browser, page, "import", start_effects="on")
    other = {**DOCUMENT["effects"][0], "name": "Another"}
    with tenant_context(tenant.id):
        publish_configuration({**DOCUMENT, "effects": [other]}, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    work()
    assert row(tenant).state == ImportUpload.State.READY
    assert "More of “Another” would start than the dry run has counted" in text_of(admin_browser.get(page))
    assert started(tenant) == []
    with tenant_context(tenant.id):
        assert Customer.objects.filter(tenant_id=tenant.id).count() == 0
    assert fields_of(admin_browser.get(page))["field-2"] == "stage"


def test_where_more_would_start_than_was_agreed_to_an_import_cannot_go_on_but_begin_again(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = checked(admin_browser)
    worker = import_one_batch(admin_browser, page, monkeypatch, of=2, start_effects="on")
    other = {**DOCUMENT["effects"][0], "name": "Another"}
    with tenant_context(tenant.id):
        publish_configuration({**DOCUMENT, "effects": [other]}, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    work(worker)
    shown = text_of(admin_browser.get(page))
    assert "More of “Another” would start than the dry run has counted" in shown
    assert "Imported before it stopped 2 created" in shown and "Go on with the import" not in shown
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.count()
    refused = text_of(press(admin_browser, page, "go_on"))
    assert "This import cannot go on where it stopped: more automations would start than were agreed to." in refused
    with tenant_context(tenant.id):
        assert AdministrationEntry.objects.count() == entries
    press(admin_browser, page, "check")
    work(worker)
    press(admin_browser, page, "import", start_effects="on")
    work(worker)
    assert (row(tenant).state, row(tenant).created, row(tenant).unchanged) == ("done", 1, 2)
    assert sorted(started(tenant)) == ["Another", "Welcome", "Welcome"]


def test_what_starts_after_an_import_went_on_waits_its_time_from_then_on(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that there is time to cancel it, also where the import began hours ago."""
    page = checked(admin_browser)
    worker = import_one_batch(admin_browser, page, monkeypatch, of=2, start_effects="on")
    press(admin_browser, page, "stop")
    pressed = utc_now()
    with tenant_context(tenant.id):
        first = set(EffectRun.objects.values_list("id", flat=True))
        ImportUpload.objects.update(started_at=pressed - timedelta(hours=5))
    press(admin_browser, page, "go_on")
    work(worker)
    with tenant_context(tenant.id):
        late = EffectRun.objects.exclude(id__in=first).get()
    assert late.due_at > pressed
