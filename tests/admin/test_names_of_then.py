"""Lists of what people started say what they were called when they did; names that came later are elsewhere."""

import datetime as dt
from html import unescape
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from lifecycle.models import DeadLetter
from lifecycle.services.events.dead_letter_actions import discard_dead_letters
from tenants.context import tenant_context
from tenants.services.accounts.api_keys import create_key
from tenants.services.accounts.names import rename_user
from tests.admin.drafts import editor, form_of, new_draft
from tests.admin.test_trail import UUID, actor_of, rename_customer, table_of, words_of
from tests.admin.test_walk import choose
from tests.admin.uploads import FILE, LIST, upload
from tests.conftest import make_people
from tests.effects.alerts import ALERT, STAGES, move
from tests.factories import CustomerFactory, TenantFactory, UserFactory, utc_now
from tests.messaging.speaking import Speaker
from tests.messaging.test_dead_letters import NEEDS_REASON

EFFECTS = reverse("admin:lifecycle_effectrun_changelist")
LATER = "Nora Newname"


def rename(tenant: Any, user: Any) -> None:
    rename_user(user.id, LATER, tenant=tenant, actor=actor_of(user), now=utc_now())


def test_an_automation_was_for_whom_and_about_whom_it_was_then(page_client: Any, db: None) -> None:
    tenant = TenantFactory(configuration={**STAGES, "effects": [ALERT]})
    people = make_people(tenant)
    owner, before = people.viewer, people.viewer.full_name
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", external_id="AUR-1", owner=owner.username)
    move(tenant, customer)
    rename_customer(tenant, "AUR-1", "Aurora Group")
    rename(tenant, owner)
    move(tenant, customer, stage="Prospect")
    move(tenant, customer)
    admin = page_client(people.tenant_admin)
    shown = words_of(table_of(admin.get(EFFECTS)))
    assert [shown.count(name) for name in ("Aurora Logistics", before, "Aurora Group", LATER)] == [1, 1, 1, 1]
    counts = []
    for more in (0, 20):
        owned = [CustomerFactory(tenant=tenant, owner=owner.username) for _ in range(more)]
        move(tenant, *owned)
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(EFFECTS).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_import_says_who_sent_the_file_as_they_were_called_then(page_client: Any, tenant: Any, users: Any) -> None:
    before = users.tenant_admin.full_name
    admin = page_client("tenant_admin")
    address = upload(admin, FILE)
    rename(tenant, users.tenant_admin)
    upload(admin, FILE, "second.csv")
    listed, own = (words_of(admin.get(one).content.decode().partition('id="content"')[2]) for one in (LIST, address))
    assert (listed.count(before), listed.count(LATER)) == (1, 1)
    assert before in own and LATER not in own


def test_a_notification_says_what_its_author_was_called_then(
    page_client: Any, api_client: Any, tenant: Any, users: Any, customer: Any
) -> None:
    lena = UserFactory(tenant=tenant, username="lena@tenant.example")
    manager, before = users.account_manager, users.account_manager.full_name
    notes = f"/api/v1/customers/{customer.id}/notes"
    assert api_client("account_manager").post(notes, {"text": "@lena, call them"}).status_code == 201
    rename(tenant, manager)
    shown = words_of(page_client(lena).get("/notifications").content.decode())
    assert before in shown and LATER not in shown
    assert api_client("account_manager").post(notes, {"text": "@lena, again"}).status_code == 201
    shown = words_of(page_client(lena).get("/notifications").content.decode())
    assert (shown.count(before), shown.count(LATER)) == (1, 1)


def test_who_saved_a_draft_is_called_as_they_were_when_they_saved_it(page_client: Any, tenant: Any, users: Any) -> None:
    draft, before = new_draft(tenant), users.tenant_admin.full_name
    admin = page_client("tenant_admin")
    mine, theirs = (form_of(admin.get(editor(draft))) | {"stage-2-days": [days]} for days in ("5", "50"))
    admin.post(editor(draft), theirs)
    rename(tenant, users.tenant_admin)
    assert f"Revision 2 was saved by {before}." in words_of(admin.post(editor(draft), mine).content.decode())


def test_an_api_key_names_who_made_it(page_client: Any, tenant: Any, users: Any) -> None:
    admin, before = users.tenant_admin, users.tenant_admin.full_name
    with tenant_context(tenant.id):
        arguments = {"tenant": tenant, "actor": actor_of(admin), "now": utc_now()}
        ends = utc_now() + dt.timedelta(days=30)
        made = create_key(account=users.service, name="sync", scopes=["view_lifecycle"], expires_at=ends, **arguments)
    rename(tenant, admin)
    address = reverse("admin:tenants_apikey_change", args=[made.key.pk])
    shown = words_of(page_client("tenant_admin").get(address).content.decode().partition('id="content"')[2])
    assert f"Created by: {before}" in shown and LATER not in shown
    assert not UUID.search(shown)


def test_a_dead_letter_names_who_resolved_it(page_client: Any, users: Any) -> None:
    speaker = Speaker(TenantFactory(configuration=NEEDS_REASON))
    speaker.hear(speaker.created(), speaker.renewed(minutes=1), speaker.renewed(minutes=2))
    mine, theirs = speaker.dead_letters()
    staff, admin = users.super_admin, make_people(speaker.tenant).tenant_admin
    before = admin.full_name
    for dead_letter, person in ((mine, staff), (theirs, admin)):
        letters = DeadLetter.objects.filter(id=dead_letter.id)
        with tenant_context(speaker.tenant.id):
            assert discard_dead_letters(letters, reason="not ours", actor=actor_of(person), now=utc_now()) == 1
    rename(speaker.tenant, admin)
    client = page_client(staff)
    choose(client, speaker.tenant)
    for dead_letter, name in ((mine, staff.username), (theirs, before)):
        address = reverse("admin:lifecycle_deadletter_change", args=[dead_letter.id])
        shown = words_of(client.get(address).content.decode().partition('id="content"')[2])
        assert f"Resolved by: {name}" in shown and LATER not in shown


def test_a_page_of_the_audit_trail_is_called_by_names_and_not_by_ids(
    page_client: Any, tenant: Any, users: Any, customer: Any
) -> None:
    viewer, before, company = users.viewer, users.viewer.full_name, customer.name
    assert page_client("viewer").get(f"/customers/{customer.id}/move").status_code == 403
    rename(tenant, viewer)
    rename_customer(tenant, customer.external_id, "Aurora Group")
    with tenant_context(tenant.id):
        pages = (
            ("lifecyclehistory", LifecycleHistory.objects.get(), f"{company}: Prospect"),
            ("refusedattempt", RefusedAttempt.objects.get(), f"No permission: {before}"),
            ("administrationentry", AdministrationEntry.objects.get(action="rename_user"), f"Rename user: {before}"),
        )
    admin = page_client("tenant_admin")
    for page, row, title in pages:
        html = admin.get(reverse(f"admin:audit_{page}_change", args=[row.pk])).content.decode()
        crumbs = unescape(words_of(html.partition('class="breadcrumbs"')[2].partition("</div>")[0]))
        heading = unescape(words_of(html.partition('id="content"')[2].partition("<form")[0]))
        tab = unescape(html.partition("</title>")[0])
        assert title in crumbs and title in heading and title in tab
        assert not UUID.search(crumbs + heading + tab)
