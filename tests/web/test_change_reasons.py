"""Looking through a tenant's eyes, a super admin says in words why they change something, whatever it is."""

import pytest
from django.urls import reverse

from audit.models import AdministrationEntry
from lifecycle.models import CustomerLifecycleStatus, EffectPause
from lifecycle.services.transitions.apply import apply
from tenants.authentication import read_impersonation
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, User
from tests.services.threads import run_together
from tests.web.conftest import HTMX, markup_of, text_of

ASKED = "Reason for the change"


@pytest.fixture
def staff(page_client, tenant):
    """A super admin's browser, which works for the tenant because of ticket 7."""
    client = page_client("super_admin")
    client.post("/tenants", {"tenant": tenant.slug, "reason": "Ticket 7"})
    return client


def looks(tenant):
    with tenant_context(tenant.id):
        rows = AdministrationEntry.objects.filter(action="impersonate").order_by("id")
        return list(rows.values_list("reason", flat=True))


def stage_of(tenant, customer):
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage


def fields_of(page):
    """What a browser would send of the form on a page."""
    return {tag["name"]: tag.get("value", "") for tag in markup_of(page).all("input") if "name" in tag}


MOVE = {"stage": "Active", "version": "1", "configuration_version": "1", "note": "Called < them"}


def test_a_move_asks_for_the_reason_and_is_made_with_it(staff, tenant, customer):
    address = f"/customers/{customer.id}/move"
    form = staff.get(address)
    assert ASKED in text_of(form)
    (field,) = [tag for tag in markup_of(form).all("input") if tag.get("name") == "change_reason"]
    assert ("required" in field, field["value"]) == (True, "")

    asked = staff.post(address, MOVE)
    assert (asked.status_code, ASKED in text_of(asked)) == (400, True)
    assert stage_of(tenant, customer) == "Prospect"
    assert looks(tenant) == ["Ticket 7"]
    sent = fields_of(asked)
    assert {name: sent[name] for name in MOVE} == MOVE, "nothing that was filled in is lost"

    done = staff.post(address, sent | {"change_reason": "They asked by phone"})
    assert done.status_code == 302
    assert stage_of(tenant, customer) == "Active"
    assert looks(tenant) == ["Ticket 7", "They asked by phone"]
    (field,) = [tag for tag in markup_of(staff.get(address)).all("input") if tag.get("name") == "change_reason"]
    assert field["value"] == "They asked by phone", "it is offered again"


def test_a_form_of_the_tenant_before_does_nothing_to_the_one_that_was_chosen_in_another_tab(
    page_client, tenant, other_tenant
):
    """Sent, it had paused the automations of the other tenant: it has a reason of its own, so nothing asked again."""
    client = page_client("super_admin", enforce_csrf_checks=True, HTTP_REFERER="https://testserver/")
    control = "/admin/lifecycle/effectrun/control"

    def choose(slug):
        token = fields_of(client.get("/tenants"))["csrfmiddlewaretoken"]
        chosen = {"tenant": slug, "reason": "Ticket 7", "csrfmiddlewaretoken": token}
        assert client.post("/tenants", chosen).status_code == 302

    def pause(token):
        return client.post(control, {"pause": "1", "reason": "Too many", "csrfmiddlewaretoken": token})

    def pauses(of):
        with tenant_context(of.id):
            return EffectPause.objects.count()

    choose(tenant.slug)
    shown = fields_of(client.get(control))["csrfmiddlewaretoken"]
    choose(other_tenant.slug)
    refused = pause(shown)
    assert (refused.status_code, "The form has expired" in text_of(refused)) == (403, True)
    assert (pauses(tenant), pauses(other_tenant)) == (0, 0)
    shown = fields_of(client.get(control))["csrfmiddlewaretoken"]
    choose(other_tenant.slug)
    assert pause(shown).status_code == 302, "to go on working for the same one ends no form"
    assert (pauses(tenant), pauses(other_tenant)) == (0, 1)


def test_what_was_typed_waits_for_the_tenant_that_it_was_typed_for(page_client, tenant):
    """As at a log-in (static/c360/drafts.js): the page to choose a tenant had forgotten it."""
    client = page_client("super_admin")

    def marks(address):
        found = {tag["name"]: tag["content"] for tag in markup_of(client.get(address)).all("meta") if "name" in tag}
        return found["c360-user"].split()[1:], "c360-log-in" in found

    assert marks("/tenants") == ([], True)
    client.post("/tenants", {"tenant": tenant.slug, "reason": "Ticket 7"})
    assert marks("/tenants") == ([tenant.slug], False)
    for address in ("/", "/admin/tenants/configurationversion/"):
        assert marks(address) == ([tenant.slug], False)


@pytest.mark.parametrize("what", ["another one is chosen", "it is left"])
def test_what_becomes_of_the_tenant_in_another_tab_stays_when_a_slow_change_is_answered(
    staff, page_client, tenant, other_tenant, customer, monkeypatch, what
):
    """The answer keeps the reason in the session, and with it had brought back the tenant for which it was given."""
    is_left = what == "it is left"
    sent = {"leave": "1"} if is_left else {"tenant": other_tenant.slug, "reason": "Ticket 8"}
    other_tab = page_client(None)
    other_tab.cookies = staff.cookies

    def act(*given, **options):
        (answer,) = run_together([lambda: other_tab.post("/tenants", sent)])
        assert answer.status_code == 302
        return apply(*given, **options)

    monkeypatch.setattr("lifecycle.web.views.moving.apply", act)
    moved = staff.post(f"/customers/{customer.id}/move", MOVE | {"change_reason": "They asked by phone"})
    assert moved.status_code == 302
    assert (stage_of(tenant, customer), looks(tenant)) == ("Active", ["Ticket 7", "They asked by phone"])
    chosen = read_impersonation(staff.session)
    assert (chosen and chosen.slug) == (None if is_left else other_tenant.slug)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\x07b"])
def test_a_reason_that_is_none_changes_nothing(staff, tenant, customer, reason):
    page = staff.post(f"/customers/{customer.id}/move", MOVE | {"change_reason": reason})
    assert page.status_code == 400
    assert stage_of(tenant, customer) == "Prospect"
    assert looks(tenant) == ["Ticket 7"]


def test_the_dialog_asks_in_the_dialog(staff, tenant, customer):
    headers = HTMX | {"HX-Target": "dialog-slot"}
    page = staff.post(f"/customers/{customer.id}/move", MOVE, headers=headers)
    assert page.status_code == 400
    markup = markup_of(page)
    assert not markup.all("html")
    assert markup.all("dialog")
    (form,) = markup.all("form")
    assert (form["hx-post"], form["hx-target"]) == (f"/customers/{customer.id}/move", "#dialog-slot")
    assert stage_of(tenant, customer) == "Prospect"


def test_the_same_reason_again_is_no_second_entry(staff, tenant, customer):
    for stage, version in (("Active", "1"), ("Onboarded", "2")):
        sent = MOVE | {"stage": stage, "version": version, "change_reason": "Ticket 7"}
        assert staff.post(f"/customers/{customer.id}/move", sent).status_code == 302
    assert looks(tenant) == ["Ticket 7"]


def test_people_of_the_tenant_are_not_asked(page_client, tenant, customer):
    client = page_client("account_manager")
    assert ASKED not in text_of(client.get(f"/customers/{customer.id}/move"))
    assert client.post(f"/customers/{customer.id}/move", MOVE).status_code == 302
    assert looks(tenant) == []


def test_the_administration_asks_whatever_is_changed(staff, tenant, users):
    address, name = reverse("admin:tenants_user_add"), f"first@{tenant.slug}.example"
    form = {"username": name, "full_name": "First", "role": "tenant_admin", "external_subject": ""}
    asked = staff.post(address, form)
    assert (asked.status_code, ASKED in text_of(asked)) == (400, True)
    change = reverse("admin:tenants_user_change", args=[users.viewer.pk])
    assert staff.post(change, {"role": "account_manager", "is_active": "on"}).status_code == 400
    with tenant_context(tenant.id):
        assert not User.objects.filter(username=name).exists()
        assert User.objects.get(pk=users.viewer.pk).role == "viewer"
    assert staff.post(address, fields_of(asked) | {"change_reason": "New customer"}).status_code == 302
    with tenant_context(tenant.id):
        assert User.objects.get(username=name).role == "tenant_admin"
    assert looks(tenant) == ["Ticket 7", "New customer"]


def test_editing_a_draft_asks_only_when_it_is_saved(staff, tenant):
    add = reverse("admin:tenants_configurationversion_add")
    opened = staff.post(add, {"base": "live", "comment": "For spring"})
    assert opened.status_code == 302, "what everybody is asked for is reason enough"
    editor = opened["Location"]
    page = staff.get(editor)
    assert ASKED in text_of(page)
    looked = staff.post(editor, {"view": "json", "revision": "1", "text": "{}", "do": "check"})
    assert looked.status_code == 200
    asked = staff.post(editor, {"view": "json", "revision": "1", "text": "{}", "do": "save"})
    assert (asked.status_code, ASKED in text_of(asked)) == (400, True)
    with tenant_context(tenant.id):
        assert ConfigurationVersion.objects.get(published_at=None).revision == 1


def test_a_file_that_would_be_lost_is_said_to_be(staff, tenant):
    from django.core.files.uploadedfile import SimpleUploadedFile

    opened = staff.post(reverse("admin:tenants_configurationversion_add"), {"base": "live", "comment": "x"})
    file = SimpleUploadedFile("c.json", b"{}", "application/json")
    page = staff.post(opened["Location"], {"view": "json", "revision": "1", "do": "save", "file": file})
    assert page.status_code == 400
    assert "choose the file again" in text_of(page)
